"""A faster HTTP/1 server under Tornado's own handlers.

``HTTPServer`` takes the place of ``tornado.httpserver.HTTPServer``: heads are parsed by llhttp
(``httptools``), bytes are moved by asyncio's transports (uvloop's where there is one), and requests are
handed to any ``HTTPServerConnectionDelegate`` such as ``tornado.web.Application``. One module, one job:

* ``server``: sockets, TLS, the connections that are open;
* ``protocol``: one connection, from the bytes that arrive to the calls of the delegate;
* ``wire`` and ``inbox``: its transport: writing, time-outs, closing; what has arrived and is not used yet;
* ``head`` and ``body``: what a request may look like, and where it ends;
* ``exchange``: one answer, from the handler's calls to bytes;
* ``context``: who is at the other end; ``detach``: the connection as an IOStream, for WebSockets.
"""

from .server import HTTPServer

__all__ = ["HTTPServer"]

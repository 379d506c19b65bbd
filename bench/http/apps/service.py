"""A service on svc_common with one small answer."""

from __future__ import annotations

from svc_common import PUBLIC, Route, Service, ServiceHandler, ServiceSettings


class Hello(ServiceHandler[None]):
    """``{"message":"hello"}``"""

    async def get(self) -> None:
        self.write_json({"message": "hello"})


service = Service("hello", ServiceSettings, routes=[Route("/v1/hello", Hello, PUBLIC)])

if __name__ == "__main__":
    service.run()

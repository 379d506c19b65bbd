"""Helpers to test a service on real sockets: in the test's own loop, or as a process of its own."""

from .client import raw_request
from .process import ServiceProcess, free_port
from .server import TestedService, serving

__all__ = ["ServiceProcess", "TestedService", "free_port", "raw_request", "serving"]

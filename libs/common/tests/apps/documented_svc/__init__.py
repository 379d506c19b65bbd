"""A service with an OpenAPI document."""

from svc_common import READ, Route, Service, ServiceHandler, ServiceSettings


class Thing(ServiceHandler[None]):
    """Answers its own name."""

    async def get(self, name: str) -> None:
        self.write_json({"name": name})


service = Service(
    "documented-svc",
    ServiceSettings,
    routes=[Route("/v1/things/{name}", Thing, READ)],
    package="documented_svc",
)

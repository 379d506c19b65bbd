"""Bodies that are bytes, whatever their sender says they are."""

from __future__ import annotations

from svc_common import Route, ServiceHandler

from ..store import Store


class RawBodyHandler(ServiceHandler[Store]):
    """A handler whose body is never read as a form.

    curl calls every body a form unless told otherwise; Tornado would parse it before the handler runs, and
    refuse bytes that make no form.
    """

    def initialize(self, route: Route | None = None) -> None:
        """Keep Tornado from parsing the body."""
        super().initialize(route)
        self.request._parse_body = _nothing  # type: ignore[method-assign]  # Tornado has no setting for it


def _nothing() -> None:
    return None

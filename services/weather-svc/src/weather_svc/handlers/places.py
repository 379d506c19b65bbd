"""``GET /v1/places``."""

from __future__ import annotations

from svc_common import BadRequest

from ..places import BadPlace, matching, parse_city
from ..render.document import places_document
from .base import WeatherHandler

_MOST = 50


class PlacesHandler(WeatherHandler):
    """Places by name."""

    async def get(self) -> None:
        """``q`` is a name or its beginning, with a country or region behind commas."""
        text = self.query("q")
        if text is None:
            raise BadRequest("The argument q is missing.")
        limit = self.query_int("limit", 10, least=1, most=_MOST)
        try:
            city = parse_city(text)
        except BadPlace as error:
            raise BadRequest(str(error)) from None
        async with self.deadline():
            found = await self.state.weather.search(city, self.language())
        self.set_header("Cache-Control", "private, max-age=3600")
        self.write_json({"places": places_document(matching(found, city)[:limit])})

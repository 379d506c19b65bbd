"""``GET /v1/current``."""

from __future__ import annotations

from datetime import UTC, datetime

from ..render.document import observation_document, place_document, places_document, timestamp
from ..render.text import current_sentence
from .base import JSON, TEXT, WeatherHandler


class CurrentHandler(WeatherHandler):
    """The weather now: a sentence, or everything as JSON."""

    async def get(self) -> None:
        """Answer in the form that ``Accept`` asks for; text by default."""
        kind = self.negotiate(TEXT, JSON)
        system, language = self.units(), self.language()
        located = await self.located()
        answer = await self.state.report(located.place)
        observation = answer.report.current
        if kind == JSON:
            age = (datetime.now(UTC) - answer.fetched).total_seconds()
            self.write_json(
                {
                    "place": place_document(located.place),
                    "ambiguous": bool(located.alternatives),
                    "alternatives": places_document(located.alternatives),
                    **observation_document(observation, system, language),
                    "provider": answer.provider,
                    "attribution": answer.attribution,
                    "fetched_at": timestamp(answer.fetched),
                    "age": max(0, round(age)),
                    "stale": False,
                    "simulated": answer.simulated,
                }
            )
            return
        lines = [current_sentence(observation, located.place, system, language)]
        if answer.simulated:
            lines.append("(simulated)")
        self.set_header("Content-Type", f"{TEXT}; charset=utf-8")
        self.write("".join(f"{line}\n" for line in lines))

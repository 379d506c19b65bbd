"""A kept answer and its age."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")

Seconds = Annotated[float, Field(ge=0, lt=2**33, allow_inf_nan=False)]


class Entry(BaseModel, Generic[T]):
    """What an upstream said. Times are seconds since 1970.

    ``source`` is the upstream's name. ``simulated``: it says itself that it made the answer up.
    ``last_modified`` is what it wants to hear in ``If-Modified-Since``.
    """

    model_config = ConfigDict(frozen=True)

    value: T
    source: str
    fetched: Seconds
    fresh_until: Seconds
    simulated: bool = False
    attribution: str = ""
    last_modified: str = ""

    def fresh(self, now: float) -> bool:
        """Whether the entry is within its lifetime."""
        return now < self.fresh_until

    def age(self, now: float) -> float:
        """Seconds since it was fetched."""
        return max(0.0, now - self.fetched)

    @cached_property
    def digest(self) -> str:
        """Names the content: the same for the same answer of the same source, however often it is fetched."""
        content = self.model_dump_json(include={"value", "source", "simulated"})
        return hashlib.blake2b(content.encode(), digest_size=10).hexdigest()

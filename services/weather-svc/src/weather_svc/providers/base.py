"""What a provider is: it says what to ask for a place, and reads the answers. It does no I/O itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from ..model import Place, Report
from ..upstream import UpstreamRequest


class BadAnswer(Exception):
    """An answer that is not in the provider's documented format."""


class Provider(ABC):
    """A weather service."""

    name: ClassVar[str]
    lifetime: ClassVar[float]
    """Seconds for which what it says is fresh."""
    keeps_expires: ClassVar[bool] = False
    """Whether the ``Expires`` of an answer counts instead."""
    attribution: ClassVar[str]
    """What its licence wants to be told to readers."""

    @abstractmethod
    def requests(self, place: Place) -> Sequence[UpstreamRequest]:
        """What to ask: one request, or several whose answers make one report."""

    @abstractmethod
    def parse(self, answers: Sequence[bytes], place: Place, now: datetime) -> Report:
        """The answers, in the order of ``requests``. Raises BadAnswer, ValueError or OverflowError."""

    def renew(self, report: Report, now: datetime) -> Report:
        """A known report of which the provider says that nothing has changed."""
        return report

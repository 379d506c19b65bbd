"""Redis, seen from the service: the only place that speaks to it."""

from .records import Record, RecordStore, WrongType
from .store import Store, open_store

__all__ = ["Record", "RecordStore", "Store", "WrongType", "open_store"]

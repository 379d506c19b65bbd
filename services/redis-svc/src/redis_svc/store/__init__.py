"""Redis, seen from the service: the only place that speaks to it."""

from .records import Record, RecordStore, WrongType
from .replies import Command, Reply, ServerError
from .store import Store, open_store

__all__ = ["Command", "Record", "RecordStore", "Reply", "ServerError", "Store", "WrongType", "open_store"]

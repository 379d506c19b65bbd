"""MongoDB. Nothing outside this package imports the driver (``ejson``, ``rendering`` and ``cursors`` know
its value types)."""

from .actions import Actions
from .bulk import MODES, Bulk, Failure, Item, Mode
from .collections import Collections
from .connection import Connection
from .documents import Document, Documents
from .queries import Queries, Query, Reading

__all__ = [
    "MODES",
    "Actions",
    "Bulk",
    "Collections",
    "Connection",
    "Document",
    "Documents",
    "Failure",
    "Item",
    "Mode",
    "Queries",
    "Query",
    "Reading",
]

"""MongoDB. Nothing outside this package imports the driver (``ejson``, ``rendering`` and ``cursors`` know
its value types)."""

from .actions import Actions
from .bulk import MODES, Bulk, Failure, Item, Mode
from .collections import Collections
from .connection import Connection
from .documents import Document, Documents
from .files import Files, StoredFile, Upload
from .queries import DEFAULT, Queries, Query, Reading
from .transactions import Transactions
from .watching import Change, Expired, Stream, Watching

__all__ = [
    "DEFAULT",
    "MODES",
    "Actions",
    "Bulk",
    "Change",
    "Collections",
    "Connection",
    "Document",
    "Documents",
    "Expired",
    "Failure",
    "Files",
    "Item",
    "Mode",
    "Queries",
    "Query",
    "Reading",
    "StoredFile",
    "Stream",
    "Transactions",
    "Upload",
    "Watching",
]

"""MongoDB. Nothing outside this package imports the driver (``ejson`` knows its value types)."""

from .collections import Collections
from .connection import Connection
from .documents import Document, Documents

__all__ = ["Collections", "Connection", "Document", "Documents"]

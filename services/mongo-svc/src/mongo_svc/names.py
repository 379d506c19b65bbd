"""Which names collections and documents may have."""

from __future__ import annotations

from svc_common import BadRequest

MOST_COLLECTION_BYTES = 200
"""MongoDB takes 255 bytes for database, dot and collection together."""

MOST_NAME_BYTES = 1024

_FILE_SUFFIXES = (".files", ".chunks")


def check_collection(name: str) -> str:
    """The name, fit for a collection (MongoDB's own rules); BadRequest otherwise."""
    if name == "-":
        raise BadRequest("- is not a collection; it begins the addresses of what a collection has.")
    if "\0" in name or "$" in name:
        raise BadRequest("A collection's name holds neither NUL nor $.")
    if name.startswith((".", "system.")) or name.endswith(".") or ".." in name:
        raise BadRequest("A collection's name neither begins with system. nor begins or ends with a dot.")
    if name.endswith(_FILE_SUFFIXES):
        raise BadRequest("Collections that end in .files and .chunks belong to the stored files.")
    return _check_length(name, MOST_COLLECTION_BYTES, "A collection's name")


def check_name(name: str) -> str:
    """The name, fit for a document; BadRequest otherwise."""
    if "\0" in name:
        raise BadRequest("A document's name cannot hold NUL.")
    return _check_length(name, MOST_NAME_BYTES, "A document's name")


def is_private(collection: str) -> bool:
    """Whether a collection in the database is kept from the list of collections."""
    return collection.startswith("system.") or collection.endswith(_FILE_SUFFIXES)


def _check_length(name: str, most: int, what: str) -> str:
    if not 0 < len(name.encode("utf-8", "surrogatepass")) <= most:
        raise BadRequest(f"{what} has from 1 to {most} bytes.")
    return name

"""What the driver raises, as the problems that clients see. A driver's text may carry data; none is kept."""

from __future__ import annotations

import re

from bson.errors import BSONError
from gridfs.errors import CorruptGridFile, NoFile
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DocumentTooLarge,
    DuplicateKeyError,
    ExecutionTimeout,
    InvalidName,
    InvalidOperation,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
    WTimeoutError,
)

from svc_common import (
    BadRequest,
    Conflict,
    PayloadTooLarge,
    Problem,
    StoreUnavailable,
    Unavailable,
    Unprocessable,
)

from ..schemas import violations

STORE = "mongodb"

TOO_LARGE = "The document is over 16 MiB, the most that MongoDB holds."

UNSAFE = (
    "MongoDB did not acknowledge the write as MONGODB_WRITE_CONCERN and MONGODB_JOURNAL ask; "
    "it may be stored all the same."
)

UNTRUSTED = "The certificate of MongoDB is not trusted, or is for another name."

_TOO_LARGE_CODES = frozenset((10334, 17419, 17420))
_VALIDATION_CODE = 121
_REFUSED_CREDENTIALS = frozenset((8000, 13, 18))
_INTERRUPTED = frozenset((91, 189, 11600, 11602, 10107, 13435, 13436, 112, 24, 251, 262, 50))
# fmt: off
_REFUSED_REQUEST = frozenset((
    # Of the server's error_codes.yml: values, types, paths, names, indexes and options that it does not take
    2, 4, 9, 14, 15, 16, 17, 20, 26, 27, 28, 34, 40, 48, 51, 52, 53, 54, 55, 56, 57, 61, 66, 67,
    68, 72, 73, 85, 86, 93,
    96, 115, 133, 146, 160, 166, 167, 168, 171, 197, 224, 238, 241, 263, 291, 292, 303,
))
# fmt: on
_FIRST_ASSERTION = 10000  # above this every code is one of the server's numbered checks of what it was sent
_NAME = re.compile(r"[A-Za-z0-9]{1,60}")


def problem_for(error: Exception) -> Problem | None:
    """The problem that an exception of the driver stands for; None for one that nobody expects."""
    if isinstance(error, DocumentTooLarge):
        return PayloadTooLarge(TOO_LARGE)
    if isinstance(error, (NetworkTimeout, ExecutionTimeout, WTimeoutError)):
        return StoreUnavailable(STORE, "MongoDB did not finish in time; try again, or ask for less.")
    if isinstance(error, ConnectionFailure):
        return StoreUnavailable(STORE, UNTRUSTED if is_untrusted(error) else "")
    if isinstance(error, DuplicateKeyError):
        return Conflict("Something with the same value of a unique index is stored already.")
    if isinstance(error, WriteConcernError):
        return StoreUnavailable(STORE, UNSAFE)
    if isinstance(error, BulkWriteError):
        first = (error.details or {}).get("writeErrors")
        if not first:  # all were written, and the write concern failed
            return StoreUnavailable(STORE, UNSAFE)
        return problem_for_code(first[0].get("code"), None, error, first[0].get("errInfo"))
    if isinstance(error, OperationFailure):
        details = error.details or {}
        return problem_for_code(error.code, details.get("codeName"), error, details.get("errInfo"))
    if isinstance(error, (NoFile, CorruptGridFile)):
        return Unavailable("The file was replaced or deleted while it was read; ask again.")
    if isinstance(error, InvalidName):
        return BadRequest("MongoDB does not take this name.")
    if isinstance(error, (BSONError, OverflowError)):
        return Unprocessable("The content cannot be kept as BSON.")
    if isinstance(error, InvalidOperation):
        return BadRequest("MongoDB does not take this operation.")
    if isinstance(error, PyMongoError) and error.timeout:
        return StoreUnavailable(STORE)
    return None


def is_untrusted(error: BaseException | None) -> bool:
    """Whether a server did not prove who it is; the driver tells this in words alone."""
    return error is not None and "CERTIFICATE_VERIFY_FAILED" in str(error)


def problem_for_code(
    code: int | None, name: object, error: PyMongoError | None = None, info: object = None
) -> Problem | None:
    """The problem for an error code of the server, its name and further information."""
    if code in _TOO_LARGE_CODES:
        return PayloadTooLarge(TOO_LARGE)
    if code == 11000:
        return Conflict("Something with the same value of a unique index is stored already.")
    if code == _VALIDATION_CODE:
        return Unprocessable(
            "The document does not fit the collection's schema.", extra={"violations": violations(info)}
        )
    if code in _REFUSED_CREDENTIALS:
        return StoreUnavailable(STORE, "MongoDB refuses the service's credentials.")
    if code in _INTERRUPTED or (error is not None and error.has_error_label("TransientTransactionError")):
        return Unavailable("MongoDB could not finish this now; try again.")
    if code is not None and (code in _REFUSED_REQUEST or code >= _FIRST_ASSERTION):
        shown = name if isinstance(name, str) and _NAME.fullmatch(name) else f"code {code}"
        return BadRequest(f"MongoDB does not take this request: {shown}.", extra={"code": code})
    return None

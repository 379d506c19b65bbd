"""Several documents changed in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import stamina
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from svc_common import Conflict, Problem, StoreUnavailable

from ..batch import Operation, at
from ..content import check_content
from .connection import Connection, Stored
from .documents import Document, Documents, present, without_references
from .errors import problem_for

_TRIES = 20


class _Disturbed(Exception):
    """Another writer or a fail-over came between; MongoDB asks to begin the transaction again."""

    def __init__(self, error: PyMongoError) -> None:
        self.error = error


class Transactions:
    """Runs batches. ``timeout`` is the time limit of one in seconds.

    MongoDB has transactions on replica sets and sharded clusters.
    """

    def __init__(self, connection: Connection, documents: Documents, timeout: float) -> None:
        self._connection = connection
        self._documents = documents
        self._timeout = timeout

    async def run(self, operations: Sequence[Operation]) -> list[str | None]:
        """Do all of it or nothing; returns each document's new tag, None for a deleted one.

        A problem names the operation that failed. Conflict when others keep disturbing.
        """
        for collection in sorted({operation.collection for operation in operations}):
            await self._documents.ensure_index(collection)
        retry = stamina.retry(
            on=_Disturbed, attempts=_TRIES, timeout=None, wait_initial=0.002, wait_max=0.1, wait_jitter=0.05
        )
        try:
            return await retry(self._attempt)(operations)
        except _Disturbed as disturbed:
            problem = problem_for(disturbed.error)
            if isinstance(problem, StoreUnavailable):  # no primary, or a server that went away
                raise problem from disturbed.error
            raise Conflict("Too many others write these documents at once; try again.") from None

    async def _attempt(self, operations: Sequence[Operation]) -> list[str | None]:
        client, w = self._connection.client, self._connection.write_concern
        async with (
            self._connection.call("transaction", self._timeout),
            await client.start_session() as session,
        ):
            try:
                async with session.start_transaction(read_concern=ReadConcern("snapshot"), write_concern=w):
                    return [
                        await self._guarded(session, index, operation)
                        for index, operation in enumerate(operations)
                    ]
            except PyMongoError as error:
                if error.has_error_label("TransientTransactionError"):
                    raise _Disturbed(error) from error
                raise

    async def _guarded(self, session: Any, index: int, operation: Operation) -> str | None:
        """One step; its problem says which one it was."""
        try:
            return await _step(self._connection, session, operation)
        except Problem as problem:
            raise at(index, problem) from None
        except PyMongoError as error:
            problem_found = problem_for(error)
            if problem_found is None or error.has_error_label("TransientTransactionError"):
                raise
            raise at(index, problem_found) from error


async def _step(connection: Connection, session: Any, operation: Operation) -> str | None:
    collection = connection.database.get_collection(operation.collection)
    stored = await collection.find_one({"name": operation.name}, session=session)
    before = None if stored is None else Document.from_stored(stored)
    operation.check(None if before is None else before.tag)
    if operation.kind == "delete":
        await collection.delete_one({"name": operation.name}, session=session)
        return None
    content = operation.content
    if operation.patch is not None and before is not None:
        content = operation.patch(without_references(before.content))
        check_content(content)
    now = present()
    if before is None:
        made: Stored = {"name": operation.name, "content": content, "revision": 1}
        made.update({"created": now, "updated": now})
        await collection.insert_one(made, session=session)
    else:
        await collection.update_one(
            {"_id": before.id, "name": before.name},
            {"$set": {"content": content, "updated": now, "revision": before.revision + 1}},
            session=session,
        )
        made = {"_id": before.id, "name": before.name, "revision": before.revision + 1}
    return Document.from_stored(made).tag

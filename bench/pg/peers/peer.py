"""The same answers from FastAPI and psycopg 3, as one would write them by hand for these four requests."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Body, FastAPI, Response
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel

pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
    os.environ["DATABASE_URL"],
    open=False,
    min_size=10,
    max_size=10,
    kwargs={"autocommit": True, "row_factory": dict_row},
)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Hold the pool."""
    async with pool:
        yield


app = FastAPI(lifespan=lifespan)


class Entry(BaseModel):
    """A row of the bulk insert."""

    name: str
    value: int


async def _rows(sql: str, *parameters: object) -> list[dict[str, Any]]:
    async with pool.connection() as connection:
        cursor = await connection.execute(sql, parameters)
        return await cursor.fetchall()


async def _json(sql: str, *parameters: object) -> Response:
    rows = await _rows(f"SELECT coalesce(json_agg(t), '[]')::text AS body FROM ({sql}) t", *parameters)  # noqa: S608
    return Response(rows[0]["body"], media_type="application/json")


_ONE = "SELECT id, name FROM authors WHERE id = %s"
_MANY = "SELECT id, author_id, title, year FROM books ORDER BY id LIMIT %s"
_EMBED = """SELECT a.id, a.name, coalesce((SELECT json_agg(b) FROM
  (SELECT id, title FROM books WHERE author_id = a.id) b), '[]') AS books
  FROM authors a ORDER BY a.id LIMIT %s"""


@app.get("/rows/one")
async def one(id: int) -> list[dict[str, Any]]:
    """One row by its key."""
    return await _rows(_ONE, id)


@app.get("/rows/many")
async def many(limit: int) -> list[dict[str, Any]]:
    """Many rows."""
    return await _rows(_MANY, limit)


@app.get("/rows/embed")
async def embed(limit: int) -> list[dict[str, Any]]:
    """Rows with the rows that belong to them."""
    return await _rows(_EMBED, limit)


@app.post("/rows/bulk", status_code=201)
async def bulk(entries: list[Entry]) -> None:
    """Many rows at once."""
    async with pool.connection() as connection, connection.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO entries (name, value) VALUES (%s, %s)", [(e.name, e.value) for e in entries]
        )


@app.get("/json/one")
async def json_one(id: int) -> Response:
    """One row by its key; the database writes the JSON."""
    return await _json(_ONE, id)


@app.get("/json/many")
async def json_many(limit: int) -> Response:
    """Many rows; the database writes the JSON."""
    return await _json(_MANY, limit)


@app.get("/json/embed")
async def json_embed(limit: int) -> Response:
    """Rows with the rows that belong to them; the database writes the JSON."""
    return await _json(_EMBED, limit)


@app.post("/json/bulk", status_code=201)
async def json_bulk(body: list[dict[str, Any]] = Body()) -> None:  # noqa: B008
    """Many rows at once; the database reads the JSON."""
    from psycopg.types.json import Jsonb

    async with pool.connection() as connection:
        await connection.execute(
            "INSERT INTO entries (name, value) "
            "SELECT name, value FROM jsonb_to_recordset(%s) AS r(name text, value int)",
            (Jsonb(body),),
        )

"""The same three requests by hand: FastAPI on PyMongo's own asyncio driver."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from pymongo import AsyncMongoClient, WriteConcern

app = FastAPI()
client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(os.environ["MONGODB_URI"])
database = client.get_database("storefronts", write_concern=WriteConcern("majority", j=True))


@app.get("/items/{name}")
async def read(name: str) -> JSONResponse:
    """The content of a document."""
    stored = await database.items.find_one({"name": name})
    if stored is None:
        raise HTTPException(404, f"Missing document: {name}")
    return JSONResponse(stored["content"], headers={"ETag": f'"{stored["revision"]}"'})


@app.get("/items")
async def page(limit: int = 100) -> JSONResponse:
    """The first documents, with all that mongo-svc shows of them."""
    found = await database.items.find({"name": {"$type": "string"}}).sort("_id", 1).limit(limit).to_list()
    return JSONResponse({"documents": [_shown(item) for item in found]})


def _shown(item: dict[str, Any]) -> dict[str, Any]:
    shown = {key: item[key] for key in ("name", "content", "revision")}
    for key in ("created", "updated"):
        shown[key] = f"{item[key].isoformat()[:23]}Z"
    return shown


@app.post("/bulk")
async def bulk(request: Request) -> dict[str, int]:
    """Insert what the body holds."""
    now = datetime.now(UTC)
    documents = [
        {"name": item["name"], "content": item["content"], "revision": 1, "created": now, "updated": now}
        for item in await request.json()
    ]
    result = await database.bulk.insert_many(documents, ordered=False)
    return {"inserted": len(result.inserted_ids)}

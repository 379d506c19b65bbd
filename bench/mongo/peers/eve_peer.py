"""The same three requests by configuration: Eve."""

from __future__ import annotations

import os

from eve import Eve

_ITEM = {
    "schema": {
        "name": {"type": "string", "required": True},
        "content": {"type": "dict", "allow_unknown": True},
        "revision": {"type": "integer"},
    },
    "additional_lookup": {"url": 'regex("[a-z0-9]+")', "field": "name"},
    "resource_methods": ["GET", "POST"],
}

app = Eve(
    settings={
        "MONGO_URI": os.environ["MONGODB_URI"],
        "MONGO_DBNAME": "storefronts",
        "DOMAIN": {"items": _ITEM, "bulk": {**_ITEM}},
        "PAGINATION_LIMIT": 1000,
        "OPTIMIZE_PAGINATION_FOR_SPEED": True,
        "RENDERERS": ["eve.render.JSONRenderer"],
    }
)

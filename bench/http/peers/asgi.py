"""The same answer from FastAPI and from starlette; it runs in the peers' environment."""

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

fastapi = FastAPI()


@fastapi.get("/v1/hello")
async def hello() -> dict[str, str]:
    return {"message": "hello"}


async def plain_hello(request: Request) -> JSONResponse:
    return JSONResponse({"message": "hello"})


starlette = Starlette(routes=[Route("/v1/hello", plain_hello)])

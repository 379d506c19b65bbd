"""Files over GridFS: any length, ranges, conditions."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import gridfs
import pytest
from pymongo import MongoClient

from mongo_svc.store import Upload
from svc_common import Unavailable
from svc_common.testing import TestedService

PATH = "/v1/things/-/files/a%2Fb.bin"


async def test_there_and_back(svc: TestedService) -> None:
    data = random.Random(1).randbytes(1_000_000)
    answer = await svc.client.put(PATH, content=data, headers={"Content-Type": "image/png"})
    assert answer.status_code == 204
    tag = answer.headers["etag"]
    answer = await svc.client.get(PATH)
    assert (answer.status_code, answer.content == data) == (200, True)
    assert answer.headers["content-type"] == "image/png"
    assert (answer.headers["etag"], answer.headers["content-length"]) == (tag, "1000000")
    assert answer.headers["accept-ranges"] == "bytes"
    head = await svc.client.head(PATH)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "1000000")
    assert (await svc.client.get(PATH, headers={"If-None-Match": tag})).status_code == 304
    assert (await svc.client.get("/v1/")).json() == {"collections": []}  # files are no documents
    assert (await svc.client.delete(PATH)).status_code == 204
    assert (await svc.client.get(PATH)).status_code == 404
    assert (await svc.client.delete(PATH)).json()["detail"] == "Missing file: a/b.bin"


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=0-299999", 0, 299_999),
        ("bytes=261119-261121", 261_119, 261_121),
        ("bytes=599990-", 599_990, 599_999),
        ("bytes=-5", 599_995, 599_999),
        ("bytes=-9999999", 0, 599_999),
        ("bytes=500000-9999999", 500_000, 599_999),
    ],
)
async def test_ranges(svc: TestedService, header: str, first: int, last: int) -> None:
    data = random.Random(2).randbytes(600_000)
    tag = (await svc.client.put(PATH, content=data)).headers["etag"]
    answer = await svc.client.get(PATH, headers={"Range": header, "If-Range": tag})
    assert answer.status_code == 206
    assert answer.headers["content-range"] == f"bytes {first}-{last}/600000"
    assert answer.content == data[first : last + 1]


async def test_ranges_that_are_none(svc: TestedService) -> None:
    tag = (await svc.client.put(PATH, content=b"0123456789")).headers["etag"]
    for header in ("bytes=10-", "bytes=-0", "bytes=99-100"):
        answer = await svc.client.get(PATH, headers={"Range": header})
        assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */10")
    for header in ("bytes=5-2", "bytes=a-b", "pages=1-2", "bytes=0-1,3-4", "bytes=-"):
        answer = await svc.client.get(PATH, headers={"Range": header})
        assert (answer.status_code, answer.content) == (200, b"0123456789")
    answer = await svc.client.get(PATH, headers={"Range": "bytes=0-1", "If-Range": '"older"'})
    assert (answer.status_code, answer.content) == (200, b"0123456789")
    await svc.client.put(PATH, content=b"")
    answer = await svc.client.get(PATH)
    assert (answer.status_code, answer.content) == (200, b"")
    assert (await svc.client.get(PATH, headers={"Range": "bytes=0-"})).status_code == 416
    assert tag


async def test_replacing_leaves_one_file(svc: TestedService) -> None:
    first = (await svc.client.put(PATH, content=b"one")).headers["etag"]
    second = (await svc.client.put(PATH, content=b"two", headers={"If-Match": first})).headers["etag"]
    assert second != first
    assert (await svc.client.put(PATH, content=b"3", headers={"If-Match": first})).status_code == 412
    assert (await svc.client.put(PATH, content=b"3", headers={"If-None-Match": "*"})).status_code == 412
    assert (await svc.client.delete(PATH, headers={"If-Match": first})).status_code == 412
    assert (await svc.client.get(PATH)).content == b"two"
    database = svc.context.state.connection.database
    assert await database.get_collection("things.files").count_documents({}) == 1
    assert await database.get_collection("things.chunks").count_documents({}) == 1


async def test_large_uploads_are_streamed(svc: TestedService) -> None:
    piece = random.Random(3).randbytes(2**20)
    digest = hashlib.sha256()

    async def body() -> AsyncIterator[bytes]:
        for _ in range(32):
            yield piece

    assert (await svc.client.put(PATH, content=body())).status_code == 204  # over MAX_BODY_BYTES
    async with svc.client.stream("GET", PATH) as answer:
        async for data in answer.aiter_bytes():
            digest.update(data)
    assert digest.hexdigest() == hashlib.sha256(piece * 32).hexdigest()


async def test_a_client_that_breaks_off_leaves_nothing(svc: TestedService) -> None:
    await svc.client.put(PATH, content=b"old")
    address = urlsplit(svc.url)
    _, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(f"PUT {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 90000000\r\n\r\n".encode())
    for _ in range(6):
        writer.write(b"x" * 2**20)
        await writer.drain()
    chunks = svc.context.state.connection.database.get_collection("things.chunks")
    async with asyncio.timeout(60):
        while await chunks.count_documents({}) < 2:
            await asyncio.sleep(0.02)
        writer.close()
        await writer.wait_closed()
        while await chunks.count_documents({}) > 1:
            await asyncio.sleep(0.02)
    assert (await svc.client.get(PATH)).content == b"old"


async def test_what_is_refused(svc: TestedService) -> None:
    for kind in ("nonsense", "text/html\x7f", "a/b; " + "x" * 300):
        answer = await svc.client.put(PATH, content=b"x", headers={"Content-Type": kind})
        assert answer.status_code == 400
    assert (await svc.client.put("/v1/$x/-/files/a", content=b"x")).status_code == 400
    await svc.client.put(
        "/v1/things/-/files/page", content=b"<script>", headers={"Content-Type": "text/html"}
    )
    answer = await svc.client.get("/v1/things/-/files/page")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_of_uploads_that_end_at_once_one_stays(svc: TestedService) -> None:
    files = svc.context.state.files
    uploads = [Upload(files, "things", "a/b.bin", "text/plain") for _ in range(2)]
    for number, upload in enumerate(uploads):
        await upload.write(b"%d" % number)
    before = [await files.all("things", "a/b.bin") for _ in uploads]
    for upload, there in zip(uploads, before, strict=True):
        await upload.finish(there)
    assert (await svc.client.get(PATH)).content in (b"0", b"1")
    for _ in range(5):
        answers = await asyncio.gather(*(svc.client.put(PATH, content=b"%d" % n) for n in range(4)))
        assert {answer.status_code for answer in answers} == {204}
        assert (await svc.client.get(PATH)).content in (b"0", b"1", b"2", b"3")
    await svc.client.put(PATH, content=b"last")
    assert (await svc.client.get(PATH)).content == b"last"
    assert len(await files.all("things", "a/b.bin")) == 1


async def test_conditions_hold_when_the_upload_ends(svc: TestedService) -> None:
    other = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        for _ in range(6):
            yield b"x" * 2**20
        await other.wait()
        yield b"x"

    only_new = {"If-None-Match": "*"}
    slow = asyncio.create_task(svc.client.put(PATH, content=body(), headers=only_new))
    chunks = svc.context.state.connection.database.get_collection("things.chunks")
    async with asyncio.timeout(60):
        while await chunks.count_documents({}) < 2:
            await asyncio.sleep(0.02)
    assert (await svc.client.put(PATH, content=b"faster", headers=only_new)).status_code == 204
    other.set()
    assert (await slow).status_code == 412
    assert (await svc.client.get(PATH)).content == b"faster"
    async with asyncio.timeout(60):
        while await chunks.count_documents({}) > 1:  # nothing is left of the other
            await asyncio.sleep(0.02)


async def test_a_file_that_goes_while_it_is_read(svc: TestedService) -> None:
    await svc.client.put(PATH, content=b"one")
    files = svc.context.state.files
    file = await files.find("things", "a/b.bin")
    await svc.client.put(PATH, content=b"two")
    with pytest.raises(Unavailable, match="replaced"):
        await anext(files.read("things", file, 0, 2))


@pytest.mark.parametrize("length", [0, 1, 255 * 1024, 255 * 1024 + 1, 16 * 255 * 1024, 5_000_001])
async def test_files_are_what_every_driver_reads(
    svc: TestedService, mongo_database: str, length: int
) -> None:
    data = random.Random(length).randbytes(length)
    tag = (await svc.client.put(PATH, content=data, headers={"Content-Type": "text/x"})).headers["etag"]
    with MongoClient[dict[str, Any]](mongo_database) as client:
        database = client.get_default_database()
        with gridfs.GridFSBucket(database, "things").open_download_stream_by_name("a/b.bin") as file:
            assert file.read() == data
            assert (f'"{file._id}"', file.length, file.metadata) == (tag, length, {"contentType": "text/x"})
        indexes = database["things.chunks"].index_information()
        assert indexes["files_id_1_n_1"]["unique"]
        assert "filename_1_uploadDate_1" in database["things.files"].index_information()


async def test_an_upload_keeps_little_in_memory(svc: TestedService) -> None:
    upload = Upload(svc.context.state.files, "things", "large", "text/plain")
    chunks = svc.context.state.connection.database.get_collection("things.chunks")
    for number in range(1, 101):
        await upload.write(b"x" * 100_000)
        stored = await chunks.count_documents({"files_id": upload.id}) * 255 * 1024
        assert number * 100_000 - stored < 16 * 255 * 1024
    await upload.abort()
    assert await chunks.count_documents({}) == 0

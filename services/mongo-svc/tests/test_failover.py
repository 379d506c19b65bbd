"""A primary that steps down, answers that are lost, a server that starts again: within a request's time-out
nobody notices, and every write is done once."""

from __future__ import annotations

import asyncio
import struct
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import bson
import pytest
from pymongo import MongoClient, monitoring
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from mongo_svc.app import service
from svc_common.testing import TestedService, serving

if TYPE_CHECKING:
    from devstack.pytest_plugin import OwnMongo

T = TypeVar("T")

NDJSON = {"Content-Type": "application/x-ndjson"}
MERGE = {"Content-Type": "application/merge-patch+json"}
OP_MSG = 2013


class Relay:
    """Stands between drivers and their server, and passes messages on.

    ``commands`` are those that were sent, without what drivers say all by themselves.
    """

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._cut = ""
        self._connections: set[asyncio.Task[None]] = set()
        self._writes: dict[tuple[bytes, int], bytes] = {}
        self.commands: list[dict[str, Any]] = []
        self.cuts = 0

    def cut(self, command: str) -> None:
        """Let the server carry out the next ``command``, and close the connection instead of answering."""
        self._cut = command

    def sent(self, command: str) -> list[dict[str, Any]]:
        """The commands with this name."""
        return [each for each in self.commands if next(iter(each)) == command]

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a connection."""
        task = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def stop(self) -> None:
        """End all connections."""
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: a request, its answer, and so on."""
        to_server: asyncio.StreamWriter | None = None
        try:
            from_server, to_server = await asyncio.open_connection(*self._server)
            while True:
                request = await _message(reader)
                name, request = self._note(request)
                to_server.write(request)
                answer = await _message(from_server)
                if name and name == self._cut:
                    self._cut = ""
                    self.cuts += 1
                    return
                writer.write(answer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            for each in (writer, to_server):
                if each is not None:
                    each.close()

    def _note(self, message: bytes) -> tuple[str, bytes]:
        """Remember what a message asks for. Its name, empty for none of interest, and how to pass it on."""
        if struct.unpack_from("<i", message, 12)[0] != OP_MSG:
            return "", message
        (length,) = struct.unpack_from("<i", message, 21)  # behind the header, the flags and a section's kind
        command = bson.decode(message[21 : 21 + length])
        name = next(iter(command))
        if name in ("hello", "ismaster", "ping", "endSessions"):
            return "", message
        self.commands.append(command)
        if "txnNumber" in command:
            # MongoDB knows a write that is tried again by session and number. SecantusDB compares all of it,
            # so the time that is left must be the same, too; only the number of the message is new.
            first = self._writes.setdefault((command["lsid"]["id"], command["txnNumber"]), message)
            message = message[:8] + first[8:]
        return name, message


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(4)
    return head + await reader.readexactly(struct.unpack("<i", head)[0] - 4)


@contextmanager
def relayed(url: str) -> Iterator[tuple[Relay, str]]:
    """A relay in front of the server at ``url``, and the connection string that leads through it.

    It has a thread of its own: a driver that says goodbye waits for the answer.
    """
    parts = urlsplit(url)
    relay = Relay(parts.hostname or "", parts.port or 0)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result()

    listener = run(asyncio.start_server(relay.accept, "127.0.0.1", 0))
    port = listener.sockets[0].getsockname()[1]
    try:
        yield relay, f"mongodb://127.0.0.1:{port}{parts.path}?directConnection=true&serverMonitoringMode=poll"
    finally:
        loop.call_soon_threadsafe(listener.close)
        run(relay.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class Recorder(CommandListener):
    """Keeps the commands that drivers send, and the names of those that failed."""

    def __init__(self) -> None:
        self.commands: list[Any] = []
        self.failed_commands: list[str] = []

    def started(self, event: CommandStartedEvent) -> None:
        self.commands.append(event.command)

    def succeeded(self, event: CommandSucceededEvent) -> None:
        pass

    def failed(self, event: CommandFailedEvent) -> None:
        self.failed_commands.append(event.command_name)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """Records what drivers send that are made from here on."""
    made = Recorder()
    monitoring.register(made)
    yield made
    monitoring._LISTENERS.command_listeners.remove(made)


def _set(client: MongoClient[dict[str, Any]], url: str) -> str:
    """The connection string by which a driver follows the server's replica set."""
    name = client.admin.command("hello")["setName"]
    return f"mongodb://{urlsplit(url).netloc}/failover?replicaSet={name}"


async def test_requests_wait_for_a_new_primary(own_mongo: OwnMongo) -> None:
    store = own_mongo(test_commands=True)
    with MongoClient[dict[str, Any]](store.url) as control:
        async with serving(service, MONGODB_URI=_set(control, store.url), STORE_TIMEOUT="60") as svc:
            for name in ("patched", "deleted"):
                assert (await svc.client.put(f"/v1/things/{name}", json={"a": 1})).status_code == 204
            await asyncio.to_thread(control.admin.command, {"replSetStepDown": 10, "force": True})
            driver = svc.context.state.connection.client.delegate
            async with asyncio.timeout(60):
                while driver.topology_description.has_writable_server():
                    await asyncio.sleep(0.01)
            during = [asyncio.create_task(_write(svc, f"during{number}")) for number in range(4)]
            patch = svc.client.patch("/v1/things/patched", content=b'{"b":2}', headers=MERGE)
            delete = svc.client.delete("/v1/things/deleted")
            lines = svc.client.post("/v1/things", content=b'{"name":"new","content":1}\n', headers=NDJSON)
            answers = await asyncio.gather(patch, delete, lines, *during)
            assert [answer.status_code for answer in answers if answer is not None] == [204, 204, 200]
            assert (await svc.client.get("/v1/things/patched")).json() == {"a": 1, "b": 2}
            assert (await svc.client.get("/v1/things/deleted")).status_code == 404
            assert (await svc.client.get("/v1/things/new")).json() == 1


async def test_a_write_that_an_old_primary_refuses_is_tried_again(
    own_mongo: OwnMongo, recorder: Recorder
) -> None:
    store = own_mongo(test_commands=True)
    with MongoClient[dict[str, Any]](store.url) as control:

        async def refuse_next(command: str) -> None:
            # MongoDB marks the error as one after which a write may be tried again
            data = {"failCommands": [command], "errorCode": 10107, "errorLabels": ["RetryableWriteError"]}
            point = {"configureFailPoint": "failCommand", "mode": {"times": 1}, "data": data}
            await asyncio.to_thread(control.admin.command, point)

        async with serving(service, MONGODB_URI=_set(control, store.url), STORE_TIMEOUT="60") as svc:
            assert (await svc.client.put("/v1/things/a", json={"a": 1})).status_code == 204
            await refuse_next("findAndModify")
            answer = await svc.client.put("/v1/things/a", json={"a": 2})
            assert (answer.status_code, answer.headers["etag"][:3]) == (204, '"2-')
            await refuse_next("findAndModify")
            answer = await svc.client.patch("/v1/things/a", content=b'{"b":2}', headers=MERGE)
            assert (answer.status_code, answer.headers["etag"][:3]) == (204, '"3-')
            await refuse_next("insert")
            answer = await svc.client.post(
                "/v1/things", content=b'{"name":"b","content":1}\n', headers=NDJSON
            )
            assert '"inserted":1,"replaced":0,"failed":0' in answer.text
            await refuse_next("update")
            answer = await svc.client.post(
                "/v1/things?mode=upsert", content=b'{"name":"b","content":2}\n', headers=NDJSON
            )
            assert '"inserted":0,"replaced":1,"failed":0' in answer.text
            await refuse_next("delete")
            assert (await svc.client.delete("/v1/things/a")).status_code == 204
            assert recorder.failed_commands == [
                "findAndModify",
                "findAndModify",
                "insert",
                "update",
                "delete",
            ]


async def _write(svc: TestedService, name: str) -> None:
    """Five versions of a document, each stored once."""
    for number in range(1, 6):
        answer = await svc.client.put(f"/v1/things/{name}", json=number)
        assert answer.status_code == 204, answer.text
        assert answer.headers["etag"].startswith(f'"{number}-')


async def test_requests_wait_for_a_server_that_starts_again(own_mongo: OwnMongo) -> None:
    store = own_mongo()
    async with serving(service, MONGODB_URI=store.url, STORE_TIMEOUT="60") as svc:
        assert (await svc.client.put("/v1/things/a", json=0)).status_code == 204
        store.kill()
        reads = [asyncio.create_task(svc.client.get("/v1/things/a")) for _ in range(5)]
        writes = [asyncio.create_task(_write(svc, f"n{number}")) for number in range(5)]
        async with asyncio.timeout(60):
            while (await svc.admin.get("/readyz")).status_code != 503:
                await asyncio.sleep(0.01)
        await asyncio.to_thread(store.start)
        assert {(await read).status_code for read in reads} == {200}
        await asyncio.gather(*writes)


@pytest.fixture
async def wire(mongo_database: str) -> AsyncIterator[tuple[Relay, TestedService]]:
    """A relay, and the service behind it."""
    with relayed(mongo_database) as (relay, url):
        async with serving(service, MONGODB_URI=url, STORE_TIMEOUT="30") as svc:
            yield relay, svc


async def test_a_write_whose_answer_is_lost_is_done_once(wire: tuple[Relay, TestedService]) -> None:
    relay, svc = wire
    for number in (1, 2):
        relay.cut("findAndModify")
        answer = await svc.client.put("/v1/things/a", json=number)
        assert (answer.status_code, answer.headers["etag"][:3]) == (204, f'"{number}-')
    tag = answer.headers["etag"]
    relay.cut("findAndModify")
    answer = await svc.client.put("/v1/things/a", json=3, headers={"If-Match": tag})
    assert (answer.status_code, answer.headers["etag"][:3]) == (204, '"3-')
    relay.cut("insert")
    answer = await svc.client.post("/v1/things", json={"name": "b", "content": 1})
    assert answer.status_code == 201
    relay.cut("insert")
    answer = await svc.client.put("/v1/things/c", json=1, headers={"If-None-Match": "*"})
    assert answer.status_code == 204
    relay.cut("delete")
    assert (await svc.client.delete("/v1/things/b")).status_code == 204
    assert relay.cuts == 6
    assert {name: (await svc.client.get(f"/v1/things/{name}")).status_code for name in "abc"} == {
        "a": 200,
        "b": 404,
        "c": 200,
    }


async def test_an_import_whose_answers_are_lost_is_done_once(wire: tuple[Relay, TestedService]) -> None:
    relay, svc = wire
    body = b"".join(b'{"name":"n%d","content":%d}\n' % (number, number) for number in range(1500))
    relay.cut("insert")
    answer = await svc.client.post("/v1/things", content=body, headers=NDJSON)
    assert '"inserted":1500,"replaced":0,"failed":0' in answer.text
    relay.cut("update")
    answer = await svc.client.post("/v1/things?mode=upsert", content=body, headers=NDJSON)
    assert '"inserted":0,"replaced":1500,"failed":0' in answer.text
    assert relay.cuts == 2
    asked = {"count": "exact", "filter": '{"revision":2}'}
    answer = await svc.client.get("/v1/things", params=asked)
    assert answer.json()["count"] == 1500


async def test_a_read_whose_answer_is_lost_is_asked_again(wire: tuple[Relay, TestedService]) -> None:
    relay, svc = wire
    await svc.client.put("/v1/things/a", json=1)
    for address in ("/v1/things/a", "/v1/things", "/v1/things?limit=1"):
        relay.cut("find")
        assert (await svc.client.get(address)).status_code == 200
    assert relay.cuts == 3


async def test_the_server_is_told_how_to_read_and_write(wire: tuple[Relay, TestedService]) -> None:
    relay, svc = wire
    await svc.client.put("/v1/things/a", json=1)
    (write,) = relay.sent("findAndModify")
    assert write["writeConcern"] == {"w": "majority", "j": True}
    assert "txnNumber" in write
    for address in ("/v1/things/a", "/v1/things", "/v1/things?filter={}&count=exact"):
        relay.commands.clear()
        assert (await svc.client.get(address)).status_code == 200
        assert not any("readConcern" in command for command in relay.commands)


async def test_a_request_says_where_to_read(own_mongo: OwnMongo, recorder: Recorder) -> None:
    store = own_mongo()
    with MongoClient[dict[str, Any]](store.url) as control:
        url = _set(control, store.url)
    # A driver with a direct connection asks the one server it knows, whatever it is told
    async with serving(service, MONGODB_URI=url, STORE_TIMEOUT="15") as svc:
        await svc.client.put("/v1/things/a", json=1)
        for preference, concern in (("nearest", "majority"), ("secondaryPreferred", "local")):
            arguments = {"readPreference": preference, "readConcern": concern, "count": "exact"}
            for method, address in (
                ("GET", "/v1/things/a"),
                ("GET", "/v1/things"),
                ("POST", "/v1/things/-/aggregate"),
            ):
                recorder.commands.clear()
                body = b"[]" if method == "POST" else None
                answer = await svc.client.request(method, address, params=arguments, content=body)
                assert answer.status_code == 200, answer.text
                sent = [each for each in recorder.commands if {"find", "aggregate"} & set(each)]
                assert sent
                for command in sent:
                    assert command["readConcern"]["level"] == concern
                    assert command["$readPreference"]["mode"] == preference


async def test_a_write_that_too_few_members_have_is_not_acknowledged(own_mongo: OwnMongo) -> None:
    store = own_mongo(test_commands=True)
    commands = ["findAndModify", "insert", "update", "delete"]
    error = {"code": 100, "codeName": "UnsatisfiableWriteConcern", "errmsg": "not enough members"}
    point = {
        "configureFailPoint": "failCommand",
        "mode": "alwaysOn",
        "data": {"failCommands": commands, "writeConcernError": error},
    }
    async with serving(service, MONGODB_URI=store.url, STORE_TIMEOUT="15") as svc:
        assert (await svc.client.put("/v1/things/taken", json=1)).status_code == 204
        with MongoClient[dict[str, Any]](store.url) as control:
            await asyncio.to_thread(control.admin.command, point)
        new = b'{"name":"a","content":1}\n'
        taken = b'{"name":"taken","content":1}\n'
        for method, address, body, headers in (
            ("PUT", "/v1/things/a", b"1", {}),
            ("PUT", "/v1/things/b", b"1", {"If-None-Match": "*"}),
            ("DELETE", "/v1/things/a", b"", {}),
            ("POST", "/v1/things", new, NDJSON),
            ("POST", "/v1/things", b'{"content":1}\n' + taken, NDJSON),
            ("POST", "/v1/things?mode=upsert", new, NDJSON),
            ("PATCH", '/v1/things?filter={"a":1}&confirm=true', b'{"a":1}', MERGE),
        ):
            answer = await svc.client.request(method, address, content=body, headers=headers)
            assert (answer.status_code, method) == (503, method), answer.text
            assert "MONGODB_WRITE_CONCERN" in answer.json()["detail"]
            assert answer.headers["retry-after"]

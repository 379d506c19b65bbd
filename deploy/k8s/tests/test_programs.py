"""The parts of the smoke tests that need neither a cluster nor a container engine."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import build
import engine
import images_smoke
import pins
import pytest
import sbom
from rendering import NAMESPACES, ROOT, SERVICES, Combination, of_kind, render

import cluster
import k8s_smoke
import readme_lines
from load import Call, Load

# -- the README's curl lines ------------------------------------------------------------------------


def test_readme_has_a_curl_line_for_each_service() -> None:
    lines = readme_lines.curl_lines(readme_lines.README.read_text(encoding="utf-8"))
    for name in SERVICES:
        assert any(f"{readme_lines.FRONT_DOOR}/{name.removesuffix('-svc')}/" in line for line in lines), name


def test_curl_line_is_turned_towards_another_front_door() -> None:
    line = (
        "curl -X PUT http://127.0.0.1:8080/mongo/v1/a/b -H 'Content-Type: application/json' -d '{\"n\": 1}'"
    )
    command = readme_lines.curl_command(line, "https://example.com/")
    assert command[0] == "curl"
    assert command[-6:] == [
        *("PUT", "https://example.com/mongo/v1/a/b"),
        *("-H", "Content-Type: application/json", "-d", '{"n": 1}'),
    ]


def test_only_curl_lines_to_the_front_door_count() -> None:
    text = "Use curl.\ncurl http://example.com/\n  $ curl http://127.0.0.1:8080/redis/docs\n"
    assert readme_lines.curl_lines(text) == ["curl http://127.0.0.1:8080/redis/docs"]


# -- the load ---------------------------------------------------------------------------------------


class EveryThird(BaseHTTPRequestHandler):
    """Answers 503 to every third request for /sometimes, and 200 to all others."""

    protocol_version = "HTTP/1.1"
    lock = threading.Lock()
    asked = 0
    enough = threading.Event()
    written: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        with self.lock:
            type(self).asked += 1
            failing = self.path == "/sometimes" and self.asked % 3 == 0
            if self.asked > 60:
                self.enough.set()
        self.send_response(503 if failing else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.written.append(self.path)
        self.do_GET()

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    EveryThird.asked = 0
    EveryThird.enough.clear()
    EveryThird.written.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), EveryThird) as listening:
        listening.daemon_threads = True
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


def test_load_counts_what_failed(server: str) -> None:
    with Load(server, (Call("GET", "/sometimes"),), pause=0.001) as load:
        assert EveryThird.enough.wait(30)
    assert load.tally.failed > 10
    assert load.tally.answered > load.tally.failed
    assert list(load.tally.failures) == ["GET /sometimes 503"]
    assert str(load.tally).splitlines()[0].endswith(f"{load.tally.failed} failed")


def test_load_counts_nothing_where_nothing_fails(server: str) -> None:
    with Load(server, (Call("GET", "/always"),), pause=0.001) as load:
        assert EveryThird.enough.wait(30)
    assert load.tally.failed == 0
    assert load.tally.answered > 50


def test_load_writes_what_it_reads_before_it_reads(server: str) -> None:
    load = Load(server, (Call("GET", "/a"), Call("PUT", "/a", b"1"), Call("PUT", "/b", b"1")), pause=60)
    with load:
        assert EveryThird.written == ["/a", "/b"]
        assert EveryThird.asked == 2
    assert (load.tally.answered, load.tally.failed) == (0, 0)


def test_load_counts_a_server_that_is_not_there() -> None:
    with Load("http://127.0.0.1:9", (Call("GET", "/"),), clients_each=1, pause=0.001) as load:
        deadline = threading.Event()
        while not load.tally.failed and not deadline.wait(0.01):
            continue
    assert load.tally.answered == 0
    assert list(load.tally.failures) == ["GET / ConnectError"]


# -- the cluster ------------------------------------------------------------------------------------


def test_front_door_is_looked_for_where_the_ingress_says_and_on_this_machine() -> None:
    status = {
        "loadBalancer": {
            "ingress": [{"ip": "203.0.113.7"}, {"hostname": "lb.example.com"}, {"ip": "2001:db8::1"}]
        }
    }
    assert cluster.ingress_addresses({"status": status}) == [
        "http://203.0.113.7",
        "http://lb.example.com",
        "http://[2001:db8::1]",
        "http://localhost",
    ]
    assert cluster.ingress_addresses({}) == ["http://localhost"]


def test_controller_is_a_service_on_port_80_in_a_usual_namespace() -> None:
    def service(namespace: str, name: str, port: int) -> dict[str, object]:
        return {"metadata": {"namespace": namespace, "name": name}, "spec": {"ports": [{"port": port}]}}

    items = [
        service("ingress-nginx", "controller", 80),
        service("ingress-nginx", "admission", 443),
        service("default", "web", 80),
        service("traefik", "traefik", 80),
    ]
    assert cluster.controller_services({"items": items}) == [
        ("ingress-nginx", "controller"),
        ("traefik", "traefik"),
    ]


def test_network_policies_and_the_search_know_the_same_controllers() -> None:
    policy = of_kind(render(Combination("prod")), "NetworkPolicy")["redis-svc"]["spec"]
    ((peer,), *_) = (rule["from"] for rule in policy["ingress"])
    (expression,) = peer["namespaceSelector"]["matchExpressions"]
    assert set(cluster.CONTROLLERS) == set(expression["values"])


def test_smoke_speaks_of_what_the_dev_overlay_has() -> None:
    manifests = render(Combination("dev"))
    assert NAMESPACES["dev"] == k8s_smoke.NAMESPACE
    assert set(of_kind(manifests, "Deployment")) == set(k8s_smoke.SERVICES)
    assert set(of_kind(manifests, "StatefulSet")) == set(k8s_smoke.STORES)
    assert set(of_kind(manifests, "Ingress")) == {"storefronts"}


@pytest.mark.parametrize(
    "program",
    [
        "k8s/k8s_smoke.py",
        "k8s/settings_env.py",
        "images/build.py",
        "images/images_smoke.py",
        "images/sbom.py",
    ],
)
def test_programs_explain_themselves(program: str) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "deploy" / program), "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: ")


def test_smoke_without_a_cluster_says_so(tmp_path: object) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "deploy" / "k8s" / "k8s_smoke.py")],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": str(ROOT / "nowhere")},
    )
    assert done.returncode == 1
    assert done.stderr == "k8s-smoke: kubectl was not found on the PATH\n"


# -- the images -------------------------------------------------------------------------------------


def test_builder_gets_all_that_the_recipe_copies_and_no_tests() -> None:
    recipe = (ROOT / build.DOCKERFILE).read_text(encoding="utf-8")
    copied = [
        source
        for line in re.findall(r"^COPY (?!--)(.+)$", recipe, flags=re.MULTILINE)
        for source in line.split()[:-1]
    ]
    with build.build_context() as folder:
        for source in copied:
            assert (folder / source).exists(), source
        for name in SERVICES:
            package = folder / "services" / name / "src" / name.replace("-", "_")
            assert (package / "openapi.yaml").read_bytes() == (
                ROOT / "services" / name / "openapi.yaml"
            ).read_bytes()
        assert not [path for path in folder.rglob("*") if path.name in ("tests", "__pycache__", ".venv")]


def test_build_command_names_everything() -> None:
    command = build.build_command("podman", "localhost/x:dev", {"SERVICE": "redis-svc", "VERSION": "1"}, [])
    assert command[:4] == ["podman", "build", "--format", "docker"]
    assert "SERVICE=redis-svc" in command
    assert command[-1] == "."
    assert "--format" not in build.build_command("docker", "localhost/x:dev", {}, [])


def test_no_engine_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(
        engine.EngineError, match=r"no container engine that works was found \(docker, podman, buildah\)"
    ):
        engine.find_engine()


@pytest.mark.parametrize(
    ("text", "size"), [("183 MB", 183_000_000), ("1.2 GB", 1_200_000_000), ("512 B", 512)]
)
def test_sizes_as_buildah_writes_them(text: str, size: int) -> None:
    assert engine.parse_size(text) == size


def test_container_is_confined() -> None:
    command = " ".join(images_smoke.run_command("podman", "redis-svc", "image", "name"))
    for part in ("--read-only", "--user 10001:10001", "--cap-drop ALL", "no-new-privileges", "--memory 128m"):
        assert part in command


def test_looseness_in_a_container_is_found() -> None:
    good: dict[str, object] = {
        "uid": 10001,
        "capabilities": 0,
        "no_new_privileges": "1",
        "root_writable": False,
        "tmp_writable": True,
    }
    assert images_smoke.confinement_faults(good) == []
    assert images_smoke.confinement_faults({**good, "uid": 0, "root_writable": True}) == [
        "uid is 0, not 10001",
        "root_writable is True, not False",
    ]


def test_recipe_is_for_old_builders_and_needs_no_shell_at_the_end() -> None:
    recipe = (ROOT / build.DOCKERFILE).read_text(encoding="utf-8")
    assert "<<" not in recipe
    assert "--mount" not in recipe
    final = recipe.rpartition("\nFROM ")[2]
    assert "\nRUN " not in final
    assert '\nENTRYPOINT ["' in final
    assert "\nUSER 10001:10001\n" in final
    for label in ("title", "description", "version", "revision", "created", "licenses"):
        assert f"org.opencontainers.image.{label}=" in final


def pinned() -> dict[str, str]:
    return dict(line.split(" ")[0].split("==") for line in sbom.constraints_without_hashes().splitlines())


def test_images_get_the_versions_of_constraints_txt() -> None:
    constraints: dict[str, set[str]] = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        name, _, version = line.partition(" ")[0].partition("==")
        constraints.setdefault(name, set()).add(version)
    pins_of_both = [(name, version) for name, version in pinned().items() if name in constraints]
    assert len(pins_of_both) > 20
    different = [name for name, version in pins_of_both if version not in constraints[name]]
    assert different == [], "run: python deploy/images/pins.py"


def test_everything_a_service_needs_is_pinned_with_hashes() -> None:
    names = set(pinned())
    for project in ("libs/common", *(f"services/{name}" for name in SERVICES)):
        with (ROOT / project / "pyproject.toml").open("rb") as file:
            metadata = tomllib.load(file)["project"]
        needed = [*metadata["dependencies"], *metadata.get("optional-dependencies", {}).get("tracing", [])]
        for requirement in needed:
            found = re.match(r"[A-Za-z0-9._-]+", requirement)
            assert found
            name = re.sub(r"[-_.]+", "-", found.group()).lower()
            assert name in names | {"svc-common"}, (
                f"{project} needs {name}; run: python deploy/images/pins.py"
            )
    for path in (pins.RUNTIME, pins.BUILD):
        text = path.read_text(encoding="utf-8")
        blocks = re.split(r"\n(?=\S)", text.strip())
        assert all("--hash=sha256:" in block for block in blocks)
        assert "://" not in text

"""What checkov and hadolint think of the manifests and the recipe, and why we differ where we do."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from rendering import ROOT, everything, pod_templates, render

DOCKERFILE = ROOT / "deploy" / "images" / "Dockerfile"


@dataclass(frozen=True)
class ExceptionFor:
    """A check that some resources fail on purpose."""

    check: str
    resources: str
    reason: str


EXCEPTIONS = (
    ExceptionFor(
        "CKV_K8S_11",
        r"(Deployment|StatefulSet)\..*",
        "No CPU limit: throttling stops a single event loop for the rest of each period, which every request "
        "in flight feels as latency. Requests share the CPU fairly without it, and memory is limited.",
    ),
    ExceptionFor(
        "CKV_K8S_15",
        r"(Deployment|StatefulSet)\..*",
        "IfNotPresent: prod names images by digest, where a second pull cannot bring anything new, and a "
        "registry that is down must not keep a pod from starting. dev uses images loaded into the cluster.",
    ),
    ExceptionFor(
        "CKV_K8S_43",
        r"(Deployment\.storefronts-dev\..*|StatefulSet\..*)",
        "A tag: dev runs what was just built here, and the stores for trying it out follow the tags of the "
        "official images. prod has digests.",
    ),
    ExceptionFor(
        "CKV_K8S_40",
        r"StatefulSet\..*",
        "The official images of the stores own their files as user 999.",
    ),
    ExceptionFor(
        "CKV_DOCKER_7",
        r".*Dockerfile\.FROM",
        "FROM ${BASE_IMAGE} has a tag in the argument's default, which the check does not follow.",
    ),
)


def checkov(*arguments: str) -> list[dict[str, Any]]:
    """The checks that failed."""
    done = subprocess.run(
        ["checkov", *arguments, "--skip-download", "--compact", "--quiet", "--output", "json"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LOG_LEVEL": "ERROR"},
    )
    assert done.returncode in (0, 1), done.stderr
    report = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 20
    failed: list[dict[str, Any]] = report["results"]["failed_checks"]
    return failed


@pytest.fixture(scope="module")
def failures() -> list[tuple[str, str]]:
    """``(check, resource)`` of what failed: with all components, with none, and in the recipe."""
    found = checkov("--framework", "dockerfile", "--file", str(DOCKERFILE))
    with tempfile.TemporaryDirectory(prefix="storefronts-checkov-") as name:
        for combination in everything():
            text = yaml.safe_dump_all(render(combination))
            (Path(name) / f"{combination.overlay}-{len(combination.components)}.yaml").write_text(text)
        found += checkov("--framework", "kubernetes", "--directory", name)
    return sorted({(each["check_id"], each["resource"]) for each in found})


def test_only_explained_exceptions_fail(failures: list[tuple[str, str]]) -> None:
    unexplained = [
        (check, resource)
        for check, resource in failures
        if not any(e.check == check and re.fullmatch(e.resources, resource) for e in EXCEPTIONS)
    ]
    assert unexplained == []


@pytest.mark.parametrize("exception", EXCEPTIONS, ids=lambda each: each.check)
def test_every_exception_is_still_needed(exception: ExceptionFor, failures: list[tuple[str, str]]) -> None:
    assert any(
        exception.check == check and re.fullmatch(exception.resources, name) for check, name in failures
    )


def test_hadolint_has_nothing_to_say() -> None:
    done = subprocess.run(["hadolint", str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("combination", everything(), ids=str)
def test_pods_keep_to_the_restricted_pod_security_standard(combination: Any) -> None:
    for name, template in pod_templates(render(combination)).items():
        spec = template["spec"]
        pod = spec["securityContext"]
        assert pod["runAsNonRoot"] is True, name
        assert pod["runAsUser"] > 0, name
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(spec), name
        assert {kind for volume in spec["volumes"] for kind in volume} <= {
            "name",
            "emptyDir",
            "secret",
            "configMap",
        }
        for container in spec["containers"]:
            own = container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False, name
            assert own["readOnlyRootFilesystem"] is True, name
            assert own["capabilities"] == {"drop": ["ALL"]}, name
            assert "privileged" not in own, name
            assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"], name

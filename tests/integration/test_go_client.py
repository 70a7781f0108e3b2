"""A Go program with nats.go asks a real mesh and decodes its answers into plain structs."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from support.smallmesh import SmallMesh


@pytest.fixture(scope="module")
def heard(
    go_program: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[dict[str, Any]]]:
    """What the Go program understood of each of its questions."""
    asker = go_program("asker")
    with SmallMesh(tmp_path_factory.mktemp("mesh"), ("orders",)) as mesh:
        for instance in ("i1", "i2"):
            mesh.sidecar("orders", instance)
        mesh.coordinator()
        done = subprocess.run([asker, mesh.url, "orders"], capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return orjson.loads(done.stdout)  # type: ignore[no-any-return]  # the Go program decides


def test_one(heard: dict[str, list[dict[str, Any]]]) -> None:
    (one,) = heard["one"]
    assert (one["Service"], one["Kind"], one["Status"]) == ("orders", "health", "answered")
    assert one["Health"]["state"] == "up"
    assert one["Health"]["pid"] > 0
    assert one["HasBoot"]
    assert abs(one["ObservedSecondsAgo"]) < 30, "observed_at is a time that Go reads, in UTC"


def test_all(heard: dict[str, list[dict[str, Any]]]) -> None:
    assert sorted(one["Instance"] for one in heard["all"]) == ["i1", "i2"]
    assert {one["Health"]["state"] for one in heard["all"]} == {"up"}


def test_mesh(heard: dict[str, list[dict[str, Any]]]) -> None:
    (one,) = heard["mesh"]
    assert one["Mesh"]["answered"] == one["Mesh"]["expected"] == 2
    assert one["Mesh"]["ended"] == "complete"
    assert one["Mesh"]["by_status"] == {"answered": 2}


def test_wrong_kind(heard: dict[str, list[dict[str, Any]]]) -> None:
    (one,) = heard["wrong kind"]
    assert (one["ErrorCode"], one["Status"]) == ("404", "declined")
    assert one["Error"] == one["Problem"]["error"]
    assert one["Problem"]["code"] == 404
    assert "health" in one["Problem"]["hint"]


def test_wrong_body(heard: dict[str, list[dict[str, Any]]]) -> None:
    (one,) = heard["wrong body"]
    assert one["ErrorCode"] == "400"
    assert one["Error"] == one["Problem"]["error"]
    assert "timeout_ms" in one["Problem"]["detail"]

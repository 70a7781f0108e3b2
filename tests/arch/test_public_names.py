"""`diagmesh.__all__` is true, and loading a name loads no more than it needs."""

import importlib
import json
import subprocess
import sys

import pytest

import diagmesh

NAMES = sorted(set(diagmesh.__all__) - {"__version__"})


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_lives_where_it_is_said_to(name: str) -> None:
    home = importlib.import_module(diagmesh._HOME[name])
    assert getattr(diagmesh, name) is getattr(home, name)
    assert name in home.__all__


def test_all_and_home_name_the_same() -> None:
    assert set(diagmesh._HOME) == set(NAMES)
    assert dir(diagmesh) == sorted(diagmesh.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        getattr(diagmesh, "no_such_name")  # noqa: B009  the plain form is a useless expression to the linter


def loaded_by(statement: str) -> set[str]:
    """Top-level modules in a fresh interpreter after ``statement``."""
    script = f"{statement}\nimport sys, json\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True, stdin=subprocess.DEVNULL
    )
    return {name.partition(".")[0] for name in json.loads(done.stdout)}


def test_declaring_an_agent_costs_no_client_and_no_process_library() -> None:
    assert loaded_by("from diagmesh import agent") & {"nats", "psutil", "uvloop", "rich", "cyclopts"} == set()


def test_the_sidecar_loads_nothing_heavy() -> None:
    loaded = loaded_by("import diagmesh_agents.__main__; from diagmesh.packs import load_agents; load_agents()")
    assert {"nats", "msgspec"} <= loaded
    heavy = {"rich", "cyclopts", "aiohttp", "numpy", "httpx", "httpx2", "structlog", "scipy", "pydantic", "jinja2"}
    assert loaded & heavy == set()


def test_a_sidecar_beside_a_service_without_go_pages_loads_nothing_that_reads_them() -> None:
    script = (
        "import sys, json, diagmesh_agents._sidecar\nfrom diagmesh.packs import load_agents\n"
        "from diagmesh.adapters.neighbour import Neighbour\nfrom diagmesh.settings import TargetSettings\n"
        "load_agents(), Neighbour(TargetSettings(service='orders', pid=1))\nprint(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True, stdin=subprocess.DEVNULL
    )
    loaded = set(json.loads(done.stdout))
    assert "diagmesh_agents.runtime" in loaded
    needless = ("prometheus_client", "diagmesh.adapters.godoor.door", "diagmesh.adapters.goruntime.watch")
    assert loaded & {*needless, "diagmesh.adapters.buildinfo", "diagmesh_agents._goruntime"} == set()


def test_the_library_loads_no_test_tools() -> None:
    loaded = loaded_by("from diagmesh import *")
    assert loaded & {"pytest", "hypothesis", "_pytest", "rich", "cyclopts"} == set()

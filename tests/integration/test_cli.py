"""The commands against a mesh of real processes, as its user types them in a second terminal."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from jsonschema import Draft202012Validator

from diagmesh_cli.commands.schema import wire_schemas
from support.children import until
from support.procs import freeze, thaw
from support.programs import wait_until
from support.upping import Up, diagmesh

WAIT_S = 30.0
PATIENT: Final = ("--timeout", "20")
"""Where everybody lives, no answer takes longer for it."""


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with Up(tmp_path_factory.mktemp("up")) as up:
        yield up.ready()


@pytest.fixture
def hurt_up(tmp_path: Path) -> Iterator[Up]:
    with Up(tmp_path) as up:
        yield up.ready()


def ask(up: Up, *words: str) -> tuple[int, Any]:
    done = diagmesh(up, *words, "--json")
    return done.returncode, json.loads(done.stdout)


def test_status_shows_each_service_in_a_line(up: Up) -> None:
    done = diagmesh(up, "status", *PATIENT)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "3 services · 4 of 4 instances answered · 4 up"
    rows = {line.split()[0]: line.split()[1:4] for line in lines[3:6]}
    assert rows == {"nats": ["1/1", "1", "up"], "orders": ["2/2", "2", "up"], "payments": ["1/1", "1", "up"]}
    assert "coordinator c1" in done.stdout
    assert max(map(len, lines)) <= 80


def test_services_names_everybody(up: Up) -> None:
    done = diagmesh(up, "services", *PATIENT)
    assert done.returncode == 0
    assert all(where in done.stdout for where in ("nats/i1", "orders/i1", "orders/i2", "payments/i1"))
    assert re.search(r"kinds: .*health.*resources", " ".join(done.stdout.split()))
    code, reply = ask(up, "services", "orders", *PATIENT)
    assert code == 0
    assert [entry["service"] for entry in reply["answer"]["services"]] == ["orders"]


@pytest.mark.parametrize(
    ("words", "schema", "says"),
    [
        (["ask", "health"], "mesh.reply", "4 of 4 instances answered"),
        (["ask", "health", "--each"], "mesh.reply", "payments/i1"),
        (["ask", "health", "orders"], "mesh.reply", "2 of 2 instances answered"),
        (["ask", "health", "orders/i1"], "health.reply", "orders/i1"),
        (["ask", "health", "orders", "--one"], "health.reply", "CHECK"),
        (["ask", "resources"], "mesh.reply", "memory.rss_bytes"),
        (["ask", "resources", "nats/i1"], "resources.reply", "descriptors"),
        (["ask", "resources", "nats/i1", "--detail", "full", "--set", "window_s=60"], "resources.reply", "threads"),
        (["services"], "mesh.services.reply", "live"),
        (["ask", "health", "mesh/c1"], "mesh.reply", "4 of 4 instances answered · by c1"),
        (["ask", "coordinator", "mesh", "--one"], "mesh.reply", "1 of 1 instance answered · by c1"),
        (["ask", "coordinator", "mesh/c1"], "coordinator.reply", "it is connected"),
        (["ask", "services", "mesh/c1"], "mesh.services.reply", "live"),
    ],
)
def test_an_answer_as_view_and_as_schema_conforming_json(up: Up, words: list[str], schema: str, says: str) -> None:
    shown = diagmesh(up, *words, *PATIENT)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert says in shown.stdout
    code, reply = ask(up, *words, *PATIENT)
    assert code == 0
    Draft202012Validator(wire_schemas()[schema]).validate(reply)


def test_the_json_of_status_holds_both_replies(up: Up) -> None:
    code, report = ask(up, "status", *PATIENT)
    assert code == 0
    assert report["services"]["live"] == 4
    assert report["health"]["answer"]["fields"]["state"]["counts"] == {"up": 4}


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["ask", "nonsense", "orders/i1"], 2, "404 unknown kind"),
        (["ask", "nonsense", "orders"], 2, "kinds: "),
        (["ask", "nonsense", "mesh/c1"], 2, "404 unknown kind"),
        (["ask", "health", "nowhere"], 2, "no such service: nowhere"),
        (["ask", "health", "orders/i9"], 3, "nobody listens on diag.orders.health.i9"),
        (["ask", "health", "orders/i1", "--set", "colour=red"], 2, "colour"),
        (["ask", "resources", "orders/i1", "--set", "window_s=-1"], 2, "window_s"),
    ],
)
def test_what_cannot_be_answered_says_why(up: Up, words: list[str], code: int, says: str) -> None:
    done = diagmesh(up, *words)
    assert done.returncode == code
    assert says in done.stdout + done.stderr
    found, report = ask(up, *words)
    assert found == code
    assert says in json.dumps(report).replace('"', " ") or "problem" in report


@pytest.mark.parametrize("words", ["ask health orders/i1 --json", "ask health orders/i1", "status", "services --json"])
def test_a_reader_that_has_seen_enough_changes_nothing(up: Up, words: str) -> None:
    script = f"{sys.executable} -m diagmesh_cli {words} | head -c 10"
    done = subprocess.run(
        ["/bin/bash", "-o", "pipefail", "-c", script],
        env=up.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout) == 10


def test_a_role_without_the_right_hears_so(up: Up) -> None:
    (directory,) = up.temporary.glob("diagmesh-up-*")
    flags = ["--nkey-file", str(directory / "observer.nk"), "--inbox-prefix", "_INBOX_observer"]
    done = diagmesh(up, "ask", "health", "orders/i1", *flags)
    assert done.returncode == 2
    assert "not permitted" in done.stderr
    wrong = diagmesh(up, "status", "--nkey-file", str(directory / "gone.nk"))
    assert wrong.returncode == 64  # not the mesh is to blame but what was typed
    assert "gone.nk: No such file" in wrong.stderr


def test_a_killed_sidecar_is_not_connected_then_forgotten(hurt_up: Up) -> None:
    (sidecar,) = hurt_up.processes("sidecar-orders-i2.toml")
    os.kill(sidecar, signal.SIGKILL)
    seen = diagmesh(hurt_up, "status")
    assert seen.returncode == 2
    assert "silent orders/i2 not connected" in seen.stdout
    assert "the service itself was not seen" in " ".join(seen.stdout.split())
    assert ask(hurt_up, "ask", "health")[1]["answer"]["silent"][0]["instance"] == "i2"
    kept = diagmesh(hurt_up, "forget", "orders/i1")
    assert kept.returncode == 2, "it was not forgotten"
    assert "still live, so kept: orders/i1" in kept.stdout
    assert re.search(r"orders/i2 +not connected", diagmesh(hurt_up, "services").stdout)
    # Its heartbeats are still in time, but its connection is gone, and that is what counts.
    assert "forgotten: orders/i2" in diagmesh(hurt_up, "forget", "orders").stdout
    assert diagmesh(hurt_up, "status").returncode == 0
    again = diagmesh(hurt_up, "forget", "orders")
    assert (again.returncode, "nobody to forget; still live, so kept" in again.stdout) == (0, True), "nobody is lost"


@pytest.mark.parametrize("nobody", ["orders/nobody", "nobodys"])
def test_who_is_not_expected_cannot_be_forgotten(up: Up, nobody: str) -> None:
    done = diagmesh(up, "forget", nobody)
    assert (done.returncode, done.stdout) == (3, f"coordinator c1: nobody to forget: it expects no {nobody}\n")


def test_control_log_level_has_the_sidecars_log_more(up: Up) -> None:
    done = diagmesh(up, "control", "log-level", "orders", "debug", "--for", "2")
    assert done.returncode == 0
    first, second = done.stdout.splitlines()
    assert re.fullmatch(r"orders/i1: its sidecar logs at debug for 2 s \(until [0-9:]{8} UTC\), then at info", first)
    assert second.startswith("orders/i2: ")
    each = ask(up, "control", "log-level", "orders/i1", "debug", "--for", "1")[1]["each"]
    assert [(one["instance"], one["answer"]["then"]) for one in each] == [("i1", "info")]
    (directory,) = up.temporary.glob("diagmesh-up-*")
    stranger = diagmesh(up, "control", "log-level", "orders", "debug", *_with(directory, "app"))
    assert stranger.returncode == 2
    assert stranger.stdout.count("403 not allowed: this key is none of our operators") == 2
    nobody = diagmesh(up, "control", "log-level", "orders/nope", "debug")
    assert nobody.returncode == 2
    assert "no such instance" in nobody.stderr


def _with(directory: Path, role: str) -> list[str]:
    """The connection of the operator, with the signature of somebody else."""
    operator = ["--nkey-file", str(directory / "operator.nk"), "--inbox-prefix", "_INBOX_priv"]
    return [*operator, "--seed-file", str(directory / f"{role}.nk")]


def test_forget_needs_the_operators_key(up: Up) -> None:
    (directory,) = up.temporary.glob("diagmesh-up-*")
    done = diagmesh(up, "forget", "orders/i1", "--seed-file", str(directory / "app.nk"))
    assert done.returncode != 0
    assert "forgotten" not in done.stdout


def test_a_frozen_sidecar_is_connected_but_silent_and_no_look_takes_longer_than_asked(up: Up) -> None:
    (sidecar,) = up.processes("sidecar-payments-i1.toml")
    freeze(sidecar)
    try:
        # In a look whose time is over before the server has told who is connected, that is unknown.
        seen = until(
            lambda: diagmesh(up, "status", "--timeout", "1"),
            lambda one: "silent payments/i1 connected but silent" in one.stdout,
            WAIT_S,
        )
        assert seen.returncode == 2
        assert "silent payments/i1 connected but silent" in seen.stdout
    finally:
        thaw(sidecar)
    wait_until(lambda: diagmesh(up, "status").returncode == 0, WAIT_S, "well again")


def test_without_a_coordinator_the_instances_are_asked_directly(hurt_up: Up) -> None:
    (coordinator,) = hurt_up.processes("coordinator.toml")
    os.kill(coordinator, signal.SIGKILL)
    seen = diagmesh(hurt_up, "status")
    assert "4 of 4 instances answered" in seen.stdout
    assert "no coordinator answered" in " ".join(seen.stdout.split())
    assert seen.returncode == 2, "who is missing is not known"
    assert diagmesh(hurt_up, "services").returncode == 3

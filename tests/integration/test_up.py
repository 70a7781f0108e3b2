"""`diagmesh up`, for real: up in seconds, its printed commands work, and nothing stays behind, however it ends."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.procs import alive, freeze, thaw
from support.programs import wait_until
from support.upping import Up, diagmesh

WAIT_S = 30.0


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One with the demo in Python, for tests that hurt nobody."""
    with Up(tmp_path_factory.mktemp("up"), "--allow-faults") as up:
        yield up.ready()


@pytest.fixture
def make_up(tmp_path: Path) -> Iterator[Any]:
    """Makes one of its own for a test; what it left behind is an error."""
    made: list[Up] = []

    def make(*flags: str, terminal: tuple[int, int] | None = None, reader: str = "") -> Up:
        made.append(Up(tmp_path, *flags, terminal=terminal, reader=reader))
        return made[-1]

    yield make
    for one in made:
        one.__exit__()


def nats(nats_cli: Path, up: Up, words: list[str]) -> str:
    """One of the printed commands, as typed into another terminal."""
    assert words[0] == "nats"
    done = subprocess.run(
        [nats_cli, *words[1:]], env=up.environment, capture_output=True, text=True, timeout=30, check=True
    )
    return done.stdout


def replies(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


@pytest.mark.go
def test_the_three_printed_commands_work_as_they_stand(up: Up, nats_cli: Path) -> None:
    one, all_of_them, mesh = (replies(nats(nats_cli, up, words)) for words in up.tries[:3])
    deadline = time.monotonic() + WAIT_S
    while len(all_of_them) < 2 and time.monotonic() < deadline:  # it waits for a second, and no longer
        all_of_them = replies(nats(nats_cli, up, up.tries[1]))
    assert one[0]["service"] == "orders"
    assert one[0]["answer"]["state"] == "up"
    assert {reply["instance"] for reply in all_of_them} == {"i1", "i2"}
    assert all(reply["answer"]["memory"]["rss_bytes"] > 1_000_000 for reply in all_of_them)
    assert mesh[0]["answer"]["answered"] == mesh[0]["answer"]["expected"] == 4


@pytest.mark.go
def test_the_nats_server_of_the_mesh_tells_of_itself_and_nothing_is_wrong_with_it(up: Up, nats_cli: Path) -> None:
    one, total = (
        replies(nats(nats_cli, up, ["nats", "-s", up.url, "req", subject, ""]))[0]
        for subject in ("diag.nats.server", "diag.mesh.servers")
    )
    assert (one["answer"]["name"], one.get("findings", [])) == ("diagmesh-up", [])
    assert [server["name"] for server in total["answer"]["merged"]["servers"]] == ["diagmesh-up"]
    assert total["answer"].get("findings", []) == []
    told = diagmesh(up, "ask", "servers")
    assert (told.returncode, "diagmesh-up" in told.stdout) == (0, True), told.stdout
    assert "server · 4 of 4 instances answered, 3 without any · by c1" in told.stdout
    assert "look first" not in told.stdout
    checked = json.loads(diagmesh(up, "check", "--code", "SRV", "--json").stdout)
    assert checked["answer"]["findings"] == []


@pytest.mark.go
def test_the_printed_slow_switch_makes_payments_and_orders_degraded(up: Up, nats_cli: Path) -> None:
    slow = up.tries[3]
    assert "each charge takes 400 ms longer" in nats(nats_cli, up, slow)
    try:
        wait_until(lambda: "1 up · 3 degraded" in diagmesh(up, "status").stdout, WAIT_S, "payments and orders degraded")
        assert diagmesh(up, "status").returncode == 1
    finally:
        nats(nats_cli, up, [*slow[:-1], "0"])
    wait_until(lambda: diagmesh(up, "status").returncode == 0, WAIT_S, "all well again")


def test_the_address_and_the_commands_come_first(up: Up) -> None:
    wait_until(lambda: re.search(r"^\d\d:\d\d:\d\d ", up.said(), re.MULTILINE) is not None, WAIT_S, "an event")
    lines = up.said().splitlines()
    assert lines[0].startswith(f"diagmesh is up at {up.url}")
    assert lines[1] == "demo: Python stand-ins"
    assert [words[-1] for words in up.tries[:1]] == [""]
    first_event = next(number for number, line in enumerate(lines) if re.match(r"\d\d:\d\d:\d\d ", line))
    assert all(lines.index(line) < first_event for line in lines if line.startswith("  nats "))


def test_every_instance_is_told_in_a_line(up: Up) -> None:
    lines = [f"{where} up: " for where in ("nats/i1", "orders/i1", "orders/i2", "payments/i1")]
    wait_until(lambda: all(line in up.said() for line in lines), WAIT_S, "a line about each")


def test_secrets_are_private_and_in_no_command_line(up: Up) -> None:
    directories = list(up.temporary.glob("diagmesh-up-*"))
    assert len(directories) == 1
    assert directories[0].stat().st_mode & 0o777 == 0o700
    for file in directories[0].glob("*.nk"):
        assert file.stat().st_mode & 0o777 == 0o600
        assert all(file.read_text().strip() not in words for words in up.processes().values())


def test_a_killed_service_and_a_killed_sidecar_are_told_and_the_rest_goes_on(make_up: Any) -> None:
    up = make_up().ready()
    (service,) = up.processes("--instance i2")
    os.kill(service, signal.SIGKILL)
    wait_until(lambda: "orders/i2 was ended by SIGKILL" in up.said(), WAIT_S, "the end is told")
    wait_until(lambda: re.search(r"orders/i2 down: ", up.said()) is not None, WAIT_S, "the sidecar sees it")
    (sidecar,) = up.processes("sidecar-payments-i1.toml")
    os.kill(sidecar, signal.SIGKILL)
    wait_until(lambda: "sidecar of payments/i1 was ended by SIGKILL" in up.said(), WAIT_S, "the end is told")
    wait_until(lambda: "payments/i1 not connected: " in up.said(), WAIT_S, "the mesh sees it")
    events = up.said()[up.said().index("start with --allow-faults") :].split("\n\n", 1)[1].splitlines()
    assert all(re.match(r"\d\d:\d\d:\d\d \S", line) for line in events), "one event, one line"
    assert any(len(line) > 80 for line in events), "so this was a test"
    seen = diagmesh(up, "status")
    assert seen.returncode == 2
    assert "silent payments/i1 not connected" in seen.stdout
    assert up.processes("demo.payments"), "the service beside the killed sidecar lives"
    up.send(signal.SIGINT)
    assert up.ended() == 130
    assert up.leftovers() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_leaves_nothing(make_up: Any, number: signal.Signals) -> None:
    up = make_up("--no-demo").ready()
    assert len(up.processes()) == 4, "keeper, server, coordinator, sidecar"
    up.send(number)
    assert up.ended() == 130
    assert up.leftovers() == []


def test_a_signal_while_it_starts_leaves_nothing(make_up: Any) -> None:
    up = make_up().start()
    wait_until(lambda: bool(up.processes("nats-server")), WAIT_S, "the server is started")
    up.send(signal.SIGINT)
    assert up.ended() == 130
    assert up.leftovers() == []
    assert up.said() == ""


def test_frozen_children_do_not_hold_it(make_up: Any) -> None:
    up = make_up("--no-demo").ready()
    for pid in up.processes("python"):
        if "keeper.py" not in up.processes()[pid]:
            freeze(pid)
    up.send(signal.SIGTERM)
    assert up.ended() == 130
    assert up.leftovers() == []


def test_sigkill_leaves_no_child_and_no_directory(make_up: Any) -> None:
    up = make_up().ready()
    children = up.processes()
    assert len(children) == 10
    up.send(signal.SIGKILL)
    assert up.ended() == -signal.SIGKILL
    wait_until(lambda: not up.leftovers(), WAIT_S, "nothing is left")
    # A process at its very end has no command line any more, by which it would be found, but is not yet gone.
    wait_until(lambda: not any(map(alive, children)), WAIT_S, "every child is gone")


def test_without_its_keeper_an_orderly_end_still_leaves_nothing(make_up: Any) -> None:
    up = make_up("--no-demo").ready()
    (keeper,) = up.processes("keeper.py")
    os.kill(keeper, signal.SIGKILL)
    up.send(signal.SIGTERM)
    assert up.ended() == 130
    assert up.leftovers() == []


def test_without_its_server_it_ends_and_says_so(make_up: Any) -> None:
    up = make_up("--no-demo").ready()
    (server,) = up.processes("nats-server.json")
    os.kill(server, signal.SIGKILL)
    assert up.ended() == 3
    assert "nats-server was ended by SIGKILL" in up.said()
    assert up.leftovers() == []


def test_a_busy_port_is_told_before_anything_is_started(make_up: Any, up: Up) -> None:
    port = up.url.rpartition(":")[2]
    other = make_up("--port", port)
    other.start()
    assert other.ended() == 3
    assert f"port {port} on 127.0.0.1 is in use: choose another with --port N" in other.said()
    assert other.leftovers() == []


def test_with_json_every_line_is_json(make_up: Any) -> None:
    up = make_up("--no-demo", "--json").ready()
    wait_until(lambda: "nats/i1 up" in up.said(), WAIT_S, "an event")
    first, *events = (json.loads(line) for line in up.said().splitlines())
    assert first["url"] == up.url
    assert first["commands"][2].endswith("req diag.mesh.health ''")
    assert (first["demo"], first["fault"]) == ("no demo services", "")
    assert all({"at", "event"} == set(event) for event in events)
    up.send(signal.SIGINT)
    up.ended()
    last = up.said().splitlines()[-1]
    assert last.startswith("{"), up.said()[-600:]
    assert json.loads(last)


def test_in_a_terminal_it_shows_a_live_view_and_ends_with_ctrl_c(make_up: Any) -> None:
    up = make_up("--allow-faults", terminal=(80, 40)).ready()
    wait_until(lambda: "3 services · 4 of 4 instances answered · 4 up" in up.said(), WAIT_S, "the live view")
    shown = up.said()
    assert shown.index("Try from another terminal:") < shown.index("SERVICE   LIVE")
    assert shown.count(f"  nats -s {up.url} ") == 4
    (service,) = up.processes("demo.payments")
    os.kill(service, signal.SIGKILL)
    wait_until(lambda: "payments/i1 was ended by SIGKILL" in up.said(), WAIT_S, "the end is shown")
    wait_until(lambda: "i1 down: " in up.said(), WAIT_S, "the state is shown")
    up.type(b"\x03")
    assert up.ended() == 130
    assert up.leftovers() == []
    assert up.raw().rindex("\x1b[?25h") > up.raw().rindex("\x1b[?25l"), "the cursor is back"


def test_in_a_low_terminal_an_event_is_seen_and_stays(make_up: Any) -> None:
    up = make_up(terminal=(80, 10)).ready()
    (sidecar,) = up.processes("sidecar-orders-i1.toml")
    os.kill(sidecar, signal.SIGKILL)
    wait_until(lambda: "sidecar of orders/i1 was ended by SIGKILL" in up.said(), WAIT_S, "the end is shown")
    wait_until(lambda: "1 silent" in up.said(), WAIT_S, "the state is shown")
    up.type(b"\x03")
    assert up.ended() == 130
    line = up.raw()[up.raw().index("was ended by SIGKILL") :]
    assert "\x1b[2K" in line, "the live view was redrawn after it"
    assert up.said().count("was ended by SIGKILL") == 1, "it stands above the live view and is not drawn with it"


def test_it_ends_when_nobody_reads_what_it_tells(make_up: Any) -> None:
    up = make_up("--no-demo", reader="head -n 1").start()
    assert up.ended() == 130
    assert up.said().startswith("diagmesh is up at")
    assert up.leftovers() == []


def test_a_second_ctrl_c_ends_it_at_once(make_up: Any) -> None:
    up = make_up("--no-demo").ready()
    up.send(signal.SIGINT)
    time.sleep(0.05)
    up.send(signal.SIGINT)
    assert up.ended() == 130
    assert up.leftovers() == []


def test_with_two_coordinators_one_may_be_frozen(make_up: Any) -> None:
    up = make_up("--no-demo", "--coordinators", "2").ready()
    well = diagmesh(up, "services")
    assert (well.returncode, well.stdout.count("coordinator c")) == (0, 2)
    (second,) = up.processes("coordinator-c2.toml")
    freeze(second)
    try:
        wait_until(lambda: diagmesh(up, "services").returncode == 2, WAIT_S, "the frozen one is missed")
        listed, asked = diagmesh(up, "services"), diagmesh(up, "ask", "health", "--timeout", "10")
    finally:
        thaw(second)
    assert "connected but silent: it is hung, frozen or overloaded" in " ".join(listed.stdout.split())
    assert (asked.returncode, asked.stdout.splitlines()[0].rpartition(" ")[2]) == (0, "c1")
    assert diagmesh(up, "up", "--coordinators", "0").returncode == 64

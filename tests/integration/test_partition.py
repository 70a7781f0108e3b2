"""A cluster that is parted into halves while it is asked: each half tells the truth of the other, and both heal."""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from diagmesh.contract.directory import InstanceState
from diagmesh.contract.mesh import Ended
from support.halves import Half, Halves, halves
from support.house import ROOT
from support.natsserver import find_nats_server
from support.onlooker import LOOK_S, Look, looks_in
from support.programs import Program, wait_until

PYTHON: Final = sys.executable
LEFT: Final = frozenset({"orders/i1", "payments/p1"})
RIGHT: Final = frozenset({"orders/i2", "inventory/i1"})
ALL: Final = LEFT | RIGHT
HEARTBEAT_S: Final = 1.5
"""So slow that after healing there are looks before anybody of the other half was heard again."""
HEDGE_S: Final = 0.5
NOISE_S: Final = 6.0
"""What a busy machine may add to three questions in a row."""
LOOK_MOST_S: Final = 4 * LOOK_S + 3 * HEDGE_S + NOISE_S
LONG_S: Final = 60.0
HEALED_S: Final = 30.0
"""Servers look for each other each second or so, and the heartbeats follow: the rest is for a busy machine."""
_STALE: Final = "Stale Connection"


class Split:
    """A server, a coordinator, two sidecars and an onlooker in each half.

    Args:
        directory: for logs and settings.
        network: the two halves.
    """

    def __init__(self, directory: Path, network: Halves) -> None:
        self._directory = directory
        self.network = network
        self._programs: list[Program] = []
        self._sleeper = self._program(["python", "-c", "import time; time.sleep(3600)"], "watched").pid
        for half, name, instances in self._halves():
            self._server(half, name)
            coordinator = ["--nats", half.url, "--instance", f"c-{name}", "--heartbeat", str(HEARTBEAT_S)]
            self._module(half, "diagmesh_coordinator", f"c-{name}", *coordinator)
            for one in instances:
                self._sidecar(half, *one.split("/"))
            self._module(half, "support.onlooker", f"onlooker-{name}", half.url)

    def _halves(self) -> tuple[tuple[Half, str, frozenset[str]], ...]:
        return (self.network.left, "left", LEFT), (self.network.right, "right", RIGHT)

    def looks(self, name: str) -> list[Look]:
        """Everything that was seen from one half."""
        return looks_in(self._directory / f"onlooker-{name}.log")

    def said(self, name: str) -> str:
        """The log of a server."""
        return (self._directory / f"server-{name}.log").read_text(encoding="utf-8", errors="replace")

    def close(self) -> None:
        """End everything."""
        for one in reversed(self._programs):
            one.close()

    def _server(self, half: Half, name: str) -> None:
        clients, servers = half.listen
        log = self._directory / f"server-{name}.log"
        config = self._directory / f"server-{name}.conf"
        config.write_text(
            f"""server_name: {name}
            listen: "{clients}"
            log_file: "{log}"
            ping_interval: "2s"
            ping_max: 2
            cluster {{ name: halves, listen: "{servers}", routes: ["{half.route}"] }}
            """,
            encoding="utf-8",
        )
        self._program([*half.within, find_nats_server(), "-c", config], f"output-{name}")

    def _sidecar(self, half: Half, service: str, instance: str) -> None:
        settings = self._directory / f"{service}-{instance}.toml"
        settings.write_text(
            f"""heartbeat_s = {HEARTBEAT_S}
            [nats]
            url = "{half.url}"
            [[targets]]
            service = "{service}"
            instance = "{instance}"
            pid = {self._sleeper}
            sample_s = 5
            """,
            encoding="utf-8",
        )
        self._module(half, "diagmesh_agents", f"{service}-{instance}", "--config", settings)

    def _module(self, half: Half, module: str, name: str, *words: str | Path) -> None:
        self._program([*half.within, "python", "-m", module, *words], name)

    def _program(self, command: list[str | Path], name: str) -> Program:
        command = [PYTHON if word == "python" else word for word in command]
        tests = {"PYTHONPATH": str(ROOT / "tests")}
        self._programs.append(Program(command, self._directory / f"{name}.log", tests))
        return self._programs[-1]


@pytest.fixture
def split(tmp_path: Path) -> Iterator[Split]:
    with halves(tmp_path) as network:
        scene = Split(tmp_path, network)
        try:
            yield scene
        finally:
            scene.close()


def seen(split: Split, name: str, holds: Callable[[Look], bool], times: int, since: float, within_s: float) -> None:
    """Wait until so many looks in a row, all begun since then, were so."""

    def many() -> bool:
        row = 0
        for look in split.looks(name):
            row = row + 1 if look.at >= since and holds(look) else 0
            if row >= times:
                return True
        return False

    try:
        wait_until(many, within_s, f"{times} such looks of the {name} half")
    except TimeoutError as error:
        raise AssertionError(f"{error}; the last ones: {split.looks(name)[-3:]}") from None


def whole(look: Look) -> bool:
    live = {*look.states.values(), *look.coordinators.values()} == {InstanceState.LIVE}
    answered = look.ended == Ended.COMPLETE and look.heard == ALL and not look.findings
    return answered and live and len(look.coordinators) == 2


def without(others: frozenset[str]) -> Callable[[Look], bool]:
    return lambda look: look.silent.keys() == others


def check_truth(look: Look, ours: frozenset[str], server: str) -> None:
    """What may be said by a half of the other one, whose server is not reached."""
    assert look.trouble == "", look
    assert look.ended_at - look.at < LOOK_MOST_S, look
    assert look.heard >= ours, f"nothing happened to these: {look}"
    for name, reason in look.silent.items():
        assert name not in ours, look
        assert reason.startswith(MAY_BE_SAID), reason
        assert server in reason or not reason.startswith(NOT_REACHED), reason
    for name, state in look.states.items():
        assert state is InstanceState.LIVE or (name not in ours and state is InstanceState.UNKNOWN), look
    assert InstanceState.NOT_CONNECTED not in look.coordinators.values(), look
    assert InstanceState.SILENT not in look.coordinators.values(), look
    assert look.findings == {}, f"nobody knows anything bad of anybody: {look}"


@pytest.mark.timeout(300)
def test_each_half_tells_the_truth_of_the_other_and_both_heal(split: Split) -> None:
    sides = (("left", LEFT, RIGHT, "right"), ("right", RIGHT, LEFT, "left"))
    for name, _, _, _ in sides:
        seen(split, name, whole, 3, 0.0, LONG_S)

    parted_at = time.monotonic()
    split.network.part()
    for name, _, others, _ in sides:
        seen(split, name, without(others), 2, parted_at, LONG_S)
        wait_until(lambda name=name: _STALE in split.said(name), LONG_S, "the servers have noticed")  # type: ignore[misc]
        seen(split, name, without(others), 2, time.monotonic(), LONG_S)

    joined_at = time.monotonic()
    split.network.join()
    for name, _, _, _ in sides:
        seen(split, name, whole, 5, joined_at, joined_at + HEALED_S - time.monotonic())

    for name, ours, others, server in sides:
        looks = [look for look in split.looks(name) if look.ended_at >= parted_at]
        for look in looks:
            check_truth(look, ours, server)
        apart = [look for look in looks if parted_at <= look.at and look.ended_at < joined_at]
        assert [look for look in apart if look.silent.keys() == others]
        for look in apart:
            assert not look.heard & others, "that cannot have arrived"
            for reason in look.silent.values():
                assert reason.startswith(NOT_REACHED), reason


NOT_REACHED: Final = "unknown: its server "
MAY_BE_SAID: Final = (
    NOT_REACHED,
    "unknown: its sidecar was not found: nobody listens for this question",
    "unknown: it could be reached again only when the question had been asked",
    "unknown: its connection could not be looked up in time",
)

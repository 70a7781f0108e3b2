"""The mesh under fire: 90 s of kills and freezes at random, and every request is explained (an hour by `make soak`)."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from soak.__main__ import main
from soak.chaos.judging import FULL, counted
from soak.chaos.run import ASKERS, soak
from soak.chaos.told import page, plots, summary, table
from support.golang import Go, GoMissing

_TESTS = Path(__file__).parents[1]


def nats_command() -> Path | None:
    try:
        return Go().nats_cli()
    except GoMissing:
        if os.environ.get("CI"):
            raise
        return None


@pytest.mark.timeout(400)
async def test_every_request_is_explained_and_nothing_grows(tmp_path: Path) -> None:
    told: list[str] = []
    outcome = await soak(tmp_path, 90.0, seed=4, nats=nats_command(), tell=told.append)
    assert outcome.complaints == []
    acts = {(one.act, one.what.split("/")[0].split()[0]) for one in outcome.faults}
    assert {("freeze", "mesh"), ("kill", "mesh")} <= acts
    assert {act for act, what in acts if what == "server"} >= {"kill", "freeze"}
    counts = counted(outcome.judgements)
    assert counts[FULL] > 200, counts
    assert counts.total() > counts[FULL], "the faults were seen by nobody"
    assert {one.how for one in outcome.asked} >= {"any", "named", "each", "mesh", "all", "directory", "cli"}
    assert {one.name for one in outcome.growth} > set(ASKERS)
    assert outcome.calm
    assert all(len(line) <= 80 for line in table(outcome).splitlines()), table(outcome)
    assert json.loads(json.dumps(summary(outcome)))["complaints"] == []
    assert set(plots(outcome)) == {
        *("rss.svg", "descriptors.svg", "threads.svg", "tasks.svg", "subscriptions.svg", "requests.svg")
    }
    assert table(outcome) in page(outcome, "soak")


def test_interrupted_it_leaves_nothing_behind() -> None:
    running = subprocess.Popen(
        [sys.executable, "-m", "soak", "chaos", "60", "--seed", "1"],
        cwd=_TESTS,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert running.stdout is not None
    said = [running.stdout.readline() for _ in range(2)]
    assert "are up after" in said[1], said
    started = children(running.pid)
    assert len(started) > 15
    running.send_signal(signal.SIGINT)
    rest, _ = running.communicate(timeout=60)
    assert running.returncode == 130, rest
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(Path("/proc", str(pid)).exists() for pid in started):
        time.sleep(0.05)
    assert [pid for pid in started if Path("/proc", str(pid)).exists()] == []


def children(pid: int) -> list[int]:
    return [
        int(word)
        for task in Path("/proc", str(pid), "task").iterdir()
        for word in (task / "children").read_text().split()
    ]


@pytest.mark.parametrize("words", [["x"], ["chaos", "5"], ["healthy", "5"], ["chaos", "inf"], ["chaos", "30", "40"]])
def test_wrong_words_are_refused(words: list[str]) -> None:
    assert main(words) == 64

"""`diagmesh races --run`: real tests and programs under the real race detector, bounded, all ended."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psutil
import pytest

from support.compiler import c_compiler
from support.golang import Go
from support.programs import wait_until

_RACE: Final = """
func race() int {
	n, done := 0, make(chan bool)
	go func() { n++; close(done) }()
	n++
	<-done
	return n
}
"""
_FILES: Final = {
    "go.mod": "module example.test/shop\n\ngo 1.22\n",
    "well/well_test.go": 'package well\n\nimport "testing"\n\nfunc TestWell(t *testing.T) {}\n',
    "racy/racy.go": f"package racy\n{_RACE}",
    "racy/racy_test.go": """package racy

import "testing"

func TestA(t *testing.T) { race() }
func TestB(t *testing.T) { race() }
""",
    "bad/bad_test.go": 'package bad\n\nimport "testing"\n\nfunc TestBad(t *testing.T) { t.Error("no") }\n',
    "broken/broken_test.go": 'package broken\n\nimport "testing"\n\nfunc TestX(t *testing.T) { missing() }\n',
    "cmd/server/main.go": f"""package main

import (
	"os"
	"os/exec"
	"time"
)
{_RACE}
func main() {{
	race()
	if len(os.Args) > 1 {{
		exec.Command("sleep", os.Args[1]).Start()
		time.Sleep(time.Hour)
	}}
}}
""",
}


@pytest.fixture(scope="module")
def shop(go: Go, tmp_path_factory: pytest.TempPathFactory) -> Path:
    c_compiler()  # -race needs one
    root = tmp_path_factory.mktemp("shop")
    for name, text in _FILES.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    # What takes long is built once, without a bound in time.
    subprocess.run([go.path, "build", "-race", "-o", os.devnull, "./cmd/server"], cwd=root, check=True, timeout=600)
    return root


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Path]:
    """Where temporary files go; there must be none afterwards."""
    yield tmp_path
    assert list(tmp_path.iterdir()) == []


def command(shop: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "diagmesh_cli", "races", "--run", str(shop), *words]


def run(shop: Path, room: Path, *words: str, **environment: str) -> tuple[int, Any, str]:
    """Its exit code, what it says as JSON, and on standard error."""
    done = subprocess.run(
        command(shop, "--json", *words),
        env={**os.environ, "TMPDIR": str(room), **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, json.loads(done.stdout), done.stderr


def test_two_tests_that_meet_one_race_tell_it_once(shop: Path, room: Path) -> None:
    code, told, _ = run(shop, room, "--", "./racy", "./well", "-count=1")
    assert code == 1
    answer, tests = told["answer"], told["tests"]
    assert (answer["distinct"], answer["reports"], answer["detector"]) == (2, 2, "on")  # through two tests: two stacks
    for race in answer["races"]:
        places = {(one["frames"][0]["function"], one["frames"][0]["line"]) for one in race["accesses"]}
        assert places == {("example.test/shop/racy.race", 6), ("example.test/shop/racy.race.func1", 5)}
        assert race["created"]
    tested = {test for race in answer["races"] for test in race["tests"]}
    assert tested == {"example.test/shop/racy.TestA", "example.test/shop/racy.TestB"}
    assert (tests["passed"], len(tests["raced"]), tests.get("failed", [])) == (1, 2, [])


def test_what_was_not_built_and_what_failed_otherwise_are_told_apart_from_races(shop: Path, room: Path) -> None:
    code, told, _ = run(shop, room)
    assert code == 2
    tests = told["tests"]
    assert tests["of"] == 5
    assert tests["not_built"] == ["example.test/shop/broken"]
    assert tests["failed"] == ["example.test/shop/bad.TestBad"]
    assert {one.rpartition(".")[0] for one in tests["raced"]} == {"example.test/shop/racy"}
    assert "undefined: missing" in told["said"]
    assert told["answer"]["distinct"] == 2


def test_a_sound_package_is_well(shop: Path, room: Path) -> None:
    code, told, _ = run(shop, room, "--", "test", "./well")
    assert (code, told["ended"], told["answer"]["reports"], told["tests"]["passed"]) == (0, "complete", 0, 1)


def test_reports_come_whatever_the_user_has_set_for_his_own_runs(shop: Path, room: Path) -> None:
    mine = {"GORACE": f"log_path={room}/hidden halt_on_error=1 exitcode=0"}
    code, told, _ = run(shop, room, "--", "run", "./cmd/server", **mine)
    assert (code, told["answer"]["distinct"], told["program"]) == (1, 1, "ended with status 66")


def test_a_program_that_serves_is_ended_when_the_time_is_over(shop: Path, room: Path) -> None:
    for seconds in ("10", "60"):
        code, told, _ = run(shop, room, "--for", seconds, "--", "run", "./cmd/server", "3601")
        if told["answer"]["distinct"]:
            break  # else building, which counts, left it no time: the machine is busy
    assert (code, told["ended"], told["answer"]["distinct"]) == (1, "timeout", 1)
    assert not sleepers("3601")


def test_a_program_that_cannot_be_built_is_told_so(shop: Path, room: Path) -> None:
    code, told, _ = run(shop, room, "--", "run", "./racy")
    assert (code, told["ended"]) == (2, "not built")
    code, told, _ = run(shop, room, "--", "run", "./nowhere")
    assert (code, told["ended"]) == (2, "not built")
    assert "nowhere" in told["said"]


def test_an_interrupted_run_leaves_nothing_behind_and_tells_what_it_saw(shop: Path, room: Path) -> None:
    words = command(shop, "--json", "--", "run", "./cmd/server", "3602")
    with subprocess.Popen(words, env={**os.environ, "TMPDIR": str(room)}, stdout=subprocess.PIPE) as process:
        wait_until(lambda: bool(sleepers("3602")), 120.0, "the program has started a child")
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    told = json.loads(out)
    assert (process.returncode, told["ended"], told["answer"]["distinct"]) == (130, "interrupted", 1)
    assert not sleepers("3602")


def test_one_that_is_killed_leaves_nothing_behind_either(shop: Path, room: Path) -> None:
    words = command(shop, "--json", "--", "run", "./cmd/server", "3603")
    with subprocess.Popen(words, env={**os.environ, "TMPDIR": str(room)}, stdout=subprocess.PIPE) as process:
        wait_until(lambda: bool(sleepers("3603")), 120.0, "the program has started a child")
        process.kill()
    wait_until(lambda: not sleepers("3603"), 30.0, "its child has ended")
    wait_until(lambda: not list(room.iterdir()), 30.0, "its folder is gone")


def test_one_that_is_interrupted_while_go_is_asked_what_it_is_ends_so(
    shop: Path, room: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """It may fetch the toolchain that the module asks for, and take minutes."""
    slow = tmp_path_factory.mktemp("bin") / "go"
    slow.write_text("#!/bin/sh\nexec sleep 3604\n")
    slow.chmod(0o755)
    environment = {**os.environ, "TMPDIR": str(room), "PATH": f"{slow.parent}:{os.environ['PATH']}"}
    with subprocess.Popen(command(shop), env=environment, stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: bool(sleepers("3604")), 60.0, "go was started")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "diagmesh: interrupted\n")
    assert not sleepers("3604")


def sleepers(how_long: str) -> list[int]:
    return [
        one.pid for one in psutil.process_iter(["cmdline"]) if (one.info["cmdline"] or [])[:2] == ["sleep", how_long]
    ]


def test_what_is_missing_is_said(shop: Path, room: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    code, told, said = run(shop, room, CC="/nonexistent/cc")
    assert (code, told["error"]["error"]) == (3, "no C compiler")
    assert "-race needs a C compiler, and /nonexistent/cc is not here" in said
    empty = tmp_path_factory.mktemp("empty")
    code, told, _ = run(empty, room)
    assert code == 64
    assert "there is no Go module" in told["error"]["detail"]

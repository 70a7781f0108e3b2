"""Runs under the race detector: what is run, what `go test` tells, how it ends; the real Go is elsewhere."""

import json
from pathlib import Path
from typing import Any

import pytest

from diagmesh.contract.answers.races import Races
from diagmesh_cli.commands.races import exit_of
from diagmesh_cli.exits import Exit
from diagmesh_cli.local.children import Family
from diagmesh_cli.racerun import toolchain
from diagmesh_cli.racerun.output import Tail
from diagmesh_cli.racerun.plan import plan_of
from diagmesh_cli.racerun.run import RaceRun, RunEnded, TestedPackages
from diagmesh_cli.racerun.tally import Tally
from diagmesh_cli.racerun.toolchain import CannotRun, find_toolchain
from diagmesh_cli.trouble import UsageError


@pytest.mark.parametrize(
    ("words", "command"),
    [
        ((), "go test -race ./..."),
        (("test",), "go test -race ./..."),
        (("./store", "-run", "Put"), "go test -race ./store -run Put"),
        (("test", "-race", "-json", "./a", "./b"), "go test -race ./a ./b"),
        (("run", "./cmd/orders"), "go run -race ./cmd/orders"),
        (("run", "-tags=x", "a.go", "b.go", "c", "-race"), "go run -race -tags=x a.go b.go c"),
    ],
)
def test_words_become_a_run(words: tuple[str, ...], command: str) -> None:
    assert plan_of(words).words == command


def test_a_program_and_what_is_given_to_it_are_told_apart() -> None:
    plan = plan_of(("run", "-tags=x", "./cmd/orders", "--port", "0"))
    assert (plan.tests, plan.build, plan.arguments) == (False, ("-tags=x", "./cmd/orders"), ("--port", "0"))
    plan = plan_of(("run", "a.go", "b.go", "c.txt"))
    assert (plan.build, plan.arguments) == (("a.go", "b.go"), ("c.txt",))
    with pytest.raises(UsageError, match="name the program"):
        plan_of(("run", "-v"))


def events(*told: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in told)


def said(package: str, text: str, test: str = "") -> dict[str, Any]:
    return {"Action": "output", "Package": package, "Output": text, **({"Test": test} if test else {})}


def ended(package: str, how: str, test: str = "") -> dict[str, Any]:
    return {"Action": how, "Package": package, **({"Test": test} if test else {})}


RACED = "    testing.go:1867: race detected during execution of test\n"


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_what_failed_is_told_by_the_reason(size: int) -> None:
    data = events(
        {"Action": "start", "Package": "a"},
        said("a", RACED, "TestRacy/part"),
        ended("a", "fail", "TestRacy/part"),
        ended("a", "fail", "TestRacy"),
        said("a", "no\n", "TestBad"),
        ended("a", "fail", "TestBad"),
        ended("a", "fail"),
        {"Action": "build-output", "ImportPath": "b", "Output": "b/x.go:1:2: undefined: y\n"},
        said("b", "FAIL\tb [build failed]\n"),
        ended("b", "fail"),
        said("c", "exit status 66\n"),
        ended("c", "fail"),
        ended("d", "skip"),
        ended("e", "pass"),
        {"Action": "start", "Package": "f"},
    )
    tally = Tally()
    mixed = b'{"not": "an event"\nplain words\n' + data
    for at in range(0, len(mixed), size):
        tally.feed(mixed[at : at + size])
    assert {name: one.state for name, one in tally.packages.items()} == {
        "a": "fail",
        "b": "not built",
        "c": "fail",
        "d": "skip",
        "e": "pass",
        "f": "",
    }
    assert (tally.packages["a"].by_race, tally.packages["a"].failed) == ({"TestRacy/part"}, {"TestBad"})
    assert tally.packages["c"].by_race == {""}
    assert tally.build_words == ["b/x.go:1:2: undefined: y"]
    assert (tally.done, tally.named("pass")) == (5, ("e",))


def test_the_end_of_what_was_said_begins_with_a_line() -> None:
    tail = Tail(10)
    tail.feed(b"one\n")
    assert tail.text == "one\n"
    tail.feed(b"two\nthree\nfour\n")
    assert tail.text == "four\n"


CLEAN = TestedPackages(of=2, passed=2)
RUN = RaceRun(
    command="go test -race ./...",
    directory="/src",
    go="go1.26.8",
    ended=RunEnded.COMPLETE,
    took_s=1.0,
    answer=Races(distinct=0, reports=0),
    tests=CLEAN,
)
FOUND = Races(distinct=1, reports=2)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, Exit.WELL),
        ({"answer": FOUND, "tests": TestedPackages(of=1, raced=("a.TestRacy",))}, Exit.FINDINGS),
        ({"answer": Races(distinct=1, reports=1, cut=1)}, Exit.UNSURE),
        ({"answer": FOUND, "tests": TestedPackages(of=2, not_built=("b",))}, Exit.UNSURE),
        ({"answer": FOUND, "tests": TestedPackages(of=2, failed=("b.TestBad",))}, Exit.UNSURE),
        ({"tests": TestedPackages(of=0)}, Exit.UNSURE),
        ({"ended": RunEnded.TIMEOUT}, Exit.UNSURE),
        ({"ended": RunEnded.TIMEOUT, "tests": None}, Exit.WELL),
        ({"ended": RunEnded.TIMEOUT, "tests": None, "answer": FOUND}, Exit.FINDINGS),
        ({"ended": RunEnded.NOT_BUILT, "tests": None}, Exit.UNSURE),
        ({"tests": None, "failed": True, "answer": FOUND}, Exit.UNSURE),
        ({"ended": RunEnded.INTERRUPTED, "answer": FOUND}, Exit.INTERRUPTED),
    ],
)
def test_how_the_command_ends(changes: dict[str, Any], code: Exit) -> None:
    fields = {name: getattr(RUN, name) for name in RUN.__struct_fields__}
    assert exit_of(RaceRun(**{**fields, **changes})) is code


async def looked_for(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    family = Family(tmp_path / "run", tmp_path / "state")
    await family.open()
    try:
        await find_toolchain(family, tmp_path)
    finally:
        await family.close()


async def test_without_go_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(toolchain, "_USUAL_PLACES", ())
    with pytest.raises(CannotRun, match="there is no Go toolchain") as caught:
        await looked_for(tmp_path)
    assert (caught.value.error, caught.value.hint) == ("no Go", "install it: https://go.dev/dl")


async def test_a_broken_go_is_told_in_its_own_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\necho 'no space left' >&2\nexit 2\n")
    go.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(CannotRun, match="`go env` failed: no space left"):
        await looked_for(tmp_path)

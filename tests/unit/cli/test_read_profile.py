"""`diagmesh read profile`: tables for people, every number for programs, stacks for others, words for what is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from diagmesh_cli.main import run
from support.pprof import made, packed

SPACE = (("alloc_space", "bytes"), ("inuse_space", "bytes"))
NOW = [("main.main;main.keep:12", [90 << 20, 80 << 20]), ("main.main;main.waste:30", [10 << 20, 0])]
BEFORE = [("main.main;main.keep:12", [30 << 20, 20 << 20]), ("main.main;main.old:40", [5 << 20, 5 << 20])]


@pytest.fixture
def now(tmp_path: Path) -> str:
    (tmp_path / "now.pb.gz").write_bytes(packed(made(NOW, types=SPACE)))
    return str(tmp_path / "now.pb.gz")


@pytest.fixture
def before(tmp_path: Path) -> str:
    (tmp_path / "before.pb.gz").write_bytes(packed(made(BEFORE, types=SPACE)))
    return str(tmp_path / "before.pb.gz")


def told(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert run(["read", "profile", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)["files"][0]["answer"]["counted"]


def test_a_table_for_people(now: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run(["read", "profile", now, "--peek", "keep"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("inuse_space: 80.0 MiB\n")
    assert "main.keep" in shown
    assert "main.go:12" in shown
    assert "called by main.main" in shown
    assert "main.waste" not in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_every_number_for_programs(now: str, capsys: pytest.CaptureFixture[str]) -> None:
    allocated, used = told(capsys, now)
    assert (allocated["sample"], allocated["total"]) == ("alloc_space", 100 << 20)
    assert [(row["function"], row["flat"], row["cum"]) for row in allocated["rows"]] == [
        ("main.keep", 90 << 20, 90 << 20),
        ("main.waste", 10 << 20, 10 << 20),
        ("main.main", 0, 100 << 20),
    ]
    assert [(row["line"], row["flat"]) for row in allocated["lines"]][:2] == [(12, 90 << 20), (30, 10 << 20)]
    assert allocated["folded"] == {"main.main;main.keep": 90 << 20, "main.main;main.waste": 10 << 20}
    assert used["folded"] == {"main.main;main.keep": 80 << 20, "main.main;main.waste": 0}


def test_a_difference(now: str, before: str, capsys: pytest.CaptureFixture[str]) -> None:
    (used,) = told(capsys, now, "--base", before, "--type", "inuse_space")
    assert used["total"] == 25 << 20
    assert {row["function"]: row["flat"] for row in used["rows"]} == {
        "main.keep": 60 << 20,
        "main.old": -(5 << 20),
        "main.main": 0,
    }
    assert run(["read", "profile", now, "--base", before]) == 0
    shown = capsys.readouterr().out
    assert "+60.0 MiB" in shown
    assert "-5.0 MiB" in shown


def test_several_files_are_added_up(now: str, before: str, capsys: pytest.CaptureFixture[str]) -> None:
    (used,) = told(capsys, now, before, "--type", "inuse_space")
    assert used["total"] == 105 << 20


def test_focus_and_ignore(now: str, capsys: pytest.CaptureFixture[str]) -> None:
    (allocated,) = told(capsys, now, "--type", "alloc_space", "--focus", "main", "--ignore", "keep")
    assert [row["function"] for row in allocated["rows"]] == ["main.waste", "main.main"]
    assert allocated["total"] == 100 << 20, "shares are of all"


def test_stacks_for_other_programs(now: str, tmp_path: Path) -> None:
    assert run(["read", "profile", now, "--folded", str(tmp_path / "stacks")]) == 0
    assert (tmp_path / "stacks").read_text() == f"main.main;main.keep {80 << 20}\n"


def test_flames_are_one_file_that_loads_nothing(now: str, before: str, tmp_path: Path) -> None:
    assert run(["read", "profile", now, "--base", before, "--html", str(tmp_path / "flames.html")]) == 0
    document = (tmp_path / "flames.html").read_text()
    assert "default-src 'none'" in document
    assert "inuse_space: 25.0 MiB before, 80.0 MiB now" in document
    assert "http://" not in document
    assert "https://" not in document
    assert "main.keep" in document


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ([], 64, "name a file"),
        (["{now}", "--type", "cpu"], 64, "no sample type 'cpu' (sample types: alloc_space, inuse_space)"),
        (["{now}", "--focus", "("], 64, "focus is no regular expression"),
        (["{now}", "--peek", "nobody"], 64, "no function in the profile matches 'nobody'"),
        (["{now}", "--html", "/nowhere/x.html"], 64, "--html /nowhere/x.html"),
    ],
)
def test_what_is_wrong_with_the_question(
    now: str, words: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["read", "profile", *(word.format(now=now) for word in words)]) == code
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("data", "says"),
    [(b"", "it is empty"), (b"heap profile: 1: 2\n", "text form"), (packed(made(NOW, types=SPACE))[:-9], "")],
)
def test_what_is_wrong_with_the_file(
    data: bytes, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bad.pb.gz"
    file.write_bytes(data)
    assert run(["read", "profile", str(file), "--json"]) == 2
    problem = json.loads(capsys.readouterr().out)["files"][0]["problem"]
    assert problem["detail"].startswith(str(file))
    assert says in problem["detail"]


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["read", "profile", str(tmp_path / "none")]) == 2
    assert "No such file" in " ".join(capsys.readouterr().out.split())


def test_a_file_of_any_size_is_refused_within_bounds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "huge"
    with file.open("wb") as huge:
        huge.truncate(200 << 20)
    assert run(["read", "profile", str(file), "--json"]) == 2
    assert "more than 67,108,864 bytes" in capsys.readouterr().out

"""`diagmesh profile` and the check by its rules on a real mesh: added up, set against siblings, drawn, kept."""

import asyncio
import json
import re
import signal
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from diagmesh_cli.main import run
from faults.mesh import Copy, DemoMesh
from support.godemo import ask, build
from support.golang import Go
from support.pprof import Tool
from support.programs import Program, wait_until


class Replicas(NamedTuple):
    """Two replicas, of which the first computes without pause."""

    mesh: DemoMesh
    spins: Copy
    well: Copy


@pytest.fixture(scope="module")
def replicas(go: Go, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    folder = tmp_path_factory.mktemp("mesh")
    with DemoMesh(folder, build(go)) as mesh:
        mesh.start([], bare=True)
        copies = []
        for name in ("i1", "i2"):
            (folder / name).mkdir()
            copies.append(mesh.copy("payments", name, folder / name))
        copies[0].service.turn("spin", for_s=600)
        yield Replicas(mesh, *copies)


def asked(replicas: Replicas, *words: str) -> int:
    return run([*words, "--nats", replicas.mesh.url])


def test_all_replicas_are_added_up(replicas: Replicas, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(replicas, "profile", "payments", "--cpu", "1s") in (0, 1)
    shown = capsys.readouterr().out
    assert "payments: 2 replicas added up" in shown
    assert re.search(r"harm\.compute +running\.go:\d+", shown)
    assert max(map(len, shown.splitlines())) <= 80


def test_the_mesh_adds_up_what_replicas_told(replicas: Replicas) -> None:
    """What `nats req diag.mesh.profile` gets."""

    def told(**more: object) -> Any:
        question = {"type": "goroutine", "services": ["payments"], "timeout_ms": 20_000, **more}
        return ask(replicas.mesh.url, "diag.mesh.profile", question, within_s=25.0)[1]["answer"]

    answer = told(each=True, top=1000)
    (summed,) = answer["merged"]["counted"]
    (first, second) = [reply["answer"]["counted"][0] for reply in answer["each"]]
    assert (summed["service"], summed["replicas"], summed["total"]) == ("payments", 2, first["total"] + second["total"])
    assert "short_by" not in summed
    of_each = [{row["function"]: (row["flat"], row["cum"]) for row in one["rows"]} for one in (first, second)]
    for row in summed["rows"]:
        parts = [one.get(row["function"], (0, 0)) for one in of_each]
        assert [row["flat"], row["cum"]] == [sum(part) for part in zip(*parts, strict=True)]
    few = told(top=3)["merged"]["counted"][0]
    assert len(few["rows"]) > 20, "each replica is asked for more rows than anybody wants to see of one"


def test_sums_are_told_on_a_terminal(replicas: Replicas, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(replicas, "ask", "profile", "payments", "--timeout", "8") in (0, 1)
    shown = capsys.readouterr().out
    assert "payments: 2 replicas added up, cpu: " in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_one_against_its_siblings(replicas: Replicas, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    html = tmp_path / "flames.html"
    code = asked(replicas, "profile", "payments", "--cpu", "1s", "--diff-sibling", "--html", str(html), "--json")
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert code in (0, 1)
    assert told["unlike"] == "payments/i1"
    cpu = next(one for one in told["difference"]["counted"] if one["sample"] == "cpu")
    assert cpu["base"] == "payments/i2"
    assert cpu["rows"][0]["function"] == "diagmesh.test/demo/internal/harm.compute"
    assert cpu["rows"][0]["flat"] > 0
    assert [reply["instance"] for reply in told["replies"]] == ["i1", "i2"]
    document = unescape(html.read_text())
    assert "harm.compute" in document
    assert "cpu of payments/i1 against payments/i2" in document
    assert '"before":"in payments/i2","now":"here"' in document
    assert "than before" not in document, "its sibling is no earlier look"


def test_a_finding_that_ends_a_command_with_1_is_told(replicas: Replicas, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(replicas, "profile", "payments", "--cpu", "2s", "--diff-sibling") in (0, 1)
    shown = capsys.readouterr().out
    assert "cpu: against payments/i2; " in shown
    assert "cost for each: CPU sampled" in " ".join(shown.split())
    code = asked(replicas, "profile", "payments", "--cpu", "2s")
    shown = capsys.readouterr().out
    assert ("PROF-001 harm.compute (running.go:" in shown) is (code == 1)


def test_the_files_are_kept_as_they_came(replicas: Replicas, tmp_path: Path, go: Go) -> None:
    assert asked(replicas, "profile", "payments", "--cpu", "1s", "--raw", str(tmp_path / "cpu.pb.gz")) in (0, 1)
    files = sorted(tmp_path.glob("*.pb.gz"))
    assert [file.name for file in files] == ["cpu-i1.pb.gz", "cpu-i2.pb.gz"]
    top = Tool(go, tmp_path).top(files[0], of="cpu", unit="nanoseconds")
    assert top.rows[0][0] == "diagmesh.test/demo/internal/harm.compute"


def test_stacks_of_all_replicas_are_written_as_text(replicas: Replicas, tmp_path: Path) -> None:
    folded = tmp_path / "stacks.txt"
    assert asked(replicas, "profile", "payments", "--cpu", "1s", "--folded", str(folded)) in (0, 1)
    lines = folded.read_text().splitlines()
    assert all(re.fullmatch(r"\S.* \d+", line) for line in lines)
    assert any("harm.compute" in line.partition(" ")[0].rpartition(";")[2] for line in lines)


def test_one_instance_and_its_heap(replicas: Replicas, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(replicas, "profile", "payments/i2", "--type", "heap", "--top", "3") == 0
    shown = capsys.readouterr().out
    assert "payments/i2" in shown
    assert "heap · inuse_space" in shown
    assert "cost: heap written out" in shown
    assert "file:" not in shown, "it was fetched to be added up, and nobody asked for it"


def test_the_time_that_is_asked_for_is_enough(replicas: Replicas, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(replicas, "ask", "profile", "payments/i2", "--timeout", "1") == 2
    said = capsys.readouterr().out.replace("\n", " ")
    (wanted,) = re.findall(r"or more \(--timeout ([\d.]+)\)", said)
    for whom in ("payments/i2", "payments"):
        assert asked(replicas, "ask", "profile", whom, "--timeout", wanted) in (0, 1, 2)
        assert "do not fit into" not in capsys.readouterr().out.replace("\n", " ")


def sampling(replicas: Replicas, name: str) -> bool:
    """Whether somebody is at an instance: what costs next to nothing has to wait then."""
    _, reply = ask(replicas.mesh.url, f"diag.payments.profile.{name}", {"type": "threadcreate"})
    return bool(reply.get("problem", {}).get("code") == 429)


@pytest.mark.parametrize(
    ("target", "whom", "number"),
    [
        ("payments/i2", ["i2"], signal.SIGINT),
        ("payments", ["i1", "i2"], signal.SIGINT),
        ("payments/i2", ["i2"], signal.SIGTERM),
    ],
)
def test_whoever_is_interrupted_ends_the_sampling_too(
    replicas: Replicas, target: str, whom: list[str], number: signal.Signals, tmp_path: Path
) -> None:
    words = ["python", "-m", "diagmesh_cli", "profile", target, "--cpu", "30s", "--nats", replicas.mesh.url]
    with Program(words, tmp_path / "log", {"PYTHONUNBUFFERED": "1"}) as command:
        wait_until(lambda: all(sampling(replicas, name) for name in whom), 20, "all are sampled")
        command.send(number)
        assert asyncio.run(command.ended()) == 130
        wait_until(lambda: not any(sampling(replicas, name) for name in whom), 10, "nobody is sampled any more")
        assert "interrupted" in command.log_text()
    assert asked(replicas, "profile", target, "--cpu", "1s") in (0, 1), "nor does Go itself go on: it would refuse"


def test_a_usual_check_samples_nobody(replicas: Replicas, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(replicas, "check", "payments", "--json") in (0, 1, 2)
    check = json.loads(capsys.readouterr().out)["answer"]
    assert "profile" not in check["asked"]
    assert not [one for one in check["verdicts"] if one["code"].startswith("PROF")]


@pytest.mark.parametrize("direct", [[], ["--direct"]])
def test_a_check_that_names_them_does(
    replicas: Replicas, direct: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    def found() -> bool:
        assert asked(replicas, "check", "payments", "--code", "PROF", "--json", *direct) in (0, 1)
        check = json.loads(capsys.readouterr().out)["answer"]
        assert check["asked"] == ["profile"]
        verdicts = {one["code"]: one["verdict"] for one in check["verdicts"]}
        assert verdicts.keys() == {"PROF-001", "PROF-002", "PROF-003", "PROF-004"}
        assert {one["code"] for one in check["findings"]} <= {"PROF-001", "PROF-004"}
        return "found" in (verdicts["PROF-001"], verdicts["PROF-004"])

    # A busy machine may leave it, in the one second that is sampled, less than the quarter of a core that is told.
    wait_until(found, 60, "what i1 spends is found")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["profile", "payments", "--cpu", "31s"], 64, "1s to 30s"),
        (["profile", "payments", "--cpu", "1s", "--type", "heap"], 64, "two profiles"),
        (["profile", "payments", "--base", "previous", "--diff-sibling"], 64, "leave out --diff-sibling"),
        (["profile", "payments", "--cpu", "1s", "--focus", "("], 2, "focus is no regular expression"),
        (["profile", "payments", "--cpu", "30s", "--html", "/nowhere/x.html"], 64, "there is no folder /nowhere"),
        (["profile", "payments", "--cpu", "30s", "--raw", "/"], 64, "that is a folder"),
        (["profile", "payments/i2", "--type", "heap", "--peek", "nobody"], 0, "no function matches that"),
        (["profile", "nobody", "--cpu", "1s"], 2, "nobody"),
    ],
)
def test_what_cannot_be_is_said(
    replicas: Replicas, words: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(replicas, *words) == code
    told = capsys.readouterr()
    assert says in " ".join((told.out + told.err).split())

"""What `--help` says: it fits a narrow terminal, and everything it offers can be used."""

import re

import pytest

from diagmesh_cli.app import make_app
from diagmesh_cli.main import run
from diagmesh_cli.options import FLAGS, VALUED

HELPS = [
    [],
    *([name] for name in ("up", "init", "status", "services", "ask", "schema", "completion", "forget")),
    ["config"],
    ["config", "check"],
    ["control"],
    ["control", "log-level"],
]


@pytest.mark.parametrize("words", HELPS, ids=" ".join)
def test_each_help_reads_well_at_80_columns(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run([*words, "--help"]) == 0
    shown = capsys.readouterr().out
    lines = shown.splitlines()
    assert lines[0].startswith(f"Usage: {' '.join(['diagmesh', *words])} ")
    assert max(map(len, lines)) <= 80
    assert {"  3    nobody there, or the mesh cannot be reached", "  130  interrupted"} <= set(lines)
    # Placeholders say what is wanted, not which type it has, and an empty default is none.
    assert not re.search(r"\b(STR|FLOAT|INT|ARGS)\b|default: \"\"", shown)


@pytest.mark.parametrize("name", ["status", "services", "ask", "forget", "control log-level"])
def test_what_asks_the_mesh_takes_every_shared_option(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    run([*name.split(), "--help"])
    shown = capsys.readouterr().out
    assert all(option in shown for option in (*FLAGS, *VALUED))


@pytest.mark.parametrize("words", [["up"], ["schema"], ["config", "check"]], ids=" ".join)
def test_what_asks_no_mesh_offers_no_connection(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    run([*words, "--help"])
    shown = capsys.readouterr().out
    assert "--json" in shown
    assert "--nats" not in shown
    assert run([*words, "x.toml", "--nats", "nats://127.0.0.1:1"]) == 64
    assert "--nats" in capsys.readouterr().err


@pytest.mark.parametrize("words", HELPS, ids=" ".join)
def test_the_examples_of_the_help_are_no_wrong_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    run([*words, "--help"])
    for line in capsys.readouterr().out.splitlines():
        if line.startswith("  diagmesh "):
            make_app().parse_args(line.split()[1:])

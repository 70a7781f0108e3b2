"""Real shells complete our command line with the script that they are given."""

import functools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from diagmesh.accept import CONTROL_KINDS, COORDINATOR_CONTROL_KINDS
from diagmesh_cli.main import run
from diagmesh_cli.processes import PROCESSES

DIAGMESH = Path(sys.executable).parent / "diagmesh"


def shell(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"no {name}: install the Debian package {name}")
        pytest.skip(f"no {name} here")
    return found


@functools.cache
def script(name: str) -> str:
    """What the command prints for a shell."""
    done = subprocess.run([DIAGMESH, "completion", name], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def spoken(command: list[str], given: str, home: Path) -> list[str]:
    """What a shell says to what it is given; without anybody's start files."""
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "TERM": "dumb", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        command, input=given, capture_output=True, text=True, timeout=60, check=False, env=environment, cwd=home
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


CASES = [
    (("",), {"status", "ask", "check", "completion", "sidecar"}),
    (("st",), {"status"}),
    (("config", ""), {"check"}),
    (("ask", "--de"), {"--detail"}),
    (("ask", "health", "--detail", "f"), {"full"}),
    (("completion", ""), {"bash", "zsh", "fish"}),
    (("ask", ""), {"health", "resources", "coordinator"}),
    (("ask", "re"), {"resources"}),
    (("explain", "RES-00"), {"RES-001", "RES-004"}),
    (("check", "--code", "PR"), {"PROC", "PROC-001"}),
    (("control", "log-level", "orders/i1", "de"), {"debug"}),
    (("sidecar", "--pro"), {"--probe-http", "--probe-tcp"}),
    (("sidecar", "--service", "orders", "--restart", "on"), {"on-failure"}),
    (("coordinator", "--registry", ""), {"auto", "off", "required"}),
]


@pytest.mark.parametrize(("words", "expected"), CASES)
def test_bash(words: tuple[str, ...], expected: set[str], tmp_path: Path) -> None:
    typed = " ".join(f"'{word}'" for word in ("diagmesh", *words))
    asks = (
        f"COMP_WORDS=({typed}); COMP_CWORD={len(words)}; COMP_LINE='diagmesh {' '.join(words)}'\n"
        "complete -p diagmesh >/dev/null || exit 7\n"
        f"_diagmesh diagmesh '{words[-1]}' '{words[-2] if len(words) > 1 else 'diagmesh'}'\n"
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    got = spoken([shell("bash"), "--norc", "--noprofile"], script("bash") + asks, tmp_path)
    assert expected <= set(got)
    assert all(word.startswith(words[-1]) for word in got)


@pytest.mark.parametrize(("words", "expected"), CASES)
def test_fish(words: tuple[str, ...], expected: set[str], tmp_path: Path) -> None:
    asks = f"complete --do-complete 'diagmesh {' '.join(words)}'\n"
    got = spoken([shell("fish"), "--no-config"], script("fish") + asks, tmp_path)
    assert expected <= {line.split("\t")[0] for line in got}


def test_zsh_takes_the_script(tmp_path: Path) -> None:
    (tmp_path / "_diagmesh").write_text(script("zsh"), encoding="utf-8")
    asks = (
        "fpath=($PWD $fpath); autoload -Uz compinit && compinit -D -u\n"
        "print -r -- ${_comps[diagmesh]}\n"
        "zcompile -U _diagmesh && print compiled\n"
    )
    assert spoken([shell("zsh"), "-f"], asks, tmp_path) == ["_diagmesh", "compiled"]


def test_every_command_is_in_every_script(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("bash", "zsh", "fish"):
        assert run(["completion", name]) == 0
        text = capsys.readouterr().out
        assert all(
            word in text
            for word in ("status", "explain", "forget", "log-level", "coordinator", "--junit", "RES-004", "resources")
        )


@pytest.mark.parametrize("program", PROCESSES)
def test_the_options_of_the_programs_are_those_that_they_have(program: str) -> None:
    done = subprocess.run([DIAGMESH, program, "--help"], capture_output=True, text=True, timeout=60, check=True)
    told = dict(re.findall(r"^  (--[a-z-]+)(?: (\S+))?", done.stdout, re.MULTILINE))
    assert told.pop("--version") == ""
    assert told.keys() == PROCESSES[program].keys()
    for option, takes in PROCESSES[program].items():
        assert (told[option] == "") == (takes is bool), option
        if told[option].startswith("{"):
            assert told[option] == f"{{{','.join(get_args(takes))}}}"
        if told[option] in ("FILE", "DIRECTORY"):
            assert takes is Path, option
    assert get_args(PROCESSES["sidecar"]["--control"]) == CONTROL_KINDS
    assert get_args(PROCESSES["coordinator"]["--control"]) == COORDINATOR_CONTROL_KINDS


def test_another_shell_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", "tcsh"]) == 64
    assert "bash" in capsys.readouterr().err

"""Standard streams that end early, are closed or are full: the exit code stays true, and nothing else is said."""

import subprocess
import sys
from pathlib import Path

import pytest

CLI = f"{sys.executable} -m diagmesh_cli"


def shell(script: str) -> subprocess.CompletedProcess[str]:
    """In bash, where the exit code of a pipe is that of its first failure."""
    words = ["/bin/bash", "-o", "pipefail", "-c", script]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("words", ["schema --json", "schema", "--help", "--version", "ask --help"])
@pytest.mark.parametrize("reader", ["head -c 10", "head -n 1", "true", "sleep 0"])
def test_a_reader_that_has_seen_enough_is_no_error(words: str, reader: str) -> None:
    done = shell(f"{CLI} {words} | {reader}")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "words", ["nonsense", "nonsense --json", "status --nats nats://127.0.0.1:1 --timeout 1 --json"]
)
def test_the_exit_code_of_an_error_stays_though_nobody_reads_it(words: str) -> None:
    code = 3 if words.startswith("status") else 64
    assert shell(f"{CLI} {words} 2>&1 | true").returncode == code
    closed = shell(f"{CLI} {words} >&- 2>&-")
    assert (closed.returncode, closed.stdout, closed.stderr) == (code, "", "")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("words", ["schema", "schema --json", "--help"])
def test_closed_streams_are_no_error(closed: str, words: str) -> None:
    done = shell(f"{CLI} {words} {closed}")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_closed_stream_lets_nothing_else_take_its_number(tmp_path: Path) -> None:
    """A file or connection that got number 1 would have our output written into it."""
    script = (
        "import os, sys; from diagmesh_cli import main;"
        "main.run = lambda _: os.write(2, b'%d' % os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)) and 0; main.main()"
    )
    done = shell(f'{sys.executable} -c "{script}" {tmp_path}/file <&- >&-')
    assert int(done.stderr) > 2


@pytest.mark.parametrize("process", ["sidecar", "coordinator"])
def test_the_processes_start_with_closed_streams_too(process: str) -> None:
    done = shell(f"{CLI} {process} --help <&- >&-; echo $? >&2")
    assert done.stderr == "0\n"


@pytest.mark.parametrize("words", ["schema", "schema --json", "--help"])
def test_a_full_disk_is_told_as_such(words: str) -> None:
    done = shell(f"{CLI} {words} >/dev/full")
    assert done.returncode == 70
    assert done.stderr == "diagmesh: cannot write: No space left on device\n"
    assert shell(f"{CLI} {words} >/dev/full 2>&1").returncode == 70

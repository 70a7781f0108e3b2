"""The README's tour is true: its commands run against a real `diagmesh up` and print what stands there."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from diagmesh.contract.names import legalise
from support.godemo import build
from support.golang import Go
from support.house import ROOT
from support.ports import free_port
from support.programs import Program, wait_until

_SCRIPTS: Final = Path(sys.executable).parent
_PATIENCE_S: Final = 30.0
_KEY_IN_README: Final = "/tmp/diagmesh-up-…/app.nk"  # noqa: S108  replaced by the real one


class Step(NamedTuple):
    """A command of the tour and the first line that it prints there."""

    command: str
    first_line: str


class Up(NamedTuple):
    """A running `diagmesh up`."""

    program: Program
    url: str
    key_file: str

    def sidecar_pid(self, settings: str) -> int:
        """The sidecar with that settings file, of this `up` and of no other that may run on the machine."""
        named = str(Path(self.key_file).with_name(settings)).encode()
        for entry in Path("/proc").iterdir():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if named in words:
                return int(entry.name)
        raise ProcessLookupError(f"no sidecar with {settings}")


def blocks(language: str) -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def tour() -> list[Step]:
    found: list[Step] = []
    for block in blocks("console"):
        for part in block.split("$ ")[1:] if block.startswith("$ ") else []:
            command, _, output = part.partition("\n")
            found.append(Step(command, output.partition("\n")[0]))
    return found


def shape(line: str) -> str:
    """A line without what differs from run to run: numbers, ids, the name of the host."""
    for host in (legalise(socket.gethostname()), "vm"):
        line = re.sub(rf"(?<=on ){re.escape(host)}\b", "HOST", line)
    return re.sub(r"\d+(\.\d+)?", "N", line.rstrip())


def shows(printed: str, wanted: str) -> bool:
    return any(shape(line).startswith(wanted) for line in printed.split("\n"))


@pytest.fixture
def programs(go: Go) -> Path:
    """Built before, so that nobody waits for a compiler."""
    return build(go)


@pytest.fixture
def up(programs: Path, tmp_path: Path) -> Iterator[Up]:
    """`diagmesh up` on a free port, started as the README says."""
    command: list[str | Path] = [_SCRIPTS / "diagmesh", "up", "--port", "0", "--demo", "go", "--allow-faults"]
    with Program(command, tmp_path / "up.log") as program:

        def told() -> bool:
            assert program.running, program.log_text()
            return "payments/i1 up" in program.log_text()

        wait_until(told, 60, "the demo services are up")
        said = program.log_text()
        url, key = re.search(r"nats://\S+", said), re.search(r"--nkey (\S+)", said)
        assert url
        assert key
        yield Up(program, url[0], key[1])
        os.kill(program.pid, signal.SIGINT)
        program.stop()


class Shell:
    """A second terminal, with the environment that the README asks for."""

    def __init__(self, up: Up, home: Path, nats_cli: Path) -> None:
        self._up = up
        self._home = home
        path = os.pathsep.join((str(_SCRIPTS), str(nats_cli.parent), os.environ["PATH"]))
        self._environment = {**os.environ, "PATH": path, "NATS_URL": up.url, "HOME": str(home), "COLUMNS": "80"}

    def run(self, command: str) -> str:
        """What the command prints."""
        mine = re.sub(r"\$\(pgrep -f (\S+)\)", lambda named: str(self._up.sidecar_pid(named[1])), command)
        done = subprocess.run(
            ["/bin/sh", "-c", mine.replace(_KEY_IN_README, self._up.key_file)],
            cwd=self._home,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        return done.stdout + done.stderr


def test_every_command_prints_what_the_readme_shows(up: Up, nats_cli: Path, tmp_path: Path) -> None:
    (script,) = blocks("python")
    (tmp_path / "ask.py").write_text(script.replace("nats://127.0.0.1:4222", up.url), encoding="utf-8")
    shell, steps = Shell(up, tmp_path, nats_cli), tour()
    assert len(steps) >= 10
    for step in steps:
        wanted = shape(step.first_line.partition('"boot"')[0])
        deadline = time.monotonic() + _PATIENCE_S
        # A question is asked again until the mesh has noticed what the step before did.
        while not shows(printed := shell.run(step.command), wanted):
            assert time.monotonic() < deadline, f"{step.command}\nshould print: {step.first_line}\nprinted: {printed}"
            time.sleep(1.0)


def test_the_first_screen_has_two_commands_that_exist() -> None:
    first_screen = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:20]
    assert any(line.startswith("make run") for line in first_screen)
    assert any(line.startswith("make test") for line in first_screen)
    assert any(".venv/bin/diagmesh status" in line for line in first_screen)


def test_a_mesh_beside_services_of_ones_own_runs_with_the_commands_that_stand_there(tmp_path: Path) -> None:
    (block,) = (one for one in blocks("sh") if one.startswith("diagmesh init "))
    port = free_port()
    lines = [line.partition("  #")[0].strip().replace("HOST:4222", f"127.0.0.1:{port}") for line in block.splitlines()]
    init, serve, sidecar, coordinator, look = lines
    environment = {**os.environ, "PATH": os.pathsep.join((str(_SCRIPTS), os.environ["PATH"]))}
    service = tmp_path / "orders"
    service.write_bytes(Path("/bin/sleep").read_bytes())
    service.chmod(0o755)

    def typed(command: str) -> str:
        words = ["/bin/sh", "-c", command]
        done = subprocess.run(
            words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=30, check=False
        )
        return done.stdout + done.stderr

    def seen() -> bool:
        printed.append(typed(look))
        return "1 of 1 instance answered · 1 up" in printed[-1]

    printed: list[str] = []
    assert "keys/reader.nk" in typed(init)
    settings = tmp_path / "mesh" / "settings" / "sidecar-orders.toml"
    by_name = settings.read_text(encoding="utf-8")
    assert 'exe = "orders"' in by_name
    # Other tests of this machine run (and freeze) services of that name, too.
    settings.write_text(by_name.replace('exe = "orders"', f'exe = "{service}"'), encoding="utf-8")
    with contextlib.ExitStack() as stack:
        for number, command in enumerate((f"{service} 100", f"{serve} -p {port}", sidecar, coordinator)):
            words: list[str | Path] = ["/bin/sh", "-c", f"cd {tmp_path} && exec {command}"]
            stack.enter_context(Program(words, tmp_path / f"{number}.log", environment))
        try:
            wait_until(seen, _PATIENCE_S, "the reader sees orders")
        except TimeoutError:
            pytest.fail(f"{look} printed in the end:\n{printed[-1]}")


def test_no_line_is_wider_than_a_terminal_beside_an_editor() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert [number for number, line in enumerate(lines, 1) if len(line) > 120] == []

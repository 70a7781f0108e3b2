"""The launcher passes everything through, forwards signals, and tells the ends of a service apart."""

import itertools
import json
import os
import pty
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.golang import GoProgram
from support.launching import Launched
from support.natsserver import NatsServer
from support.procs import alive
from support.programs import wait_until
from support.quota import memory_group

pytestmark = pytest.mark.timeout(300)
NOWHERE = ("--nats", "nats://127.0.0.1:1", "--linger", "0")
"""No server: the launcher does its work all the same, but tries for some seconds to tell of an end."""
MANY = 24 * 1024 * 1024
Flags = tuple[str, ...]


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flags]:
    """A server, so that an end is told at once."""
    with NatsServer(tmp_path_factory.mktemp("nats")) as server:
        yield ("--nats", server.url, "--linger", "0")


@pytest.fixture
def talker(go_program: GoProgram) -> Path:
    return go_program("talker")


def end_of(launched: Launched) -> dict[str, Any]:
    (record,) = launched.records()
    return record


def expected(stream: str, size: int) -> bytes:
    lines, written, number = [], 0, 0
    while written < size:
        lines.append(f"/dev/{stream} line {number}\0".encode() + b"\xff\n")
        written, number = written + len(lines[-1]), number + 1
    return b"".join(lines)


def test_many_megabytes_are_passed_through_to_the_byte(tmp_path: Path, talker: Path) -> None:
    with Launched(tmp_path, [talker, "exact", tmp_path / "n", str(MANY)], *NOWHERE) as launched:
        assert launched.ended() == 0
        for stream, name in (("out", "stdout"), ("err", "stderr")):
            passed, said = launched.text(stream), expected(name, MANY)
            assert len(passed) == len(said)
            assert passed == said
        record = end_of(launched)
        assert (record["reason"], record["unpassed_bytes"]) == ("clean", 0)
        assert record["dropped_bytes"] > MANY, "the ring is much smaller than the output"
        assert "\ufffd" in record["last_words"], "bytes that are no text are made harmless"


@pytest.mark.parametrize(
    ("words", "environment", "told"),
    [
        (["exit", "N", "0"], {}, ("clean", "exit code 0", 0)),
        (["exit", "N", "2"], {}, ("exit", "exit code 2", 2)),
        (["panic", "N"], {}, ("panic", "runtime error: index out of range [7] with length 0", 2)),
        (["crowd", "N"], {"GOTRACEBACK": "all"}, ("panic", "crowded out nats://[redacted]@host", 2)),
        (["fatal", "N"], {}, ("fatal-error", "concurrent map writes", 2)),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_the_ends_of_a_go_program_are_told_apart(
    tmp_path: Path,
    there: Flags,
    talker: Path,
    words: list[str],
    environment: dict[str, str],
    told: tuple[str, str, int],
) -> None:
    reason, _, code = told
    with Launched(tmp_path, [talker, *words], *there, environment=environment) as launched:
        assert launched.ended() == code
        record = end_of(launched)
    assert (record["reason"], record["detail"], record["code"]) == told
    assert len(record["last_words"].encode()) <= 8192
    assert "hidden" not in record["last_words"]
    assert "verysecret" not in record["last_words"]
    if reason in ("panic", "fatal-error"):
        sign = "panic: " if reason == "panic" else "fatal error: "
        assert record["last_words"].startswith(sign), "the beginning matters more than the end"
        assert "goroutine" in record["last_words"]
    folder = tmp_path / "state" / "orders" / "i1"
    (file,) = folder.glob("exit-*.json")
    assert (stat.S_IMODE(file.stat().st_mode), stat.S_IMODE(folder.stat().st_mode)) == (0o600, 0o700)


def test_a_signal_that_ended_it_is_named_and_not_guessed_at(tmp_path: Path, there: Flags, talker: Path) -> None:
    with Launched(tmp_path, [talker, "sleep", tmp_path / "n"], *there) as launched:
        wait_until((tmp_path / "n").exists, 30, "the service runs")
        os.kill(launched.service, signal.SIGKILL)
        assert launched.ended() == 137
        record = end_of(launched)
    assert (record["reason"], record["signal"], record["core_dumped"]) == ("signal", "SIGKILL", False)
    assert record["asked"] is False
    assert "nobody sent it through the launcher" in record["detail"]
    assert "code" not in record


def test_a_kill_for_want_of_memory_is_told_apart(tmp_path: Path, there: Flags, talker: Path) -> None:
    with memory_group(48 * 1024 * 1024) as group:
        script = f'echo $$ > {group}/cgroup.procs; echo started; exec "$@"'
        command = ["sh", "-c", script, "sh", talker, "eat", tmp_path / "n"]
        with Launched(tmp_path, command, *there) as launched:
            assert launched.ended() == 137
            record = end_of(launched)
    assert (record["reason"], record["signal"]) == ("oom-kill", "SIGKILL")
    assert f"oom_kill of {group} rose to 1" in record["detail"]
    assert record["last_words"] == "started\n"


def test_a_core_dump_is_told(tmp_path: Path, there: Flags, talker: Path) -> None:
    pattern = Path("/proc/sys/kernel/core_pattern").read_text(encoding="utf-8").strip()
    if pattern.startswith("|") or "/" in pattern:
        pytest.skip(f"core dumps of this machine go elsewhere: {pattern}")
    limited: list[str | Path] = ["sh", "-c", 'ulimit -c unlimited && exec "$@"', "sh"]
    command = [*limited, talker, "sleep", tmp_path / "n"]
    with Launched(tmp_path, command, *there, environment={"GOTRACEBACK": "crash"}, cwd=tmp_path) as launched:
        wait_until((tmp_path / "n").exists, 30, "the service runs")
        os.kill(launched.service, signal.SIGQUIT)  # Go aborts then, as GOTRACEBACK says
        assert launched.ended() == 128 + signal.SIGABRT
        record = end_of(launched)
    # The kernel may be kept from writing one (a container without the right); then none may be told.
    assert record["core_dumped"] is bool(list(tmp_path.glob("core*")))


def test_signals_are_passed_on_once(tmp_path: Path, there: Flags, talker: Path) -> None:
    heard = tmp_path / "n"
    with Launched(tmp_path, [talker, "signals", heard], *there) as launched:
        wait_until(heard.exists, 30, "the service listens")
        said = ""
        for number, words in (
            (signal.SIGHUP, "hangup"),
            (signal.SIGUSR1, "user defined signal 1"),
            (signal.SIGUSR2, "user defined signal 2"),
            (signal.SIGWINCH, "window changed"),
            (signal.SIGINT, "interrupt"),
        ):
            launched.process.send_signal(number)
            said += f"{words}\n"
            wait_until(lambda: heard.read_text() == said, 20, f"{words} arrives")  # noqa: B023  looked at right here
        launched.process.send_signal(signal.SIGTERM)
        assert launched.ended() == 0
        assert heard.read_text() == said + "terminated\n"
        assert (end_of(launched)["asked"], end_of(launched)["reason"]) == (True, "clean")


def test_control_c_in_a_terminal_reaches_the_service_once(tmp_path: Path, there: Flags, talker: Path) -> None:
    heard, ours = tmp_path / "n", [sys.executable, "-m", "diagmesh_cli", "sidecar", "--service", "orders", *there]
    pid, terminal = pty.fork()
    if not pid:
        os.execv(  # noqa: S606  no shell
            sys.executable,
            [
                *ours,
                "--state-dir",
                str(tmp_path / "state"),
                "--",
                str(talker),
                "signals",
                str(heard),
            ],
        )
    try:
        wait_until(heard.exists, 30, "the service listens")
        os.write(terminal, b"\x03")
        wait_until(lambda: bool(heard.read_text()), 20, "it arrives")
        time.sleep(0.5)
        assert heard.read_text() == "interrupt\n"
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: os.waitpid(pid, os.WNOHANG)[0] == pid, 30, "the launcher leaves")
    finally:
        os.close(terminal)


def test_a_job_is_suspended_and_goes_on_as_a_whole(tmp_path: Path, there: Flags, talker: Path) -> None:
    with Launched(tmp_path, [talker, "sleep", tmp_path / "n"], *there) as launched:
        wait_until((tmp_path / "n").exists, 30, "the service runs")
        service = psutil.Process(launched.service)
        launcher = psutil.Process(launched.pid)
        launched.process.send_signal(signal.SIGTSTP)
        wait_until(lambda: {service.status(), launcher.status()} == {"stopped"}, 20, "both stand still")
        launched.process.send_signal(signal.SIGCONT)
        wait_until(lambda: "stopped" not in {service.status(), launcher.status()}, 20, "both go on")
        launched.process.send_signal(signal.SIGTERM)
        assert launched.ended() == 128 + signal.SIGTERM


def test_closed_standard_streams_are_not_written_to_by_others(tmp_path: Path) -> None:
    script = '"$@" >&- 2>&- <&-'
    ours = [sys.executable, "-m", "diagmesh_cli", "sidecar", "--service", "orders", "--instance", "i1", *NOWHERE]
    ours += ["--state-dir", str(tmp_path / "state"), "--", "sh", "-c", "echo hello; exit 5"]
    assert subprocess.run(["/bin/sh", "-c", script, "sh", *ours], timeout=60, check=False).returncode == 5
    (record,) = (tmp_path / "state" / "orders" / "i1").glob("exit-*.json")
    assert json.loads(record.read_bytes())["last_words"] == "hello\n"


def test_nothing_of_ours_leaks_into_the_service(tmp_path: Path, talker: Path) -> None:
    with Launched(tmp_path, [talker, "sleep", tmp_path / "n"], "--nats", "nats://127.0.0.1:1") as launched:
        wait_until((tmp_path / "n").exists, 30, "the service runs")
        pid = launched.service
        held = {int(fd.name): str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()}
        assert held[0] == "/dev/null"
        assert held[1].startswith("pipe:")
        assert held[2].startswith("pipe:")
        own = ("anon_inode:[eventpoll]", "anon_inode:[eventfd]", "/sys/fs/cgroup/")  # of the Go runtime
        assert [held[fd] for fd in held if fd > 2 and not held[fd].startswith(own)] == []
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        assert [word for word in environment if b"DIAGMESH" in word.upper()] == []
        launcher = Path(f"/proc/{launched.pid}/environ").read_bytes().split(b"\0")
        assert sorted(environment) == sorted(launcher)
        for who in ("pid", "pump"):
            text = Path(f"/proc/{getattr(launched, who)}/status").read_text()
            kib = int(next(line for line in text.splitlines() if line.startswith("VmRSS")).split()[1])
            sys.stdout.write(f"{who}: {kib} KiB\n")
            assert kib < 30 * 1024


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [(["no-such-program"], 127, "No such file"), (["/etc/passwd"], 126, "Permission denied")],
)
def test_what_cannot_be_started_is_told_as_shells_do(
    tmp_path: Path, there: Flags, command: list[str], code: int, words: str
) -> None:
    with Launched(tmp_path, command, *there) as launched:
        assert launched.ended() == code
        assert words in launched.text("err").decode()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--service", "orders", "--port", "80", "--", "true"], "a way to find a process"),
        (["--service", "orders", "--"], "the command is missing"),
        (["--service", "orders", "--linger", "-1", "--", "true"], "--linger"),
        (["--service", "Orders!", "--", "true"], "service"),
        (["--service", "orders", "--restart", "maybe", "--", "true"], "invalid choice"),
        (["--service", "orders", "--pid", "1", "--linger", "1"], "only for a service that is started here"),
        (["--service", "orders", "--nats", "nats://h", "--log-level", "loud", "--", "true"], "log_level"),
        (["--", "true"], "no target"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_wrong_flags_are_told_before_anything_starts(tmp_path: Path, flags: list[str], words: str) -> None:
    flags = ["touch" if word == "true" else word for word in flags]
    mark = tmp_path / "started"
    done = subprocess.run(
        [sys.executable, "-m", "diagmesh_cli", "sidecar", *flags, *([mark] if "touch" in flags else [])],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 64, done.stderr
    assert words in done.stderr
    assert not mark.exists()


def test_a_state_directory_that_cannot_be_used_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with Launched(tmp_path, ["echo", "hello"], *NOWHERE) as launched:
        assert launched.ended() == 0
        assert launched.text("out") == b"hello\n"
        assert b"no exit records are kept" in launched.text("err")


def test_a_program_whose_name_is_no_text_is_told_of_and_started_again(tmp_path: Path, there: Flags) -> None:
    program = tmp_path / os.fsdecode(b"not-\xff-text")
    with Launched(tmp_path, [program], *there) as launched:
        assert launched.ended() == 127
        assert b"not-\xff-text cannot be started" in launched.text("err")
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o700)
    with Launched(tmp_path, [program], *there, "--restart", "on-failure") as launched:
        wait_until(lambda: len(launched.records()) >= 2, 30, "it is started again")
        launched.process.send_signal(signal.SIGTERM)
        assert launched.ended() == 3


@pytest.mark.parametrize("trap", ["link", "fifo"])
def test_what_stands_in_the_place_of_the_log_is_neither_followed_nor_waited_for(
    tmp_path: Path, there: Flags, trap: str
) -> None:
    folder, victim = tmp_path / "state" / "orders" / "i1", tmp_path / "victim"
    folder.mkdir(parents=True)
    victim.touch()
    if trap == "link":
        (folder / "sidecar.log").symlink_to(victim)
    else:
        os.mkfifo(folder / "sidecar.log")
    with Launched(tmp_path, ["sh", "-c", "sleep 2; exit 4"], *there) as launched:
        assert launched.ended() == 4
    assert victim.read_bytes() == b""
    assert len(launched.records()) == 1


def test_a_clock_that_was_set_back_does_not_cost_the_newest_record(tmp_path: Path, there: Flags) -> None:
    folder = tmp_path / "state" / "orders" / "i1"
    folder.mkdir(parents=True)
    for number in range(20):
        (folder / f"exit-29990101T0000{number:02d}.000Z-1.json").write_text('{"code": 9}')
    with Launched(tmp_path, ["false"], *there) as launched:
        assert launched.ended() == 1
        assert [record["code"] for record in launched.records()] == [1, *[9] * 19]


def test_only_the_last_twenty_records_are_kept(tmp_path: Path, there: Flags) -> None:
    folder = tmp_path / "state" / "orders" / "i1"
    folder.mkdir(parents=True)
    for number in range(30):
        (folder / f"exit-20200101T0000{number:02d}.000Z-1.json").write_text("{}")
    with Launched(tmp_path, ["false"], *there) as launched:
        assert launched.ended() == 1
        kept = sorted(folder.glob("exit-*.json"))
        assert len(kept) == 20
        assert json.loads(kept[-1].read_bytes())["code"] == 1


def test_a_descendant_that_keeps_the_pipes_does_not_keep_us(tmp_path: Path, there: Flags) -> None:
    mark, go = tmp_path / "late", tmp_path / "go"
    waits = f"n=0; while [ ! -e {go} ] && [ $n -lt 900 ]; do sleep 0.1; n=$((n+1)); done"  # for us, whenever that is
    script = f"({waits}; echo later; echo $? > {mark}) & echo now"
    with Launched(tmp_path, ["sh", "-c", script], *there) as launched:
        started = time.monotonic()
        assert launched.ended() == 0
        assert not mark.exists(), f"after {time.monotonic() - started:.1f} s"
        go.touch()
        wait_until(mark.exists, 30, "the descendant writes on")
        assert mark.read_text() == "0\n", "it is not ended by a pipe without a reader"
        wait_until(lambda: launched.text("out") == b"now\nlater\n", 10, "what it wrote is passed on")


def test_a_failed_service_is_started_again_with_growing_pauses(tmp_path: Path, there: Flags) -> None:
    script = f"date +%s.%N >> {tmp_path / 'starts'}; exit 3"
    with Launched(tmp_path, ["sh", "-c", script], *there[:2], "--restart", "on-failure") as launched:
        starts = tmp_path / "starts"
        # Not when it has written its fourth line: it may live for a moment, and would be ended by the signal.
        wait_until(lambda: len(launched.records()) >= 4, 60, "four starts, and as many ends")
        moments = [float(word) for word in starts.read_text().split()]
        pauses = [after - before for before, after in itertools.pairwise(moments)]
        for pause, least in zip(pauses, (1, 2, 4), strict=False):
            assert pause >= least - 0.05
        launched.process.send_signal(signal.SIGTERM)
        assert launched.ended() == 3
        assert b"exit code 3; it is started again in 2 s" in launched.text("err")
        assert [record["restarts"] for record in launched.records()] == [0, 1, 2, 3]
        assert len(starts.read_text().split()) == 4


def test_a_service_that_ends_well_or_on_request_is_not_started_again(
    tmp_path: Path, there: Flags, talker: Path
) -> None:
    again = (*there, "--restart", "on-failure")
    with Launched(tmp_path, ["true"], *again) as launched:
        assert launched.ended() == 0
        assert len(launched.records()) == 1
    (tmp_path / "b").mkdir()
    with Launched(tmp_path / "b", [talker, "sleep", tmp_path / "n"], *again, "--linger", "60") as launched:
        wait_until((tmp_path / "n").exists, 30, "the service runs")
        launched.process.send_signal(signal.SIGTERM)
        assert launched.ended(30) == 128 + signal.SIGTERM, "asked and went well: it does not linger"
        assert (end_of(launched)["signal"], end_of(launched)["asked"]) == ("SIGTERM", True)


def test_a_second_signal_ends_the_linger_at_once(tmp_path: Path) -> None:
    with Launched(tmp_path, ["false"], "--nats", "nats://127.0.0.1:1", "--linger", "3000") as launched:
        wait_until(lambda: bool(launched.records()), 30, "the service has ended")
        time.sleep(0.5)
        assert launched.process.poll() is None
        launched.process.send_signal(signal.SIGTERM)
        assert launched.ended(30) == 1


def test_a_reader_that_is_gone_costs_only_what_it_did_not_read(tmp_path: Path, there: Flags, talker: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    with Launched(tmp_path, [talker, "exact", tmp_path / "n", "3000000"], *there, out=write) as launched:
        os.close(write)
        assert launched.ended() == 0
        assert end_of(launched)["unpassed_bytes"] >= 3_000_000
        assert len(launched.text("err")) >= 3_000_000, "the other stream has its reader still"
        assert not alive(launched.pid)


def test_two_streams_that_lead_to_one_place_do_not_tear_each_other_apart(tmp_path: Path, there: Flags) -> None:
    """As under systemd, or with 2>&1: the reader is slow, so that a line meets a full pipe again and again."""
    script = (
        "import os\n"
        "for number in range(6000):\n"
        "    os.write(1 + number % 2, (str(1 + number % 2) * 99 + '\\n').encode() * 2)\n"
        "    if number % 100 == 0: import time; time.sleep(0.01)\n"
    )
    read, write = os.pipe()
    with Launched(tmp_path, [sys.executable, "-c", script], *there, out=write, err=write) as launched:
        os.close(write)
        passed = b""
        while data := os.read(read, 1000):
            passed += data
            time.sleep(0.0002)
        os.close(read)
        assert launched.ended() == 0
    lines = [line for line in passed.decode().splitlines() if not line.startswith("diagmesh:")]
    assert len(lines) == 12_000
    assert {*lines} == {"1" * 99, "2" * 99}


def test_a_command_of_several_hundred_thousand_bytes_is_started(tmp_path: Path, there: Flags) -> None:
    words = ['"' * 60_000] * 5
    with Launched(tmp_path, [sys.executable, "-c", "import sys; print(len(sys.argv))", *words], *there) as launched:
        assert launched.ended() == 0
        assert launched.text("out") == b"6\n"

"""Files of 200 MB, and small ones that unpack to gigabytes: each `diagmesh read` keeps within half a GiB."""

import functools
import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from support.dumps import parked
from support.racing import REPORT

_ROOM_BYTES: Final = 512 << 20
_CHILD: Final = (
    "import resource, sys\n"
    "resource.setrlimit(resource.RLIMIT_AS, ({room}, {room}))\n"
    "from diagmesh_cli.main import run\n"
    "sys.exit(run(sys.argv[1:]))\n"
)
_NOISE: Final = b'{"level":"info","message":"' + b"x" * 8000 + b'"}\n'
_PANIC: Final = b"panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/m.go:3 +0x1\nexit status 2\n"
_WANTED: Final = {"races": REPORT, "crash": _PANIC, "goroutines": parked(50).encode()}
_SEEN: Final = {"races": '"reports":1', "crash": '"message":"boom"', "goroutines": '"total":50'}
_KINDS: Final = (*_WANTED, "profile")


@functools.cache
def packed_once(data: bytes, times: int) -> bytes:
    return gzip.compress(data * times, 1)


def read(kind: str, file: Path, room_bytes: int = _ROOM_BYTES) -> tuple[int, str]:
    words = [sys.executable, "-c", _CHILD.format(room=room_bytes), "read", kind, str(file), "--json"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert "Traceback" not in done.stderr, done.stderr[-2000:]
    return done.returncode, done.stdout


def problem(told: str) -> str:
    (file,) = json.loads(told)["files"]
    found: dict[str, Any] = file["problem"]
    return str(found["detail"])


@pytest.mark.parametrize("kind", _WANTED)
def test_what_is_sought_is_found_behind_200_mb(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "log.gz"
    some = 20 << 20
    file.write_bytes(packed_once(_NOISE, some // len(_NOISE)) * 10 + gzip.compress(_WANTED[kind]))
    code, told = read(kind, file)
    assert (code, _SEEN[kind] in told) == (0 if kind == "goroutines" else 1, True), told[:500]


@pytest.mark.parametrize("kind", _KINDS)
def test_a_line_that_has_no_end_is_no_room(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "line.gz"
    file.write_bytes(packed_once(b"x", 20 << 20) * 10)
    code, told = read(kind, file)
    assert (code, len(told) < 1000) == (0 if kind == "races" else 2, True)
    if kind != "races":
        assert str(file) in problem(told)


@pytest.mark.parametrize("kind", _KINDS)
def test_a_bomb_is_given_up_with_the_bound(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "bomb.gz"
    file.write_bytes(packed_once(b"\0", 64 << 20) * 33)
    assert file.stat().st_size < 16 << 20
    code, told = read(kind, file)
    most = "67,108,864" if kind == "profile" else "2,147,483,648"
    assert (code, f"more than {most} bytes" in problem(told)) == (2, True), told[:500]


def waiting(number: int, deep: int) -> str:
    """A goroutine that waits for a lock of its own, at the end of a long stack with words of its own."""
    frames = "".join(
        f"main.(*Store).f{number + frame}(0xc{number * 4096 + frame:09x}, {{0x{number:x}, 0x1}})\n"
        f"\t/src/shop/store.go:{frame + 1} +0x1d\n"
        for frame in range(deep)
    )
    lock = f"sync.runtime_SemacquireMutex(0xc{number:08x}0, 0x0, 0x1)\n\t/usr/local/go/src/runtime/sema.go:95 +0x25\n"
    return (
        f"goroutine {number} [sync.Mutex.Lock, {number % 90} minutes]:\n{lock}{frames}"
        "created by main.main in goroutine 1\n\t/src/main.go:12 +0x2f\n\n"
    )


def test_many_long_stacks_keep_within_half_of_that_room(tmp_path: Path) -> None:
    file, some = tmp_path / "dump.gz", "".join(waiting(number, 90) for number in range(1, 601)).encode()
    times = (64 << 20) // len(some) + 1
    file.write_bytes(packed_once(some, times))
    code, told = read("goroutines", file, _ROOM_BYTES // 2)
    assert (code, f'"total":{times * 600}' in told) == (0, True), told[:500]

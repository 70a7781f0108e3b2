"""`diagmesh read`: files of Go programs for people and for programs; packed, many, wrong, far too large."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from diagmesh.errors import Unreadable
from diagmesh_cli.exits import Exit
from diagmesh_cli.main import run
from diagmesh_cli.reading import pieces
from support.dumps import counts
from support.pprof import made, packed
from support.racing import REPORT

DATA: Final = Path(__file__).parents[2] / "data" / "crash"
PARKED: Final = """goroutine {number} [chan receive, 3 minutes]:
shop/orders.await(0xc000{number:06x})
\t/src/shop/orders/await.go:31 +0x1d
created by shop/orders.(*Service).serve in goroutine 1
\t/src/shop/orders/serve.go:12 +0x2f
"""
LOCKED: Final = """goroutine {number} [sync.Mutex.Lock, 2 minutes]:
internal/sync.(*Mutex).lockSlow(0xc0000100{lock}8)
\t/usr/local/go/src/internal/sync/mutex.go:149 +0x15a
sync.(*Mutex).Lock(...)
\t/usr/local/go/src/sync/mutex.go:46
shop/store.(*Store).{function}(0xc000010000)
\t/src/shop/store/store.go:{line} +0x5f
created by main.main in goroutine 1
\t/src/main.go:12 +0x2f
"""


def dump(*parts: str) -> str:
    return "\n".join(parts)


def parked(count: int) -> str:
    return dump(*(PARKED.format(number=number) for number in range(10, 10 + count)))


def told(*words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, Any]:
    code = run([*words, "--json"])
    return code, json.loads(capsys.readouterr().out)["files"]


def test_a_crash_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["read", "crash", str(DATA / "own_nilderef_go127.txt")]) == Exit.FINDINGS
    said = capsys.readouterr().out
    assert "nil-deref  runtime error: invalid memory address" in said
    assert "at main.deref  orders/main.go:38" in said


def test_a_crash_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    code, (file,) = told("read", "crash", str(DATA / "rt_concurrentMapWrites_go121.txt"), capsys=capsys)
    (crash,) = file["answer"]["crashes"]
    assert code == Exit.FINDINGS
    assert (crash["kind"], crash["message"], crash["goroutine"]) == ("concurrent-map", "concurrent map writes", 7)
    assert crash["frames"][0]["line"] == 27
    assert crash["states"] == {"running": 1, "chan receive": 1, "runnable": 1}


def test_packed_and_plain_say_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain, packed = DATA / "own_quitsmall_go121.txt", tmp_path / "quit.gz"
    text = plain.read_bytes()
    packed.write_bytes(gzip.compress(text[:1000]) + gzip.compress(text[1000:]))
    code, files = told("read", "goroutines", str(plain), str(packed), capsys=capsys)
    first, second = (file["answer"] for file in files)
    for answer in (first, second):
        del answer["source"], answer["cost"]["parse_ms"]
    assert (code, first) == (Exit.WELL, second)
    assert first["total"] == 12


def test_growth_since_another_dump(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base, now = tmp_path / "base.txt", tmp_path / "now.txt"
    base.write_text(parked(3), encoding="utf-8")
    now.write_text(parked(23), encoding="utf-8")
    os.utime(base, (1000, 1000))
    os.utime(now, (1010, 1010))
    code, (file,) = told("read", "goroutines", str(now), "--base", str(base), capsys=capsys)
    (growth,) = file["answer"]["growth"]
    assert code == Exit.WELL
    assert growth["site"] == {
        "function": "shop/orders.(*Service).serve",
        "file": "/src/shop/orders/serve.go",
        "line": 12,
    }
    assert (growth["before"], growth["count"], growth["over_s"], growth["per_second"]) == (3, 23, 10.0, 2.0)
    assert run(["read", "goroutines", str(now), "--base", str(base)]) == Exit.WELL
    assert "3 → 23 in 10 s, 2/s, 23 of them wait" in capsys.readouterr().out


def test_every_number_is_there_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "dump.txt"
    file.write_text(parked(500), encoding="utf-8")
    _, (read,) = told("read", "goroutines", str(file), capsys=capsys)
    (group,) = read["answer"]["groups"]
    assert [one["goroutine"] for one in group["members"]] == list(range(10, 510))
    assert {one["waits_minutes"] for one in group["members"]} == {3}
    assert group["age"] == {"min_s": 180, "median_s": 180, "max_s": 180}


def test_a_circle_of_locks_is_a_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "dump.txt"
    one = LOCKED.format(number=20, lock="0", function="bookThenCount", line=24)
    other = LOCKED.format(number=21, lock="1", function="countThenBook", line=34)
    file.write_text(dump(one, other), encoding="utf-8")
    assert run(["read", "goroutines", str(file)]) == Exit.FINDINGS
    said = capsys.readouterr().out
    assert "waiting in a circle (inferred), each for 2 min 0 s at least" in said
    assert "goroutine 20 waits for the lock 0xc000010008, which 21 seems to hold" in " ".join(said.split())


def test_nothing_is_wider_than_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "dump.txt"
    text = parked(3).replace("shop/orders.(*Service).serve", "shop/orders.(*Service).serveAllOfThemAtOnce" + "X" * 90)
    file.write_text(text, encoding="utf-8")
    run(["read", "goroutines", str(file), *map(str, sorted(DATA.glob("*.txt")))])
    run(["read", "crash", *map(str, sorted(DATA.glob("*.txt")))])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


@pytest.mark.parametrize("kind", ["goroutines", "crash"])
def test_files_that_cannot_be_read(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged, short, other = tmp_path / "damaged.gz", tmp_path / "short.gz", tmp_path / "other.txt"
    packed = gzip.compress(parked(50).encode())
    damaged.write_bytes(packed[:50] + b"\0\0\0\0" + packed[54:])
    short.write_bytes(packed[:100])
    other.write_text("no such thing\n", encoding="utf-8")
    missing = tmp_path / "missing.txt"
    code, files = told("read", kind, *map(str, (damaged, short, other, missing, tmp_path)), capsys=capsys)
    assert code == Exit.UNSURE
    details = [file["problem"]["detail"] for file in files]
    assert ["damaged" in details[0], "ends too early" in details[1]] == [True, True]
    assert "is in it" in details[2]
    assert "No such file" in details[3]
    assert "directory" in details[4]


@pytest.mark.parametrize(
    ("words", "data", "says"),
    [
        (
            ["crash", "-"],
            b"panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/m.go:3 +0x1\n",
            '"message":"boom"',
        ),
        (["goroutines", "-"], gzip.compress(parked(3).encode()), '"total":3'),
        (["goroutines", "{file}", "--base", "-"], parked(1).encode(), '"before":1'),
        (["races", "-"], REPORT, '"reports":1'),
        (["profile", "-"], packed(made([("main.main", 7)])), '"total":7'),
    ],
    ids=["crash", "goroutines", "base", "races", "profile"],
)
def test_a_dash_is_standard_input(words: list[str], data: bytes, says: str, tmp_path: Path) -> None:
    file = tmp_path / "now.txt"
    file.write_text(parked(3), encoding="utf-8")
    os.utime(file, (2e9, 2e9))
    command = [sys.executable, "-m", "diagmesh_cli", "read", *(word.format(file=file) for word in words), "--json"]
    done = subprocess.run(command, input=data, capture_output=True, timeout=60, check=False)
    assert says in done.stdout.decode(), done
    assert b'"watched_s"' not in done.stdout, "nobody knows when that was"


def test_a_goroutine_without_a_stack_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    profile = made([("main.main", 3)], types=(("goroutine", "count"),))
    profile.sample.add(value=[2])
    file = tmp_path / "goroutine.pb.gz"
    file.write_bytes(packed(profile))
    assert run(["read", "goroutines", str(file)]) == Exit.WELL
    assert "2 goroutines\n  its stack is not told\n" in capsys.readouterr().out


def test_a_base_that_cannot_be_read_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    now, before = tmp_path / "now.txt", tmp_path / "before.txt"
    now.write_text(parked(3), encoding="utf-8")
    assert run(["read", "goroutines", str(now), "--base", str(before)]) == Exit.UNSURE
    said = " ".join(capsys.readouterr().err.split())
    assert "--base" in said
    assert "No such file" in said


def test_a_bomb_is_given_up(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.gz"
    bomb.write_bytes(gzip.compress(b"\0" * 50_000_000))
    sizes = map(len, pieces(str(bomb), most=1_000_000))
    assert next(sizes) <= 64 * 1024
    with pytest.raises(Unreadable, match="more than 1,000,000 bytes"):
        max(sizes)


@pytest.mark.parametrize("kind", ["goroutines", "crash"])
def test_a_file_must_be_named(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["read", kind]) == Exit.USAGE
    assert "name a file" in capsys.readouterr().err


def test_stacks_are_not_compared_with_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stacks, numbers = tmp_path / "stacks.txt", tmp_path / "counts.txt"
    stacks.write_text(parked(3))
    numbers.write_bytes(counts(30))
    for now, base in ((stacks, numbers), (numbers, stacks)):
        assert run(["read", "goroutines", str(now), "--base", str(base)]) == Exit.UNSURE
        assert "take both in the same form" in " ".join(capsys.readouterr().out.split())
    assert run(["read", "goroutines", str(numbers), "--base", str(numbers)]) == Exit.WELL

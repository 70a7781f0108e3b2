"""Crashes out of what Go wrote: as labelled, in chains, in logs, cut; anything else is none."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diagmesh.adapters.gocrash import CrashReader, crashes_of
from diagmesh.adapters.godump import lines_of
from diagmesh.contract.answers.crash import Crash, CrashKind, PanicCause
from diagmesh.contract.answers.stacks import Frame

DATA: Final = Path(__file__).parents[2] / "data" / "crash"
LABELS: Final[dict[str, Any]] = json.loads((DATA / "labels.json").read_text(encoding="utf-8"))
STACK: Final = "\ngoroutine 7 [running]:\nmain.(*Store).Put(0xc000010000)\n\t/src/shop/store.go:48 +0x1d\n"
STACK_END: Final = "created by main.main in goroutine 1\n\t/src/shop/main.go:12 +0x2f\nexit status 2\n"


def crashes(text: str) -> list[Crash]:
    return list(crashes_of(text.splitlines()))


def one(text: str) -> Crash:
    (found,) = crashes(text)
    return found


@pytest.mark.parametrize("case", LABELS)
def test_labelled(case: str) -> None:
    label = LABELS[case]
    (crash,) = crashes_of(lines_of([(DATA / label["file"]).read_bytes()]))
    assert crash.kind.replace("-", "_") == label["kind"]
    assert crash.first_line == label["first_line"]
    assert (crash.goroutine, crash.state) == (label["crashing_goroutine"], label["crashing_state"])
    assert (crash.goroutines, crash.states) == (label["goroutines"], label["goroutine_states"])
    own, expected = crash.first_own, label["first_user_frame"]
    assert (own and {"func": own.function, "file": own.file, "line": own.line}) == expected
    assert crash.cut == ""


def test_a_chain_keeps_its_causes_and_finds_where_the_first_one_arose() -> None:
    text = (
        "panic: order without a total [recovered]\n\tpanic: cannot roll back\n\ngoroutine 1 [running]:\n"
        "main.rollback()\n\t/src/main.go:8 +0x1\npanic({0x1?, 0x2?})\n\t/usr/local/go/src/runtime/panic.go:859 +0x125\n"
        "main.book(...)\n\t/src/main.go:31\nmain.main()\n\t/src/main.go:12 +0x2\n"
    )
    crash = one(text)
    assert crash.message == "cannot roll back"
    assert crash.causes == (PanicCause(message="order without a total", recovered=True),)
    assert crash.first_own == Frame(function="main.rollback", file="/src/main.go", line=8)
    assert crash.origin == crash.at == Frame(function="main.book", file="/src/main.go", line=31)


def test_what_was_panicked_again_is_one_panic() -> None:
    crash = one("panic: boom [recovered, repanicked]\n" + STACK + STACK_END)
    assert (crash.message, crash.causes, crash.kind) == ("boom", (), CrashKind.PANIC)


def test_a_goexit_and_a_second_panic() -> None:
    crash = one("panic: first\n\tpanic: second\n\tpanic: third\n" + STACK)
    assert [cause.message for cause in crash.causes] == ["first", "second"]
    assert crash.message == "third"


def test_a_fatal_error_during_a_panic() -> None:
    crash = one("panic: first\n\tfatal error: all goroutines are asleep - deadlock!\n" + STACK)
    assert crash.kind is CrashKind.DEADLOCK
    assert [cause.message for cause in crash.causes] == ["first"]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("panic: runtime error: slice bounds out of range [:5] with capacity 3", CrashKind.INDEX_OUT_OF_RANGE),
        ("panic: runtime error: integer divide by zero", CrashKind.DIVIDE_BY_ZERO),
        ("panic: assignment to entry in nil map", CrashKind.NIL_MAP),
        ("panic: interface conversion: interface {} is string, not int", CrashKind.TYPE_ASSERTION),
        ("panic: send on closed channel", CrashKind.CLOSED_CHANNEL),
        ('panic: main.E("broken")', CrashKind.PANIC),
        ("fatal error: concurrent map iteration and map write", CrashKind.CONCURRENT_MAP),
        ("fatal error: sync: RUnlock of unlocked RWMutex", CrashKind.SYNC_MISUSE),
        ("fatal error: stack overflow", CrashKind.STACK_OVERFLOW),
        ("fatal error: runtime: out of memory", CrashKind.OUT_OF_MEMORY),
        ("fatal error: thread exhaustion", CrashKind.TOO_MANY_THREADS),
        ("fatal error: no goroutines (main called runtime.Goexit) - deadlock!", CrashKind.DEADLOCK),
        ("fatal error: found bad pointer in Go heap", CrashKind.FATAL_ERROR),
        ("SIGTRAP: trace trap", CrashKind.SIGNAL),
        ("SIGQUIT: quit", CrashKind.GOROUTINE_DUMP),
    ],
)
def test_kinds(line: str, kind: CrashKind) -> None:
    assert one(line + "\n" + STACK).kind is kind


def test_a_bus_error_is_a_signal() -> None:
    head = (
        "unexpected fault address 0x7f00\nfatal error: fault\n[signal SIGBUS: bus error code=0x2 addr=0x7f00 pc=0x49]\n"
    )
    crash = one(head + STACK)
    assert (crash.kind, crash.signal, crash.fault_address) == (CrashKind.SIGNAL, "SIGBUS", "0x7f00")


def test_what_the_runtime_said_before_is_kept() -> None:
    text = "runtime: goroutine stack exceeds 1000000000-byte limit\nfatal error: stack overflow\n\nruntime stack:\n"
    crash = one(text + "runtime.throw({0x4a1, 0xe})\n\t/usr/local/go/src/runtime/panic.go:12 +0x4\n" + STACK)
    assert crash.notes == ("goroutine stack exceeds 1000000000-byte limit",)
    assert (crash.goroutine, crash.goroutines) == (7, 1)


def test_a_message_of_many_lines_with_empty_ones() -> None:
    crash = one("panic: first\n\nthird\n[signal SIGSEGV: segmentation violation code=0x1 addr=0x18 pc=0x4]\n" + STACK)
    assert crash.message == "first\n\nthird"
    assert crash.fault_address == "0x18"


@pytest.mark.parametrize(
    "wrap",
    [
        lambda line: f"2026-11-27T09:00:00.123456789Z {line}",
        lambda line: f"2026-11-27T09:00:00.123+01:00 stderr F {line}",
        lambda line: f"Nov 27 09:00:00 node-7 orders[4711]: {line}",
        lambda line: json.dumps({"log": f"{line}\n", "stream": "stderr", "time": "2026-11-27T09:00:00Z"}).replace(
            '{"log": ', '{"log":', 1
        ),
        lambda line: json.dumps({"stream": "stderr", "log": f"{line}\n", "time": "2026-11-27T09:00:00Z"}),
        lambda line: json.dumps({"__REALTIME_TIMESTAMP": "17", "MESSAGE": line, "_PID": "12"}),
        lambda line: json.dumps({"Action": "output", "Package": "shop", "Test": "TestPut", "Output": f"{line}\n"}),
        lambda line: f"2026-11-27T09:00:00+0100 node-7 orders[4711]: {line}",
        lambda line: f"orders-1  | {line}",
        lambda line: f"[pod/orders-7d9f/app] {line}",
        lambda line: f"[pod/orders-7d9f/app] 2026-11-27T09:00:00.123456789Z {line}",
    ],
)
def test_what_collectors_of_logs_put_around_it_is_taken_away(wrap: Callable[[str], str]) -> None:
    text = "panic: boom\n\tpanic: again\n" + STACK + STACK_END
    wrapped = "\n".join(wrap(line) for line in text.splitlines())
    (crash,) = crashes_of(lines_of([wrapped.encode()]))
    assert crash == one(text)
    assert crash.at == Frame(function="main.(*Store).Put", file="/src/shop/store.go", line=48)


@pytest.mark.parametrize(
    "message", ["main | work", '{"log": 7}', '{"level":"info","log', "[pod/x] y", "x  |y", "a b[1]: c"]
)
def test_what_only_looks_like_it_is_left_as_it_is(message: str) -> None:
    (crash,) = crashes_of(lines_of([f"panic: first\n{message}\n{STACK}".encode()]))
    assert crash.message == f"first\n{message}"


def test_several_crashes_in_one_log() -> None:
    log = f"starting\npanic: one\n{STACK}{STACK_END}starting again\nfatal error: concurrent map writes\n{STACK}"
    assert [crash.message for crash in crashes(log)] == ["one", "concurrent map writes"]


def test_a_log_that_only_quotes_swallows_nothing() -> None:
    log = "panic: quoted\n" + "\n".join(f"line {number}" for number in range(200)) + f"\npanic: real\n{STACK}"
    first, second = crashes(log)
    assert (first.message, first.goroutine) == ("quoted", None)
    assert (second.message, second.goroutine) == ("real", 7)


@pytest.mark.parametrize("text", ["", "all is well\n", "do not panic: never\n", "goroutine seven\n"])
def test_what_is_no_crash(text: str) -> None:
    assert crashes(text) == []


def test_a_cut_crash_says_so() -> None:
    assert one("panic: boom\n\ngoroutine 7 [running]:\nmain.f(0xc0").cut == "the dump ends in the middle of goroutine 7"
    assert one("panic: boom\n[…]\n" + STACK + STACK_END).cut == "its middle was left out"


def test_every_goroutine_is_told_of() -> None:
    seen: list[int] = []
    reader = CrashReader(lambda goroutine: seen.append(goroutine.header.id))
    text = (DATA / "own_quitsmall_go127.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        reader.feed(line)
    reader.end()
    assert len(seen) == LABELS["own_quitsmall_go127"]["goroutines"]


@settings(max_examples=60)
@given(st.sampled_from(sorted(LABELS)), st.data())
def test_any_part_of_a_crash_can_be_read(case: str, data: st.DataObject) -> None:
    raw = (DATA / LABELS[case]["file"]).read_bytes()
    end = data.draw(st.integers(0, len(raw)))
    for crash in crashes_of(lines_of([raw[:end]])):
        assert crash.goroutines <= LABELS[case]["goroutines"]
        assert crash.kind in CrashKind


@settings(max_examples=100)
@given(st.text(alphabet="panic: fatlerogu[]x(0)\n\t1.S", max_size=300))
def test_no_text_breaks_it(text: str) -> None:
    for crash in crashes_of(text.split("\n")):
        assert len(crash.message) <= 4096

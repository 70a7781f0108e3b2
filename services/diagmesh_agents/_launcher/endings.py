"""Tells apart how a service ended: from its status, its last words, and the kernel's counts of kills for memory."""

import os
import signal
from typing import Any, Final

from diagmesh_agents._launcher.oom import OomCount
from diagmesh_agents._launcher.words import LastWords

__all__ = ["code_of", "ending", "in_words"]

_PANIC, _FATAL = "panic: ", "fatal error: "
_MOST_DETAIL: Final = 300
_GO_EXIT: Final = 2


def code_of(status: int) -> int:
    """What the launcher ends with: the child's code, 128 and the number of the signal that ended it."""
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def ending(status: int, words: LastWords, before: OomCount, after: OomCount, asked: str) -> dict[str, Any]:
    """Reason, detail, code, signal and core dump of one end, named as in `LastExit`.

    Args:
        status: of waitpid.
        words: what it said last.
        before: kills for memory, counted while it ran.
        after: the same, counted after its end.
        asked: the signal that was passed on to end it; empty for none.
    """
    told: dict[str, Any] = {"asked": bool(asked)}
    head = words.head.partition("\n")[0]
    by_signal = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    if by_signal:
        told["signal"] = _name(by_signal)
        told["core_dumped"] = os.WCOREDUMP(status)
    else:
        told["code"] = os.WEXITSTATUS(status)
    if head.startswith("SIG"):
        if told.get("code") == _GO_EXIT:
            wrote = f"{head}; its Go runtime wrote that and exited with code {_GO_EXIT}"
            return told | {"reason": "signal", "signal": head.partition(":")[0], "detail": wrote[:_MOST_DETAIL]}
    elif head and (by_signal == signal.SIGABRT or told.get("code") == _GO_EXIT):
        panicked = head.startswith(_PANIC)
        detail = head.removeprefix(_PANIC).removeprefix(_FATAL)
        return told | {"reason": "panic" if panicked else "fatal-error", "detail": detail[:_MOST_DETAIL]}
    if not by_signal:
        code = told["code"]
        end = f" after {asked}" if asked else ""
        return told | {"reason": "exit" if code else "clean", "detail": f"exit code {code}{end}"}
    return told | _by_signal(by_signal, told, before, after, asked)


def _by_signal(number: int, told: dict[str, Any], before: OomCount, after: OomCount, asked: str) -> dict[str, Any]:
    dumped = ", with a core dump" if told["core_dumped"] else ""
    name = told["signal"]
    if number == signal.SIGKILL and _rose(before.in_group, after.in_group):
        words = f"the kernel killed it for want of memory: oom_kill of {before.group} rose to {after.in_group}"
        return {"reason": "oom-kill", "detail": words}
    who = f"it was asked to end with {asked}" if asked else "not by us: nobody sent it through the launcher"
    if number == signal.SIGKILL and _rose(before.on_machine, after.on_machine):
        who += (
            "; the machine counted a kill for want of memory then, but not in the control group of the service"
            if before.in_group is not None
            else "; the machine counted a kill for want of memory then, of whom is not known"
        )
    return {"reason": "signal", "detail": f"{name}{dumped}; {who}"}


def in_words(told: dict[str, Any]) -> str:
    """One sentence for people: ``it panicked: index out of range``."""
    dumped = " (core dumped)" if told.get("core_dumped") else ""
    match told["reason"]:
        case "clean":
            return "it ended with exit code 0"
        case "exit":
            return f"it ended with exit code {told['code']}"
        case "panic":
            return f"it panicked: {told['detail']}{dumped}"
        case "fatal-error":
            return f"it ended with a Go fatal error: {told['detail']}{dumped}"
        case "oom-kill":
            return "the kernel killed it for want of memory"
    return f"it was ended by {told['signal']}{dumped}"


def _rose(before: int | None, after: int | None) -> bool:
    return before is not None and after is not None and after > before


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"

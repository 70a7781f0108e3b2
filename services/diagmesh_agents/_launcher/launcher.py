"""The loop of the launcher: signals, children and timers, one after the other, waiting for nobody else."""

import contextlib
import os
import selectors
import signal
import socket
import time
from typing import Any, Final

from diagmesh_agents._launcher.agents import Sidecar
from diagmesh_agents._launcher.children import NOT_EXECUTABLE, NOT_FOUND
from diagmesh_agents._launcher.endings import code_of, in_words
from diagmesh_agents._launcher.memory import Memory
from diagmesh_agents._launcher.outlet import Counts, Outlet
from diagmesh_agents._launcher.output import Output
from diagmesh_agents._launcher.plan import Plan
from diagmesh_agents._launcher.record import Records
from diagmesh_agents._launcher.service import Service, moment
from diagmesh_agents._launcher.signals import arriving

__all__ = ["Launcher"]

_ENDING: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
_LOOK_S: Final = 1.0
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0
_WELL_AFTER_S: Final = 600.0
_TELL_S: Final = 3.0
_BEGIN_S: Final = 10.0
"""So long after its start the sidecar may not be there yet: on a busy machine it takes seconds."""
_GOODBYE_S: Final = 6.0
_POLL_S: Final = 0.05
_EXITS_KEPT: Final = 8
_UNCOUNTED: Final = Counts(lambda _: None, lambda _: None)


class Launcher:
    """Starts the service with pump and sidecar and stays until all is over.

    Args:
        plan: what to do.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        for descriptor in plan.kept:
            os.set_inheritable(descriptor, False)
        self._waiting = selectors.DefaultSelector()
        descriptor = Memory.create()
        self._memory = Memory(descriptor)
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._voice: Outlet | None = None
        self._output = Output(self._memory, descriptor, self._waiting, self._say)
        self._records = Records(plan.state_dir, plan.service, plan.instance)
        if trouble := self._records.open():
            self._say(f"no exit records are kept: {trouble}; give another directory with --state-dir")
        log = None if trouble else self._records.directory / "sidecar.log"
        handed_on = (descriptor, self._wake)
        flag = f"--launched={descriptor},{self._wake},{plan.instance}"
        self._sidecar = Sidecar([flag, *plan.sidecar], handed_on, log, self._say)
        self._kept = not trouble
        self._service: Service | None = None
        self._exits: list[dict[str, Any]] = []
        self._restarts = 0
        self._pause_s = _FIRST_PAUSE_S
        self._restart_due: float | None = None
        self._leave_due: float | None = None
        self._look_due = 0.0
        self._code = 0
        self._hurried = False

    def run(self) -> int:
        """Until the service has ended for good and the mesh knows it; returns what to end with."""
        with arriving() as signals:
            self._signals = signals
            self._waiting.register(signals, selectors.EVENT_READ, self._on_signal)
            self._output.start()
            if self._start_service():
                self._sidecar.start()
                while self._service is not None or self._restart_due is not None or self._lingering():
                    self._step(self._rest_s())
                self._take_leave()
            self._output.leave(self._look_on)
        if self._voice is not None:
            self._voice.flush(_LOOK_S, _LOOK_S)
        return self._code

    def _step(self, rest_s: float) -> None:
        for key, _ in self._waiting.select(rest_s):
            key.data(key.fileobj)
        self._reap()
        now = time.monotonic()
        if self._output.due is not None and now >= self._output.due:
            self._output.start()
        if self._sidecar.due is not None and now >= self._sidecar.due:
            self._sidecar.start()
        if self._restart_due is not None and now >= self._restart_due:
            self._restart()
        if self._service is not None and now >= self._look_due:
            self._service.look()
            self._output.look()
            self._look_due = now + self._service.look_in_s

    def _rest_s(self) -> float:
        dues = [self._output.due, self._sidecar.due, self._restart_due, self._leave_due]
        dues.append(self._look_due if self._service is not None else None)
        return max(0.0, min([due for due in dues if due is not None], default=_LOOK_S) - time.monotonic())

    def _start_service(self) -> bool:
        command = self._plan.command
        try:
            self._service = Service(command, self._output.write_ends, self._output)
        except OSError as error:
            self._code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
            self._say(f"{command[0]} cannot be started: {error.strerror}")
            return False
        self._look_due = time.monotonic() + self._service.look_in_s
        self._tell("running")
        return True

    def _restart(self) -> None:
        self._restart_due = None
        self._restarts += 1
        if not self._start_service():
            self._linger(0.0)

    def _reap(self) -> None:
        """Everything that our children did; of the pump first, whose output the end of the service is judged by."""
        changes: dict[int, list[int]] = {}
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
                if not pid:
                    break
                changes.setdefault(pid, []).append(status)
        for status in changes.pop(self._output.pid, ()):
            self._output.changed(status)
        for status in changes.pop(self._sidecar.pid, ()):
            self._sidecar.changed(status, wanted=not self._hurried)
        for status in changes.pop(self._service.pid, ()) if self._service is not None else ():
            if os.WIFEXITED(status) or os.WIFSIGNALED(status):
                self._ended(status)

    def _ended(self, status: int) -> None:
        service, self._service = self._service, None
        assert service is not None  # noqa: S101  `_reap` looked
        self._output.settle()
        told = service.ended(status, self._restarts)
        self._code = code_of(status)
        pause_s = self._pause_after(service)
        if pause_s is not None:
            self._restart_due = time.monotonic() + pause_s
            told["restart_at"] = moment(time.time() + pause_s)
        self._exits = [*self._exits, {"number": self._number + 1, **told}][-_EXITS_KEPT:]
        self._exits[:-1] = [{**one, "last_words": one["last_words"][-1024:]} for one in self._exits[:-1]]
        self._tell("ended" if pause_s is None else "waiting")
        if self._kept and (trouble := self._records.write({"service": self._plan.service, **told})):
            self._say(f"the exit record was not kept: {trouble}")
        if pause_s is not None:
            self._say(f"{self._plan.command[0]}: {in_words(told)}; it is started again in {pause_s:g} s")
        else:
            self._linger(0.0 if service.went_well(status) else self._plan.linger_s)

    def _pause_after(self, service: Service) -> float | None:
        """How long to wait before it is started again; None: it is not."""
        if not self._plan.restart or service.asked or self._code == 0 or self._hurried:
            return None
        if service.ran_s >= _WELL_AFTER_S:
            self._pause_s = _FIRST_PAUSE_S
        pause_s, self._pause_s = self._pause_s, min(2 * self._pause_s, _LONGEST_PAUSE_S)
        return pause_s

    def _linger(self, linger_s: float) -> None:
        self._leave_due = time.monotonic() + linger_s
        if linger_s and self._sidecar.due is not None:
            self._sidecar.start()

    def _lingering(self) -> bool:
        return not self._hurried and self._leave_due is not None and time.monotonic() < self._leave_due

    def _take_leave(self) -> None:
        """Let the sidecar tell the mesh of the end, then let it say goodbye; both bounded."""
        since = time.monotonic()
        while self._untold and self._sidecar.running and time.monotonic() < self._tell_until(since):
            self._step(_POLL_S)
        self._hurried = True
        self._sidecar.due = None
        self._tell("leaving")
        self._sidecar.end()
        deadline = time.monotonic() + _GOODBYE_S
        while self._sidecar.running and time.monotonic() < deadline:
            self._step(_POLL_S)
        self._sidecar.end(force=True)

    def _tell_until(self, since: float) -> float:
        """How long the sidecar may take to tell the mesh; one that has only just been started cannot yet."""
        started_at, begun_at = self._sidecar.started_at, self._memory.begun_at
        if self._hurried:
            return since + _TELL_S
        if begun_at < started_at:
            return max(since + _TELL_S, started_at + _BEGIN_S)
        return max(since, begun_at) + _TELL_S

    def _look_on(self) -> bool:
        with contextlib.suppress(BlockingIOError):
            if any(number in _ENDING for number in self._signals.recv(1024)):
                return True
        self._reap()
        return False

    def _on_signal(self, signals: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            for number in signals.recv(1024):
                self._signalled(signal.Signals(number))

    def _signalled(self, number: signal.Signals) -> None:
        if number == signal.SIGCHLD:
            return
        if self._service is not None:
            self._service.forward(number)
        elif number in _ENDING:
            self._hurried, self._restart_due = True, None
        if number == signal.SIGTSTP:
            os.kill(os.getpid(), signal.SIGSTOP)  # as the shell expects it of a job; with SIGCONT both go on

    @property
    def _number(self) -> int:
        return int(self._exits[-1]["number"]) if self._exits else 0

    @property
    def _untold(self) -> bool:
        return self._memory.told < self._number

    def _tell(self, phase: str) -> None:
        service = self._service
        self._memory.tell({
            "launcher": os.getpid(),
            "phase": phase,
            "pid": service.pid if service else 0,
            "ticks": service.ticks if service else 0,
            "restarts": self._restarts,
            "linger_s": self._plan.linger_s,
            "exits": self._exits,
        })  # fmt: skip
        with contextlib.suppress(BlockingIOError):
            os.eventfd_write(self._wake, 1)

    def _say(self, words: str) -> None:
        """One line on standard error, by a thread: whoever reads it may be frozen."""
        if self._voice is None:
            self._voice = Outlet(2, patient=False)
        self._voice.put(f"diagmesh: {words}\n".encode(errors="surrogateescape"), _UNCOUNTED)

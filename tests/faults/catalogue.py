"""Every fault that is made, each in one entry: a new rule adds its row here."""

import os
import signal
from pathlib import Path
from typing import Any, Final

from faults.fault import Fault, off, on
from faults.mesh import Copy, Peer
from faults.nats import SERVERS
from faults.places import (
    compiler,
    descriptors,
    environment,
    memory,
    one_cpu,
    quota,
    quota_beside,
    quota_left,
    quota_taken,
    small_disk,
)
from faults.streams import STREAMS
from support.shifted import shifted_clock

__all__ = ["FAULTS"]

_MIB: Final = 1 << 20
_SOON: Final = {"least_over_s": 3.0}
_AT_ONCE: Final = {"least_over_s": 2.0}
_HEAP_SOON: Final = {"least_over_s": 6.0}
_ANY_CPU: Final = {"share": 0.1, "least_cores": 0.01, "least_over_s": 5.0}
"""How much CPU this machine has left is no matter; that it is the collector's, and more than our looks cost, is."""


def _killed(copy: Copy, _: Path) -> None:
    copy.service.program.kill()


def _killed_alone(copy: Copy, _: Path) -> None:
    os.kill(copy.service.pid, signal.SIGKILL)


def _ended_thrice(copy: Copy, _: Path) -> None:
    for _start in range(3):
        pid = copy.service.pid
        copy.service.turn("exit")
        copy.again(pid)


def _run_on(_copy: Copy, _: Path) -> None:
    """What takes such a fault back is time alone."""


def _frozen(copy: Copy, _: Path) -> None:
    copy.service.program.freeze()


def _thawed(copy: Copy, _: Path) -> None:
    copy.service.program.thaw()


def _restarted(copy: Copy, _: Path) -> None:
    copy.restart()


def _sidecar_killed(copy: Copy, _: Path) -> None:
    copy.sidecar.kill()


def _sidecar_left(copy: Copy, _: Path) -> None:
    copy.sidecar.stop()


def _sidecar_frozen(copy: Copy, _: Path) -> None:
    copy.sidecar.freeze()


def _sidecar_thawed(copy: Copy, _: Path) -> None:
    copy.sidecar.thaw()


def _sidecar_again(copy: Copy, _: Path) -> None:
    copy.attach()


def _sidecar_renewed(copy: Copy, _: Path) -> None:
    copy.sidecar.stop()
    copy.attach()


def _starved(copy: Copy, _: Path) -> None:
    assert isinstance(copy, Peer)
    copy.starve()


def _fed(copy: Copy, _: Path) -> None:
    assert isinstance(copy, Peer)
    copy.feed()


def _judging_otherwise(copy: Copy, _: Path) -> None:
    assert isinstance(copy, Peer)
    copy.judge_otherwise()


def _without_a_right(copy: Copy, _: Path) -> None:
    assert isinstance(copy, Peer)
    copy.lose_a_right()


def _without_jetstream(copy: Copy, _: Path) -> None:
    assert isinstance(copy, Peer)
    copy.take_jetstream_away()


def _with_jetstream(copy: Copy, _: Path) -> None:
    assert isinstance(copy, Peer)
    copy.give_jetstream_back()


def _clock_shifted(copy: Copy, folder: Path) -> None:
    copy.sidecar.stop()
    copy.attach(shifted_clock(folder, 3600))


def _clock_right(copy: Copy, _: Path) -> None:
    copy.sidecar.stop()
    copy.attach()


def _twin(copy: Copy, _: Path) -> None:
    copy.add_twin()


def _no_twin(copy: Copy, _: Path) -> None:
    assert copy.twin is not None
    copy.twin.stop()


def _filling_its_limit(copy: Copy, _: Path) -> None:
    copy.service.turn("leak-memory", amount=1000, cap=54, for_s=300)
    copy.service.turn("allocate", amount=500, for_s=300)


def _limit_free_again(copy: Copy, _: Path) -> None:
    copy.service.turn("allocate", on=False)
    copy.service.turn("leak-memory", on=False)


def _under_quota(copy: Copy, folder: Path) -> None:
    quota_taken(folder, copy.service.pid)


def _without_quota(copy: Copy, folder: Path) -> None:
    quota_left(folder, copy.service.pid)


def _filled(_: Copy, folder: Path) -> None:
    (folder / "disk" / "filler").write_bytes(b"x" * int(3.8 * _MIB))


def _crowded(_: Copy, folder: Path) -> None:
    for number in range(95):
        (folder / "disk" / f"filler-{number}").touch()


def _emptied(_: Copy, folder: Path) -> None:
    for file in (folder / "disk").glob("filler*"):
        file.unlink()


_PROCESSES: Final = (
    Fault(name="kill", does="SIGKILL to the service", inject=_killed, codes=("PROC-001",), quick=True),
    Fault(name="exit-unseen", does="switch `exit`, no launcher", inject=on("exit"), codes=("PROC-001",)),
    Fault(
        name="exit-0",
        does="switch `exit` with code 0, under a launcher",
        inject=on("exit", amount=0),
        codes=("PROC-001",),
        launched=(),
    ),
    Fault(
        name="freeze",
        does="SIGSTOP to the service",
        inject=_frozen,
        remove=_thawed,
        codes=("PROC-002",),
        quick=True,
    ),
    Fault(
        name="restart",
        does="the service is killed and started again",
        inject=_restarted,
        codes=("PROC-004",),
        may=("PROC-001",),
        limits={"PROC-004": {"recent_s": 12.0}},
    ),
)
_CRASHES: Final = (
    Fault(name="panic", does="switch `panic`", inject=on("panic"), codes=("PROC-007",), launched=(), quick=True),
    Fault(
        name="nil", does="switch `panic`, mode nil", inject=on("panic", mode="nil"), codes=("PROC-007",), launched=()
    ),
    Fault(name="fatal", does="switch `fatal`", inject=on("fatal"), codes=("PROC-007",), launched=()),
    Fault(name="exit", does="switch `exit`", inject=on("exit"), codes=("PROC-007",), launched=()),
    Fault(name="signal", does="SIGKILL to the service", inject=_killed_alone, codes=("PROC-007",), launched=()),
    Fault(
        name="oom-kill",
        does="`leak-memory` in a control group of 64 MiB, until the kernel kills it",
        inject=on("leak-memory", amount=1000),
        codes=("PROC-007",),
        place=memory(64 * _MIB),
        launched=(),
    ),
    Fault(
        name="crash-once",
        does="switch `panic`, and it is started again",
        inject=on("panic"),
        remove=_run_on,
        codes=("PROC-007",),
        launched=("--restart", "on-failure"),
        limits={"PROC-007": {"recent_s": 6.0}},
    ),
    Fault(
        name="crash-loop",
        does="switch `exit` after each of three starts",
        inject=_ended_thrice,
        remove=_run_on,
        codes=("PROC-008",),
        may=("PROC-007",),
        launched=("--restart", "on-failure"),
        limits={"PROC-007": {"recent_s": 6.0}, "PROC-008": {"recent_s": 8.0}},
    ),
)
_DOORS: Final = (
    Fault(
        name="not-ready",
        does="switch `not-ready`",
        inject=on("not-ready"),
        remove=off("not-ready"),
        codes=("PROC-006",),
        quick=True,
    ),
    Fault(
        name="hold-lock",
        does="switch `hold-lock`",
        inject=on("hold-lock"),
        remove=off("hold-lock"),
        codes=("PROC-006", "GO-002"),
        limits={"GO-001": _AT_ONCE, "GO-002": {"few_s": 3.0}},
    ),
    Fault(
        name="deadlock",
        does="switch `deadlock`",
        inject=on("deadlock"),
        remove=off("deadlock"),
        codes=("PROC-006", "GO-003"),
        limits={"GO-001": _AT_ONCE, "GO-003": {"least_s": 2.0}},
    ),
    Fault(
        name="late-ready",
        does="`slow-ready` of 5 s, longer than the probe waits",
        inject=on("slow-ready", amount=5000),
        remove=off("slow-ready"),
        codes=("PROC-003",),
        quick=True,
    ),
    Fault(
        name="slow-ready",
        does="switch `slow-ready`, 700 ms",
        inject=on("slow-ready", amount=700),
        remove=off("slow-ready"),
        codes=("PROC-005",),
    ),
)
_RESOURCES: Final = (
    Fault(
        name="spin",
        does="switch `spin`, on one CPU",
        inject=on("spin"),
        remove=off("spin"),
        codes=("RES-001",),
        place=one_cpu(),
        alone=True,
    ),
    Fault(
        name="throttle",
        does="`spin` under a quota of half a CPU",
        inject=on("spin"),
        remove=off("spin"),
        codes=("RES-002",),
        place=quota(0.5),
        alone=True,
    ),
    Fault(
        name="memory-near",
        does="`leak-memory` in a control group of 256 MiB, up to 225 MiB",
        inject=on("leak-memory", amount=100, cap=225),
        remove=off("leak-memory"),
        codes=("RES-003",),
        place=memory(256 * _MIB),
    ),
    Fault(
        name="leak-memory",
        does="switch `leak-memory`, 20 MB/s",
        inject=on("leak-memory", amount=20, cap=4000),
        remove=off("leak-memory"),
        codes=("GO-004", "RES-004"),
        limits={"GO-004": _HEAP_SOON, "RES-004": _SOON},
    ),
    Fault(
        name="fds-near",
        does="`leak-descriptors` up to 175 where 200 are allowed",
        inject=on("leak-descriptors", amount=200, cap=175),
        remove=off("leak-descriptors"),
        codes=("RES-005",),
        place=descriptors(200),
    ),
    Fault(
        name="leak-fds",
        does="`leak-descriptors`, 50 per second",
        inject=on("leak-descriptors", amount=50, cap=5000),
        remove=off("leak-descriptors"),
        codes=("RES-006",),
        place=descriptors(10_000),
        limits={"RES-006": _SOON},
        quick=True,
    ),
    Fault(
        name="disk-full",
        does="a disk of 4 MiB, on which it works, is filled",
        inject=_filled,
        remove=_emptied,
        codes=("RES-007",),
        place=small_disk("disk", "size=4m"),
    ),
    Fault(
        name="inodes-full",
        does="a disk of 100 inodes, on which it works, is filled with empty files",
        inject=_crowded,
        remove=_emptied,
        codes=("RES-007",),
        place=small_disk("disk", "size=4m,nr_inodes=100"),
    ),
    Fault(
        name="leak-sockets",
        does="switch `leak-sockets`, 20 per second",
        inject=on("leak-sockets", amount=20),
        remove=off("leak-sockets"),
        codes=("RES-008",),
    ),
    Fault(
        name="threads",
        does="switch `threads`, 60 at once",
        inject=on("threads", amount=60),
        remove=off("threads"),
        codes=("RES-009",),
        limits={"RES-009": {"settled_s": 2.0}},
        quick=True,
    ),
)
_RACES: Final = (
    Fault(
        name="race",
        does="switch `race`, built with -race, under a launcher",
        inject=on("race"),
        remove=off("race"),
        codes=("RACE-001",),
        launched=(),
        limits={"RACE-001": {"recent_s": 12.0}},
        race=True,
    ),
)
_RUNTIME: Final = (
    Fault(
        name="leak-goroutines",
        does="switch `leak-goroutines`, 50 per second",
        inject=on("leak-goroutines", mode="held"),
        remove=off("leak-goroutines"),
        codes=("GO-001",),
        limits={"GO-001": _AT_ONCE},
        quick=True,
    ),
)
_GO: Final = (
    Fault(
        name="allocate",
        does="switch `allocate`, 500 MB/s in a heap of 4 MiB",
        inject=on("allocate", amount=500),
        remove=off("allocate"),
        codes=("GO-005",),
        limits={"GO-005": _ANY_CPU},
    ),
    Fault(
        name="small-gogc",
        does="switch `allocate` with GOGC=5 and much that is alive",
        inject=_filling_its_limit,
        remove=_limit_free_again,
        codes=("GO-005",),
        place=environment(GOGC="5"),
        limits={"GO-005": _ANY_CPU},
    ),
    Fault(
        name="memory-limit",
        does="switch `allocate` where `leak-memory` has nearly filled GOMEMLIMIT=64MiB",
        inject=_filling_its_limit,
        remove=_limit_free_again,
        codes=("GO-005",),
        place=environment(GOMEMLIMIT="64MiB"),
        limits={"GO-005": _ANY_CPU},
    ),
    Fault(
        name="gomaxprocs",
        does="GOMAXPROCS=16 in a control group of one CPU",
        inject=_under_quota,
        remove=_without_quota,
        codes=("GO-006",),
        place=quota_beside(1.0, GOMAXPROCS="16"),
    ),
)
_MESH: Final = (
    Fault(
        name="sidecar-frozen",
        does="SIGSTOP to the sidecar",
        inject=_sidecar_frozen,
        remove=_sidecar_thawed,
        codes=("MESH-001",),
        alone=True,
    ),
    Fault(
        name="sidecar-killed",
        does="SIGKILL to the sidecar",
        inject=_sidecar_killed,
        remove=_sidecar_again,
        codes=("MESH-002",),
        quick=True,
    ),
    Fault(
        name="outlier",
        does="`leak-memory` up to 300 MB at once, among four copies",
        inject=on("leak-memory", amount=1000, cap=300),
        remove=off("leak-memory"),
        codes=("MESH-003",),
        service="inventory",
        limits={"MESH-003": {"settled_s": 3.0}},
        siblings=3,
        alone=True,
    ),
    Fault(
        name="clock",
        does="the sidecar runs under a clock that is an hour ahead",
        inject=_clock_shifted,
        remove=_clock_right,
        codes=("MESH-004", "NATS-023"),
        place=compiler(),
    ),
    Fault(
        name="twin",
        does="a second sidecar under the same name",
        inject=_twin,
        remove=_no_twin,
        codes=("MESH-005",),
    ),
    Fault(
        name="coordinator-frozen",
        does="SIGSTOP to a second coordinator",
        inject=_sidecar_frozen,
        remove=_sidecar_thawed,
        codes=("MESH-006",),
        service="mesh",
        alone=True,
    ),
    Fault(
        name="coordinator-killed",
        does="SIGKILL to a second coordinator",
        inject=_sidecar_killed,
        remove=_sidecar_again,
        codes=("MESH-006",),
        service="mesh",
        alone=True,
        quick=True,
    ),
    Fault(
        name="coordinator-starved",
        does="a second coordinator is stopped for 350 ms in each 400 ms",
        inject=_starved,
        remove=_fed,
        codes=("MESH-007",),
        may=("MESH-006",),
        service="mesh",
        alone=True,
    ),
    Fault(
        name="coordinator-differs",
        does="a second coordinator starts with other settings",
        inject=_judging_otherwise,
        remove=_sidecar_renewed,
        codes=("MESH-008",),
        service="mesh",
        also=("mesh/c1",),
        alone=True,
    ),
    Fault(
        name="registry-lost",
        does="JetStream is taken away from the account of the coordinators, which must keep a registry",
        inject=_without_jetstream,
        remove=_with_jetstream,
        codes=("MESH-009",),
        service="mesh",
        also=("mesh/c1",),
        by_asked=True,
        alone=True,
    ),
    Fault(
        name="coordinator-refused",
        does="a second coordinator starts as a user who may not hear operators (`diagctl.mesh.>`)",
        inject=_without_a_right,
        remove=_sidecar_renewed,
        codes=("MESH-010",),
        service="mesh",
        alone=True,
    ),
    Fault(name="sidecar-leaves", does="the sidecar ends in good order: no fault", inject=_sidecar_left, quick=True),
)


def _contended(copy: Copy, _: Path) -> None:
    copy.crowd()
    copy.service.turn("hold-lock", amount=30, for_s=300)


def _uncontended(copy: Copy, _: Path) -> None:
    copy.service.turn("hold-lock", on=False)
    copy.disperse()


_LITTLE_CPU: Final = {"PROF-001": {"busy_cores": 0.15}, "PROF-004": {"hot_cores": 0.15}}
"""On a machine that others use, too, a loop may get no more."""
_PROFILES: Final = (
    Fault(
        name="prof-spin",
        does="switch `spin`",
        inject=on("spin"),
        remove=off("spin"),
        codes=("PROF-001",),
        may=("PROF-004",),
        limits=_LITTLE_CPU,
        sampled=True,
        alone=True,
    ),
    Fault(
        name="prof-storm",
        does="switch `allocate`, 500 MB/s",
        inject=on("allocate"),
        remove=off("allocate"),
        codes=("PROF-002",),
        limits={"GO-005": {"least_cores": 64.0}},  # the fault `allocate` is for that
        sampled=True,
        quick=True,
    ),
    Fault(
        name="prof-lock",
        does="switch `hold-lock` for 30 ms again and again, and a dozen customers who all want it",
        inject=_contended,
        remove=_uncontended,
        codes=("PROF-003",),
        may=("PROC-006",),
        sampled=True,
        quick=True,
    ),
    Fault(
        name="prof-unlike",
        does="`leak-memory` up to 100 MB at once, beside a copy that does not",
        inject=on("leak-memory", amount=500, cap=100),
        remove=off("leak-memory"),
        codes=("PROF-004",),
        may=("RES-004",),
        sampled=True,
    ),
)


def _of_stream(switch: str, *codes: str, service: str = "inventory", **more: Any) -> Fault:
    """A switch that hurts the consumer that all copies of inventory share: one at a time."""
    return Fault(
        **{
            "name": switch,
            "does": f"switch `{switch}`",
            "inject": on(switch),
            "remove": off(switch),
            "codes": codes,
            "service": service,
            "alone": True,
            "observed": True,
            **more,
        }
    )


_STREAMS: Final = (
    _of_stream("poison", "JS-005", service="orders"),
    _of_stream("stop-ack", "JS-001", limits={"JS-001": {"still_s": 3.0}}),
    # Nothing is given up then, so that no trace stays; at the first moment few messages have come again.
    _of_stream("nak-always", "JS-006", flags=("--max-deliver", "-1"), may=("JS-005", "JS-007")),
    _of_stream("ack-late", "JS-007", flags=("--ack-wait", "500ms"), does="switch `ack-late`, ack wait 500 ms"),
)


def _unnamed(switch: str, family: str, service: str = "payments", *flags: str, **words: object) -> Fault:
    """A switch that no rule of today names."""
    return Fault(
        name=switch,
        does=f"switch `{switch}`",
        inject=on(switch, **words),
        remove=off(switch),
        family=family,
        service=service,
        flags=flags,
    )


_NATS: Final = (
    Fault(
        name="reconnect-storm",
        does="switch `reconnect-storm`, four times a second",
        # The server tells of it for five minutes: longer than anybody waits here for it to be clear again.
        inject=on("reconnect-storm"),
        codes=("NATS-015",),
        # Its healthz says that it is not ready while it is not connected: so it is for moments.
        may=("PROC-006",),
    ),
)
_NOT_NAMED_YET: Final = (
    _unnamed("slow", "REQ"),
    _unnamed("fail", "REQ"),
    _unnamed("wrong", "LOG, REQ"),
    _unnamed("bad-encoding", "REQ, LOG"),
    _unnamed("exceed-payload", "NATS, REQ"),
    _unnamed("no-stream", "JS, LOG", "orders"),
    _unnamed("duplicates", "JS", "orders"),
    _unnamed("slow-subscribe", "NATS"),
)
FAULTS: Final = (
    *_PROCESSES,
    *_CRASHES,
    *_RACES,
    *_DOORS,
    *_RESOURCES,
    *_RUNTIME,
    *_GO,
    *_PROFILES,
    *_MESH,
    *_NATS,
    *SERVERS,
    *STREAMS,
    *_STREAMS,
    *_NOT_NAMED_YET,
)
"""In the order of the table."""

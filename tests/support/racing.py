"""Reports of the race detector for tests."""

from datetime import timedelta
from pathlib import Path
from typing import Final

from diagmesh.contract.answers.races import Access, Creation, Detector, Operation, Race, Races
from diagmesh.contract.answers.stacks import Frame
from support.replies import NOW

__all__ = ["RACE", "RACES", "REPORT", "report"]

REPORT: Final = (Path(__file__).parents[1] / "data" / "race" / "simple.txt").read_bytes()
_PUT: Final = Frame(
    function="diagmesh.test/demo/internal/store.(*Store).Put", file="/src/internal/store/store.go", line=48
)
_SIZE: Final = Frame(
    function="diagmesh.test/demo/internal/store.(*Store).Size", file="/src/internal/store/store.go", line=71
)
_MAIN: Final = Frame(function="main.main", file="/src/cmd/orders/main.go", line=33)
RACE: Final = Race(
    id="5f1c2a9b0d3e",
    accesses=(
        Access(operation=Operation.WRITE, address="0x00c000018118", by="goroutine 7", frames=(_PUT, _MAIN), own=_PUT),
        Access(
            operation=Operation.READ,
            address="0x00c000018118",
            by="main goroutine",
            previous=True,
            frames=(_SIZE,),
            own=_SIZE,
        ),
    ),
    created=(Creation(of="goroutine 7", state="running", frames=(_MAIN,), own=_MAIN),),
    count=4,
    first_seen=NOW - timedelta(minutes=12),
    last_seen=NOW - timedelta(seconds=3),
)
RACES: Final = Races(distinct=1, reports=4, detector=Detector.ON, at=NOW, races=(RACE,))


def report(line: int = 14) -> bytes:
    """One report, about a line of its own."""
    return REPORT[: REPORT.index(b"Found")].replace(b"main.go:14", b"main.go:%d" % line)

import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.resources import Resources
from diagmesh.contract.answers.surroundings import Disks
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict as Judged
from diagmesh.contract.wire import Blind
from diagmesh.settings import RuleSettings
from support.children import Child
from support.ruling import USED, codes, found, judge, verdict, watched
from support.smalldisk import small_disk


def used(bytes_share: float | None = 0.5, inodes_share: float | None = 0.1) -> Resources:
    disks = Disks(
        fullest_share=bytes_share, fullest_at="/data", fullest_inodes_share=inodes_share, fullest_inodes_at="/var"
    )
    return replace(USED, disks=disks)


@pytest.mark.parametrize(
    ("answer", "severity", "title"),
    [
        (used(0.9), Severity.WARNING, "90 % of the bytes used at /data"),
        (used(0.5, 0.98), Severity.ERROR, "98 % of the inodes used at /var"),
        (used(0.91, 0.95), Severity.WARNING, "95 % of the inodes used at /var"),
        (used(None, 0.95), Severity.WARNING, "95 % of the inodes used at /var"),
    ],
)
def test_it_is_found_with_the_place(answer: Resources, severity: Severity, title: str) -> None:
    diagnosis = judge([answer])
    assert codes(diagnosis) == ["RES-007"]
    finding = found(diagnosis, "RES-007")
    assert (finding.severity, finding.title) == (severity, title)
    assert finding.advice.now[0].startswith("df -h /")


@pytest.mark.parametrize("answer", [used(), used(0.5, None)], ids=["room", "inodes made on demand"])
def test_one_with_room_is_clear(answer: Resources) -> None:
    assert verdict(judge([answer]), "RES-007").verdict is Judged.CLEAR


@pytest.mark.parametrize("answer", [USED, used(None, None), used(None)])
def test_a_disk_that_could_not_be_seen_is_blind(answer: Resources) -> None:
    assert verdict(judge([answer]), "RES-007").verdict is Judged.BLIND


def test_where_nothing_can_be_written_nothing_can_be_full() -> None:
    sealed = replace(USED, disks=Disks(count=2))
    assert verdict(judge([sealed]), "RES-007").verdict is Judged.CLEAR
    hidden = replace(sealed, blind=(Blind(what="filesystem /data", why="Permission denied"),))
    one = verdict(judge([hidden]), "RES-007")
    assert (one.verdict, one.not_judged[0].why) == (Judged.BLIND, "filesystem /data: Permission denied")


async def test_the_real_disk_here_against_a_limit_below_and_above_it() -> None:
    # Filling a disk of the machine would harm others: the limit is moved to where the disk stands instead.
    with Child("import time; print('ready', flush=True); time.sleep(60)") as child:
        for share, wanted in ((0.0, ["RES-007"]), (1.01, [])):
            limit = RuleSettings(code="RES-007", limits={"full_share": share})
            async with watched(limit, pid=child.pid) as it:
                assert codes(await it.judged()) == wanted


@pytest.mark.parametrize("what", ["bytes", "inodes"])
async def test_a_real_small_filesystem_that_is_filled_and_emptied(what: str) -> None:
    # Fuller than the disks of any machine on which tests can run.
    limit = RuleSettings(code="RES-007", limits={"full_share": 0.995})
    with small_disk() as disk:
        async with watched(limit, pid=disk.pid) as it:
            await it.until()
            disk.fill(what)
            full = found(await it.until("RES-007"), "RES-007")
            assert (full.severity, full.title) == (Severity.ERROR, f"100 % of the {what} used at {disk.mount}")
            disk.empty()
            await it.until()

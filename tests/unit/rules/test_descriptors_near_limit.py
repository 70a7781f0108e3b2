import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.cgroup import Bound
from diagmesh.contract.answers.resources import Descriptors, Resources
from diagmesh.contract.answers.surroundings import Sockets
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict as Judged
from diagmesh.contract.wire import Blind
from support.children import Child
from support.ruling import USED, codes, found, judge, verdict, watched


def held(count: int, limit: int = 100, sockets: Sockets | None = None) -> Resources:
    told = Descriptors(held=count, bound=Bound.LIMITED, soft_limit=limit, hard_limit=400, share_of_limit=count / limit)
    return replace(USED, descriptors=told, sockets=sockets)


@pytest.mark.parametrize(("count", "severity"), [(80, Severity.WARNING), (95, Severity.ERROR)])
def test_it_is_found_with_numbers(count: int, severity: Severity) -> None:
    diagnosis = judge([held(count, sockets=Sockets(total=9, established=9, close_wait=0))])
    assert codes(diagnosis) == ["RES-005"]
    finding = found(diagnosis, "RES-005")
    assert (finding.severity, finding.title) == (severity, f"holds {count} of 100 file descriptors ({count} %)")


UNLIMITED = replace(USED, descriptors=Descriptors(held=9000, bound=Bound.UNLIMITED))


@pytest.mark.parametrize("answer", [held(79), UNLIMITED])
def test_one_with_room_is_clear(answer: Resources) -> None:
    assert verdict(judge([answer]), "RES-005").verdict is Judged.CLEAR


def test_what_could_not_be_counted_is_blind_with_the_reason() -> None:
    unseen = replace(USED, descriptors=Descriptors(bound=Bound.LIMITED, soft_limit=100))
    assert verdict(judge([unseen]), "RES-005").verdict is Judged.BLIND
    refused = replace(unseen, blind=(Blind(what="descriptors", why="permission denied"),))
    assert verdict(judge([refused]), "RES-005").not_judged[0].why == "descriptors: permission denied"


HOLDER = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (200, 400))
kept = [os.open('/dev/null', os.O_RDONLY) for _ in range(170)]
print('ready', flush=True)
sys.stdin.readline()
for one in kept:
    os.close(one)
sys.stdin.readline()
"""


async def test_a_real_holder_until_it_closes() -> None:
    with Child(HOLDER) as child:
        async with watched(pid=child.pid) as it:
            near = await it.until("RES-005")
            assert "of 200 file descriptors" in found(near, "RES-005").title
            assert child.process.stdin is not None
            child.process.stdin.write("close\n")
            child.process.stdin.flush()
            await it.until()

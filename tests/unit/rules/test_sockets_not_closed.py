import socket

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


def dead(count: int, held: int = 60, limit: int = 1000) -> Resources:
    told = Descriptors(held=held, bound=Bound.LIMITED, soft_limit=limit, share_of_limit=held / limit)
    return replace(USED, sockets=Sockets(total=count + 2, established=2, close_wait=count), descriptors=told)


@pytest.mark.parametrize(
    ("answer", "severity", "words"),
    [
        (dead(20), Severity.WARNING, "20 connections that the peer closed are kept open (file descriptors at 6 %"),
        (
            dead(900, 950),
            Severity.ERROR,
            "900 connections that the peer closed are kept open (file descriptors at 95 %",
        ),
        (dead(15, 27, 30), Severity.ERROR, "15 connections"),
    ],
)
def test_it_is_found_and_is_the_only_word_on_descriptors(answer: Resources, severity: Severity, words: str) -> None:
    diagnosis = judge([answer])
    assert codes(diagnosis) == ["RES-008"]
    finding = found(diagnosis, "RES-008")
    assert finding.severity is severity
    assert finding.title.startswith(words)


def test_a_few_are_clear() -> None:
    assert verdict(judge([dead(19)]), "RES-008").verdict is Judged.CLEAR


def test_sockets_that_could_not_be_seen_are_blind_with_the_reason() -> None:
    assert verdict(judge([USED]), "RES-008").verdict is Judged.BLIND
    refused = replace(USED, blind=(Blind(what="sockets", why="permission denied"),))
    assert verdict(judge([refused]), "RES-008").not_judged[0].why == "sockets: permission denied"


CLOSER = """
import socket, sys
listener = socket.create_server(('127.0.0.1', 0))
print(listener.getsockname()[1], flush=True)
kept = [listener.accept()[0] for _ in range(25)]
print('accepted', flush=True)
sys.stdin.readline()
for one in kept:
    one.close()
sys.stdin.readline()
"""


async def test_real_connections_that_are_not_closed_until_they_are() -> None:
    with Child(CLOSER) as child:
        for _ in range(25):
            socket.create_connection(("127.0.0.1", int(child.said)), timeout=10).close()
        assert child.process.stdout is not None
        assert child.process.stdout.readline().strip() == "accepted"  # before, they are not its own
        async with watched(pid=child.pid) as it:
            leaking = await it.until("RES-008")
            assert found(leaking, "RES-008").title.startswith("25 connections")
            assert child.process.stdin is not None
            child.process.stdin.write("close\n")
            child.process.stdin.flush()
            await it.until()

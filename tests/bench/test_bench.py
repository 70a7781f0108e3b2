"""The bench measures what it says: the protocol is cut right, percentiles are right, and nothing judges."""

import asyncio

import pytest

from bench.estate import Estate, real_answers
from bench.judge import only_decoded, only_parsed, well_judged
from bench.once import first_answer_s
from bench.raw import Raw, connect
from bench.report import Machine, Report, Row
from bench.wire import a_reply, percentile
from diagmesh.contract.codec import decode_reply
from diagmesh.contract.mesh import Silent
from diagmesh.contract.verdicts import Check
from diagmesh.diagnose import Engine
from diagmesh.evidence import Evidence
from diagmesh.packs import load_rules
from support.natsserver import NatsServer

Taken = list[tuple[bytes, int, bytes, bool]]

STREAM = (
    b"INFO {}\r\nMSG one 1 7\r\nMSG \r\nx\r\nMSG two 22 _INBOX.a 0\r\n\r\n"
    b"HMSG three 3 16 16\r\nNATS/1.0 503\r\n\r\n\r\nHMSG four 4 back 12 14\r\nNATS/1.0\r\n\r\nok\r\nPONG\r\n"
)
MESSAGES = [
    (b"one", 1, b"", False),
    (b"two", 22, b"_INBOX.a", False),
    (b"three", 3, b"", True),
    (b"four", 4, b"back", True),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 20, 1000])
async def test_messages_are_whole_however_they_are_cut(size: int) -> None:
    taken: Taken = []
    raw = Raw(lambda *message: taken.append(message), lambda: None)
    for at in range(0, len(STREAM), size):
        raw.data_received(STREAM[at : at + size])
    assert taken == MESSAGES
    assert raw.ready.is_set()


async def test_a_real_server_talks_with_it(nats_server: NatsServer) -> None:
    taken: Taken = []
    raw = await connect(nats_server.url, lambda *message: taken.append(message))
    raw.write(b"SUB here 5\r\nPUB here back 2\r\nhi\r\nPUB nowhere here 0\r\n\r\n")
    async with asyncio.timeout(10):
        while len(taken) < 2:
            await asyncio.sleep(0.01)
    assert taken == [(b"here", 5, b"back", False), (b"here", 5, b"", True)]
    assert raw.transport is not None
    raw.transport.close()


def test_nobody_there_is_no_answer(nats_server: NatsServer) -> None:
    with pytest.raises(TimeoutError, match=r"diag\.nobody\.health"):
        first_answer_s(nats_server.url, "diag.nobody.health", timeout_s=0.3)


@pytest.mark.parametrize(
    ("share", "value"), [(0.0, 1.0), (0.5, 3.0), (0.99, 4.0), (1.0, 4.0)], ids=["least", "p50", "p99", "most"]
)
def test_percentile(share: float, value: float) -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], share) == value


def test_without_measurements_there_are_no_numbers() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        percentile([], 0.5)


def test_simulated_replies_are_replies() -> None:
    reply = decode_reply(a_reply("i7"))
    assert (reply.instance, reply.kind, reply.status.value) == ("i7", "health", "answered")


def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    machine = Machine(cores=2, kernel="k", python="3", nats_server="v2", go="", load_1min=0.1)
    report = Report(machine=machine)
    report.add(
        "Title",
        [
            Row(part="p", case="c=1", who="bare", values={"us": 12345.6}, ratios={"to bare": 1.0}),
            Row(part="p", case="c=1", who="Go", note="no Go toolchain"),
        ],
    )
    assert capsys.readouterr().out == (
        "\nTitle\n"
        "                 us  to bare\n"
        "  c=1  bare  12,346    1.00x\n"
        "  c=1  Go                     no Go toolchain\n"
    )


async def test_the_estate_is_real_and_judged() -> None:
    estate = Estate(*await real_answers())
    replies = [decode_reply(body) for body in estate.replies.values()]
    silent = [
        Silent(service=key.service, instance=key.instance, reason="silent: hung")
        for key in estate.keys
        if (key, "health") not in estate.replies
    ]
    assert (len({key.service for key in estate.keys}), len(estate.keys)) == (200, 1000)
    assert 5 <= len(silent) <= 50
    assert 5 <= sum(reply.problem is not None for reply in replies) <= 100
    only_decoded(replies)
    only_parsed(replies)
    diagnosis = Engine(load_rules()).diagnose(Evidence(replies, silent=silent))
    well_judged(Check(findings=diagnosis.findings, verdicts=diagnosis.verdicts, silent=tuple(silent)))
    assert sum(len(finding.instances) for finding in diagnosis.findings) < 200


def test_rules_that_find_nothing_are_no_bench() -> None:
    with pytest.raises(RuntimeError, match="found"):
        well_judged(Check())

"""The bench measures what it says: the protocol is cut right, percentiles are right, and nothing judges."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from bench.__main__ import PARTS, main
from bench.estate import Estate, real_answers
from bench.judge import only_decoded, only_parsed, well_judged
from bench.lab import Lab
from bench.once import first_answer_s
from bench.pace import TINY
from bench.page import PAGE, with_figures
from bench.raw import Raw, connect
from bench.report import Machine, Part, Report, Row, table
from bench.targets import TARGETS, verdicts
from bench.turns import in_turn, row
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


MACHINE = Machine(cores=2, cpu="c", kernel="k", python="3", nats_server="v2", go="", packages={"a": "1"}, load_1min=0)


def reported(part: str, *rows: Row) -> Report:
    one = Part(name=part, title="Title", rows=list(rows), took_s=1.0, foreign_share=0.25)
    return Report(command="make bench", at="now", machine=MACHINE, parts=[one])


def test_table() -> None:
    rows = [
        Row(part="p", case="c=1", who="bare", values={"CPU us": 12345.6}, ratios={"to bare": 1.0}, spread=0.123),
        Row(part="p", case="c=1", who="Go", note="no Go toolchain"),
    ]
    (part,) = reported("p", *rows).parts
    assert part.lines() == [
        "Title",
        " " * 55 + "  CPU us  to bare  spread",
        "  c=1",
        "    bare".ljust(55) + "  12,346    1.00x     12%",
        "  c=1, Go: no Go toolchain",
        "  (1 s; others used 25% of the machine)",
    ]


def test_many_columns_stand_below_their_names() -> None:
    values = dict.fromkeys(("CPU ms", "slowest", "took", "loop", "KiB", "read", "read MiB", "idle"), 1234.5)
    head, _, line = table([Row(part="p", case="c", who="goroutine", values=values, spread=7.39)])
    assert line.startswith("    goroutine  ")
    assert (len(head), len(line)) == (80, 80), "so the last cell ends below its name, and the table fits a terminal"
    ends = [head.index(f" {name}") + 1 + len(name) for name in values]
    assert [line[end - 5 : end] for end in ends] == ["1,234"] * 8


def test_a_long_note_is_folded() -> None:
    (part,) = reported("p", Row(part="p", case="c", who="columns", note="word " * 40)).parts
    lines = part.lines()[2:-1]
    assert len(lines) == 3
    assert max(map(len, lines)) <= 80
    assert " ".join(" ".join(lines).split()) == "c, columns: " + " ".join(["word"] * 40)


def test_a_column_that_nobody_fills_is_left_out() -> None:
    head, _, line = table([Row(part="p", case="c", who="counts", values={"pause ms": 1.0})])
    assert (head.split(), line.split()) == (["pause", "ms"], ["counts", "1.00"])


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--help"], 0, "nats-looks"),
        (["nonsense"], 64, "no such part: nonsense; there are: responding, "),
        (["responding", "--write"], 64, "leave out the rest"),
        (["--quick", "--write"], 64, "leave out the rest"),
        (["--loud"], 64, "unrecognized arguments: --loud"),
    ],
)
def test_words_that_measure_nothing(words: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == code
    told = capsys.readouterr()
    assert says in " ".join((told.out if code == 0 else told.err).split())


def test_a_busy_machine_is_told_and_a_quiet_one_is_not() -> None:
    busy = reported("p")
    assert busy.caution().startswith("Others used 25% of the machine")
    busy.parts = [msgspec.structs.replace(busy.parts[0], foreign_share=0.05)]
    assert busy.caution() == ""


def test_in_turn_and_of_the_turns_the_median() -> None:
    order: list[str] = []

    def measured(who: str, *values: float) -> Callable[[], dict[str, float]]:
        left = list(values)

        def measure() -> dict[str, float]:
            order.append(who)
            return {"us": left.pop(0)}

        return measure

    seen = in_turn(3, {"a": measured("a", 10, 30, 20), "b": measured("b", 40, 40, 40)})
    assert "".join(order) == "ababab"
    told = row("p", "c", "b", seen["b"], {"to a": ("us", seen["a"]), "to nobody": ("us", [])})
    assert (told.values, told.ratios, told.spread) == ({"us": 40}, {"to a": 2.0}, 0.0)
    assert row("p", "c", "a", seen["a"], {}).spread == 1.0


def test_targets_are_told_where_they_were_measured() -> None:
    fast = Row(part="responding", case="c=256", who="our runtime", values={"CPU us": 12.5})
    slow = msgspec.structs.replace(fast, values={"CPU us": 13.5})
    assert verdicts(reported("responding", fast))[1].split()[-5:] == ["12.5", "us", "13", "us", "met"]
    assert verdicts(reported("responding", slow))[1].endswith("13.5 us      13 us  missed")
    assert verdicts(reported("responding")) == []


def test_the_page_keeps_what_people_wrote() -> None:
    page = PAGE.read_text(encoding="utf-8")
    once = with_figures(page, reported("p", Row(part="p", case="c", who="w", values={"us": 1.5})))
    assert "`make bench`, now" in once
    assert once == with_figures(once, reported("p", Row(part="p", case="c", who="w", values={"us": 1.5})))
    before, _, after = page.partition("<!-- figures")
    assert once.startswith(before)
    assert once.endswith(after.partition("<!-- end of the figures")[2])
    with pytest.raises(ValueError, match="marks"):
        with_figures("nothing", reported("p"))


class Asking(Report):
    """A report that notes what it is asked for."""

    asked: list[tuple[str, str, str]] = []

    def value(self, part: str, case: str, who: str, name: str) -> float | None:
        self.asked.append((part, who, name))
        return 1.0


def asked_for() -> list[tuple[str, str, str]]:
    """Part, who and value of all that the targets read."""
    asking = Asking(command="", at="", machine=MACHINE)
    assert all(target.measured(asking) is not None and len(target.what) < 48 for target in TARGETS)
    return asking.asked


def test_targets_read_parts_that_there_are() -> None:
    assert {part for part, _, _ in asked_for()} == {*PARTS} - {"judging"}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("bench")
    with NatsServer(folder) as server:
        yield Lab(server, folder)


@pytest.mark.parametrize("name", PARTS)
def test_every_part_still_measures(name: str, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    title, measure = PARTS[name]
    rows = measure(lab, TINY)
    assert all(row.values or row.note for row in rows)
    assert any(row.values for row in rows)
    assert all(value >= 0 for row in rows for value in row.values.values())
    assert max(map(len, table(rows))) <= 80
    assert len(title) <= 80
    told = {(row.who, value) for row in rows for value in (*row.values, *row.ratios)}
    wanted = {one[1:] for one in asked_for() if one[0] == name and (lab.go or "Go" not in one[2])}
    assert wanted <= told
    with_go = {row.who for row in rows if row.who.startswith("Go")}
    assert bool(with_go) == (name in {"responding", "fan-out", "connections", "footprint"})


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

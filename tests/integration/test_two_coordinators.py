"""Two coordinators share `diag.mesh.*`: killing or freezing either costs no question more than the hedge."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from diagmesh.bus.core import Message
from diagmesh.bus.nats import NatsBus
from diagmesh.client import Mesh
from diagmesh.client.asking import mesh_body
from diagmesh.client.heard import heard
from diagmesh.client.hedge import HEDGE_S, Coordinators
from diagmesh.client.signed import Member, signed
from diagmesh.contract.answers.coordinator import Coordinator
from diagmesh.contract.answers.health import Health
from diagmesh.contract.codec import decode_reply, encode
from diagmesh.contract.control import ForgetQuestion, Forgotten
from diagmesh.contract.directory import InstanceState, Services, ServicesQuestion
from diagmesh.contract.mesh import Ended, MeshAnswer, MeshQuestion
from diagmesh.contract.verdicts import Check, CheckQuestion
from diagmesh.contract.wire import Nothing
from diagmesh.errors import NoAnswer
from diagmesh.expected import Absence
from diagmesh.keys import read_seed
from diagmesh.settings import NatsSettings
from support.programs import Program
from support.smallmesh import HEARTBEAT_S, SmallMesh

NOISE_S: Final = 3.0
"""A normal answer takes milliseconds; so much more may a busy machine take."""
LONG_S: Final = 20.0
"""What a question would take that nobody rescues."""
FROZEN: Final = Absence(
    InstanceState.SILENT, "its sidecar is hung, frozen or overloaded; the service itself was not seen"
)


class Pair(SmallMesh):
    """A small mesh with coordinators c1 and c2."""

    def start(self) -> None:
        self.sidecar("orders", "i1")
        self.both: dict[str, Program] = {}
        self.again("c1")
        self.again("c2", warm=True)

    def again(self, name: str, *, warm: bool = False) -> None:
        """Start one (again)."""
        self.both[name] = self.coordinator(name, f'operators = ["{self.ring.public["operator"]}"]', warm=warm)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with Pair(tmp_path_factory.mktemp("pair")) as mesh:
        mesh.start()
        yield mesh


@pytest.fixture
async def mesh(pair: Pair) -> AsyncIterator[Mesh]:
    for name, program in pair.both.items():
        if not program.running:
            pair.again(name, warm=True)
    async with Mesh.connect(url=pair.url) as connected:
        for name in pair.both:
            await how_it_is(connected, name)
        yield connected
        assert connected.bus.held.inboxes == 0


async def took(mesh: Mesh) -> tuple[float, str]:
    """One question from somebody who has asked nothing yet: how long it took, and who answered."""
    asker = Mesh(mesh.bus)
    began = time.monotonic()
    result = await asker.mesh(Health, timeout_s=LONG_S)
    return time.monotonic() - began, result.coordinator


def within_the_hedge(times: list[tuple[float, str]]) -> None:
    late = [one for one in times if one[0] > HEDGE_S + NOISE_S]
    assert not late, f"{len(late)} of {len(times)} took longer: {sorted(late)[-3:]}"


async def test_a_stream_of_questions_survives_that_one_is_killed_with_questions_in_work(pair: Pair, mesh: Mesh) -> None:
    """Frozen first, so that it surely has questions that it will never answer."""
    before = [await took(mesh) for _ in range(20)]
    assert {who for _, who in before} == {"c1", "c2"}, "both have their share"
    pair.both["c1"].freeze()
    in_flight = [asyncio.create_task(took(mesh)) for _ in range(20)]
    await asyncio.sleep(0.2)
    pair.both["c1"].kill()
    rescued = await asyncio.gather(*in_flight)
    after = [await took(mesh) for _ in range(20)]
    within_the_hedge([*before, *rescued, *after])
    assert {who for _, who in (*rescued, *after)} == {"c2"}
    assert sum(spent > HEDGE_S - 0.1 for spent, _ in rescued) > 0, "some of them were with the one that was killed"


async def test_a_frozen_one_costs_the_hedge_once_and_nothing_is_left_behind(pair: Pair, mesh: Mesh) -> None:
    """Two hundred hedged questions: no task, subscription or inbox more afterwards, on either side."""
    hedged: list[str] = []
    tasks = len(asyncio.all_tasks())

    async def ask() -> float:
        asker = Coordinators(mesh.bus)
        asker.on_hedge = hedged.append
        began = time.monotonic()
        answered = await asker.ask("services", lambda _: encode(ServicesQuestion()), LONG_S, LONG_S)
        assert decode_reply(answered.message.data).kind == "services", "an answer to another question of ours"
        return time.monotonic() - began

    await ask()
    before = await how_it_is(mesh, "c2")
    pair.both["c1"].freeze()
    hedged.clear()  # who was slow before is no matter here
    spent: list[float] = []
    try:
        while len(hedged) < 200:
            spent += await asyncio.gather(*(ask() for _ in range(40)))
            assert len(spent) < 1200, f"only {len(hedged)} of {len(spent)} met the frozen one"
    finally:
        pair.both["c1"].thaw()
    within_the_hedge([(one, "") for one in spent])
    assert set(hedged) == {"a coordinator did not answer within 500 ms; c2 answered"}
    assert (mesh.bus.held.subscriptions, mesh.bus.held.inboxes) == (1, 0)
    assert len(asyncio.all_tasks()) <= tasks + 1
    # Whatever the thawed one has to say of questions of long ago, nobody takes it for an answer to his.
    for _ in range(20):
        await ask()
    for name in ("c1", "c2"):
        after = await how_it_is(mesh, name)
        assert after.link is not None
        assert after.process is not None
        assert before.link is not None
        assert before.process is not None
        assert after.link.subscriptions == before.link.subscriptions
        assert after.link.inboxes <= before.link.inboxes + 1
        assert after.process.tasks <= before.process.tasks + 5
        assert after.work.in_work <= 2


async def how_it_is(mesh: Mesh, name: str) -> Coordinator:
    """What a coordinator says of itself, once it has done with what it had in work."""
    deadline = time.monotonic() + LONG_S
    while True:
        heard = await mesh.one(Coordinator, "mesh", instance=name, timeout_s=LONG_S)
        # One that was thawed has much to do at first: questions of people who have long gone.
        if heard.problem is None and heard.answer.work.in_work <= 1:
            return heard.answer
        assert time.monotonic() < deadline, f"{name} does not come to rest: {heard.reply}"
        await asyncio.sleep(0.1)


async def test_who_asks_again_does_not_meet_the_frozen_one_again(pair: Pair, mesh: Mesh) -> None:
    told: list[str] = []
    mesh.coordinators.on_hedge = told.append
    pair.both["c2"].freeze()
    try:
        results = [await mesh.mesh(Health, timeout_s=LONG_S) for _ in range(40)]
    finally:
        pair.both["c2"].thaw()
    assert {one.coordinator for one in results} == {"c1"}
    assert len(told) == 1
    assert [one.hedged for one in results if one.hedged] == told


async def test_a_long_question_is_waited_for_and_asked_only_once(
    pair: Pair, mesh: Mesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frozen sidecar makes every sum last: whoever works on it says so, and nobody else is asked."""
    # On a machine with other work it may take a while to say so.
    monkeypatch.setattr("diagmesh.client.hedge._WHO_S", 0.4)
    before = [(await how_it_is(mesh, name)).work.asked for name in ("c1", "c2")]
    pair.sidecars["orders/i1"].freeze()
    try:
        result = await mesh.mesh(Health, timeout_s=2.0)
    finally:
        pair.sidecars["orders/i1"].thaw()
    assert (result.hedged, len(result.silent)) == ("", 1)
    after = [(await how_it_is(mesh, name)).work.asked for name in ("c1", "c2")]
    looks = sum(after) - sum(before)
    # The question itself; besides it nothing but looks at the coordinators, a few in two seconds.
    assert looks < 30


async def test_who_helps_when_the_time_is_over_still_finds_out_why_somebody_is_silent(pair: Pair, mesh: Mesh) -> None:
    """Each time somebody who was well a moment ago: why others are silent is known at once."""
    sidecar, deadline, reasons = pair.sidecars["orders/i1"], time.monotonic() + LONG_S, set[str]()
    pair.both["c1"].freeze()
    try:
        while str(FROZEN) not in reasons:
            assert time.monotonic() < deadline, reasons
            asker = Coordinators(mesh.bus)
            asker._preferred, asker._prefer_until = "c1", float("inf")
            sidecar.freeze()
            answered = await asker.ask(
                "health", lambda left_s: mesh_body(Nothing(), MeshQuestion(), left_s), LONG_S, HEDGE_S
            )
            sidecar.thaw()
            said = heard(answered.message.data, "mesh", "c2", "health", MeshAnswer)
            reasons |= {str(said.problem)} if said.problem else {one.reason for one in said.answer.silent}
            await asyncio.sleep(2 * HEARTBEAT_S)
    finally:
        pair.both["c1"].thaw()
        sidecar.thaw()


async def test_how_the_coordinators_are_is_told_by_the_other_one(pair: Pair, mesh: Mesh) -> None:
    asker = Mesh(mesh.bus)
    asker.coordinators._preferred, asker.coordinators._prefer_until = "c1", float("inf")
    pair.both["c1"].freeze()
    try:
        said = await asker.one("coordinator", "mesh", timeout_s=5.0)
    finally:
        pair.both["c1"].thaw()
    assert (said.reply.instance, said.hedged) == ("c2", "coordinator c1 did not answer within 500 ms; c2 answered")
    assert (said.answer.answered, [one.instance for one in said.answer.silent]) == (1, ["c1"])


async def test_both_frozen_is_told_within_the_time(pair: Pair, mesh: Mesh) -> None:
    for program in pair.both.values():
        program.freeze()
    try:
        began = time.monotonic()
        with pytest.raises(NoAnswer, match="whoever listens there is frozen, overloaded or has just ended"):
            await mesh.services(timeout_s=1.5)
        assert time.monotonic() - began < 1.5 + NOISE_S
        done = await cli(pair, "services", "--timeout", "1.5")
    finally:
        for program in pair.both.values():
            program.thaw()
    assert (done.returncode, done.stdout) == (2, "")
    assert "no answer on diag.mesh.services within 1.5 s: whoever listens there is frozen" in done.stderr


async def test_the_command_says_who_helped(pair: Pair, mesh: Mesh) -> None:
    pair.both["c1"].freeze()
    try:
        for _ in range(30):
            done = await cli(pair, "ask", "health", "--json", "--timeout", "10")
            assert (done.returncode, decode_reply(done.stdout.encode()).instance) == (0, "c2")
            if done.stderr:
                break
    finally:
        pair.both["c1"].thaw()
    assert done.stderr == "a coordinator did not answer within 500 ms; c2 answered\n"


async def test_services_of_the_application_are_helped_across_the_border_of_the_account(pair: Pair, mesh: Mesh) -> None:
    app = await Mesh.connect(url=pair.url, nkey_file=str(pair.ring.seed_file("app")))
    hedged: list[str] = []
    pair.both["c1"].freeze()
    try:
        while not hedged:
            asker = Mesh(app.bus)  # one that has asked nothing yet
            asker.coordinators.on_hedge = hedged.append
            assert (await asker.mesh(Health, timeout_s=LONG_S)).coordinator
    finally:
        pair.both["c1"].thaw()
        await app.close()
    assert hedged == ["a coordinator did not answer within 500 ms; c2 answered"]


async def test_a_control_request_is_sent_once_to_each(pair: Pair, mesh: Mesh) -> None:
    settings = NatsSettings(
        url=pair.url, nkey_file=str(pair.ring.seed_file("coordinator")), inbox_prefix="_INBOX_coord"
    )
    ear = await NatsBus.connect(settings, "ear")
    heard: list[Message] = []
    await ear.subscribe("diagctl.mesh.>", heard.append)
    await ear.barrier()
    pair.both["c1"].freeze()
    try:
        done = await cli(
            pair,
            *("forget", "orders", "--timeout", "2", "--inbox-prefix", "_INBOX_priv"),
            *("--nkey-file", str(pair.ring.seed_file("operator"))),
        )
        await ear.barrier()
    finally:
        pair.both["c1"].thaw()
        await ear.close()
    assert done.returncode == 2, "one of them did not say that it has done it"
    assert sorted(one.subject for one in heard) == ["diagctl.mesh.forget.c1", "diagctl.mesh.forget.c2"]


async def test_both_know_the_same_and_each_other(pair: Pair, mesh: Mesh) -> None:
    pair.sidecar("payments", "p1")
    try:
        said = await until(
            mesh, lambda each: all(("payments", "p1") in known(one) and both_live(one) for one in each.values())
        )
        assert known(said["c1"]) == known(said["c2"]) == {("orders", "i1"), ("payments", "p1")}
        for one in said.values():
            assert {each.instance for each in one.coordinators} == {"c1", "c2"}
            assert all(each.state is InstanceState.LIVE for each in one.coordinators)
        pair.sidecars["payments/p1"].kill()
        await until(mesh, lambda each: all(one.missing and one.live == 1 for one in each.values()))
    finally:
        pair.sidecars["payments/p1"].stop()
    # Told to one of them alone, and signed for that one.
    seed = read_seed(pair.ring.seed_file("operator")).seed
    settings = NatsSettings(url=pair.url, nkey_file=str(pair.ring.seed_file("operator")), inbox_prefix="_INBOX_priv")
    operator = await NatsBus.connect(settings, "operator")
    try:
        (first,) = [one.boot for one in said["c1"].coordinators if one.instance == "c1"]
        to, question = Member("mesh", "c1", first), ForgetQuestion(service="payments", instance="p1")
        done = await signed(operator, to, "forget", question, Forgotten, seed=seed, timeout_s=LONG_S)
    finally:
        await operator.close()
    assert [one.instance for one in done.answer.forgotten] == ["p1"]
    await until(mesh, lambda each: all(known(one) == {("orders", "i1")} for one in each.values()))


async def test_a_thawed_one_knows_at_once_who_fell_silent_meanwhile(pair: Pair, mesh: Mesh) -> None:
    """It reads up the heartbeats of all that time at once, and none of them says when it was sent."""
    pair.sidecar("payments", "p2")
    await until(mesh, lambda each: all(("payments", "p2") in known(one) for one in each.values()))
    pair.both["c1"].freeze()
    try:
        await asyncio.sleep(2 * HEARTBEAT_S)
        pair.sidecars["payments/p2"].freeze()
        await asyncio.sleep(8 * HEARTBEAT_S)
        pair.both["c1"].thaw()
        said = await mesh.one(Services, "mesh", instance="c1", timeout_s=LONG_S)
        itself = await mesh.one(Coordinator, "mesh", instance="c1", timeout_s=LONG_S)
    finally:
        pair.both["c1"].thaw()
        pair.sidecars["payments/p2"].thaw()
    states = {f"{of.service}/{one.instance}": one.state for of in said.answer.services for one in of.instances}
    assert states["payments/p2"] is InstanceState.SILENT
    assert itself.answer.directory is not None
    assert itself.answer.directory.live <= 1
    assert said.answer.ended is Ended.COMPLETE
    await until(mesh, lambda each: all(one.live == 2 for one in each.values()))
    pair.sidecars["payments/p2"].stop()
    await until(mesh, lambda each: all(known(one) == {("orders", "i1")} for one in each.values()))


def known(services: Services) -> set[tuple[str, str]]:
    return {(entry.service, one.instance) for entry in services.services for one in entry.instances}


def both_live(services: Services) -> bool:
    """Whether the coordinators hear each other: one that was thawed a moment ago has to be heard first."""
    return {one.instance for one in services.coordinators if one.state is InstanceState.LIVE} == {"c1", "c2"}


async def until(mesh: Mesh, holds: Callable[[dict[str, Services]], bool]) -> dict[str, Services]:
    """What each of them knows, as soon as it holds."""
    deadline = time.monotonic() + LONG_S
    while True:
        heard = [await mesh.one(Services, "mesh", instance=name, timeout_s=LONG_S) for name in ("c1", "c2")]
        said = {one.reply.instance: one.answer for one in heard}
        if holds(said):
            return said
        assert time.monotonic() < deadline, f"never: {said}"
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("how", ["freeze", "kill"])
async def test_the_other_one_names_whoever_is_missing(pair: Pair, mesh: Mesh, how: str) -> None:
    clear = await checked(mesh, lambda check: not codes(check))
    assert {one.code for one in clear.verdicts if one.judged == ("mesh/c1", "mesh/c2")} == {
        "MESH-006",
        "MESH-007",
        "MESH-008",
    }
    assert len(clear.settings) == 12
    getattr(pair.both["c2"], how)()
    state = InstanceState.SILENT if how == "freeze" else InstanceState.NOT_CONNECTED
    try:
        found = await checked(mesh, lambda check: codes(check) == {"MESH-006"})
        (finding,) = found.findings
        assert (finding.instances, finding.evidence[0].value) == (("mesh/c2",), f"{state}: {REASONS[state]}")
        await until_c1_says(mesh, state)
        listed, looked = await cli(pair, "services"), await cli(pair, "status")
        total = await cli(pair, "ask", "coordinator")
    finally:
        if how == "freeze":
            pair.both["c2"].thaw()
        else:
            pair.again("c2", warm=True)
    for done in (listed, looked):
        assert done.returncode == 2
        assert f"coordinator c2 on {socket.gethostname()}" in done.stdout
        assert f"{state}: {REASONS[state]}" in " ".join(done.stdout.split())
    assert total.returncode == 2
    assert "coordinator · 1 of 2 instances answered, 1 silent" in total.stdout
    await checked(mesh, lambda check: not codes(check))


REASONS: Final = {
    InstanceState.SILENT: "it is hung, frozen or overloaded",
    InstanceState.NOT_CONNECTED: "it is not connected to NATS",
}


def codes(check: Check) -> set[str]:
    return {one.code for one in check.findings}


async def checked(mesh: Mesh, holds: Callable[[Check], bool]) -> Check:
    """The first check of which it holds, of the coordinators alone."""
    deadline, question = time.monotonic() + LONG_S, CheckQuestion(codes=("MESH-006", "MESH-007", "MESH-008"))
    while True:
        check = (await mesh.one(Check, "mesh", question, timeout_s=5.0)).answer
        if holds(check) and not any(one.again_in_s for one in check.verdicts):
            return check
        assert time.monotonic() < deadline, f"never: {check}"
        await asyncio.sleep(0.1)


async def until_c1_says(mesh: Mesh, state: InstanceState) -> None:
    deadline = time.monotonic() + LONG_S
    while True:
        said = (await mesh.one(Services, "mesh", instance="c1", timeout_s=LONG_S)).answer
        if [one.state for one in said.coordinators if one.instance == "c2"] == [state]:
            return
        assert time.monotonic() < deadline, f"never {state}: {said.coordinators}"
        await asyncio.sleep(0.1)


async def cli(pair: Pair, *words: str) -> "subprocess.CompletedProcess[str]":
    """The real command, on this mesh."""
    command = [sys.executable, "-m", "diagmesh_cli", *words, "--nats", pair.url]
    return await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=60, check=False, cwd=Path("/")
    )

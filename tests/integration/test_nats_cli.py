"""The real `nats` CLI, without any flags of its own, against a mesh of real processes."""

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from support.children import until
from support.programs import wait_until
from support.smallmesh import HEARTBEAT_S, SmallMesh

Nats = Callable[..., str]
ALL_REPLIES: Final = ("--replies=0", "--timeout=4s")
"""Whatever comes until the time is over, which is not short: a busy machine keeps a sidecar waiting for a second."""
SIDECARS: Final = (("orders", "i1"), ("orders", "i2"), ("payments", "p1"))
LABELS: Final = {
    "orders/i1": {"DIAGMESH_LABELS": "zone=a,version=1.2"},
    "orders/i2": {"DIAGMESH_LABELS": "zone=b"},
    "payments/p1": {"DIAGMESH_LABELS": "zone=a"},
}


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallMesh]:
    """Two instances of orders, one of payments, a coordinator: nobody is hurt in it."""
    with SmallMesh(tmp_path_factory.mktemp("mesh")) as mesh:
        for service, instance in SIDECARS:
            mesh.sidecar(service, instance, environment=LABELS[f"{service}/{instance}"])
        mesh.coordinator()
        yield mesh


@pytest.fixture
def hurt_mesh(tmp_path: Path) -> Iterator[SmallMesh]:
    """The same, for tests that kill and freeze."""
    with SmallMesh(tmp_path) as mesh:
        for service, instance in SIDECARS[:2]:
            mesh.sidecar(service, instance, environment=LABELS[f"{service}/{instance}"])
        mesh.coordinator()
        yield mesh


@pytest.fixture(scope="module")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home without contexts of the nats CLI."""
    return tmp_path_factory.mktemp("home")


def command(nats_cli: Path, home: Path, mesh: SmallMesh) -> Nats:
    """Runs `nats WORDS` as a person would whose NATS_URL is the mesh; returns what it printed."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("NATS_")}
    environment = {**clean, "HOME": str(home), "XDG_CONFIG_HOME": str(home), "NATS_URL": mesh.url}

    def nats(*words: str) -> str:
        done = subprocess.run(
            [nats_cli, *words],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        return done.stdout + done.stderr

    return nats


@pytest.fixture
def nats(nats_cli: Path, empty_home: Path, mesh: SmallMesh) -> Nats:
    return command(nats_cli, empty_home, mesh)


@pytest.fixture
def nats_hurt(nats_cli: Path, empty_home: Path, hurt_mesh: SmallMesh) -> Nats:
    return command(nats_cli, empty_home, hurt_mesh)


def replies(printed: str) -> list[dict[str, Any]]:
    """The JSON bodies among what `nats req` printed, one per line."""
    return [orjson.loads(line) for line in printed.splitlines() if line.startswith("{")]


def only_reply(printed: str) -> dict[str, Any]:
    found = replies(printed)
    assert len(found) == 1, printed
    return found[0]


def headers(printed: str) -> dict[str, str]:
    """The service error headers, which `nats req` logs with the time in front."""
    return dict(re.findall(r"^\S+ (Nats-Service-[\w-]+): (.*)$", printed, flags=re.MULTILINE))


def test_one_instance(nats: Nats, mesh: SmallMesh) -> None:
    reply = only_reply(nats("req", "diag.orders.health", ""))
    assert (reply["v"], reply["service"], reply["kind"], reply["status"]) == (1, "orders", "health", "answered")
    assert reply["answer"]["state"] == "up"
    assert reply["answer"]["pid"] == mesh.watched[f"orders/{reply['instance']}"].pid
    assert reply["took_ms"] > 0


def test_all_instances(nats: Nats) -> None:
    started = time.monotonic()
    heard = replies(nats("req", "diag.orders.health.all", "", *ALL_REPLIES))
    assert sorted(reply["instance"] for reply in heard) == ["i1", "i2"]
    assert time.monotonic() - started < 10


def test_one_known_instance(nats: Nats) -> None:
    assert only_reply(nats("req", "diag.orders.health.i2", ""))["instance"] == "i2"


def test_every_service(nats: Nats) -> None:
    heard = replies(nats("req", "diag.all.health", "", *ALL_REPLIES))
    assert sorted(f"{reply['service']}/{reply['instance']}" for reply in heard) == [
        "orders/i1",
        "orders/i2",
        "payments/p1",
    ]


def test_the_mesh_adds_up(nats: Nats) -> None:
    reply = only_reply(nats("req", "diag.mesh.health", ""))
    assert (reply["service"], reply["status"]) == ("mesh", "answered")
    answer = reply["answer"]
    assert (answer["of"], answer["expected"], answer["answered"], answer["ended"]) == ("health", 3, 3, "complete")
    assert answer["silent"] == []
    assert answer["by_status"] == {"answered": 3}
    assert answer["fields"]["state"]["counts"] == {"up": 3}


def test_the_mesh_of_a_selection_with_each_reply(nats: Nats) -> None:
    reply = only_reply(nats("req", "diag.mesh.health", '{"services": ["orders"], "each": true}'))
    assert reply["answer"]["expected"] == 2
    assert sorted(one["instance"] for one in reply["answer"]["each"]) == ["i1", "i2"]


def test_the_directory(nats: Nats) -> None:
    answer = only_reply(nats("req", "diag.mesh.services", ""))["answer"]
    assert {service["service"]: len(service["instances"]) for service in answer["services"]} == {
        "orders": 2,
        "payments": 1,
    }
    assert (answer["live"], answer["missing"]) == (3, 0)


def test_resources(nats: Nats, mesh: SmallMesh) -> None:
    reply = only_reply(nats("req", "diag.orders.resources.i1", ""))
    assert reply["status"] == "answered", reply
    rss_bytes = reply["answer"]["memory"]["rss_bytes"]
    told_kib = int(re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{mesh.watched['orders/i1'].pid}/status").read_text())[0])
    assert abs(rss_bytes - told_kib * 1024) < 4 * 1024 * 1024


def test_an_unknown_kind_is_a_404_that_lists_the_kinds(nats: Nats) -> None:
    printed = nats("req", "diag.orders.wealth", "")
    reply = only_reply(printed)
    assert (reply["status"], reply["problem"]["code"], reply["problem"]["error"]) == ("declined", 404, "unknown kind")
    assert {"health", "resources"} <= set(re.findall(r"[a-z-]+", reply["problem"]["hint"]))
    assert headers(printed)["Nats-Service-Error-Code"] == "404"
    assert headers(printed)["Nats-Service-Error"] == "unknown kind"


def test_an_unknown_kind_of_the_mesh_is_a_404(nats: Nats) -> None:
    printed = nats("req", "diag.mesh.wealth", "")
    assert only_reply(printed)["problem"]["code"] == 404
    assert headers(printed)["Nats-Service-Error-Code"] == "404"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"timeout_ms": "soon"}', ["$.timeout_ms", "str"]),
        ('{"colour": 1}', ["colour"]),
        ("[1]", ["array"]),
        ("hello", []),
    ],
    ids=["type", "unknown-field", "no-object", "no-json"],
)
def test_a_wrong_body_is_a_400_that_says_where(nats: Nats, body: str, words: list[str]) -> None:
    printed = nats("req", "diag.orders.health", body)
    problem = only_reply(printed)["problem"]
    assert problem["code"] == 400
    assert headers(printed)["Nats-Service-Error-Code"] == "400"
    assert [word for word in words if word not in problem["detail"]] == [], problem


def test_an_unknown_service_has_no_responders(nats: Nats) -> None:
    assert "no responders" in nats("req", "diag.nobody.health", "").lower()


def test_a_wildcard_target_has_no_responders(nats: Nats) -> None:
    assert "no responders" in nats("req", "diag.*.health", "").lower()


def test_control_is_refused_to_the_anonymous_role(nats: Nats) -> None:
    printed = nats("req", "diagctl.orders.chaos.i1", "{}", "--timeout=1s")
    assert replies(printed) == []
    assert "permissions violation" in printed.lower()


# `nats micro ls` and `stats` end 0.3 s after the last reply: who got no CPU for so long is missing, and they are asked
# again. Neither counts as a question of health.


def boots(nats: Nats) -> set[str]:
    """The ids of the agents, as their own replies tell them."""
    enough = (f"--replies={len(SIDECARS)}", "--reply-timeout=10s", "--timeout=10s")
    heard = replies(nats("req", "diag.all.health", "", *enough))
    assert len(heard) == len(SIDECARS)
    return {reply["boot"] for reply in heard}


def test_micro_ls_names_every_agent_and_the_coordinator(nats: Nats) -> None:
    wanted = {"diag-agent", "diag-coordinator", *boots(nats)}
    printed = until(lambda: nats("micro", "ls"), lambda said: all(word in said for word in wanted))
    assert [word for word in wanted if word not in printed] == [], printed


def test_micro_ping_hears_every_agent(nats: Nats) -> None:
    printed = nats("micro", "ping", "diag-agent")
    assert set(re.findall(r"diag-agent\s+(\S+)\s+rtt", printed)) == boots(nats), printed


def test_micro_info(nats: Nats) -> None:
    printed = nats("micro", "info", "diag-agent")
    assert "health" in printed, printed
    assert re.search(r"diag\.(orders|payments)\.health", printed), printed


def health_rows(nats: Nats) -> list[str]:
    """What each sidecar counted of its health questions: what `nats micro stats` prints of that."""

    def printed() -> list[str]:
        return [line for line in nats("micro", "stats", "diag-agent").splitlines() if "health" in line]

    rows = until(printed, lambda rows: len(rows) == len(SIDECARS))
    assert len(rows) == len(SIDECARS), rows
    return rows


def stats(nats: Nats) -> int:
    """How many health questions all sidecars have taken so far, by their own count."""
    counts = (re.findall(r"\d[\d,]*", row.split("health", 1)[1])[0] for row in health_rows(nats))
    return sum(int(count.replace(",", "")) for count in counts)


@pytest.mark.parametrize(
    ("labels", "chosen"),
    [
        ('{"zone": "a"}', ["orders/i1", "payments/p1"]),
        ('"zone=a,!version"', ["payments/p1"]),
        ('"version in (1.1,1.2)"', ["orders/i1"]),
        ('{"zone": ["a", "b"]}', ["orders/i1", "orders/i2", "payments/p1"]),
    ],
)
def test_a_selection_by_labels_asks_nobody_else(nats: Nats, labels: str, chosen: list[str]) -> None:
    before = stats(nats)
    answer = only_reply(nats("req", "diag.mesh.health", f'{{"each": true, "labels": {labels}}}'))["answer"]
    assert sorted(f"{one['service']}/{one['instance']}" for one in answer["each"]) == chosen
    assert (answer["expected"], answer["silent"], answer["ended"]) == (len(chosen), [], "complete")
    assert stats(nats) - before == len(chosen)


@pytest.mark.parametrize(
    ("labels", "code", "says"),
    [
        ('{"zone": "c"}', "404", "nobody has zone=c"),
        ('{"zoen": "a"}', "404", "nobody has a label 'zoen'"),
        ('"zone in a"', "400", "selects by no label"),
    ],
)
@pytest.mark.parametrize("kind", ["health", "services", "check"])
def test_labels_that_nobody_has_are_no_good_news(nats: Nats, kind: str, labels: str, code: str, says: str) -> None:
    printed = nats("req", f"diag.mesh.{kind}", f'{{"labels": {labels}}}')
    assert headers(printed)["Nats-Service-Error-Code"] == code
    assert says in only_reply(printed)["problem"]["detail"]


def test_labels_choose_in_directory_and_check(nats: Nats) -> None:
    services = only_reply(nats("req", "diag.mesh.services", '{"labels": "zone=a"}'))["answer"]
    listed = [(entry["service"], one["instance"]) for entry in services["services"] for one in entry["instances"]]
    assert listed == [("orders", "i1"), ("payments", "p1")]
    assert (services["live"], services["missing"]) == (2, 0)
    check = only_reply(nats("req", "diag.mesh.check", '{"labels": {"zone": "b"}}'))["answer"]
    assert (check["expected"], check["silent"]) == (1, [])


def test_an_instance_is_asked_by_its_name_not_by_its_labels(nats: Nats) -> None:
    """Only a coordinator knows who has which labels: at the subject of all they would be ignored, so it is refused."""
    refused = replies(nats("req", "diag.orders.health.all", '{"labels": {"zone": "a"}}', *ALL_REPLIES))
    assert {one["problem"]["code"] for one in refused} == {400}
    assert all("labels" in one["problem"]["detail"] for one in refused)


def test_micro_stats_counts_questions(nats: Nats) -> None:
    asked = 3
    for _ in range(asked):
        nats("req", "diag.payments.health", "")
    rows = health_rows(nats)
    numbers = [int(number.replace(",", "")) for row in rows for number in re.findall(r"\d[\d,]*", row)]
    assert max(numbers) >= asked, rows


def silent_of(printed: str) -> dict[str, str]:
    """Who is silent according to a mesh answer: instance to its reason."""
    return {one["instance"]: one["reason"] for one in only_reply(printed)["answer"]["silent"]}


def test_a_killed_sidecar_is_not_connected_and_not_waited_for(nats_hurt: Nats, hurt_mesh: SmallMesh) -> None:
    hurt_mesh.sidecars["orders/i1"].kill()
    printed = nats_hurt("req", "diag.mesh.health", '{"timeout_ms": 20000}', "--timeout=25s")
    assert silent_of(printed)["i1"].startswith("not connected")
    reply = only_reply(printed)
    assert (reply["answer"]["expected"], reply["answer"]["answered"], reply["answer"]["ended"]) == (2, 1, "complete")
    assert reply["took_ms"] < 20_000 / 3
    assert hurt_mesh.watched["orders/i1"].running


def test_a_killed_sidecar_is_still_chosen_by_its_last_labels(nats_hurt: Nats, hurt_mesh: SmallMesh) -> None:
    hurt_mesh.sidecars["orders/i2"].kill()
    printed = nats_hurt("req", "diag.mesh.health", '{"labels": {"zone": "b"}}')
    assert silent_of(printed)["i2"].startswith("not connected")
    answer = only_reply(printed)["answer"]
    assert (answer["expected"], answer["answered"]) == (1, 0)
    elsewhere = nats_hurt("req", "diag.mesh.health", '{"labels": {"zone": "a"}}')
    assert silent_of(elsewhere) == {}, "whoever is not meant is not missing"


def test_a_frozen_sidecar_is_connected_but_silent(nats_hurt: Nats, hurt_mesh: SmallMesh) -> None:
    hurt_mesh.sidecars["orders/i2"].freeze()
    printed = nats_hurt("req", "diag.mesh.health", '{"timeout_ms": 3000}')
    assert silent_of(printed)["i2"].startswith("connected but silent")
    assert only_reply(printed)["answer"]["answered"] == 1
    assert hurt_mesh.watched["orders/i2"].running
    hurt_mesh.sidecars["orders/i2"].thaw()
    wait_until(
        lambda: not silent_of(nats_hurt("req", "diag.mesh.health", "")), 20 + 3 * HEARTBEAT_S, "the thawed one answers"
    )


def test_a_frozen_sidecar_holds_up_no_batch(nats_cli: Path, empty_home: Path, tmp_path: Path) -> None:
    with SmallMesh(tmp_path) as mesh:
        mesh.coordinator()
        for service, instance in SIDECARS[:2]:
            # A frozen one is lost, and no longer waited for, after twice as long at least: by then it has been asked.
            mesh.sidecar(service, instance, more="heartbeat_s = 4")
        nats = command(nats_cli, empty_home, mesh)

        def known() -> bool:
            answer = only_reply(nats("req", "diag.mesh.health", "")).get("answer", {})
            return (answer.get("answered"), answer.get("ended")) == (2, "complete")

        wait_until(known, 30, "both are known, and that there is nobody else")
        mesh.sidecars["orders/i1"].freeze()
        try:
            printed = nats("req", "diag.mesh.health", '{"batch": 1, "pause_ms": 50, "timeout_ms": 3000}')
        finally:
            mesh.sidecars["orders/i1"].thaw()
    answer = only_reply(printed)["answer"]
    assert silent_of(printed)["i1"].startswith("connected but silent")
    assert (answer["answered"], answer["not_asked"], answer["ended"]) == (1, [], "timeout")


def test_a_sidecar_that_leaves_is_no_longer_expected(nats_hurt: Nats, hurt_mesh: SmallMesh) -> None:
    assert hurt_mesh.sidecars["orders/i2"].stop() == 0
    answer = only_reply(nats_hurt("req", "diag.mesh.health", ""))["answer"]
    assert (answer["expected"], answer["answered"], answer["silent"]) == (1, 1, [])

"""The Go demo starts in any order, goes on without JetStream, ends in order, and has no data race of its own."""

import json
import subprocess
import threading
from pathlib import Path
from typing import Final

import pytest

from diagmesh_cli.local.roles import make_keyring, server_config
from support.children import until
from support.compiler import c_compiler
from support.godemo import SOURCE, GoDemo, GoService, ask, build, consumer
from support.golang import Go
from support.natsserver import MakeServer

NAMES: Final = ("orders", "payments", "inventory")


@pytest.fixture(scope="module")
def programs(go: Go) -> Path:
    return build(go)


def start(demo: GoDemo) -> dict[str, GoService]:
    return {name: demo.service(name) for name in NAMES}


def health(service: GoService) -> dict[str, str]:
    return json.loads(service.page("/healthz")[1])  # type: ignore[no-any-return]  # the demo decides


def test_its_own_tests_pass(go: Go) -> None:
    go.judge(SOURCE)


def test_the_server_comes_later_and_loses_everything(programs: Path, make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server(jetstream=True)
    with GoDemo(programs, server.url, tmp_path) as demo:
        services = start(demo)
        for service in services.values():
            status, text = service.page("/healthz")
            assert status == 503
            assert "no connection to NATS" in json.loads(text)["reason"]
        server.start()
        demo.connected(*services.values())
        # An event that the new stream has not stored within half a second is lost, as the demo says it.
        assert until(lambda: ask(server.url, "demo.orders.create")[1].get("event") == "stored")
        server.stop()
        assert until(lambda: services["orders"].page("/healthz")[0] == 503)
        server.start()  # the stream lived in its memory
        demo.connected(*services.values())
        assert until(lambda: ask(server.url, "demo.orders.create")[1].get("event") == "stored")
        booked = services["inventory"].metric("inventory_booked_total")
        ask(server.url, "demo.orders.create")
        assert until(lambda: services["inventory"].metric("inventory_booked_total") > booked)


def test_without_jetstream_requests_are_answered(programs: Path, make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server().start()
    with GoDemo(programs, server.url, tmp_path) as demo:
        services = start(demo)
        assert until(lambda: "no stream" in health(services["orders"])["jetstream"])
        assert until(lambda: "no events" in health(services["inventory"])["jetstream"])
        reply = until(lambda: ask(server.url, "demo.orders.create")[1], lambda now: now.get("state") == "paid")
        assert (reply["state"], reply["event"]) == ("paid", "off")
        assert health(services["orders"])["status"] == "ok"
        (said,) = services["orders"].lines(component="events", level="warn")
        assert "not stored" in said["message"]


def test_in_the_account_of_the_application(programs: Path, make_server: MakeServer, tmp_path: Path) -> None:
    ring = make_keyring(tmp_path, NAMES)
    server = make_server(config=server_config(ring, NAMES, -1).decode()).start()
    with GoDemo(programs, server.url, tmp_path, "--nkey-file", str(ring.seed_file("app"))) as demo:
        services = start(demo)
        demo.connected(*services.values())
        load = demo.load(20, "--for", "2s")
        assert until(lambda: not load.program.running)
        (told,) = load.lines(message="load ended")
        assert told["answered"] == told["sent"] > 10
        assert services["orders"].metric('order_events_total{outcome="stored"}') > 5
        assert until(lambda: services["inventory"].metric("inventory_booked_total") > 5)


def test_orders_can_make_the_load(programs: Path, make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server(jetstream=True).start()
    with GoDemo(programs, server.url, tmp_path) as demo:
        others = [demo.service(name) for name in ("payments", "inventory")]
        orders = demo.service("orders", "--rate", "30")
        demo.connected(orders, *others)
        assert until(lambda: orders.metric('orders_total{state="paid"}') > 5)


def test_sigterm_lets_a_request_at_hand_finish(programs: Path, make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server(jetstream=True).start()
    with GoDemo(programs, server.url, tmp_path) as demo:
        services = start(demo)
        demo.connected(*services.values())
        services["payments"].turn("slow", amount=9000)
        answers: list[object] = []
        asking = threading.Thread(
            target=lambda: answers.append(ask(server.url, "demo.payments.charge", {"order": "o"}))
        )
        asking.start()
        assert until(lambda: "faults.(*Board).Sleep" in services["payments"].stacks())
        for service in services.values():
            assert service.program.stop() == 0
            assert service.lines(message="ended in order")
        asking.join(10)
        assert answers == [({"X-Request-Id": _any(answers)}, {"charged": True, "by": "i1", "amount_cents": 0})]


def _any(answers: list[object]) -> str:
    (answer,) = answers
    assert isinstance(answer, tuple)
    request_id: str = answer[0]["X-Request-Id"]
    assert len(request_id) == 32
    return request_id


@pytest.mark.parametrize("fault", ["ack-late", "nak-always"])
def test_what_is_delivered_again_ends_with_the_switch(
    programs: Path, make_server: MakeServer, tmp_path: Path, fault: str
) -> None:
    """With deliveries without end no event is lost, and nothing of the fault remains."""
    server = make_server(jetstream=True).start()
    with GoDemo(programs, server.url, tmp_path) as demo:
        flags = {"inventory": ("--ack-wait", "500ms", "--max-deliver", "-1")}
        services = {name: demo.service(name, *flags.get(name, ())) for name in NAMES}
        demo.connected(*services.values())
        load = demo.load(20, "--for", "2.5s")
        services["inventory"].turn(fault)
        assert until(lambda: consumer(server.url), lambda now: now["num_redelivered"] > 3)["num_redelivered"] > 3
        services["inventory"].turn(fault, on=False)
        assert until(lambda: not load.program.running)
        settled = ("num_redelivered", "num_ack_pending", "num_pending")
        left = until(lambda: [consumer(server.url)[name] for name in settled], lambda now: now == [0, 0, 0])
        assert left == [0, 0, 0]
        stored = ask(server.url, "$JS.API.STREAM.INFO.ORDERS")[1]["state"]["messages"]
        assert services["inventory"].metric("inventory_booked_total") >= stored > 10


@pytest.mark.parametrize(
    ("flags", "says"), [(("--instance", "a.b"), "--instance"), (("--rate", "1"), "-rate"), (("now",), "unexpected")]
)
def test_a_wrong_command_line_is_refused(programs: Path, flags: tuple[str, ...], says: str) -> None:
    done = subprocess.run([programs / "payments", *flags], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 64
    assert says in done.stderr


def test_only_the_switch_is_a_race(go: Go, make_server: MakeServer, tmp_path: Path) -> None:
    c_compiler()  # -race needs one
    server = make_server(jetstream=True).start()
    with GoDemo(build(go, "-race"), server.url, tmp_path) as demo:
        services = start(demo)
        demo.connected(*services.values())
        for fault, service in (("stop-ack", "inventory"), ("hold-lock", "payments"), ("duplicates", "orders")):
            services[service].turn(fault, for_s=0.5)
        load = demo.load(50, "--for", "3s")
        assert until(lambda: not load.program.running)
        assert all("DATA RACE" not in service.program.log_text() for service in (*services.values(), load))
        services["payments"].turn("race")
        assert until(lambda: "WARNING: DATA RACE" in services["payments"].program.log_text())
        assert until(lambda: "harm.countWithoutLock" in services["payments"].program.log_text())
        assert services["payments"].turn("race", on=False) == []
        assert services["orders"].program.stop() == 0
        assert services["payments"].program.stop() == 66, "how a program ends in whose run a race was seen"

"""The Go demo works, and each of its fault switches has its effect, seen from outside, and takes it back."""

import base64
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import nats.errors
import pytest

from support.children import until
from support.godemo import GoDemo, GoService, ask, build, consumer
from support.golang import Go
from support.natsserver import NatsServer

RATE: Final = 60.0
MIB: Final = 1024 * 1024
FIELDS: Final = {"timestamp", "level", "service", "instance", "version", "message", "component"}
GO_DURATION: Final = re.compile(r"(\d+m)?\d+(\.\d+)?(ns|µs|ms|s)|0s")


class System:
    """The three services under load, at a server with JetStream."""

    def __init__(self, demo: GoDemo) -> None:
        self.demo, self.url = demo, demo.url
        self.orders = demo.service("orders")
        self.payments = demo.service("payments")
        self.inventory = demo.service("inventory")
        self.services = (self.orders, self.payments, self.inventory)
        demo.connected(*self.services)
        self.load = demo.load(RATE)

    def named(self, name: str) -> GoService:
        return {service.name: service for service in self.services}[name]

    def calm(self) -> None:
        """No fault is on, and orders are made again."""
        for service in self.services:
            assert service.order()[1]["active"] == []
        paid = self.paid()
        assert until(lambda: self.paid() > paid + 3), self.load.lines(level="error")[-3:]

    def reset(self) -> None:
        """Turn off what a failed test has left on."""
        for service in self.services:
            for active in service.order()[1]["active"]:
                service.turn(active["fault"], on=False)

    def paid(self) -> float:
        return self.orders.metric('orders_total{state="paid"}')


@pytest.fixture(scope="module")
def programs(go: Go) -> Path:
    return build(go)


@pytest.fixture(scope="module")
def running(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with (
        NatsServer(tmp_path_factory.mktemp("nats"), jetstream=True) as server,
        GoDemo(programs, server.url, tmp_path_factory.mktemp("demo")) as demo,
    ):
        yield System(demo)


@pytest.fixture
def system(running: System) -> Iterator[System]:
    """The system, well before and after the test."""
    running.reset()
    running.calm()
    yield running
    running.calm()


@pytest.fixture
def spare(running: System) -> Iterator[GoService]:
    """A copy of payments that may be ended."""
    copy = running.demo.service("payments", instance=f"spare-{time.monotonic_ns()}")
    running.demo.connected(copy)
    assert until(lambda: _heard(copy)), "it is connected before the server has its subscriptions"
    yield copy
    copy.program.stop()


# How it works when nothing is broken.


def test_a_request_is_seen_in_all_three(system: System) -> None:
    def whole() -> list[dict[str, Any]]:
        made = system.load.lines(operation="load-create", level="info")
        assert made, "the load has made orders"
        return [line for one in system.services for line in one.lines(request_id=made[len(made) // 2]["request_id"])]

    seen = until(whole, lambda lines: len(lines) >= 5)
    steps = {(line["service"], line["component"], line["operation"]) for line in seen}
    assert steps == {
        ("orders", "handler", "create"),
        ("inventory", "handler", "reserve"),
        ("payments", "handler", "charge"),
        ("payments", "subscription", "audit"),
        ("inventory", "consumer", "book"),
    }
    assert len({(line["trace_id"], line["tenant"], line["user"]) for line in seen}) == 1
    assert all(GO_DURATION.fullmatch(line["duration"]) for line in seen), seen


def test_every_log_line_has_the_fields(system: System) -> None:
    for service in (*system.services, system.load):
        lines = service.lines()
        assert all(line.keys() >= FIELDS for line in lines), [line for line in lines if not line.keys() >= FIELDS][:3]
        assert {line["service"] for line in lines} == {service.name}


def test_stream_and_consumer_move(system: System) -> None:
    floor = consumer(system.url)["ack_floor"]["stream_seq"]
    assert until(lambda: consumer(system.url)["ack_floor"]["stream_seq"] > floor + 5)
    last = {"last_by_subj": "demo.events.order.created"}
    event = ask(system.url, "$JS.API.STREAM.MSG.GET.ORDERS", last)[1]["message"]
    headers, body = base64.b64decode(event["hdrs"]).decode(), json.loads(base64.b64decode(event["data"]))
    assert f"Nats-Msg-Id: {body['order']}\r\n" in headers
    assert f"X-Request-Id: {body['order']}\r\n" in headers
    assert "traceparent: 00-" in headers


def test_every_page_is_served(system: System) -> None:
    for service in system.services:
        health = json.loads(service.page("/healthz")[1])
        assert (health["status"], health["nats"], health["store"]) == ("ok", "connected", "ok")
        status, _ = service.page("/work", headers={"X-Request-Id": f"by-http-{service.name}"})
        assert status == 200
        assert service.lines(request_id=f"by-http-{service.name}", component="http")
        numbers = json.loads(service.page("/debug/vars")[1])
        assert numbers["memstats"]["HeapAlloc"] > 0
        assert numbers["service"]["requests"] > 0
        assert "\ngoroutine " in service.stacks()
        for profile in ("heap", "mutex", "block", "threadcreate"):
            assert service.page(f"/debug/pprof/{profile}?debug=1")[0] == 200


def test_metrics_add_up(system: System) -> None:
    text = system.orders.page("/metrics")[1]
    series = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    name = "demo_request_duration_seconds"
    count = float(series[f'{name}_count{{operation="create"}}'])
    assert count == float(series[f'{name}_bucket{{operation="create",le="+Inf"}}']) > 0
    assert float(series['orders_total{state="paid"}']) > 0
    assert {"go_goroutines", "go_heap_alloc_bytes", "go_gc_cycles_total", "go_gc_pause_seconds_total"} <= series.keys()


def test_endpoints_tell_their_numbers(system: System) -> None:
    stats = ask(system.url, "$SRV.STATS.orders")[1]
    creating = [one for one in stats["endpoints"] if one["subject"] == "demo.orders.create"]
    assert sum(one["num_requests"] for one in creating) > 0
    assert sum(one["processing_time"] for one in creating) > 0
    assert stats["metadata"]["instance"] == "i1"


# The switchboard.


def test_switches_are_listed_and_refused(system: System) -> None:
    listed = {one["fault"] for one in system.inventory.order(list=True)[1]["switches"]}
    assert {"stop-ack", "spin"} <= listed
    assert "poison" not in listed
    for words, says in (
        ({"fault": "poison"}, "switch of orders"),
        ({"fault": "slow", "for_s": 601}, "for_s"),
        ({"fault": "slow", "amount": -1}, "amount"),
        ({"fuault": "slow"}, "unknown field"),
    ):
        headers, _ = system.inventory.order(**words)
        assert headers["Nats-Service-Error-Code"] == "400"
        assert says in headers["Nats-Service-Error"]


def test_nothing_breaks_unless_allowed(system: System) -> None:
    shy = system.demo.service("payments", instance="shy", faults=False, environment={"DEMO_FAULTS": "not-ready"})
    system.demo.connected(shy)
    headers, state = shy.order(fault="exit")
    assert headers["Nats-Service-Error-Code"] == "403"
    assert state["active"] == []
    assert until(lambda: shy.lines(message="fault refused", fault="not-ready"))
    assert shy.program.stop() == 0


def test_a_switch_goes_off_by_itself_on_its_instance_only(system: System, spare: GoService) -> None:
    spare.turn("not-ready", for_s=4)  # time enough for a look, also on a busy machine
    assert spare.page("/healthz")[0] == 503
    assert system.payments.page("/healthz")[0] == 200
    assert until(lambda: spare.page("/healthz")[0] == 200, within_s=4 + 5.0)
    answers = ask(system.url, "demo.payments.fault", {})[1]
    assert answers["service"] == "payments"


def test_faults_from_the_environment(running: System) -> None:
    sick = running.demo.service("payments", instance="sick", environment={"DEMO_FAULTS": "not-ready@4,slow=300"})
    assert until(lambda: sick.page("/healthz")[0] == 503)
    running.demo.connected(sick)
    assert until(lambda: [one["fault"] for one in sick.order()[1]["active"]] == ["slow"])
    assert sick.program.stop() == 0


def test_the_short_form_of_slow(system: System) -> None:
    assert "400 ms" in _slow(system.url, "400 5")["payments"]
    assert system.payments.order()[1]["active"][0]["amount"] == 400
    assert _slow(system.url, "0")["payments"] == "at normal speed"


def _slow(url: str, words: str) -> dict[str, str]:
    return ask(url, "demo.payments.slow", raw=words.encode())[1]  # type: ignore[no-any-return]  # the demo decides


# Faults of the process, on payments.


@pytest.mark.parametrize(
    ("fault", "amount", "look", "by"),
    [
        ("leak-memory", 150, lambda one: one.process.memory_info().rss / MIB, 60.0),
        ("leak-goroutines", 1000, GoService.goroutines, 300),
        ("leak-descriptors", 300, lambda one: one.process.num_fds(), 100),
        ("leak-sockets", 100, lambda one: one.sockets("CLOSE_WAIT"), 30),
        ("threads", 60, lambda one: one.process.num_threads(), 50),
    ],
)
def test_what_grows_goes_back(
    system: System, fault: str, amount: float, look: Callable[[GoService], float], by: float
) -> None:
    service = system.payments
    before = look(service)
    assert service.turn(fault, amount=amount) == [fault]
    assert until(lambda: look(service), lambda now: now > before + by, 15.0) > before + by
    assert service.turn(fault, on=False) == []
    assert until(lambda: look(service), lambda now: now < before + by / 2, 10.0) < before + by / 2


def test_a_leak_stops_at_its_cap_and_shows_its_site(system: System) -> None:
    before = system.inventory.goroutines()
    system.inventory.turn("leak-goroutines", amount=5000, cap=100)
    assert until(lambda: system.inventory.stacks().count("harm.awaitReply"), lambda waiting: waiting >= 100) == 100
    assert system.inventory.goroutines() < before + 130
    system.inventory.turn("leak-goroutines", on=False)
    assert until(lambda: system.inventory.goroutines() < before + 30)


def test_lost_goroutines_stay(spare: GoService) -> None:
    spare.turn("leak-goroutines", amount=2000, cap=200, mode="lost")
    assert until(lambda: spare.goroutines() > 200)
    spare.turn("leak-goroutines", on=False)
    assert spare.goroutines() > 200
    assert spare.program.stop() == 0


@pytest.mark.parametrize("fault", ["spin", "allocate"])
def test_it_computes(system: System, fault: str) -> None:
    service = system.payments
    collected = service.metric("go_gc_cycles_total")
    idle = until(lambda: _cpu_share(service), lambda now: now < 0.1)  # what a test before has left may be collected yet
    service.turn(fault)
    least = 0.1 + 2 * idle  # half of it is more than the service needs by itself
    share = until(lambda: _cpu_share(service), lambda now: now > least)
    assert share > least, "what a loaded machine still leaves it"
    if fault == "allocate":
        assert until(lambda: service.metric("go_gc_cycles_total") > collected + 10)
    service.turn(fault, on=False)
    assert until(lambda: _cpu_share(service), lambda now: now < share / 2) < share / 2


def test_a_held_lock_stops_everybody_and_is_seen(system: System) -> None:
    system.payments.turn("hold-lock")
    assert until(lambda: system.payments.page("/healthz")[0] == 503)  # on is said before the lock is held
    # Others wait for other locks now and then: until one of those who wait is one that puts.
    words = ("sync.Mutex.Lock", "store.(*Store).holdOnce", "store.(*Store).Put")
    stacks = until(system.payments.stacks, lambda text: all(word in text for word in words))
    assert re.search(r"goroutine \d+ \[sync\.Mutex\.Lock", stacks)
    assert [word for word in words if word not in stacks] == []
    system.payments.turn("hold-lock", on=False)
    assert until(lambda: system.payments.page("/healthz")[0] == 200)


def test_a_lock_held_again_and_again_is_in_the_mutex_profile(system: System) -> None:
    system.payments.turn("hold-lock", amount=30)
    assert until(lambda: "holdOnce" in system.payments.page("/debug/pprof/mutex?debug=1")[1])
    system.payments.turn("hold-lock", on=False)


def waits_for_a_lock(stacks: str, function: str) -> bool:
    return re.search(rf"\[sync\.Mutex\.Lock[^\n]*\n(?:[^\n]+\n)*?[^\n]*{function}", stacks) is not None


def test_a_deadlock_stops_everybody_and_is_seen(system: System) -> None:
    system.inventory.turn("deadlock")
    assert until(lambda: system.inventory.page("/healthz")[0] == 503)
    assert until(lambda: waits_for_a_lock(system.inventory.stacks(), "bookThenCount"))
    assert until(lambda: waits_for_a_lock(system.inventory.stacks(), "countThenBook"))
    system.inventory.turn("deadlock", on=False)
    assert system.inventory.page("/healthz")[0] == 200
    assert "bookThenCount" not in system.inventory.stacks()


@pytest.mark.parametrize(
    ("words", "code", "last_words"),
    [
        ({"fault": "panic"}, 2, "panic: order without a total"),
        ({"fault": "panic", "mode": "nil"}, 2, "panic: runtime error: invalid memory address or nil pointer"),
        ({"fault": "fatal"}, 2, "fatal error: concurrent map"),
        ({"fault": "exit"}, 3, ""),
        ({"fault": "exit", "amount": 0}, 0, ""),
    ],
)
def test_it_ends(spare: GoService, words: dict[str, object], code: int, last_words: str) -> None:
    headers, state = spare.order(**words)
    assert headers == {}
    assert [one["fault"] for one in state["active"]] == [words["fault"]]
    assert until(lambda: not spare.program.running)
    assert spare.program.stop() == code
    assert last_words in spare.program.log_text()
    assert ("\ngoroutine " in spare.program.log_text()) == (last_words != "")
    assert not spare.lines(message="ended in order")


def test_it_is_not_ready_or_slowly(system: System) -> None:
    service = system.orders
    service.turn("not-ready")
    status, text = service.page("/healthz")
    assert status == 503
    assert "not-ready" in json.loads(text)["reason"]
    service.turn("not-ready", on=False)
    service.turn("slow-ready", amount=600)
    assert _seconds(lambda: service.page("/healthz")) > 0.5
    service.turn("slow-ready", on=False)
    assert service.page("/healthz")[0] == 200
    assert until(lambda: _seconds(lambda: service.page("/healthz")) < 0.5)


# Faults of the answers.


def test_slow_concerns_one_operation(system: System) -> None:
    system.payments.turn("slow", amount=300, operation="charge")
    assert _seconds(lambda: ask(system.url, "demo.payments.charge", {"order": "slow"})) > 0.29
    # Were it slow too, it never could be quicker; on a busy machine some are slow all the same.
    assert until(lambda: _seconds(lambda: ask(system.url, "demo.payments.balance")) < 0.29)
    slow = 'demo_request_duration_seconds_bucket{operation="create",le="0.25"}'
    everything = 'demo_request_duration_seconds_bucket{operation="create",le="+Inf"}'
    assert until(lambda: system.orders.metric(everything) > system.orders.metric(slow)), "orders waits for payments"
    system.payments.turn("slow", on=False)
    assert until(lambda: _seconds(lambda: ask(system.url, "demo.payments.charge", {"order": "quick"})) < 0.29)


def test_a_share_fails(system: System) -> None:
    before = system.payments.metric('demo_errors_total{operation="charge"}')
    system.payments.turn("fail", amount=1.0, operation="charge")
    headers, body = ask(system.url, "demo.payments.charge", {"order": "failing"})
    assert headers["Nats-Service-Error-Code"] == "500"
    assert body["error"] == headers["Nats-Service-Error"]
    assert "Nats-Service-Error" not in ask(system.url, "demo.payments.balance")[0]
    assert until(lambda: system.load.lines(level="error", message="create failed"))
    assert system.payments.metric('demo_errors_total{operation="charge"}') > before
    stats = ask(system.url, "$SRV.STATS.payments")[1]["endpoints"]
    assert sum(one["num_errors"] for one in stats) > 0
    system.payments.turn("fail", amount=0.5, operation="charge")
    outcomes = ["Nats-Service-Error" in ask(system.url, "demo.payments.charge", {})[0] for _ in range(40)]
    assert 2 < sum(outcomes) < 38
    system.payments.turn("fail", on=False)


@pytest.mark.parametrize(
    ("service", "fault", "who", "says"),
    [
        ("orders", "wrong", "load", "wrong total: "),
        ("payments", "wrong", "orders", "cents instead of"),
        ("inventory", "wrong", "orders", "pieces aside instead of"),
        ("payments", "bad-encoding", "orders", "not the promised JSON: invalid character"),
        ("inventory", "exceed-payload", "inventory", "nats: maximum payload exceeded"),
    ],
)
def test_an_answer_is_bad_and_somebody_says_so(system: System, service: str, fault: str, who: str, says: str) -> None:
    teller = system.load if who == "load" else system.named(who)
    known = len(_errors(teller, says))
    system.named(service).turn(fault)
    assert until(lambda: len(_errors(teller, says)), lambda now: now > known) > known
    system.named(service).turn(fault, on=False)

    def nobody_says_so() -> bool:
        known = len(_errors(teller, says))
        system.calm()
        return len(_errors(teller, says)) == known

    # Whoever is late may still tell of what was asked before; with the fault on, each of these orders would be told of.
    assert until(nobody_says_so)


def test_an_answer_that_is_too_large_is_a_timeout_for_the_caller(system: System) -> None:
    system.inventory.turn("exceed-payload", operation="stock")
    with pytest.raises(nats.errors.TimeoutError):
        ask(system.url, "demo.inventory.stock", within_s=0.5)
    system.inventory.turn("exceed-payload", on=False)
    assert ask(system.url, "demo.inventory.stock")[1]


# Faults of messages.


def test_the_consumer_stalls(system: System) -> None:
    redelivered = consumer(system.url)["num_redelivered"]
    system.inventory.turn("stop-ack")
    stalled = until(lambda: consumer(system.url), lambda now: now["num_pending"] > 10)
    assert stalled["num_ack_pending"] == stalled["config"]["max_ack_pending"] == 32
    assert stalled["num_pending"] > 10
    system.inventory.turn("stop-ack", on=False)
    now = until(lambda: consumer(system.url), lambda now: now["num_ack_pending"] < 10 and now["num_pending"] < 10)
    assert (now["num_ack_pending"] < 10, now["num_pending"] < 10) == (True, True)
    assert now["num_redelivered"] <= redelivered, "what was held back is acknowledged, not sent again"


def test_events_are_sent_back_without_end(system: System) -> None:
    ahead = _ahead(system.url)
    system.inventory.turn("nak-always")
    assert until(lambda: _ahead(system.url), lambda now: now > ahead + 50) > ahead + 50
    assert consumer(system.url)["num_redelivered"] > 0
    system.inventory.turn("nak-always", on=False)
    assert until(lambda: consumer(system.url), lambda now: now["num_ack_pending"] < 10)["num_ack_pending"] < 10
    settled = _ahead(system.url)
    time.sleep(0.5)
    assert _ahead(system.url) < settled + 10


def test_a_poison_message_comes_again_until_it_is_deleted(system: System) -> None:
    said = len(_errors(system.inventory, "cannot unmarshal"))
    system.orders.turn("poison")
    assert until(lambda: len(_errors(system.inventory, "cannot unmarshal")) >= said + 3)
    sequence = system.orders.lines(message="poison published")[-1]["sequence"]
    assert "message" in ask(system.url, "$JS.API.STREAM.MSG.GET.ORDERS", {"seq": sequence})[1]
    system.orders.turn("poison", on=False)
    gone = ask(system.url, "$JS.API.STREAM.MSG.GET.ORDERS", {"seq": sequence})[1]
    assert gone["error"]["err_code"] == 10037, "no message found"
    assert until(lambda: consumer(system.url)["ack_floor"]["stream_seq"] > sequence)


@pytest.mark.parametrize("mode", ["new-id", "no-id"])
def test_events_are_stored_twice(system: System, mode: str) -> None:
    before = _stored_per_order(system)
    assert before == pytest.approx(1.0, abs=0.2)
    system.orders.turn("duplicates", mode=mode)
    assert _stored_per_order(system) == pytest.approx(2.0, abs=0.3)
    system.orders.turn("duplicates", on=False)
    assert _stored_per_order(system) == pytest.approx(1.0, abs=0.2)


def test_events_go_where_no_stream_is(system: System) -> None:
    system.orders.turn("no-stream")
    reply = ask(system.url, "demo.orders.create")[1]
    assert (reply["state"], reply["event"]) == ("paid", "lost")
    assert _errors(system.orders, "nats: no response from stream")
    assert system.orders.metric('order_events_total{outcome="lost"}') > 0
    system.orders.turn("no-stream", on=False)
    assert until(lambda: ask(system.url, "demo.orders.create")[1].get("event") == "stored")


def test_a_slow_subscriber_loses_messages(system: System) -> None:
    pending = 'nats_subscription_pending_messages{subject="demo.events.order.*"}'
    dropped = 'nats_subscription_dropped_messages{subject="demo.events.order.*"}'
    before = system.payments.metric(dropped)
    system.payments.turn("slow-subscribe")
    assert until(lambda: system.payments.metric(pending) > 100)
    assert until(lambda: system.payments.metric(dropped) > before)
    assert until(lambda: _errors(system.payments, "nats: slow consumer"))  # counted first, then told
    system.payments.turn("slow-subscribe", on=False)
    assert until(lambda: system.payments.metric(pending) < 10)


def test_the_connection_is_made_again_and_again(system: System) -> None:
    before = system.payments.metric("nats_reconnects")
    system.payments.turn("reconnect-storm", amount=10)
    assert until(lambda: system.payments.metric("nats_reconnects") > before + 5)
    system.payments.turn("reconnect-storm", on=False)
    settled = until(lambda: system.payments.metric("nats_connected") == 1 and system.payments.metric("nats_reconnects"))
    time.sleep(0.6)
    assert system.payments.metric("nats_reconnects") == settled


def _heard(copy: GoService) -> bool:
    try:
        copy.order(list=True)
    except nats.errors.NoRespondersError:
        return False
    return True


def _errors(service: GoService, says: str) -> list[dict[str, Any]]:
    return [line for line in service.lines(level="error") if says in line.get("error", "")]


def _cpu_share(service: GoService) -> float:
    """Share of one core that it uses, over a second."""
    used, began = service.cpu_s(), time.monotonic()
    time.sleep(1.0)
    return (service.cpu_s() - used) / (time.monotonic() - began)


def _seconds(do: Callable[[], object]) -> float:
    began = time.monotonic()
    do()
    return time.monotonic() - began


def _ahead(url: str) -> int:
    """How much more often the consumer delivered than the stream has messages."""
    delivered = consumer(url)["delivered"]
    return int(delivered["consumer_seq"] - delivered["stream_seq"])


def _stored_per_order(system: System) -> float:
    """Messages in the stream per order, over so many orders that those made while we look are few of them."""

    def made() -> float:
        return sum(system.orders.metric(f'orders_total{{state="{state}"}}') for state in ("paid", "failed"))

    def seen() -> tuple[float, float, float]:
        """In the stream, orders at that moment, and how far off that may be."""
        before = made()
        stream = ask(system.url, "$JS.API.STREAM.INFO.ORDERS")[1]["state"]["last_seq"]
        after = made()
        return stream, (before + after) / 2, (after - before) / 2

    stored, since, doubt = seen()
    stored_then, then, _ = until(seen, lambda now: now[1] - since > 60 + 10 * (doubt + now[2]), 60.0)
    return (stored_then - stored) / (then - since)

"""What belongs to a saved moment, and what to an earlier one, by the times in its replies alone."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagmesh.adapters.natsmon.saved import replies_of
from diagmesh_cli.main import run
from diagmesh_cli.moments import reach_s_of

NOW: Final = datetime(2026, 11, 27, 12, tzinfo=UTC)
VARZ: Final = {"server_id": "N1", "server_name": "n1", "now": NOW.isoformat(), "auth_required": True}
HOW: Final = "Authentication Failure"


def closed(*ages_s: float, name: str = "orders", reason: str = HOW) -> list[dict[str, Any]]:
    return [
        {"cid": number, "name": name, "reason": reason, "stop": (NOW - timedelta(seconds=age)).isoformat()}
        for number, age in enumerate(ages_s)
    ]


def reach_s(*connections: dict[str, Any]) -> float:
    parts = {"varz": VARZ, "connz_closed": {"now": NOW.isoformat(), "connections": connections}}
    return reach_s_of(replies_of({name: json.dumps(part).encode() for name, part in parts.items()}))


@given(ages=st.lists(st.floats(0, 3600), max_size=2), others=st.lists(st.floats(0, 3600), max_size=2))
def test_once_or_twice_is_no_pace(ages: list[float], others: list[float]) -> None:
    assert reach_s(*closed(*ages), *closed(*others, name="payments")) == 2.1
    assert reach_s(*closed(*ages), *closed(*others, reason="Slow Consumer")) == 2.1


@given(pace=st.floats(0.1, 120), ago=st.floats(0, 0.99), times=st.integers(3, 9))
def test_who_tries_again_and_again_is_of_this_moment_at_any_pace(pace: float, ago: float, times: int) -> None:
    last = ago * pace
    reach = reach_s(*closed(*(last + number * pace for number in range(times))))
    assert max(2.1, last) <= reach
    assert reach == pytest.approx(max(2.1, 2 * pace), abs=1e-4)


@given(pace=st.floats(0.1, 120), quiet=st.floats(2.01, 50), times=st.integers(3, 9))
def test_who_has_stopped_trying_is_of_an_earlier_one(pace: float, quiet: float, times: int) -> None:
    assert reach_s(*closed(*(quiet * pace + number * pace for number in range(times)))) == 2.1


CREATED: Final = "2026-11-27T11:00:00Z"


def consumer(acked_ago_s: float | None) -> dict[str, Any]:
    """A consumer that holds all it may, with more behind."""
    floor: dict[str, Any] = {"consumer_seq": 0, "stream_seq": 0}
    if acked_ago_s is not None:
        last = (NOW - timedelta(seconds=acked_ago_s)).isoformat()
        floor = {"consumer_seq": 7, "stream_seq": 7, "last_active": last}
    return {
        "stream_name": "ORDERS",
        "name": "billing",
        "created": CREATED,
        "ts": NOW.isoformat(),
        "config": {"durable_name": "billing", "ack_policy": "explicit", "max_ack_pending": 20, "ack_wait": 10**9},
        "delivered": {"consumer_seq": 27, "stream_seq": 27, "last_active": (NOW - timedelta(seconds=0.01)).isoformat()},
        "ack_floor": floor,
        "num_ack_pending": 20,
        "num_pending": 50,
    }


@pytest.mark.parametrize(("acked_ago_s", "wanted"), [(None, ["JS-001"]), (0.5, []), (9.0, []), (11.0, ["JS-001"])])
def test_a_consumer_is_judged_by_its_own_times(
    acked_ago_s: float | None, wanted: list[str], tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    stream = {
        "name": "ORDERS",
        "created": CREATED,
        "config": {"name": "ORDERS", "subjects": ["orders.>"], "retention": "limits", "storage": "file"},
        "state": {"messages": 77, "bytes": 7700, "first_seq": 1, "last_seq": 77, "consumer_count": 1},
        "consumer_detail": [consumer(acked_ago_s)],
    }
    jsz = {
        "now": NOW.isoformat(),
        "config": {"store_dir": "/js"},
        "account_details": [{"name": "SHOP", "stream_detail": [stream]}],
    }
    parts = {"varz": VARZ, "jsz": jsz, "connz": {}, "connz_closed": {}, "healthz": {"status": "ok"}, "accstatz": {}}
    (tmp_path / "moment.json").write_text(json.dumps(parts))
    run(["read", "monitoring", str(tmp_path), "--json"])
    (moment,) = json.loads(capfdbinary.readouterr().out)["moments"]
    assert [one["code"] for one in moment["check"]["findings"]] == wanted

"""What a look at NATS costs where there is much: ten thousand subscriptions, a stream with a thousand consumers."""

from pathlib import Path

from bench.lab import Lab
from bench.pace import Pace
from bench.report import Row
from bench.turns import row
from bench.wire import NatsLooks
from support.natsserver import NatsServer

__all__ = ["natslooking"]

_PART = "nats-looks"
_LOOKS_MOST = 10


def natslooking(lab: Lab, pace: Pace) -> list[Row]:
    """On a server of its own, with JetStream and a monitoring endpoint."""
    rows: list[Row] = []
    for subscriptions, consumers in pace.nats:
        home = lab.directory / f"nats-{subscriptions}"
        home.mkdir()
        with NatsServer(home, jetstream=True, monitoring=True) as server:
            rows += _looked(lab, pace, server, subscriptions, consumers)
    words = "peak MiB: what a look adds to the memory of the process; sidecar, server ms: CPU of one look"
    return [*rows, Row(part=_PART, case="looks", who="columns", note=words)]


def _looked(lab: Lab, pace: Pace, server: NatsServer, subscriptions: int, consumers: int) -> list[Row]:
    crowd: list[str | Path] = ["python", "-m", "bench.natscrowd", server.url, str(subscriptions), str(consumers)]
    with lab.talking(crowd) as service:
        lab.heard(service, "ready")
        pids, looks = (str(server.pid), str(service.pid)), str(min(pace.looks, _LOOKS_MOST))
        command: list[str | Path] = ["python", "-m", "bench.natslooks", server.url, server.monitor_url, *pids, looks]
        told = [lab.tell(NatsLooks, command) for _ in range(pace.turns)]
    case = f"{subscriptions} subscriptions, {consumers} consumers"
    rows = []
    for who in told[0].p50_ms:
        many = [
            {
                "sidecar ms": one.sidecar_ms[who],
                "server ms": one.server_ms[who],
                "p50 ms": one.p50_ms[who],
                "peak MiB": one.peak_mib[who],
                "answer KiB": one.answer_kib[who],
            }
            for one in told
        ]
        rows.append(row(_PART, case, who, many, {}))
    return rows

"""What only the log of the server, or its clients, tell: saved from a real server, judged by `diagmesh read`."""

import asyncio
import json
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import nats
import pytest
from nats.aio.client import Client
from nats.errors import NoRespondersError

from diagmesh_cli.main import run
from support.linked import login
from support.natsserver import MakeServer, NatsServer

_USERS: Final = """authorization { users = [
  { user: app, password: app, permissions: { publish: { deny: "ledger.>" }, subscribe: { deny: "ledger.>" } } }
] }
"""
_REPLIES: Final = {
    "varz": "varz",
    "connz": "connz?subs=1&auth=1",
    "connz_closed": "connz?state=closed&auth=1",
    "accstatz": "accstatz",
    "healthz": "healthz",
}
_WAIT_S: Final = 10.0
Act = Callable[[Client], Awaitable[str]]


def saved(server: NatsServer, folder: Path) -> None:
    """The replies of this moment and the log of the server, a file each."""
    for name, path in _REPLIES.items():
        with urllib.request.urlopen(f"{server.monitor_url}/{path}", timeout=_WAIT_S) as got:  # noqa: S310  loopback
            (folder / f"{name}.json").write_bytes(got.read())
    (folder / "nats-server.log").write_text(server.log_text(), encoding="utf-8")


async def client_errors(server: NatsServer, *acts: Act) -> list[str]:
    """What a client that does this is told, as it would log it; ended before the moment is saved."""
    said: list[str] = []

    async def note(error: Exception) -> None:
        said.append(f"[ERR] {type(error).__name__}: {error}")

    app = await nats.connect(login(server.url, "app"), name="orders", error_cb=note)
    said += [told for told in [await act(app) for act in acts] if told]
    await app.flush()
    await asyncio.sleep(0.1)
    await app.close()
    return said


async def forbidden(app: Client) -> str:
    await app.publish("ledger.entry", b"x")
    return ""


async def unheard(app: Client) -> str:
    with pytest.raises(NoRespondersError) as refused:
        await app.request("payments.charge", b"x", timeout=_WAIT_S)
    return f"[ERR] payments.charge: {refused.value}"


async def unanswered(app: Client) -> str:
    await app.subscribe("payments.refund")
    with pytest.raises(nats.errors.TimeoutError) as refused:
        await app.request("payments.refund", b"x", timeout=0.2)
    return f"[ERR] payments.refund: {refused.value}"


@pytest.mark.parametrize(
    ("acts", "wanted"),
    [
        ((), []),
        ((forbidden,), [("SRV-022", "test did not permit orders what it tried on ledger.entry")]),
        ((unheard,), [("SRV-025", "requests fail: nobody listens (no responders)")]),
        ((unanswered,), [("SRV-025", "requests fail: no answer in time")]),
    ],
    ids=["well", "forbidden", "unheard", "unanswered"],
)
def test_what_only_log_and_clients_tell(
    acts: tuple[Act, ...],
    wanted: list[tuple[str, str]],
    make_server: MakeServer,
    tmp_path: Path,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    server = make_server(monitoring=True, config=_USERS).start()
    errors = asyncio.run(client_errors(server, *acts))
    (tmp_path / "client_errors.txt").write_text("\n".join(errors), encoding="utf-8")
    saved(server, tmp_path)
    code = run(["read", "monitoring", str(tmp_path), "--json"])
    told: Any = json.loads(capfdbinary.readouterr().out)
    (moment,) = told["moments"]
    assert [(one["code"], one["title"]) for one in moment["check"]["findings"]] == wanted
    assert code == (1 if wanted else 0)

"""`diagmesh route` on a real mesh: through a sidecar with and without an observer, and with one's own credentials."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import NamedTuple

import pytest

from diagmesh_cli.main import run
from support.natsserver import NatsServer
from support.programs import Program, wait_until
from support.sidecars import sidecar, sleeper

# What the observer may is what README.md says.
CONFIG = """
no_auth_user: mesh
accounts {
  DIAG: { users: [ { user: mesh, password: mesh } ] }
  APP: { users: [
    { user: app, password: app }
    { user: eye, password: eye, permissions: { subscribe: ["_INBOX_observer.>"],
        publish: ["$SYS.REQ.ACCOUNT.PING.CONNZ", "_INBOX_observer.>", "demo.>"] } }
  ] }
}
"""
SETTINGS = """
heartbeat_s = 0.5
[nats]
url = "{url}"
[[targets]]
service = "orders"
instance = "i1"
pid = {pid}
[targets.nats]
url = "{eye}"
inbox_prefix = "_INBOX_observer"
"""


class Place(NamedTuple):
    """A server with the mesh in one account and the application in another."""

    url: str
    app: str


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with ExitStack() as stack:
        server = stack.enter_context(NatsServer(tmp_path_factory.mktemp("server"), config=CONFIG))
        watched = stack.enter_context(sleeper(tmp_path_factory.mktemp("watched")))
        folder = tmp_path_factory.mktemp("sidecar")
        eye, app = (server.url.replace("://", f"://{user}:{user}@") for user in ("eye", "app"))
        (folder / "sidecar.toml").write_text(SETTINGS.format(url=server.url, pid=watched.pid, eye=eye))
        with_eye = Program(["python", "-m", "diagmesh_agents", "--config", folder / "sidecar.toml"], folder)
        without = sidecar(tmp_path_factory.mktemp("bare"), server.url, "bare", "i1", "--pid", str(watched.pid))
        for one in (with_eye, without):
            stack.enter_context(one)
        for name in ("orders", "bare"):
            _until_there(server.url, name)
        yield Place(server.url, app)


def _until_there(url: str, service: str) -> None:
    words = ["ask", "health", f"{service}/i1", "--nats", url, "--timeout", "1"]
    wait_until(lambda: run(words) in (0, 1), 60, f"a sidecar of {service}")


def test_through_a_sidecar_it_is_drawn_as_a_tree(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["route", "demo.none", "--through", "orders", "--nats", place.url]) == 1
    shown = capsys.readouterr().out
    assert "demo.none · nobody listens; nothing was delivered" in shown
    assert "server test (2.15" in shown
    assert "NATS-020 a message on demo.none would be lost" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_without_a_right_or_an_observer_it_says_what_to_add(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["route", "secret.new", "--through", "orders/i1", "--nats", place.url, "--json"]) == 2
    problem = json.loads(capsys.readouterr().out)["problem"]
    assert (problem["code"], "publish on secret.new" in problem["hint"]) == (403, True)
    assert run(["route", "demo.none", "--through", "bare", "--nats", place.url, "--json"]) == 2
    problem = json.loads(capsys.readouterr().out)["problem"]
    assert (problem["code"], "[targets.nats]" in problem["hint"]) == (501, True)


def test_with_own_credentials_it_is_the_same(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["route", "demo.none", "--nats", place.app, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["answer"]["state"], told["findings"][0]["code"]) == ("nobody", "NATS-020")
    assert run(["route", "demo.*", "--nats", place.app]) == 2
    assert "400 bad request" in capsys.readouterr().out


def test_a_check_asks_for_it_only_by_name_and_is_not_the_worse_for_it(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["check", "--direct", "--nats", place.url, "--json"])
    codes = {one["code"] for one in json.loads(capsys.readouterr().out)["answer"]["verdicts"]}
    assert "NATS-020" not in codes
    assert run(["check", "--direct", "--code", "NATS-020", "--nats", place.url, "--json"]) == 0
    (verdict,) = json.loads(capsys.readouterr().out)["answer"]["verdicts"]
    assert {one["instance"] for one in verdict["not_judged"]} == {"orders/i1", "bare/i1"}
    assert all(one["not_here"] for one in verdict["not_judged"])

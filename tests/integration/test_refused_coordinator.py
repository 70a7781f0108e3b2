"""Where the server refuses, people read it: to a coordinator in its own fan-out, to a sidecar at its start."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
import pytest

from diagmesh_cli.local import roles as local_roles
from diagmesh_cli.main import run
from support.programs import Program, wait_until
from support.smallmesh import SmallMesh

WAIT_S: Final = 30.0
REFUSED: Final = re.compile(
    r"not permitted: this role may not publish diag\.payments\.\S+ \(role coordinator, by its key file\)"
)


class Words(NamedTuple):
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str


def narrowed(config: dict[str, Any]) -> dict[str, Any]:
    """The coordinator may ask everybody but payments."""
    for user in config["accounts"]["DIAG"]["users"]:
        publish = user.get("permissions", {}).get("publish", {})
        if "diagev.hb.mesh.*" in publish.get("allow", ()):
            publish["deny"] = ["diag.payments.>"]
    return config


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallMesh]:
    usual = local_roles.server_config
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "support.smallmesh.server_config",
            lambda *given: orjson.dumps(narrowed(orjson.loads(usual(*given)))),
        )
        made = SmallMesh(tmp_path_factory.mktemp("refused"))
    with made:
        made.sidecar("orders", "i1")
        made.sidecar("payments", "p1")
        made.coordinator()
        yield made


def said(small: SmallMesh, capsys: pytest.CaptureFixture[str], *words: str) -> Words:
    # A refusal that is waited for would take ten minutes.
    code = run([*words, "--nats", small.url, "--timeout", "60"])
    captured = capsys.readouterr()
    return Words(code, " ".join(captured.out.split()), " ".join(captured.err.split()))


def test_who_asks_for_those_whom_the_coordinator_may_not_ask_reads_why(
    small: SmallMesh, capsys: pytest.CaptureFixture[str]
) -> None:
    told = said(small, capsys, "ask", "health", "payments")
    assert told.code == 2
    assert REFUSED.search(told.out + told.err)
    shown = said(small, capsys, "ask", "health", "payments", "--json")
    assert REFUSED.search(json.dumps(json.loads(shown.out)))


def test_the_others_are_answered_and_the_refused_named(small: SmallMesh, capsys: pytest.CaptureFixture[str]) -> None:
    told = said(small, capsys, "ask", "health")
    assert told.code == 2
    assert "1 of 2 instances answered" in told.out
    assert "silent payments/p1" in told.out
    assert REFUSED.search(told.out)
    told = said(small, capsys, "status")
    assert told.code == 2
    assert "payments" in told.out
    assert REFUSED.search(told.out)


def test_a_check_says_whom_it_could_not_judge_and_why(small: SmallMesh, capsys: pytest.CaptureFixture[str]) -> None:
    told = said(small, capsys, "check")
    assert told.code == 2
    assert "payments/p1" in told.out
    assert REFUSED.search(told.out)


def test_a_sidecar_with_the_key_of_another_role_says_so_at_its_start(small: SmallMesh, tmp_path: Path) -> None:
    seed = str(small.ring.seed_file("agent-payments"))
    who = ["--service", "orders", "--instance", "i9", "--pid", "1", "--nkey-file", seed]
    flags = [*who, "--inbox-prefix", "_INBOX_agent_payments"]
    with Program(["python", "-m", "diagmesh_agents", "--nats", small.url, *flags], tmp_path) as program:
        says = "not permitted: this role may not subscribe diag.orders.* (role agent-payments, by its key file)"
        wait_until(lambda: says in program.log_text(), WAIT_S, says)
        says = "not permitted: this role may not publish diagev.hb.orders.i9 (role agent-payments, by its key file)"
        wait_until(lambda: says in program.log_text(), WAIT_S, says)
        assert program.running
        assert program.stop() == 0

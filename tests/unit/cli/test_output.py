"""Where things go: results to standard output, progress and errors to standard error, colour where it is wanted."""

import asyncio
import io
import json
import socket

import pytest
from rich.text import Text

from diagmesh.contract.wire import Problem
from diagmesh.errors import CannotConnect
from diagmesh_cli.options import Common
from diagmesh_cli.output import Output, sentence
from diagmesh_cli.session import connected, servers_of
from diagmesh_cli.terminal import Terminal


def on_a_terminal() -> tuple[Output, io.StringIO]:
    output, shown = Output(), io.StringIO()
    output.err = Terminal(file=shown, force_terminal=True, width=80, color_system="standard")
    return output, shown


async def test_what_is_awaited_is_said_after_half_a_second_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diagmesh_cli.output._PATIENCE_S", 0.01)
    output, shown = on_a_terminal()
    async with output.waiting("health of [everybody]"):
        await asyncio.sleep(0.2)
    assert "health of [everybody] …" in shown.getvalue()
    assert shown.getvalue().rindex("\x1b[?25h") > shown.getvalue().rindex("\x1b[?25l"), "the cursor is back"


async def test_no_password_of_a_url_is_shown_while_it_connects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diagmesh_cli.output._PATIENCE_S", 0.0)
    output, shown = on_a_terminal()
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        connecting = connected(Common(nats=f"nats://somebody:secret@127.0.0.1:{port}", timeout=0.5), output)
        with pytest.raises(CannotConnect):
            await connecting.__aenter__()
    assert f"connecting to nats://127.0.0.1:{port} …" in shown.getvalue()
    assert "secret" not in shown.getvalue()


def test_of_several_servers_each_is_told_without_its_password() -> None:
    several = Common(nats="nats://somebody:secret@a:4222, tls://token@b,nats://[::1]:5222")
    assert servers_of(several) == "nats://a:4222, tls://b:4222, nats://[::1]:5222"


async def test_what_is_quick_is_not_said() -> None:
    output, shown = on_a_terminal()
    async with output.waiting("x"):
        await asyncio.sleep(0.01)
    assert "…" not in shown.getvalue()


async def test_without_a_terminal_nothing_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("diagmesh_cli.output._PATIENCE_S", 0.0)
    async with Output().waiting("x"):
        await asyncio.sleep(0.1)
    assert capsys.readouterr() == ("", "")


def test_results_and_errors_do_not_mix(capsys: pytest.CaptureFixture[str]) -> None:
    Output().show({"a": 1}, Text("a view"))
    Output().fail(Problem(code=404, error="unknown kind", detail="no [x]", hint="kinds: health"))
    captured = capsys.readouterr()
    assert captured.out == "a view\n"
    assert captured.err == "diagmesh: unknown kind: no [x]; kinds: health\n"


def test_json_is_one_document_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(json=True)
    output.show({"a": 1}, Text("a view"))
    output.fail(Problem(code=404, error="unknown kind"))
    first, second = capsys.readouterr().out.splitlines()
    assert json.loads(first) == {"a": 1}
    assert json.loads(second) == {"error": {"code": 404, "error": "unknown kind"}}


@pytest.mark.parametrize("wish", ["--no-color", "NO_COLOR"])
def test_no_colour_where_none_is_wanted(wish: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    if wish == "NO_COLOR":
        monkeypatch.setenv("NO_COLOR", "1")
    output = Output(no_color=wish == "--no-color")
    assert output.out.no_color
    assert output.err.no_color
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert not Output().out.no_color


def test_a_problem_in_one_sentence() -> None:
    assert sentence(Problem(code=408, error="no answer")) == "no answer"
    assert sentence(Problem(code=408, error="no answer", detail="no answer within 2 s")) == "no answer within 2 s"
    assert sentence(Problem(code=400, error="usage", detail="say it", hint="so")) == "say it; so"


async def test_who_waits_at_a_terminal_is_told_how_far_it_has_come() -> None:
    output, shown = Output(), io.StringIO()
    output.err = Terminal(file=shown, force_terminal=True, width=80)
    async with output.waiting("health in batches") as say, asyncio.timeout(20):
        say("12 of 40 asked")
        while "health in batches: 12 of 40 asked …" not in shown.getvalue():
            await asyncio.sleep(0.05)

"""The command line itself: usage, errors in one sentence, JSON and nothing else, nothing imported in vain."""

import asyncio
import dataclasses
import json
import os
import subprocess
import sys
from typing import Any

import pytest
from cyclopts import App

from diagmesh.errors import (
    CannotConnect,
    ConnectionLost,
    Declined,
    DiagmeshError,
    NoAnswer,
    NoResponders,
    NotPermitted,
    SettingsError,
    Unreadable,
)
from diagmesh_cli import app as app_module
from diagmesh_cli.app import options_last
from diagmesh_cli.commands.ask import question_of
from diagmesh_cli.exits import Exit
from diagmesh_cli.local import rundir
from diagmesh_cli.main import run
from diagmesh_cli.options import FLAGS, VALUED, Common, connection
from diagmesh_cli.output import sentence
from diagmesh_cli.trouble import UsageError, explain
from support.natsserver import NatsServer


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["statsu"], 'Did you mean "status"'),
        (["ask"], "requires an argument"),
        (["ask", "health", "--loud"], "Unknown option"),
        (["ask", "health", "--detail", "loud"], "loud"),
        (["ask", "Health"], "kind 'Health' is no legal name"),
        (["ask", "health", "--one"], "--one means any one instance of a service"),
        (["ask", "health", "--set", "nonsense"], "write it as KEY=VALUE"),
        (["ask", "health", "--set", "batch=1"], "--set batch=1: that is no field of the question; say --batch N"),
        (["ask", "health", "--set", 'labels={"zone":"a"}'], "say --label SELECTOR"),
        (["ask", "health", "--set", "services=orders"], "say the service as target"),
        (["ask", "services"], "services is a command of its own: diagmesh services"),
        (["ask", "check", "orders"], "check is a command of its own: diagmesh check orders"),
        (["ask", "check", "mesh/c1"], "check is a command of its own: diagmesh check"),
        (["ask", "health", "mesh/c1", "--watch"], "a watch asks any coordinator: leave out mesh/c1"),
        (["status", "--timeout", "0"], "say seconds above 0"),
        (["services", "--nats", "nats://[::1"], "nats.url: malformed"),
        (["services", "--nats", "nats://host:99999"], "nats.url: malformed"),
        (["services", "--nats", "http://host:8222"], "nats.url: http:// is not spoken here"),
        (["up", "--port", "70000"], "a port is a number from 0 to 65535"),
        (["forget", "orders"], "--seed-file FILE"),
        (["forget", "orders/", "--seed-file", "x"], "'orders/' has no instance behind the /"),
        (["control", "log-level", "orders/", "debug", "--seed-file", "x"], "has no instance behind the /"),
        (["ask", "health", "/i1"], "'/i1' has no service before the /"),
        (["check", "orders/"], "has no instance behind the /"),
        (["profile", "orders/"], "has no instance behind the /"),
        (["route", "orders.new", "--through", "orders/"], "has no instance behind the /"),
        (["control", "log-level", "orders", "debug"], "--seed-file FILE"),
        (["control", "log-level", "orders", "loud"], "loud"),
        (["control", "log-level", "orders", "debug", "--for", "0.5"], "--for 0.5: give 1 to 3600 seconds"),
        (["control", "chaos"], "chaos"),
        (["schema", "nonsense"], "no schema 'nonsense'"),
        (["config", "chekc", "x"], "check"),
    ],
)
def test_wrong_usage_ends_with_64_and_one_sentence(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str], nats_url: str
) -> None:
    assert run([*arguments, *(("--nats", nats_url) if arguments[0] in ("ask", "status") else ())]) == 64
    captured = capsys.readouterr()
    assert captured.out == ""
    assert says in captured.err
    assert captured.err.startswith("diagmesh: ")
    assert captured.err.count("\n") == 1


@pytest.fixture(scope="module")
def nats_url(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with NatsServer(tmp_path_factory.mktemp("nats")) as server:
        yield server.start().url


def test_no_server_ends_with_3_and_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["status"], ["services"], ["ask", "health"]):
        assert run([*command, "--nats", "nats://127.0.0.1:1", "--timeout", "1"]) == 3
        captured = capsys.readouterr()
        assert captured.out == ""
        assert "cannot connect to nats://127.0.0.1:1: connection refused" in captured.err
        assert "start one with `diagmesh up`, or name the server with --nats URL" in captured.err


def test_nobody_there_ends_with_3(capsys: pytest.CaptureFixture[str], nats_url: str) -> None:
    assert run(["services", "--nats", nats_url]) == 3
    assert "nobody listens on diag.mesh.services" in capsys.readouterr().err
    assert run(["status", "--nats", nats_url, "--timeout", "1"]) == 3
    assert "0 of 0 instances answered" in capsys.readouterr().out
    assert run(["ask", "health", "orders/i1", "--nats", nats_url]) == 3


@pytest.mark.parametrize(
    "arguments",
    [
        ["status", "--nats", "nats://127.0.0.1:1", "--timeout", "1", "--json"],
        ["--json", "statsu"],
        ["ask", "--json"],
        ["--json", "schema", "nonsense"],
    ],
)
def test_with_json_errors_are_json_on_standard_output(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code = run(arguments)
    captured = capsys.readouterr()
    problem = json.loads(captured.out)["error"]
    assert set(problem) >= {"code", "error", "detail"}
    assert problem["detail"] in captured.err
    assert code in (3, 64)


@pytest.mark.parametrize(
    ("error", "code", "number"),
    [
        (KeyboardInterrupt(), Exit.INTERRUPTED, 499),
        (asyncio.CancelledError(), Exit.INTERRUPTED, 499),
        (UsageError("x"), Exit.USAGE, 400),
        (SettingsError("x"), Exit.USAGE, 400),
        (CannotConnect("x"), Exit.NOBODY, 503),
        (NoResponders("x"), Exit.NOBODY, 503),
        (NotPermitted("x"), Exit.UNSURE, 403),
        (ConnectionLost("x"), Exit.NOBODY, 503),
        (NoAnswer("x"), Exit.UNSURE, 408),
        (Declined("x", code=404, error="unknown kind", hint="kinds: health"), Exit.UNSURE, 404),
        (Unreadable("the reply of mesh", "x"), Exit.UNSURE, 502),
        (DiagmeshError("x"), Exit.NOBODY, 503),
        (ZeroDivisionError("x"), Exit.FAULT, 500),
        (ExceptionGroup("many", [ExceptionGroup("one", [UsageError("x")])]), Exit.USAGE, 400),
    ],
)
def test_each_error_has_its_code_and_a_sentence(error: BaseException, code: Exit, number: int) -> None:
    found, problem = explain(error)
    assert found is code
    assert problem.code == number
    said = sentence(problem)
    assert "\n" not in said
    assert said


def test_without_a_coordinator_the_way_to_check_is_told() -> None:
    problem = explain(NoResponders("nobody listens on diag.mesh.check"))[1]
    assert "diagmesh check --direct" in problem.hint
    assert "diagmesh services" in explain(NoResponders("nobody listens on diag.orders.health"))[1].hint


@pytest.mark.parametrize(
    ("subject", "hint"),
    [("_INBOX_priv.1f00.*.*", "--inbox-prefix PREFIX"), ("diag.mesh.health", "use the key of another role")],
)
def test_who_is_refused_his_inbox_is_told_of_the_prefix_and_not_of_another_key(subject: str, hint: str) -> None:
    _, problem = explain(NotPermitted(f"not permitted: this role may not … {subject} (role x)", subject))
    assert hint in problem.hint
    assert ("each role has an inbox" in problem.hint) == subject.startswith("_INBOX")


def test_a_wrong_choice_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "--fail-on", "bogus"]) == 64
    assert '"critical"; see `diagmesh --help`' in capsys.readouterr().err


def test_our_own_fault_is_70_and_shows_no_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = App(result_action="return_value", print_error=False, exit_on_error=False)

    @broken.default
    def fail() -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(app_module, "make_app", lambda: broken)
    assert run([]) == 70
    said = capsys.readouterr().err
    assert said.startswith("diagmesh: our own fault: ZeroDivisionError: oh; please report it")
    assert "Traceback" not in said
    monkeypatch.setenv("DIAGMESH_DEBUG", "1")
    assert run([]) == 70
    assert "Traceback" in capsys.readouterr().err


def test_options_may_stand_before_the_command() -> None:
    assert options_last(["--json", "--nats", "url", "status", "x"]) == ["status", "x", "--json", "--nats", "url"]
    assert options_last(["--nats=url", "ask", "health"]) == ["ask", "health", "--nats=url"]
    assert options_last(["--json"]) == ["--json"]
    assert options_last(["status", "--json"]) == ["status", "--json"]


def test_a_running_up_is_found() -> None:
    assert connection(Common()).url == "nats://127.0.0.1:4222"
    ticks = rundir.start_ticks(os.getpid())
    assert ticks is not None
    rundir.write_state(
        rundir.Running(
            pid=os.getpid(),
            started_ticks=ticks,
            url="nats://127.0.0.1:5555",
            directory="d",
            operator_seed_file="o",
            application_seed_file="a",
        )
    )
    assert connection(Common()).url == "nats://127.0.0.1:5555"
    assert connection(Common(nats="nats://other")).url == "nats://other"
    assert connection(Common(nkey_file="k", inbox_prefix="_INBOX_x")).inbox_prefix == "_INBOX_x"


def test_the_environment_names_the_server_and_the_option_wins(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NATS_URL", "nats://127.0.0.1:1")
    assert run(["status", "--timeout", "1"]) == 3
    assert "nats://127.0.0.1:1:" in capsys.readouterr().err
    assert run(["status", "--timeout", "1", "--nats", "nats://127.0.0.1:2"]) == 3
    assert "nats://127.0.0.1:2:" in capsys.readouterr().err


def test_every_shared_option_may_stand_before_the_command() -> None:
    assert set(FLAGS) == {"--json", "--no-color", "--tls-first"}
    assert {*FLAGS, *VALUED} == {f"--{one.name.replace('_', '-')}" for one in dataclasses.fields(Common)}
    for option in VALUED:
        assert options_last([option, "x", "status"]) == ["status", option, "x"]


def test_fields_of_a_question_keep_their_types() -> None:
    question: Any = question_of(("window_s=60", "probes=false", "name=orders", 'list=["a"]', "timeout_ms=500"), "brief")
    assert (question.window_s, question.probes, question.name, question.list) == (60, False, "orders", ["a"])
    assert question.timeout_ms == 500
    assert question.detail == "brief"


def test_the_help_starts_without_a_nats_client() -> None:
    script = "import sys; from diagmesh_cli.main import run; run(['--help']); print('nats' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("False\n")


@pytest.mark.parametrize("process", ["sidecar", "coordinator"])
def test_the_processes_are_started_without_the_cli(process: str) -> None:
    program = [sys.executable, "-m", "diagmesh_cli", process, "--help"]
    telling = {**os.environ, "PYTHONPROFILEIMPORTTIME": "1"}
    done = subprocess.run(program, capture_output=True, text=True, check=True, env=telling)
    assert f"usage: diagmesh {process}" in done.stdout
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "msgspec" in imported
    assert not {"cyclopts", "rich"} & imported


def test_an_unknown_command_is_told_in_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bogus"]) == 64
    assert capsys.readouterr().err == 'diagmesh: Unknown command "bogus"; see `diagmesh --help`\n'

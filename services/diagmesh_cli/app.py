"""All commands by name; each is imported only when it is called."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from cyclopts import App

from diagmesh import __version__
from diagmesh_cli.exits import EXITS_HELP
from diagmesh_cli.options import FLAGS, STANDARD_INPUT, VALUED
from diagmesh_cli.terminal import Terminal

__all__ = ["make_app", "options_last"]

_ABOUT: Final = "Ask any service anything, over NATS."


class _Command(NamedTuple):
    """One command as its help shows it, known without importing it."""

    name: str
    tells: str
    takes: str = ""
    examples: tuple[str, ...] = ()
    above: str = ""

    @property
    def usage(self) -> str:
        """The first line of its help."""
        return f"Usage: diagmesh {self.above}{self.name} {self.takes and f'{self.takes} '}[OPTIONS]"

    @property
    def help(self) -> str:
        """What it does, which the list of commands shows too, then examples."""
        examples = "".join(f"\n  diagmesh {one}" for one in self.examples)
        return f"{self.tells}\n\nFor example:{examples}" if examples else self.tells


_COMMANDS: Final = (
    _Command("up", "Run a whole mesh on this machine, with demo services to ask.", examples=("up", "up --port 0")),
    _Command(
        "init",
        "Keys, server configuration and settings to run beside your services.",
        "[DIRECTORY]",
        ("init mesh --services orders,payments", "init mesh --add billing", "init mesh --rotate agent-orders"),
    ),
    _Command("status", "The whole mesh at a look: well, not well, silent."),
    _Command(
        "services",
        "Who is there, who should be, who is missing and why.",
        "[SERVICE...]",
        ("services", "services orders"),
    ),
    _Command(
        "check",
        "What is the matter, by all rules, and what could not be judged.",
        "[TARGET]",
        ("check", "check orders --code RES", "check --fail-on error --junit report.xml", "check --html report.html"),
    ),
    _Command(
        "explain",
        "What a finding means and what to do; all rules.",
        "[CODE]",
        ("explain", "explain PROC-001"),
    ),
    _Command(
        "ask",
        "Ask one instance, a service or the whole mesh a question.",
        "KIND [TARGET]",
        ("ask health", "ask resources orders --watch", "ask health orders/i1 --json"),
    ),
    _Command(
        "profile",
        "Where running instances spend CPU and memory, added up or compared.",
        "TARGET",
        (
            "profile orders --cpu 5s",
            "profile orders --diff-sibling --html flames.html",
            "profile orders/i1 --type heap",
        ),
    ),
    _Command(
        "route",
        "Which way a subject takes and who gets it; nothing is delivered.",
        "SUBJECT",
        ("route orders.new --through orders", "route orders.new --nats nats://app:secret@nats.example:4222"),
    ),
    _Command(
        "races",
        "Run Go code of a source tree under the race detector.",
        "--run DIR [-- GO ARGUMENTS]",
        ("races --run .", "races --run . --for 60 -- test ./store -run Put", "races --run . -- run ./cmd/orders"),
    ),
    _Command(
        "schema",
        "JSON Schemas of everything on the wire.",
        "[NAME]",
        ("schema", "schema health.reply", "schema --write DIRECTORY"),
    ),
    _Command(
        "completion",
        "The script with which your shell completes commands and options.",
        "bash|zsh|fish",
        ("completion bash", "completion fish"),
    ),
    _Command("forget", "Expect a lost instance or service no longer.", "TARGET", ("forget orders/i2", "forget orders")),
)
_CHECK: Final = _Command(
    "check",
    "Check a settings file: ends with 0 when it is fine, 1 with warnings, 64 when a process would refuse it.",
    "FILE",
    ("config check sidecar.toml",),
    above="config ",
)
_LOG_LEVEL: Final = _Command(
    "log-level",
    "Have sidecars or coordinators log more or less for a while; signed.",
    "TARGET LEVEL",
    ("control log-level orders/i1 debug", "control log-level orders debug --for 300", "control log-level mesh debug"),
    above="control ",
)
_READ: Final = (
    _Command(
        "profile",
        "Where a Go program spends CPU and memory, from files of pprof.",
        "FILE...",
        (
            "read profile cpu.pb.gz",
            "read profile heap.pb.gz --base earlier.pb.gz",
            "read profile i1.pb.gz i2.pb.gz --html flames.html",
        ),
        above="read ",
    ),
    _Command(
        "goroutines",
        "What the goroutines of a Go program do, from a dump.",
        "FILE...",
        ("read goroutines dump.txt", "read goroutines dump.txt.gz --base earlier.txt", "read goroutines - --json"),
        above="read ",
    ),
    _Command(
        "races",
        "What the race detector of Go reported, from its log or any output.",
        "FILE...",
        ("read races /var/log/orders-race.*", "read races stderr.log --json", "read races -"),
        above="read ",
    ),
    _Command(
        "crash",
        "How a Go program crashed, from its standard error or a log of it.",
        "FILE...",
        ("read crash stderr.log", "read crash stderr.log.gz --json", "read crash -"),
        above="read ",
    ),
    _Command(
        "monitoring",
        "What saved monitoring replies of nats-servers say, with log and client errors.",
        "FOLDER...",
        ("read monitoring incident/", "read monitoring before.json after.json", "read monitoring incident/ --json"),
        above="read ",
    ),
)
"""Each is a module of commands, read_NAME, with a function of its name."""
_PROCESSES: Final = (
    ("sidecar", "Run a sidecar beside a service, or start the service with it."),
    ("coordinator", "Run a coordinator (see its --help)."),
)


def make_app(instead: Mapping[str, Callable[..., Any]] | None = None) -> App:
    """The command line of diagmesh.

    Args:
        instead: functions that take the place of commands, by name.
    """
    app = App(
        name="diagmesh",
        help=_ABOUT,
        help_epilogue=EXITS_HELP,
        help_format="plaintext",
        version=f"diagmesh {__version__}",
        result_action="return_value",
        print_error=False,
        exit_on_error=False,
        suppress_keyboard_interrupt=False,
        console=Terminal(),
    )
    for position, one in enumerate(_COMMANDS):
        module = f"diagmesh_cli.commands.{one.name}:{one.name}"
        app.command(
            (instead or {}).get(one.name, module), name=one.name, help=one.help, usage=one.usage, sort_key=position
        )
    config = App(name="config", help="Check settings files.", sort_key=len(_COMMANDS))
    config.command("diagmesh_cli.commands.config_check:check", name="check", help=_CHECK.help, usage=_CHECK.usage)
    app.command(config)
    control = App(name="control", help="What operators may have the mesh do.", sort_key=len(_COMMANDS))
    control.command(
        "diagmesh_cli.commands.log_level:log_level", name="log-level", help=_LOG_LEVEL.help, usage=_LOG_LEVEL.usage
    )
    app.command(control)
    read = App(
        name="read",
        help="Read what a Go program or nats-server left behind, without any mesh.",
        sort_key=len(_COMMANDS),
    )
    for position, one in enumerate(_READ):
        module = f"diagmesh_cli.commands.read_{one.name}:{one.name}"
        read.command(module, name=one.name, help=one.help, usage=one.usage, sort_key=position)
    app.command(read)
    for name, tells in _PROCESSES:
        app.command((instead or {}).get(name, _elsewhere), name=name, help=tells, sort_key=len(_COMMANDS) + 1)
    app["--help"].sort_key = app["--version"].sort_key = len(_COMMANDS) + 2
    return app


def _elsewhere() -> None:
    """Never called: `diagmesh_cli.main` has started the process instead; here for the list of commands."""


def options_last(arguments: list[str]) -> list[str]:
    """Words as they are parsed: options before the command go behind it, a lone dash becomes the file that it means.

    ``--json status`` means ``status --json``.
    """
    hoisted: list[str] = []
    rest = list(arguments)
    while rest and rest[0].split("=")[0] in (*VALUED, *FLAGS):
        takes_value = rest[0] in VALUED
        hoisted += rest[: 1 + takes_value]
        del rest[: 1 + takes_value]
    return [*_files_named(rest), *hoisted] if rest else hoisted


def _files_named(words: list[str]) -> list[str]:
    """The words of a command that reads files: a lone dash is standard input, and no option."""
    return [STANDARD_INPUT if word == "-" else word for word in words] if words[0] == "read" else words

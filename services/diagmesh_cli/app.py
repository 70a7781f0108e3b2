"""All commands by name; each is imported only when it is called."""

from typing import Final

from cyclopts import App

from diagmesh import __version__
from diagmesh_cli.exits import EXITS_HELP
from diagmesh_cli.options import FLAGS, VALUED

__all__ = ["make_app", "options_last"]

_ABOUT: Final = "Ask any service anything, over NATS."
_COMMANDS: Final = (
    ("up", "Run a whole mesh on this machine, with demo services to ask."),
    ("status", "The whole mesh at a look: well, not well, silent."),
    ("services", "Who is there, who should be, who is missing and why."),
    ("check", "What is the matter, by all rules, and what could not be judged."),
    ("explain", "What a finding means and what to do; all rules."),
    ("ask", "Ask one instance, a service or the whole mesh a question."),
    ("schema", "JSON Schemas of everything on the wire."),
    ("forget", "Expect a lost instance or service no longer."),
)
_PROCESSES: Final = (
    ("sidecar", "Run a sidecar beside a service instance (options: see its --help)."),
    ("coordinator", "Run a coordinator (options: see its --help)."),
)


def make_app() -> App:
    """The command line of diagmesh."""
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
    )
    for position, (name, tells) in enumerate(_COMMANDS):
        app.command(f"diagmesh_cli.commands.{name}:{name}", name=name, help=tells, sort_key=position)
    config = App(name="config", help="Check settings files.", sort_key=len(_COMMANDS))
    config.command("diagmesh_cli.commands.config_check:check", name="check", help="Check a settings file.")
    app.command(config)
    for name, tells in _PROCESSES:
        app.command(_elsewhere, name=name, help=tells, sort_key=len(_COMMANDS) + 1)
    app["--help"].sort_key = app["--version"].sort_key = len(_COMMANDS) + 2
    return app


def _elsewhere() -> None:
    """Never called: `diagmesh_cli.main` has started the process instead; here for the list of commands."""


def options_last(arguments: list[str]) -> list[str]:
    """Move options that stand before the command behind it: ``--json status`` means ``status --json``."""
    hoisted: list[str] = []
    rest = list(arguments)
    while rest and rest[0].split("=")[0] in (*VALUED, *FLAGS):
        takes_value = rest[0] in VALUED
        hoisted += rest[: 1 + takes_value]
        del rest[: 1 + takes_value]
    return [*rest, *hoisted] if rest else hoisted

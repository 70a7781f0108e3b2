"""`diagmesh completion`: the script with which a shell completes commands and options."""

from collections.abc import Callable, Iterable
from types import FunctionType, GenericAlias
from typing import Any, Literal

from diagmesh.client.kinds import ITSELF
from diagmesh.packs import load_agents, load_rules
from diagmesh_cli.exits import Exit
from diagmesh_cli.options import Shown
from diagmesh_cli.output import Output
from diagmesh_cli.processes import PROCESSES, looked_at

__all__ = ["completion"]


def completion(
    shell: Literal["bash", "zsh", "fish"],
    /,
    *,
    shown: Shown = Shown(),  # noqa: B008  frozen, and its defaults are the point
) -> Exit:
    """Print the completion script for a shell; bash reads it with: source <(diagmesh completion bash).

    It completes commands, options, kinds and the codes of rules, as they are installed now. It asks nobody, so it does
    not know the services of a mesh.

    Args:
        shell: bash, zsh or fish.
        shown: how to show it.
    """
    from diagmesh_cli.app import make_app  # noqa: PLC0415  which imports us by name

    script = make_app(_choosing()).generate_completion(prog_name="diagmesh", shell=shell)
    if shown.json:
        Output.of(shown).print_json({"shell": shell, "script": script})
    else:
        print(script)
    return Exit.WELL


def _choosing() -> dict[str, Callable[..., Any]]:
    """Commands that in truth take any word, as if they took only those that are known: a shell can offer these."""
    from diagmesh_cli.commands.ask import ask  # noqa: PLC0415  likewise
    from diagmesh_cli.commands.check import check  # noqa: PLC0415
    from diagmesh_cli.commands.explain import explain  # noqa: PLC0415

    codes = tuple(load_rules().rules)
    families = tuple(dict.fromkeys(code.partition("-")[0] for code in codes))
    kinds = (*load_agents().agents, ITSELF)
    return {
        "ask": _taking(ask, kind=_one_of(kinds)),
        "explain": _taking(explain, code=_one_of(codes)),
        "check": _taking(check, code=GenericAlias(tuple, (_one_of((*codes, *families)), ...))),
        **{name: looked_at(options) for name, options in PROCESSES.items()},
    }


def _one_of(words: Iterable[str]) -> Any:
    return Literal[tuple(words)]


def _taking(command: Callable[..., Any], **types: Any) -> Callable[..., Any]:
    """The same command with other types of its parameters; it is only looked at, never called."""
    if not isinstance(command, FunctionType):
        raise TypeError(f"{command!r} is no function")
    made = FunctionType(command.__code__, command.__globals__, command.__name__, command.__defaults__)
    made.__kwdefaults__, made.__doc__ = command.__kwdefaults__, command.__doc__
    made.__annotations__ = {**command.__annotations__, **types}
    return made

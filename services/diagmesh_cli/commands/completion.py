"""`diagmesh completion`: the script with which a shell completes commands and options."""

from typing import Literal

from diagmesh_cli.exits import Exit
from diagmesh_cli.options import Shown
from diagmesh_cli.output import Output

__all__ = ["completion"]


def completion(
    shell: Literal["bash", "zsh", "fish"],
    /,
    *,
    shown: Shown = Shown(),  # noqa: B008  frozen, and its defaults are the point
) -> Exit:
    """Print the completion script for a shell; bash reads it with: source <(diagmesh completion bash).

    Args:
        shell: bash, zsh or fish.
        shown: how to show it.
    """
    from diagmesh_cli.app import make_app  # noqa: PLC0415  which imports us by name

    script = make_app().generate_completion(prog_name="diagmesh", shell=shell)
    if shown.json:
        Output.of(shown).print_json({"shell": shell, "script": script})
    else:
        print(script)
    return Exit.WELL

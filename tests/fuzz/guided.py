"""``python -m fuzz.guided AGAIN TARGET FLAGS…``: one target under libFuzzer, led by the lines that inputs reach.

``AGAIN`` is a program that does the same: libFuzzer starts it for work in which a process may die.
"""

import sys

import atheris

with atheris.instrument_imports(include=["diagmesh", "diagmesh_agents", "diagmesh_coordinator", "diagmesh_cli"]):
    from fuzz.table import TARGETS


def main() -> None:
    """Fuzz until libFuzzer has had enough; it ends the process itself."""
    again, name, *flags = sys.argv[1:]
    atheris.Setup([again, *flags], TARGETS[name].run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

"""What is to be run: the tests of a module, or one of its programs."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from diagmesh_cli.trouble import UsageError

__all__ = ["RunPlan", "plan_of"]

_ALL: Final = "./..."
_OURS: Final = ("-race", "-json")


class RunPlan(NamedTuple):
    """One run.

    Args:
        tests: whether tests are run; else a program.
        build: flags of ``go build`` and what is built (of a program), or everything behind ``go test``.
        arguments: of the program.
        packages: what is tested, where that is known: for the progress.
    """

    tests: bool
    build: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """The same as a command of Go."""
        verb = "test" if self.tests else "run"
        return " ".join(("go", verb, "-race", *self.build, *self.arguments))


def plan_of(words: Sequence[str]) -> RunPlan:
    """What the words behind ``--`` mean: ``test …`` (also without that word), ``run …``, or nothing for all tests.

    Raises:
        UsageError: they cannot be understood.
    """
    verb, rest = (words[0], words[1:]) if words and words[0] in {"test", "run"} else ("test", words)
    rest = [word for word in rest if word not in _OURS]
    if verb == "test":
        return RunPlan(tests=True, build=tuple(rest) or (_ALL,), packages=() if rest else (_ALL,))
    flags = next((place for place, word in enumerate(rest) if not word.startswith("-")), len(rest))
    end = flags
    while end < len(rest) and rest[end].endswith(".go"):
        end += 1
    end = max(end, flags + 1)
    if end > len(rest):
        raise UsageError("name the program: diagmesh races --run DIR -- run ./cmd/orders; flags as -tags=x, before it")
    return RunPlan(tests=False, build=tuple(rest[:end]), arguments=tuple(rest[end:]))

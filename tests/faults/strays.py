"""Findings at somebody to whom nothing was done: at the base, and at copies that have left."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from diagmesh.contract.findings import Finding
from faults.mesh import BASE
from faults.watching import Seen

__all__ = ["Lives"]


class Lives:
    """When findings at somebody may be there: at a coordinator that has two faults of others, more than once."""

    def __init__(self) -> None:
        self._base = frozenset(f"{service}/{instance}" for service, instance in BASE)
        self._lives: dict[str, list[tuple[str, float, float]]] = {}

    def note(self, fault: str, names: Iterable[str], began: float, ended: float) -> None:
        """These had the fault from here to there (`time.monotonic`)."""
        for name in names:
            self._lives.setdefault(name, []).append((fault, began, ended))

    def strays(self, seen: Sequence[Seen]) -> Counter[str]:
        """In how many judgements each code was found at somebody who had no fault then."""
        where = {(one.code, look.at) for look, one, _ in self._strange(seen)}
        return Counter(code for code, _ in where)

    def told(self, seen: Sequence[Seen]) -> list[str]:
        """The first of each code at each of them, in words: when, what else went on, how it was titled."""
        said: dict[tuple[str, str], str] = {}
        for look, one, name in self._strange(seen):
            if (one.code, name) not in said:
                left = [look.at - end for _, _, end in self._lives.get(name, ()) if end < look.at]
                gone = f", {min(left):.1f} s after it had left" if left else ""
                went_on = ", ".join(self._at(look.at)) or "no fault"
                after_s = look.at - seen[0].at
                said[one.code, name] = f"{one.code} at {name} after {after_s:.0f} s{gone} ({went_on}): {one.title}"
        return list(said.values())

    def _strange(self, seen: Sequence[Seen]) -> Iterator[tuple[Seen, Finding, str]]:
        for look in seen:
            for one in look.check.findings:
                for name in one.instances:
                    if name in self._base or not any(_in(life, look.at) for life in self._lives.get(name, ())):
                        yield look, one, name

    def _at(self, at: float) -> list[str]:
        """Which faults there were."""
        return sorted({life[0] for lives in self._lives.values() for life in lives if _in(life, at)})


def _in(life: tuple[str, float, float], at: float) -> bool:
    return life[1] <= at <= life[2]

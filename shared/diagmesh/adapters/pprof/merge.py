"""Profiles added up (replicas of a service) or taken from each other (now and before), as pprof does both."""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from diagmesh.adapters.pprof.profile import Location, Mapping, Profile, Sample, ValueType
from diagmesh.errors import Declined

__all__ = ["difference", "merged"]

_PAGE: Final = 0x1000
_MappingKey = tuple[int, int, str]


def merged(profiles: Sequence[Profile]) -> Profile:
    """One profile with the numbers of all; sample types that only some of them have are left out.

    Raises:
        Declined: they count different things, or there are none.
    """
    if not profiles:
        raise Declined("there is no profile to add up")
    if len(profiles) == 1:
        return profiles[0]
    fitted = _fitted(profiles)
    merger = _Merger()
    for one in fitted:
        merger.add(one)
    first = fitted[0]
    return replace(
        first,
        samples=merger.samples(),
        locations=tuple(merger.locations),
        time_ns=min((one.time_ns for one in fitted if one.time_ns), default=0),
        duration_ns=sum(one.duration_ns for one in fitted),
        period=max(one.period for one in fitted),
        comments=tuple(dict.fromkeys(word for one in fitted for word in one.comments)),
        default_type=next((one.default_type for one in fitted if one.default_type), ""),
        main_file=next((one.main_file for one in fitted if one.main_file), ""),
    )


def difference(profile: Profile, base: Profile) -> Profile:
    """A profile against what it was: what grew is positive, what shrank negative; ``pprof -diff_base``.

    Raises:
        Declined: they count different things.
    """
    negative = [one._replace(values=tuple(-value for value in one.values), base=True) for one in base.samples]
    return merged([profile, replace(base, samples=tuple(negative))])


def _fitted(profiles: Sequence[Profile]) -> list[Profile]:
    """All with the sample types that all have, in the order of the first."""
    first = profiles[0]
    common = [one for one in first.types if all(one.type in {it.type for it in other.types} for other in profiles)]
    if not common:
        raise Declined("the profiles have no sample type in common", hint=f"they count {_told(profiles)}")
    for other in profiles[1:]:
        if other.period_type != first.period_type:
            what = [f"{one.period_type.type or 'nothing'} ({one.period_type.unit or '-'})" for one in (first, other)]
            raise Declined(f"profiles of different kinds: one samples {what[0]}, another {what[1]}")
        if odd := [one for one in other.types if one not in first.types and one.type in {it.type for it in common}]:
            raise Declined(f"the profiles count {odd[0].type} in different units")
    return [_with_types(one, common) for one in profiles]


def _told(profiles: Sequence[Profile]) -> str:
    return " and ".join(", ".join(one.type for one in profile.types) for profile in profiles[:2])


def _with_types(profile: Profile, wanted: list[ValueType]) -> Profile:
    if list(profile.types) == wanted:
        return profile
    picks = [[one.type for one in profile.types].index(one.type) for one in wanted]
    samples = tuple(one._replace(values=tuple(one.values[pick] for pick in picks)) for one in profile.samples)
    kept = profile.default_type if profile.default_type in [one.type for one in wanted] else wanted[0].type
    return replace(profile, types=tuple(wanted), samples=samples, default_type=kept)


class _Merger:
    """Equal stacks with equal labels become one sample, wherever the program was loaded."""

    def __init__(self) -> None:
        self.locations: list[Location] = []
        self._places: dict[tuple[int, _MappingKey | None, object, bool], int] = {}
        self._found: dict[tuple[object, ...], list[int]] = {}

    def add(self, profile: Profile) -> None:
        """Add the numbers of one."""
        places = [self._place(one) for one in profile.locations]
        for one in profile.samples:
            if not any(one.values):
                continue
            key = (tuple([places[at] for at in one.stack]), one.labels, one.base)
            known = self._found.get(key)
            if known is None:
                self._found[key] = list(one.values)
            else:
                for position, value in enumerate(one.values):
                    known[position] += value

    def samples(self) -> tuple[Sample, ...]:
        """What is left; what adds up to nothing is gone."""
        found = [(key, values) for key, values in self._found.items() if any(values)]
        return tuple(Sample(key[0], tuple(values), key[1], key[2]) for key, values in found)  # type: ignore[arg-type]  # as add made it

    def _place(self, one: Location) -> int:
        mapping = one.mapping
        address = one.address - mapping.start if mapping is not None else one.address
        key = (address, _key(mapping) if mapping is not None else None, one.lines, one.folded)
        place = self._places.setdefault(key, len(self.locations))
        if place == len(self.locations):
            self.locations.append(one)
        return place


def _key(mapping: Mapping) -> _MappingKey:
    """The same for the same program, wherever it was loaded."""
    size = -(-(mapping.limit - mapping.start) // _PAGE) * _PAGE
    return size, mapping.offset, mapping.build_id or mapping.file

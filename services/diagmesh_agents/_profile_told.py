"""The answer of `profile`: what the look cost, what was not counted."""

from collections.abc import Sequence

from diagmesh.adapters.pprof.apart import Told
from diagmesh.contract.answers.profile import Counted, Profile, ProfileCost, ProfileType, RawProfile
from diagmesh.contract.wire import Blind
from diagmesh_agents._profiles import Take

__all__ = ["answer_of", "blind_locks", "cost_words"]


def cost_words(takes: Sequence[Take]) -> str:
    """What is done to the service, in words."""
    words = [
        f"CPU sampled 100 times a second and core for {take.seconds} s (about 1 % of what it uses meanwhile)"
        for take in takes
        if take.type is ProfileType.CPU
    ]
    others = [take.type.value for take in takes if take.type is not ProfileType.CPU]
    if others:
        twice = (
            " (twice, for the difference)" if any(take.seconds for take in takes if take.type.value in others) else ""
        )
        words.append(f"{', '.join(others)} written out{twice}")
    if any(take.type is ProfileType.GOROUTINE for take in takes):
        words.append("the world stopped while the goroutines were collected")
    return "; ".join(words)


def blind_locks(counts_locks: bool | None) -> tuple[Blind, ...]:
    if counts_locks is not False:
        return ()
    why = "the service does not count who waits for locks"
    return (Blind(what="mutex", why=why, fix="call runtime.SetMutexProfileFraction(10) at its start"),)


def answer_of(
    told: Told,
    cost: ProfileCost,
    raw: tuple[RawProfile, ...],
    blind: tuple[Blind, ...],
    *,
    counts_locks: bool | None,
) -> Profile:
    def of(type_: ProfileType, sample: str) -> Counted | None:
        found = (one for one in told.counted if (one.type, one.sample) == (type_.value, sample) and not one.base)
        return next(found, None)

    cpu, heap = of(ProfileType.CPU, "cpu"), of(ProfileType.HEAP, "inuse_space")
    allocs, mutex = of(ProfileType.ALLOCS, "alloc_space"), of(ProfileType.MUTEX, "delay")
    return Profile(
        cpu_cores=cpu.per_s if cpu is not None else None,
        heap_bytes=heap.total if heap is not None else None,
        alloc_bytes_per_s=allocs.per_s if allocs is not None else None,
        mutex_wait=mutex.per_s if mutex is not None and counts_locks else None,
        counted=told.counted,
        cost=cost,
        raw=raw,
        comments=told.comments,
        blind=blind,
    )

"""Profile answers of a test's making."""

from diagmesh.contract.answers.profile import Counted, Profile, Row

__all__ = ["surveyed"]


def _counted(
    kind: str, sample: str, unit: str, rows: tuple[Row, ...], over_s: float | None, scale: float, events: int = 100
) -> Counted:
    total = sum(row.flat for row in rows)
    shared = tuple(
        Row(
            function=row.function,
            file=row.file,
            line=row.line,
            flat=row.flat,
            cum=row.cum,
            flat_share=row.flat / total,
            cum_share=row.cum / total,
        )
        for row in rows
    )
    per_s = total / scale / over_s if over_s else None
    return Counted(
        type=kind,
        sample=sample,
        unit=unit,
        total=total,
        over_s=over_s,
        per_s=per_s,
        events=events,
        rows=shared,
        blamed=shared,
    )


def _rows(values: dict[str, int]) -> tuple[Row, ...]:
    heaviest = sorted(values.items(), key=lambda one: -one[1])
    return tuple(
        Row(function=f"shop/internal/{name}", file=f"/src/{name.partition('.')[0]}.go", line=7, flat=value, cum=value)
        for name, value in heaviest
    )


def surveyed(
    *,
    cpu: dict[str, int] | None = None,
    heap: dict[str, int] | None = None,
    allocs: dict[str, int] | None = None,
    mutex: dict[str, int] | None = None,
    counts_locks: bool = True,
    waits: int = 100,
) -> Profile:
    """The answer to an empty question: values by function; of CPU and locks in nanoseconds within one second."""
    parts = (
        _counted("cpu", "cpu", "nanoseconds", _rows(cpu or {"store.Put": 20_000_000}), 1.0, 1e9),
        _counted("heap", "inuse_space", "bytes", _rows(heap or {"store.Put": 3 << 20}), None, 1.0),
        _counted("allocs", "alloc_space", "bytes", _rows(allocs or {"store.Put": 1 << 20}), 1.0, 1.0),
        _counted("mutex", "delay", "nanoseconds", _rows(mutex or {"store.Put": 1000}), 1.0, 1e9, waits),
    )
    return Profile(
        cpu_cores=parts[0].per_s,
        heap_bytes=parts[1].total,
        alloc_bytes_per_s=parts[2].per_s,
        mutex_wait=parts[3].per_s if counts_locks else None,
        counted=parts,
    )

"""Numbers, times and verdicts in words that are read at a glance. What is missing is a dash, never a zero."""

from datetime import UTC, datetime
from typing import Final

from rich.text import Text

from diagmesh.contract.findings import Fact

__all__ = [
    "MISSING",
    "ago",
    "amount",
    "cores",
    "duration",
    "fact",
    "place",
    "plural",
    "quantity",
    "share",
    "size",
    "took",
    "until",
    "value_of",
    "verdict",
    "whose",
]

MISSING: Final = "-"
_SIZES: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_STYLES: Final = {
    "up": "green",
    "pass": "green",
    "live": "green",
    "answered": "green",
    "degraded": "yellow",
    "warning": "yellow",
    "blind": "yellow",
    "unknown": "yellow",
    "connected but silent": "red",
    "not connected": "red",
    "down": "bold red",
    "fail": "red",
    "error": "red",
    "critical": "bold red",
}


def size(count: float | None) -> str:
    """Bytes with a binary unit: ``28.4 MiB``."""
    if count is None:
        return MISSING
    value, unit = float(count), 0
    while abs(value) >= 1024 and unit < len(_SIZES) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.0f} {_SIZES[unit]}" if unit == 0 or abs(value) >= 100 else f"{value:.1f} {_SIZES[unit]}"


def share(value: float | None) -> str:
    """A share of 1 in percent: ``12 %``, ``0.3 %``."""
    if value is None:
        return MISSING
    if value < 0:
        return f"-{share(-value)}".replace("-<", ">-")
    percent = value * 100
    if 0 < percent < 0.1:
        return "<0.1 %"
    return f"{percent:.1f} %" if 0 < percent < 10 else f"{percent:.0f} %"


def amount(value: float | None) -> str:
    """A plain number, without digits that mean nothing."""
    if value is None:
        return MISSING
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    text = f"{value:.3g}"
    if "e" not in text:
        return text
    return f"{value:,.0f}" if abs(value) >= 1 else f"{value:.3f}"


def cores(value: float | None) -> str:
    """CPU in cores: ``0.25``, ``12``."""
    return MISSING if value is None else f"{value:.2f}" if value < 10 else f"{value:.0f}"


def took(ms: float | None) -> str:
    """A short time: ``0.4 ms``, ``12 ms``, ``1.2 s``."""
    if ms is None:
        return MISSING
    if ms >= 1000:
        return f"{ms / 1000:.1f} s"
    return f"{ms:.1f} ms" if ms < 10 else f"{ms:.0f} ms"


def duration(seconds: float | None) -> str:
    """A long time in its two largest units: ``2 h 5 min``."""
    if seconds is None:
        return MISSING
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86_400)
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min {int(seconds % 60)} s"


def seconds(value: float | None) -> str:
    """A time that may be short or long, in seconds on the wire: ``3.1 ms``, ``12 s``, ``2 h 5 min``."""
    return took(value * 1000) if value is not None and 0 < abs(value) < 1 else duration(value)


def ago(moment: datetime | None) -> str:
    """How long ago something was: ``12 s ago``, ``never``."""
    if moment is None:
        return "never"
    return f"{duration(max(0.0, (_now() - moment).total_seconds()))} ago"


def until(moment: datetime) -> str:
    """How soon something will be: ``in 12 s``, ``now``."""
    seconds = (moment - _now()).total_seconds()
    return f"in {duration(seconds)}" if seconds > 0 else "now"


def _now() -> datetime:
    """From where `ago` and `until` count; tests put a fixed moment here."""
    return datetime.now(UTC)


def quantity(value: float | None, unit: str) -> str:
    """A number with its unit as the wire names it (``bytes``, ``share``, ``s``, ``ms``, ``cores``, ``bytes/s``, …)."""
    known = {"bytes": size, "share": share, "s": seconds, "ms": took, "cores": cores, "": amount, "count": amount}
    if unit in {"bytes/s", "/s"}:
        return MISSING if value is None else f"{known[unit.removesuffix('/s')](value)}/s"
    return known[unit](value) if unit in known else f"{amount(value)} {unit}"


def fact(seen: Fact) -> str:
    """One thing that was seen, against its limit, and where: ``memory 97 % (limit 90 %) at orders/i1``."""
    words = [seen.what]
    if seen.value is not None:
        words.append(value_of(seen))
    if seen.limit is not None:
        words.append(f"(limit {quantity(seen.limit, seen.unit)})")
    return " ".join([*words, f"at {seen.at}"] if seen.at else words)


def value_of(seen: Fact) -> str:
    """What was seen, with its unit."""
    match seen.value:
        case None:
            return MISSING
        case bool():
            return "yes" if seen.value else "no"
        case int() if not seen.unit:
            return str(seen.value)  # a number that names something (a pid), not an amount
        case str():
            return f"{seen.value} {seen.unit}".rstrip()
        case _ if seen.unit == "cores":  # the name of a fact may not say it
            return f"{quantity(seen.value, seen.unit)} cores"
        case _:
            return quantity(seen.value, seen.unit)


def plural(count: int, one: str, many: str = "") -> str:
    """``1 instance``, ``2 instances``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def verdict(word: str) -> Text:
    """A verdict in its colour; the word itself always says it all."""
    return Text(word, _STYLES.get(word, ""))


def whose(service: str, instance: str) -> str:
    """``orders/i1``, or only ``orders`` where the instance has no name that anybody knows."""
    return f"{service}/{instance}" if instance else service


def place(name: str) -> str:
    """``orders/i1``, or only ``orders`` where all of it is meant, which is ``orders/`` on the wire."""
    return name.removesuffix("/")

"""deploy/BENCHMARKS.md: the figures of a run between two marks; what people wrote around them stays."""

from pathlib import Path
from typing import Final

from bench.report import Report
from bench.targets import verdicts

__all__ = ["PAGE", "figures", "with_figures"]

PAGE: Final = Path(__file__).resolve().parents[2] / "deploy" / "BENCHMARKS.md"
_BEGIN: Final = "<!-- figures: written by make bench, not by hand -->\n"
_END: Final = "<!-- end of the figures -->\n"


def figures(report: Report) -> str:
    """What a run measured, as text."""
    lines = [f"`{report.command}`, {report.at}", "", "```", *report.machine.lines(), "```", ""]
    lines += [report.caution(), ""] if report.caution() else []
    lines += ["## Targets", "", "```", *verdicts(report), "```", ""]
    for part in report.parts:
        title, *rest = part.lines()
        lines += [f"## {part.name}", "", f"{title}.", "", "```", *rest, "```", ""]
    return "\n".join(lines)


def with_figures(page: str, report: Report) -> str:
    """The page with the figures of this run in place of those of an earlier one.

    Raises:
        ValueError: the page has no place for figures.
    """
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"the page has not both marks, {_BEGIN.strip()!r} and {_END.strip()!r}")
    return f"{before}{begin}\n{figures(report)}\n{end}{after}"

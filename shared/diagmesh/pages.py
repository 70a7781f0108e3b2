"""The page of a rule: Markdown beside its module, shown by `diagmesh explain`, and the source of its advice."""

import re
import shlex
from collections.abc import Collection, Iterable, Mapping
from importlib import resources
from typing import Final

import msgspec

from diagmesh.contract.findings import Advice
from diagmesh.errors import DiagmeshError

__all__ = ["SECTIONS", "Page", "advice_for", "page_of", "parse_page", "unsaid"]

SECTIONS: Final = (
    "What should hold",
    "What it means",
    "How it was seen",
    "What looks similar",
    "Now",
    "Soon",
    "Later",
)
"""The sections that every page has, in this order."""

_HEADING: Final = re.compile(r"^## (.+)$", re.MULTILINE)
_BULLET: Final = re.compile(r"^- (.*(?:\n {2,}\S.*)*)", re.MULTILINE)
_COMMAND: Final = re.compile(r"`[^`]+`")


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about one finding.

    Args:
        title: its first heading (code and title).
        sections: text by heading.
        text: the whole page, Markdown.
    """

    title: str
    sections: dict[str, str]
    text: str

    def advice(self) -> Advice:
        """The bullets of the last three sections."""
        return Advice(now=self._bullets("Now"), soon=self._bullets("Soon"), later=self._bullets("Later"))

    def _bullets(self, section: str) -> tuple[str, ...]:
        return tuple(" ".join(found.split()) for found in _BULLET.findall(self.sections[section]))


def advice_for(advice: Advice, service: str, instance: str, names: Mapping[str, str] | None = None) -> Advice:
    """The same advice for one instance: the examples in the commands of a page become what they stand for.

    Args:
        advice: of the page.
        service: that ``orders`` stands for.
        instance: that ``orders/i1`` stands for.
        names: what else the page names as an example (``ORDERS``, ``HOST``), and what that is here.
    """
    meant = {example: shlex.quote(name) for example, name in (names or {}).items()}
    meant |= {"orders": service, "orders/i1": f"{service}/{instance}"}
    longest_first = "|".join(re.escape(example) for example in sorted(meant, key=len, reverse=True))
    example = re.compile(rf"(?<![\w-])(?:{longest_first})(?![\w/-])")

    def line(text: str) -> str:
        return _COMMAND.sub(lambda command: example.sub(lambda found: meant[found[0]], command[0]), text)

    now, soon, later = (tuple(line(text) for text in part) for part in (advice.now, advice.soon, advice.later))
    return Advice(now=now, soon=soon, later=later)


def unsaid(lines: Iterable[str], steps: Collection[str]) -> tuple[str, ...]:
    """The lines without those whose commands all stand in the steps."""
    said = {command for step in steps for command in _COMMAND.findall(step)}
    return tuple(line for line in lines if not (found := set(_COMMAND.findall(line))) or found - said)


def parse_page(text: str, code: str) -> Page:
    """A page from its Markdown.

    Raises:
        DiagmeshError: it is for another code, or a section is missing or empty; the message says which.
    """
    title, _, _ = text.partition("\n")
    if not title.startswith(f"# {code} "):
        raise DiagmeshError(f"the page of {code} must begin with '# {code} …', not with {title!r}")
    parts = _HEADING.split(text)
    sections = {name: body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)}
    if tuple(sections) != SECTIONS:
        raise DiagmeshError(f"the page of {code} must have the sections {', '.join(SECTIONS)}, in this order")
    if empty := [name for name, body in sections.items() if not body]:
        raise DiagmeshError(f"the page of {code}: empty: {', '.join(empty)}")
    return Page(title=title.removeprefix("# "), sections=sections, text=text)


def page_of(module: str, code: str) -> Page:
    """The page that lies beside a rule's module, under its name.

    Raises:
        DiagmeshError: there is none, or it is not of the form of a page.
    """
    package, _, name = module.rpartition(".")
    try:
        text = resources.files(package or module).joinpath(f"{name}.md").read_text(encoding="utf-8")
    except (OSError, ModuleNotFoundError):
        raise DiagmeshError(f"the page of {code} is missing: {name}.md beside {module}") from None
    return parse_page(text, code)

"""The report as one HTML document: everything escaped, everything inside, and a policy that forbids all else."""

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from importlib import resources
from typing import Final

from markdown_it import MarkdownIt
from minijinja import Environment

from diagmesh.contract.verdicts import Check
from diagmesh_cli.report.context import Made, context_of
from diagmesh_cli.terminal import BIDI

__all__ = ["NO_HTML", "html_of"]

_HERE: Final = resources.files("diagmesh_cli.report")
_FIRST_PRINTABLE: Final = 0x20
_CONTROL: Final = (*(code for code in range(_FIRST_PRINTABLE) if chr(code) not in "\t\n"), *range(0x7F, 0xA0))
NO_HTML: Final = dict.fromkeys((*_CONTROL, *map(ord, BIDI)), "\N{REPLACEMENT CHARACTER}")
"""Characters that no HTML document may hold, and those that turn the writing round: a name could forge another."""
_BELOW_PAGE: Final = 2
"""By how many levels the headings of a page are lower inside the report."""


def html_of(check: Check, made: Made, pages: Mapping[str, str]) -> str:
    """The document.

    Args:
        check: what was said.
        made: how it came about.
        pages: the Markdown of the page of each rule known here.
    """
    markdown = _markdown()
    style = _text("report.css")
    environment = Environment(
        templates={"report.html": _text("report.html.j2")},
        undefined_behavior="strict",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    context = context_of(check, made, pages, markdown.renderInline, lambda text: _block(markdown, text))
    document = environment.render_template("report.html", style=style, style_hash=_hash(style), **context)
    return document.translate(NO_HTML)


def _markdown() -> MarkdownIt:
    """Markdown without raw HTML, and without links and pictures: an address is shown as it is written."""
    rules = ("link", "image", "autolink", "reference", "html_block", "html_inline")
    return MarkdownIt("commonmark", {"html": False}).enable("table").disable(list(rules))


def _block(markdown: MarkdownIt, text: str) -> str:
    tokens = markdown.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1:]) + _BELOW_PAGE)}"
    return str(markdown.renderer.render(tokens, markdown.options, {}))


def _hash(style: str) -> str:
    """Of the one style sheet that the policy allows."""
    return f"sha256-{b64encode(hashlib.sha256(style.encode()).digest()).decode()}"


def _text(name: str) -> str:
    return _HERE.joinpath(name).read_text(encoding="utf-8")

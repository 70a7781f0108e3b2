"""The HTML report: to the letter, everything escaped, nothing from outside. DIAGMESH_UPDATE_GOLDEN=1 writes it anew."""

import os
import re
import sys
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from diagmesh.contract.findings import Advice, Fact, Finding, FindingClass, Severity
from diagmesh.contract.mesh import Ended, NotAsked, Silent
from diagmesh.contract.verdicts import Check, NotJudged, RuleVerdict, Suppressed, Verdict
from diagmesh_cli.report.context import Made, context_of
from diagmesh_cli.report.render import html_of
from diagmesh_cli.reports import Reports
from diagmesh_cli.trouble import UsageError
from support.replies import CHECK, NOT_ASKED, NOW, SILENT

GOLDEN = Path(__file__).parent / "golden" / "report.html"
UPDATE = bool(os.environ.get("DIAGMESH_UPDATE_GOLDEN"))  # read before the tests are given a clean environment
MADE = Made(at=NOW, mesh="nats://127.0.0.1:4222", coordinator="c1", took_ms=88.0, version="0.1.0")
PAGES = {"PROC-002": "# PROC-002 Process is stopped\n\n## Now\n\n- Let it run on: `kill -CONT PID`.\n"}
HOSTILE = "<script>alert(1)</script><img src=http://example.invalid/x onerror=alert(1)>\"'&lt;{{ 7 * 7 }}"


class Outline(HTMLParser):
    """The tags, attributes and text of a document."""

    def __init__(self, document: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


def saying(text: str, advice: str = "do it") -> tuple[Check, Made]:
    """A check that says this wherever somebody else has the word."""
    finding = Finding(
        code="RES-001",
        severity=Severity.ERROR,
        class_=FindingClass.CRASH,
        title=text,
        instances=(text,),
        evidence=(Fact(what=text, value=text, at=text), Fact(what="x", value=2.0, unit=text, limit=1.0)),
        advice=Advice(now=(advice,)),
    )
    missing = (NotJudged(instance=text, why=text), NotJudged(instance=text, why=text, again_in_s=1.0))
    check = Check(
        findings=(finding,),
        verdicts=(
            RuleVerdict(code=text, title=text, verdict=Verdict.BROKEN, reason=text),
            RuleVerdict(code="RES-001", title=text, verdict=Verdict.FOUND, not_judged=missing),
        ),
        suppressed=(Suppressed(code=text, instances=(text,), why=text),),
        asked=(text,),
        expected=1,
        silent=(Silent(service=text, instance=text, reason=text),),
        not_asked=(NotAsked(service=text, instance=text, reason=text),),
        notes=(text,),
    )
    return check, Made(at=NOW, mesh=text, target=text, codes=(text,), coordinator=text, version=text)


def document(text: str, advice: str = "do it") -> Outline:
    return Outline(html_of(*saying(text, advice), {}))


def title_of(check: Check) -> tuple[str, str]:
    context = context_of(check, MADE, {}, str, str)
    return context["title"], context["mood"]


def test_the_report_to_the_letter() -> None:
    made = re.sub(r"<style>.*?</style>", "<style></style>", html_of(CHECK, MADE, PAGES), flags=re.DOTALL)
    made = re.sub(r"'sha256-[^']*'", "'sha256-'", made)
    if UPDATE:
        GOLDEN.write_text(made, encoding="utf-8")
    assert made == GOLDEN.read_text(encoding="utf-8")


@given(st.text(min_size=1))
@example(HOSTILE)
@example("\x00\x1b[31m")
def test_any_text_stays_text(text: str) -> None:
    seen, harmless = document(text), document("harmless")
    assert seen.tags == harmless.tags
    assert [name for name, _ in seen.attributes] == [name for name, _ in harmless.attributes]
    assert {value for name, value in seen.attributes if name == "href"} <= {
        f"#{name}" for name in ("findings", "not-judged", "silent", "not-asked", "rules", "suppressed", "about")
    }


def test_what_others_say_is_there_as_they_said_it() -> None:
    assert document(HOSTILE).text.count(HOSTILE) > 10


def test_writing_is_not_turned_round() -> None:
    seen = document("orders/\u202e1i\u2066\x9b")
    assert "orders/\ufffd1i\ufffd\ufffd" in seen.text
    assert not set("\u202e\u2066\x9b") & set(seen.text)


def test_who_is_silent_for_one_reason_is_told_once() -> None:
    many = tuple(
        Silent(service="orders", instance=f"i{number}", reason="not connected: x y z") for number in range(300)
    )
    outline = Outline(html_of(Check(findings=(), verdicts=(CLEAR,), expected=300, silent=many), MADE, {}))
    assert outline.text.count("x y z") == 1
    assert all(f"orders/i{number}" in outline.text for number in (0, 299))


def test_what_concerns_a_whole_service_is_told_by_its_name() -> None:
    check, made = saying("x")
    lacking = msgspec.structs.replace(check.findings[0], instances=("orders/", "orders/i1"))
    page = html_of(msgspec.structs.replace(check, findings=(lacking,)), made, {})
    assert page.count("<li>orders</li><li>orders") == 1


def test_who_was_not_asked_is_told_with_the_reason() -> None:
    outline = Outline(html_of(Check(verdicts=(CLEAR,), expected=9, not_asked=NOT_ASKED), MADE, {}))
    assert outline.text.count("it was interrupted before") == 1
    assert all(f"orders/{name}" in outline.text for name in ("odd", "i2", "i8"))
    assert {("id", "not-asked"), ("href", "#not-asked")} <= set(outline.attributes)
    assert "Not asked" not in Outline(html_of(Check(verdicts=(CLEAR,), expected=9), MADE, {})).text


def test_an_empty_mesh_is_not_told_as_one_that_was_heard() -> None:
    outline = Outline(html_of(Check(findings=(), verdicts=(CLEAR,), expected=0), MADE, {}))
    assert "Nobody was expected." in outline.text
    assert "all who were expected" not in outline.text


@pytest.mark.parametrize(
    "advice",
    [
        HOSTILE,
        "[click](http://example.invalid/)",
        "![x](http://example.invalid/x.png)",
        "<http://example.invalid/>",
        "[click](javascript:alert(1))",
    ],
)
def test_advice_and_pages_have_no_raw_html_links_or_pictures(advice: str) -> None:
    allowed = {*document("x").tags, "code", "em", "strong", "article", "section", "h3", "h4"}
    check, made = saying("x", advice)
    seen = Outline(html_of(check, made, {"RES-001": f"# RES-001 x\n\n{advice}\n\n{HOSTILE}\n\n[ref]: http://x/\n"}))
    assert set(seen.tags) <= allowed
    assert not [value for name, value in seen.attributes if name in ("href", "src") and not value.startswith("#")]
    plain = advice.replace("&lt;", "<")  # an entity is Markdown too
    assert seen.text.count(plain) == (3 if advice == HOSTILE else 2), "in the advice and on the page"


def test_commands_in_advice_are_shown_as_code_and_headings_of_pages_are_lowered() -> None:
    made = html_of(CHECK, MADE, PAGES)
    assert "<code>kill -CONT PID</code>" in made
    assert "<h4>Now</h4>" in made
    assert 'href="#page-PROC-002"' in made
    assert 'href="#page-RES-001"' not in made, "its page is not known here"


def test_the_policy_allows_this_style_and_nothing_else() -> None:
    seen = Outline(html_of(CHECK, MADE, PAGES))
    (policy,) = (value for name, value in seen.attributes if name == "content" and "default-src" in value)
    style = re.search(r"<style>(.*?)</style>", html_of(CHECK, MADE, PAGES), re.DOTALL)
    assert style is not None
    digest = b64encode(sha256(style[1].encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert not {"script", "link", "img", "iframe", "form", "object"} & set(seen.tags)
    assert "style" not in {name for name, _ in seen.attributes}
    assert "url(" not in style[1]
    assert "@import" not in style[1]


CLEAR = RuleVerdict(code="RES-001", title="t", verdict=Verdict.CLEAR, judged=("orders/i1",))
BLIND = RuleVerdict(code="RES-001", title="t", verdict=Verdict.BLIND, reason="nobody answered")
YOUNG = NotJudged(instance="orders/i1", why="too few samples", again_in_s=2.4)


@pytest.mark.parametrize(
    ("fields", "title", "mood"),
    [
        ({"verdicts": (CLEAR,)}, "all clear", "clear"),
        ({"verdicts": (BLIND,)}, "no findings, but not everything could be judged", "unsure"),
        ({"verdicts": (CLEAR,), "silent": SILENT}, "no findings, but not everything could be judged", "unsure"),
        ({"verdicts": (CLEAR,), "not_asked": NOT_ASKED}, "no findings, but not everything could be judged", "unsure"),
        ({"verdicts": (CLEAR,), "ended": Ended.TIMEOUT}, "no findings, but not everything could be judged", "unsure"),
        (
            {"verdicts": (msgspec.structs.replace(CLEAR, not_judged=(YOUNG,), again_in_s=2.4),)},
            "no findings so far: too young to judge everything, ask again in 3 s",
            "unsure",
        ),
        ({"verdicts": (CLEAR,), "expected": 0}, "nobody was there to judge", "unsure"),
        ({"findings": CHECK.findings, "expected": 0}, "2 findings", "critical"),
    ],
)
def test_what_was_not_judged_is_never_called_clear(fields: dict[str, object], title: str, mood: str) -> None:
    assert title_of(msgspec.convert({"expected": 1} | msgspec.to_builtins(fields), Check)) == (title, mood)


FLOATS = st.floats(allow_nan=False, allow_infinity=False)  # there are no others on the wire
VALUES = st.one_of(st.integers(-(2**63), 2**64), FLOATS, st.none(), st.booleans(), st.text())


@given(VALUES, st.one_of(FLOATS, st.none()))
@example(1e308, 1e-308)
def test_a_bar_stays_inside_its_plot(value: float | str | bool | None, limit: float | None) -> None:
    finding = msgspec.structs.replace(CHECK.findings[0], evidence=(Fact(what="x", value=value, unit="u", limit=limit),))
    (seen,) = context_of(msgspec.structs.replace(CHECK, findings=(finding,)), MADE, {}, str, str)["findings"]
    bar = seen["facts"][0]["bar"]
    assert bar is None or all(0 <= float(length) <= 100 for length in bar)
    drawn = isinstance(value, int | float) and not isinstance(value, bool) and limit is not None
    assert (bar is not None) == (drawn and float(value or 0) >= 0 and (limit or 0) > 0)


def test_long_evidence_is_all_there_the_rest_folded() -> None:
    facts = tuple(Fact(what=f"fact number {number}", value=number) for number in range(100))
    finding = msgspec.structs.replace(CHECK.findings[0], evidence=facts)
    seen = Outline(html_of(msgspec.structs.replace(CHECK, findings=(finding,)), MADE, {}))
    assert all(f"fact number {number}" in seen.text for number in range(100))
    assert "70 more seen" in seen.text


def test_the_files_are_whole_and_one_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("old")
    reports = Reports(html=tmp_path / "report.html", junit=tmp_path / "junit.xml")
    reports.ready()
    reports.write(CHECK, MADE, Severity.WARNING)
    assert "What the findings mean" in (tmp_path / "report.html").read_text(), "with the pages that are installed"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["junit.xml", "report.html"], "nothing is left beside"
    for file, why in ((tmp_path / "nowhere" / "r.html", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(UsageError, match=rf"--html .*{why}"):
            Reports(html=file).write(CHECK, MADE, Severity.WARNING)


def test_a_missing_package_is_told_before_anybody_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "diagmesh_cli.report.render", raising=False)
    monkeypatch.setitem(sys.modules, "minijinja", None)
    with pytest.raises(UsageError, match=r"--html needs minijinja: install it with  pip install 'diagmesh\[html\]'"):
        Reports(html=Path("report.html")).ready()
    Reports(junit=tmp_path / "junit.xml").ready()

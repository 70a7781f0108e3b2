"""What the pages of the rules say can be typed: each command parses, each subject and setting is one of ours."""

import re
import shlex
import tomllib
from typing import Final

import msgspec
import pytest

from diagmesh.client.kinds import COORDINATOR_KINDS, ITSELF
from diagmesh.contract.names import check_token
from diagmesh.diagnose import Engine
from diagmesh.packs import load_agents, load_rules
from diagmesh.settings import RuleSettings
from diagmesh_agents._arguments import parse
from diagmesh_cli.app import make_app, options_last

PACK = load_rules()
KINDS: Final = {*load_agents().agents, *COORDINATOR_KINDS, ITSELF}
SPANS: Final = {
    code: [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", page.text)] for code, page in PACK.pages.items()
}
COMMAND: Final = re.compile(r"(?:watch -n \d+ )?(diagmesh .+)")
SUBJECT: Final = re.compile(r"(?<![\w.-])diag\.[^\s'`]+")


def commands(code: str) -> list[list[str]]:
    """The words of each diagmesh command of a page, without the program."""
    found = [COMMAND.fullmatch(part.strip()) for span in SPANS[code] for part in re.split(r"[|;&]+", span)]
    return [shlex.split(one[1])[1:] for one in found if one is not None]


def complaint(words: list[str]) -> str:
    """What is wrong with a command; empty when nothing is."""
    command, arguments = words[0], [word for word in words[1:] if not word.startswith("-")]
    if command == "sidecar":
        parse(words[1:])
        return ""
    if command == "coordinator":
        return "a process, not a command"
    make_app().parse_args(options_last(words))
    if command == "ask":
        kind, _, target = " ".join(arguments[:2]).partition(" ")
        if kind not in KINDS:
            return f"no kind {kind}"
        for token in filter(None, target.split("/")):
            check_token(token, "target")
    if command == "explain" and arguments and arguments[0] not in PACK.rules:
        return f"no code {arguments[0]}"
    return ""


def subject_complaint(subject: str) -> str:
    """What is wrong with a subject; empty when nothing is."""
    tokens = subject.split(".")
    if len(tokens) not in (3, 4):
        return f"{subject} has {len(tokens)} tokens"
    _, service, kind, *instance = tokens
    for token in (service, *instance):
        check_token(token, "token", reserved_ok=True)
    return "" if kind in KINDS else f"{subject}: no kind {kind}"


@pytest.mark.parametrize("code", sorted(PACK.pages))
def test_the_commands_of_a_page_can_be_typed(code: str) -> None:
    for words in commands(code):
        assert complaint(words) == "", f"{code}: diagmesh {shlex.join(words)}"


def test_commands_are_found_at_all() -> None:
    assert sum(len(commands(code)) for code in PACK.pages) >= len(PACK.pages)
    assert [code for code, spans in SPANS.items() if not spans] == []


@pytest.mark.parametrize(
    "words", ["ask wealth orders/i1", "ask health Orders", "explain RES-999", "coordinator --state x"]
)
def test_a_command_that_means_nothing_is_told(words: str) -> None:
    with pytest.raises(Exception, match=r"no kind|no code|a process|Orders"):
        raise ValueError(complaint(words.split()))


@pytest.mark.parametrize(
    "words", ["ask", "ask health --no-such-flag", "check --fail-on never", "no-such-command", "sidecar -- x"]
)
def test_a_command_that_cannot_be_typed_is_refused(words: str) -> None:
    with pytest.raises(Exception, match=r"(?i)unknown|missing|requires|invalid|unused|no-such|no target"):
        complaint(words.split())


@pytest.mark.parametrize("code", sorted(PACK.pages))
def test_the_subjects_of_a_page_are_subjects(code: str) -> None:
    for subject in SUBJECT.findall(PACK.pages[code].text):
        assert subject_complaint(subject) == ""


def test_subjects_are_told_apart() -> None:
    assert subject_complaint("diag.orders.health.all") == ""
    assert subject_complaint("diag.mesh.check") == ""
    assert "no kind" in subject_complaint("diag.orders.wealth")
    assert "tokens" in subject_complaint("diag.orders")


def test_a_code_that_a_page_names_exists() -> None:
    codes = {(code, name) for code, page in PACK.pages.items() for name in re.findall(r"\b[A-Z]+-\d{3}\b", page.text)}
    assert [one for one in sorted(codes) if one[1] not in PACK.rules] == []


def test_the_settings_of_a_page_are_settings() -> None:
    told = [(code, span) for code, spans in SPANS.items() for span in spans if "rules" in span and "code =" in span]
    assert told
    for code, span in told:
        settings = msgspec.convert(tomllib.loads(span)["rules"], tuple[RuleSettings, ...])
        assert [one.code for one in settings] == [code]
        assert Engine(PACK, settings).rules


def test_a_threshold_that_a_page_names_is_one_of_its_rule() -> None:
    for code, page in PACK.pages.items():
        limits = {field.name for field in msgspec.structs.fields(PACK.rules[code].limits)}
        named = set(re.findall(r"\(`([a-z_]+)`", page.sections["What should hold"]))
        assert named <= limits, f"{code}: {named - limits}"

"""What people and programs hand to us: settings, keys, flags, pages, requests over HTTP, the output of a service."""

import base64
import contextlib
import io
import json
import os
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Final

from diagmesh import keys
from diagmesh.accept import check_coordinator, listening_at, log_number
from diagmesh.adapters.ways import way_of
from diagmesh.bus.nats.usable import check_usable
from diagmesh.contract.codec import encode
from diagmesh.contract.findings import Advice, Fact, Finding, FindingClass, Severity
from diagmesh.contract.mesh import Ended
from diagmesh.contract.verdicts import Check, RuleVerdict, Verdict
from diagmesh.errors import DiagmeshError, SettingsError
from diagmesh.keys import read_seed
from diagmesh.pages import SECTIONS, parse_page
from diagmesh.settings import CoordinatorSettings, NatsSettings, SidecarSettings, load
from diagmesh_agents._arguments import parse as sidecar_arguments
from diagmesh_agents._launcher.area import STREAMS, Area
from diagmesh_agents._launcher.memory import Memory
from diagmesh_agents._launcher.plan import Plan
from diagmesh_agents._launcher.redact import harmless, redact
from diagmesh_agents._launcher.words import last_words
from diagmesh_cli.commands.ask import question_of
from diagmesh_cli.junit import junit_of
from diagmesh_cli.local import issued
from diagmesh_cli.trouble import UsageError
from diagmesh_coordinator.arguments import parse as coordinator_arguments
from diagmesh_coordinator.web import Page, Web
from fuzz.local import in_file
from fuzz.target import Target, text_of

__all__ = ["TARGETS"]

_SIDECAR: Final = b"""heartbeat_s = 2.0
operators = ["UA"]
[nats]
url = "nats://a:4222,nats://b:4222"
[[targets]]
service = "orders"
instance = "i1"
port = 8080
labels = { zone = "a" }
[[targets.probes]]
http = "http://127.0.0.1:8080/healthz"
headers = { X = "file:/dev/null" }
[[rules]]
code = "RES-001"
limits = { share = 0.5 }
"""
_COORDINATOR: Final = b'instance = "c1"\nreplicas = { orders = 3 }\nmetrics = "127.0.0.1:9464"\nlog_level = "debug"\n'
_PANIC: Final = (
    b"starting\npanic: runtime error: index out of range [5] with length 3\n\ngoroutine 1 [running]:\nmain.main()\n"
    b"\t/src/main.go:7 +0x1d\nexit status 2\n"
)
_FATAL: Final = (
    b"fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 [chan receive]:\nmain.main()\n\t/x.go:3\n"
)
_SIGNAL: Final = b"SIGQUIT: quit\nPC=0x46 m=0 sigcode=0\n\ngoroutine 0 [idle]:\nrax    0x0\nrip    0x46\n"
_SECRETS: Final = (
    b'{"password": "hunter2hunter2", "tokens": ["hunter2hunter2"]} postgres://u:hunter2hunter2@db/x '
    b"Authorization: Bearer hunter2hunter2 --api-key hunter2hunter2 pwd=hunter2hunter2"
)
_CLAIMS: Final = base64.urlsafe_b64encode(b'{"exp":4102444800,"sub":"U"}').rstrip(b"=")
_CREDS: Final = (
    b"-----BEGIN NATS USER JWT-----\neyJ0.%s.c2ln\n------END NATS USER JWT------\n\n"
    b"-----BEGIN USER NKEY SEED-----\n" + keys.generate().seed + b"\n------END USER NKEY SEED------\n"
)
_PAGE: Final = (
    "# RES-001 CPU is saturated\n\n" + "".join(f"## {name}\n\n- do `x orders/i1`\n\n" for name in SECTIONS)
).encode()


def _settings(data: bytes) -> None:
    def read(file: Path) -> None:
        with contextlib.suppress(SettingsError):
            coordinator = load(CoordinatorSettings, str(file), {})
            check_coordinator(coordinator)
            encode(coordinator)
        with contextlib.suppress(SettingsError):
            sidecar = load(SidecarSettings, str(file), {})
            log_number(sidecar.log_level)
            for target in sidecar.targets:
                way_of(target)
            encode(sidecar)
        with contextlib.suppress(SettingsError):
            load(SidecarSettings, None, {"DIAGMESH_" + text_of(data)[:40].replace("\0", ""): text_of(data)})

    in_file(data, read)


def _key_files(data: bytes) -> None:
    def read(file: Path) -> None:
        with contextlib.suppress(SettingsError):
            read_seed(file)
        for given in (NatsSettings(nkey_file=str(file)), NatsSettings(creds_file=str(file))):
            try:
                check_usable(given)
            except SettingsError as error:
                assert text_of(data)[:40] not in str(error) or len(data) < 20  # nothing of a secret is repeated

    in_file(data, read)


def _flags(data: bytes) -> None:
    words = [word for word in text_of(data).replace("\0", "").split("\n") if word != "--config"][:20]
    for parse in (sidecar_arguments, coordinator_arguments):
        nowhere = io.StringIO()
        # Help ends the program, and so does what is no flag.
        with (
            contextlib.suppress(SettingsError, SystemExit),
            contextlib.redirect_stdout(nowhere),
            contextlib.redirect_stderr(nowhere),
        ):
            parse(words)
    with contextlib.suppress(SettingsError):
        host, port = listening_at(text_of(data))
        assert isinstance(host, str)
        assert 0 <= port < 65536
    with contextlib.suppress(UsageError):
        encode(question_of(tuple(words), "normal"))


def _manifest(data: bytes) -> None:
    with tempfile.TemporaryDirectory(prefix="diagmesh-fuzz-") as folder:
        Path(folder, "issued.json").write_bytes(data)
        with contextlib.suppress(SettingsError):
            encode(issued.load(Path(folder)))


def _page(data: bytes) -> None:
    with contextlib.suppress(DiagmeshError):
        parse_page(text_of(data), "RES-001")


def _http(data: bytes) -> None:
    web = Web("127.0.0.1", 0, {"/metrics": lambda accept: Page(accept.encode("utf-8", "replace"))})
    for head in (data + b"\r\n\r\n", b"GET /metrics HTTP/1.1\r\nAccept: " + data + b"\r\n\r\n"):
        said = web._answer(head)
        assert said.startswith(b"HTTP/1.1 ")
        assert b"\r\n\r\n" in said


def _junit(data: bytes) -> None:
    text = text_of(data)
    finding = Finding(
        code="RES-001",
        severity=Severity.WARNING,
        class_=FindingClass.RESOURCE_EXHAUSTION,
        title=text,
        instances=(text,),
        evidence=(Fact(what=text, value=1.0),),
        advice=Advice(now=(text,)),
    )
    verdicts = [
        RuleVerdict(code="RES-001", title=text, verdict=Verdict.FOUND),
        RuleVerdict(code="RES-002", title=text, verdict=Verdict.BROKEN, reason=text),
        RuleVerdict(code="RES-003", title=text, verdict=Verdict.BLIND, reason=text),
    ]
    check = Check(findings=(finding,), verdicts=tuple(verdicts), ended=Ended.COMPLETE)
    written = ET.tostring(junit_of(check, Severity.WARNING, 0.1), encoding="utf-8", xml_declaration=True)
    assert len(ET.fromstring(written).findall("testsuite/testcase")) == 3  # noqa: S314  our own


def _redact(data: bytes) -> None:
    said = redact(harmless(data + b"\n" + _SECRETS))
    if b'"' not in data and b"'" not in data and b"-----BEGIN" not in data and b"[" not in data:
        assert "hunter2hunter2" not in said, said
    assert all(one.isprintable() or one in "\n\t" or one.isspace() or ord(one) > 0x9F for one in harmless(data))


def _words(data: bytes) -> None:
    """Output in pieces, as it comes through the pipes."""
    descriptor = Memory.create()
    try:
        memory = Memory(descriptor)
    finally:
        os.close(descriptor)
    try:
        for number, piece in enumerate(data.split(b"\0")):
            memory.of_pump.add(STREAMS[1 - number % 2], piece)
        said = last_words([memory.of_pump, memory.of_launcher], 0)
        assert len(said.text.encode()) <= 8 * 1024
        assert said.kept_bytes == len(data.replace(b"\0", b""))
        json.dumps(said.text)
    finally:
        memory.close()


def _memory(data: bytes) -> None:
    """Whoever wrote the shared memory may have been killed in the middle."""
    descriptor = Memory.create()
    try:
        memory = Memory(descriptor)
    finally:
        os.close(descriptor)
    try:
        memory.tell({"exits": []})
        whole = memory._memory
        for at in (4096, memory.of_pump._at, memory.of_pump._at + 64):
            whole[at : at + min(len(data), 2048)] = data[:2048]
        memory.state()
        for area in (memory.of_pump, memory.of_launcher):
            assert isinstance(area, Area)
            area.frames()
            area.head()
    finally:
        memory.close()


def _plan(data: bytes) -> None:
    text = text_of(data)
    plan = Plan(text, "i1", [text, "x"], [text], text, 1.5, True, [3])
    assert Plan.decode(plan.encode()) == plan


TARGETS: Final = (
    Target(
        "settings",
        _settings,
        (
            "diagmesh.settings.reading",
            "diagmesh.settings.nats",
            "diagmesh.adapters.ways",
            "diagmesh_cli.commands.config_check",
        ),
        (_SIDECAR, _COORDINATOR),
    ),
    Target(
        "key-files",
        _key_files,
        ("diagmesh.keys", "diagmesh.bus.nats.usable"),
        (
            keys.generate().seed + b"\n",
            _CREDS % _CLAIMS,
            _CREDS % base64.urlsafe_b64encode(b'{"exp":-99999999999999}').rstrip(b"="),
            _CREDS % base64.urlsafe_b64encode(b'{"x":' + b"[" * 3000),
            b"SUAAAA\n",
        ),
    ),
    Target(
        "flags",
        _flags,
        (
            "diagmesh_agents._arguments",
            "diagmesh_coordinator.arguments",
            "diagmesh_cli.commands.ask",
            "diagmesh.accept",
        ),
        (
            b"--service\norders\n--port\n80\n--label\na=b",
            b"--metrics\n9464\n--instance\nc1",
            b"window_s=60\nx={}",
            b"[::1]:80",
        ),
    ),
    Target(
        "manifest",
        _manifest,
        ("diagmesh_cli.local.issued",),
        (
            b'{"layout":"simple","services":["orders"],"url":"nats://x:1","keys":{"reader":["U"]}}',
            b'{"x":' + b"[" * 3000,
        ),
    ),
    Target("page", _page, ("diagmesh.pages",), (_PAGE,)),
    Target(
        "http-head",
        _http,
        ("diagmesh_coordinator.web",),
        (b"GET /metrics HTTP/1.1\r\nHost: x", b"HEAD / HTTP/1.0", b"\x16\x03\x01"),
    ),
    Target("junit", _junit, ("diagmesh_cli.junit",), ("<a> & ü \x00\ufffe".encode(), b"]]>")),
    Target("redact", _redact, ("diagmesh_agents._launcher.redact",), (_SECRETS, _PANIC)),
    Target(
        "last-words",
        _words,
        ("diagmesh_agents._launcher.words", "diagmesh_agents._launcher.area"),
        (_PANIC, _FATAL, _SIGNAL, b"a\0b\0" + _PANIC),
    ),
    Target("launcher-memory", _memory, ("diagmesh_agents._launcher.memory",), (b"\1" + b"\0" * 31, b"\xff" * 64)),
    Target("launcher-plan", _plan, ("diagmesh_agents._launcher.plan",), (b"orders", b'"\\')),
)

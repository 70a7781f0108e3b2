"""How a service ended is told from what is known, and never guessed; secrets in its last words are not told."""

import signal
from mmap import mmap
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagmesh.contract.answers.health import LastExit
from diagmesh.errors import SettingsError
from diagmesh_agents._arguments import parse
from diagmesh_agents._launcher import oom
from diagmesh_agents._launcher.area import AREA_BYTES, Area
from diagmesh_agents._launcher.endings import code_of, ending, in_words
from diagmesh_agents._launcher.oom import OomCount
from diagmesh_agents._launcher.plan import Plan
from diagmesh_agents._launcher.record import default_directory
from diagmesh_agents._launcher.redact import harmless, redact
from diagmesh_agents._launcher.service import oom_before
from diagmesh_agents._launcher.words import LastWords, last_words

NONE, PANIC = LastWords("", "", 0), LastWords("panic: boom\n", "panic: boom\n\ngoroutine 1 [running]:\n", 12)
FATAL = LastWords("", "fatal error: all goroutines are asleep - deadlock!\n", 0)
KILLED = LastWords("", "SIGSEGV: segmentation violation\nPC=0x47 m=0 sigcode=0\n", 0)
CORE = 0x80
COUNTED, ROSE = OomCount("/sys/fs/cgroup/x", 3, 9), OomCount("/sys/fs/cgroup/x", 4, 10)

ENDINGS = [
    (0 << 8, NONE, ROSE, "", "clean", "it ended with exit code 0", 0),
    (3 << 8, NONE, ROSE, "", "exit", "it ended with exit code 3", 3),
    (2 << 8, PANIC, COUNTED, "", "panic", "it panicked: boom", 2),
    (1 << 8, PANIC, COUNTED, "", "exit", "it ended with exit code 1", 1),
    (2 << 8, FATAL, COUNTED, "", "fatal-error", "it ended with a Go fatal error: all goroutines are asleep", 2),
    (signal.SIGABRT | CORE, PANIC, COUNTED, "", "panic", "it panicked: boom (core dumped)", 134),
    (2 << 8, KILLED, COUNTED, "", "signal", "it was ended by SIGSEGV", 2),
    (3 << 8, KILLED, COUNTED, "", "exit", "it ended with exit code 3", 3),
    (signal.SIGABRT | CORE, KILLED, COUNTED, "", "signal", "it was ended by SIGABRT (core dumped)", 134),
    (signal.SIGKILL, NONE, COUNTED, "", "signal", "it was ended by SIGKILL", 137),
    (signal.SIGKILL, NONE, ROSE, "", "oom-kill", "the kernel killed it for want of memory", 137),
    (signal.SIGTERM, NONE, ROSE, "SIGTERM", "signal", "it was ended by SIGTERM", 143),
    (signal.SIGSEGV | CORE, NONE, COUNTED, "", "signal", "it was ended by SIGSEGV (core dumped)", 139),
]


@pytest.mark.parametrize(("status", "words", "after", "asked", "reason", "sentence", "code"), ENDINGS)
def test_ends_are_told_apart(
    status: int, words: LastWords, after: OomCount, asked: str, reason: str, sentence: str, code: int
) -> None:
    told = ending(status, words, COUNTED, after, asked)
    assert told["reason"] == reason
    assert in_words(told).startswith(sentence)
    assert code_of(status) == code
    last = msgspec.convert(told, LastExit)
    assert last.asked is bool(asked)
    assert last.core_dumped is bool(status & CORE)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (COUNTED, OomCount("/sys/fs/cgroup/x", 3, 10), "not in the control group of the service"),
        (OomCount(on_machine=1), OomCount(on_machine=2), "of whom is not known"),
    ],
)
def test_a_kill_for_memory_elsewhere_on_the_machine_is_said_and_not_claimed(
    before: OomCount, after: OomCount, words: str
) -> None:
    told = ending(signal.SIGKILL, NONE, before, after, "")
    assert told["reason"] == "signal"
    assert words in told["detail"]


def test_kills_for_memory_are_counted_in_the_group_of_the_service(tmp_path: Path) -> None:
    proc, groups = tmp_path / "proc", tmp_path / "cgroup"
    for folder in (proc / "7", proc / "self", groups / "unified" / "app", groups / "memory" / "app"):
        folder.mkdir(parents=True)
    (proc / "vmstat").write_text("nr_free_pages 1\noom_kill 5\n")
    (proc / "7" / "cgroup").write_text("4:cpu,memory:/pod/app\n0::/pod/app\n")
    mounts = [
        f"30 1 0:1 /pod {groups}/unified rw - cgroup2 cgroup2 rw",
        f"31 1 0:2 /pod {groups}/memory rw - cgroup cgroup rw,memory",
        f"32 1 0:3 / {groups}/cpu rw - cgroup cgroup rw,cpu",
    ]
    (proc / "self" / "mountinfo").write_text("\n".join(mounts))
    assert oom.read(7, proc) == OomCount(on_machine=5)
    control = groups / "memory" / "app" / "memory.oom_control"
    control.write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
    before = oom.read(7, proc)
    assert before == OomCount(str(control.parent), 2, 5)
    control.write_text("oom_kill 3\n")
    assert oom.again(before, proc).in_group == 3
    (groups / "unified" / "app" / "memory.events").write_text("oom 1\noom_kill 8\n")
    (groups / "unified" / "app" / "cgroup.procs").write_text("7\n")
    assert oom.read(7, proc).in_group == 8
    assert oom.read(8, proc) == OomCount(on_machine=5), "a process that is gone"


def said(*pieces: tuple[int, bytes]) -> LastWords:
    area = Area(mmap(-1, AREA_BYTES), 0)
    for stream, data in pieces:
        area.add(stream, data)
    return last_words([area], 0)


TRACE = b"panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/main.go:7 +0x1d\n"


def test_what_go_writes_at_the_end_by_a_signal_is_the_head() -> None:
    dump = b"SIGQUIT: quit\nPC=0x47e\tm=0 sigcode=0\n\ngoroutine 0 [idle]:\n\nrax 0x1\nrip    0x47e\ngs     0x0\n"
    words = said((2, b"working\n"), (2, dump[:20]), (2, dump[20:]))
    assert words.head == words.text == dump.decode()
    assert said((2, b"SIGHUP: read again\n"), (2, TRACE)).head.startswith("panic: boom\n")
    assert said((2, dump), (2, b"it went on\n")).head == ""
    assert said((2, b"SIGTERM: leaving\nrip    0x0\n")).head == ""


@pytest.mark.parametrize(
    ("looks", "first"),
    [
        ([("", 9)], 0),
        ([("a", 1), ("b", 0), ("b", 1)], 1),
        ([("a", 1), ("b", 0), ("", 9)], 1),
        ([("b", 0), ("b", 0), ("b", 1)], 0),
    ],
)
def test_kills_for_memory_are_counted_from_a_few_looks_before_the_end(looks: list[tuple[str, int]], first: int) -> None:
    counts = [OomCount(group, count) for group, count in looks]
    assert oom_before(counts) is counts[first]


def test_last_words_are_the_end_of_both_streams_in_order() -> None:
    assert said((1, b"one\n"), (2, b"two\n"), (1, b"three\n")) == LastWords("one\ntwo\nthree\n", "", 14)
    many = said((1, b"".join(b"line %d\n" % number for number in range(10_000))))
    assert many.text.startswith("line ")
    assert many.text.endswith("line 9999\n")
    assert 8000 < len(many.text) <= 8192


def test_of_a_panic_the_beginning_is_told_also_when_a_crowd_of_goroutines_follows() -> None:
    assert said((2, b"log\n"), (2, TRACE)).text == TRACE.decode()
    crowd = said((2, TRACE), *[(2, b"\ngoroutine 9 [select]:\nmain.wait()\n\t/src/main.go:9 +0x1d\n" * 100)] * 100)
    assert crowd.head.startswith("panic: boom\n")
    assert crowd.text.startswith(TRACE.decode())
    assert crowd.text.endswith("main.go:9 +0x1d\n")
    assert len(crowd.text.encode()) <= 8192


def test_a_panic_that_was_caught_and_logged_is_not_the_end() -> None:
    assert said((2, TRACE), (2, b'{"level":"info","message":"going on"}\n')).head == ""
    assert said((2, b"panic: told by somebody, without a trace\nbye\n")).head == ""


def test_what_another_process_said_before_is_not_told() -> None:
    area = Area(mmap(-1, AREA_BYTES), 0)
    area.add(2, TRACE)
    assert last_words([area], area.head().at_ns + 1) == LastWords("", "", 0)


SECRET = "s3cr3tXYZw0rd"  # noqa: S105  made up
SEED = "SUA" + "A2" * 27 + "B"
SPEAKING = [
    f"nats://user:{SECRET}@host:4222",
    f"nats://{SECRET}@host",
    f"Authorization: Bearer {SECRET}",
    f"authorization: Basic {SECRET}==",
    f"Bearer {SECRET}.{SECRET}",
    f"password={SECRET}",
    f"DB_PASSWORD: {SECRET}",
    f"api_key={SECRET}&x=1",
    f"api-key='{SECRET}'",
    f'client_secret = "two {SECRET} words"',
    f'{{"token": "{SECRET}", "b": 1}}',
    f'{{"dbPassword":"a\\"{SECRET}"}}',
    f'{{"inner": "{{\\"apiKey\\": \\"{SECRET}\\"}}"}}',
    f'{{"password": "cut off {SECRET}',
    f"password='cut off {SECRET}",
    f"-----BEGIN USER NKEY SEED-----\n{SECRET}\n------END USER NKEY SEED------",
    f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\ncut off here",
    f"eyJhbGciOiJlZDI1NTE5In0.eyJqdGkiOiJ{SECRET}.c2lnbmF0dXJl",
    f"creds\\neyJhbGciOiJlZDI1NTE5In0.eyJqdGkiOiJ{SECRET}.c2lnbmF0dXJl",
    f"nats://user:p/{SECRET}@host",
    f"nats://user:p@{SECRET}@host",
    f"root:{SECRET}@tcp(127.0.0.1:3306)/orders",
    f"Authorization: Token {SECRET}",
    f"Set-Cookie: a=b; session={SECRET}; HttpOnly",
    f"map[Authorization:[Token {SECRET}] Cookie:[a=b; sid={SECRET}]]",
    f'{{"Cookie":["a=b", "sid={SECRET}"]}}',
    f'{{"tokens": ["a", "{SECRET}',
    f'CONNECT {{"user":"a","pass":"{SECRET}"}}',
    f"DB_PASS={SECRET}",
    f"run --token {SECRET} --verbose",
    f"\x1b[36mpassword\x1b[0m={SECRET}",
    f"ghp_{SECRET}{SECRET}",
    f"<password>{SECRET}</password>",
    f'<ns:apiKey id="1">two {SECRET} words</ns:apiKey>',
    f"<db-password><![CDATA[{SECRET}]]></db-password>",
    f"<secret>cut off {SECRET}",
    f'<add key="DbPassword" value="{SECRET}" />',
    f"password => {SECRET}",
    f'"password" => "two {SECRET} words"',
    f":password=>{SECRET}, :host=>1",
    f"password := {SECRET}",
    f"{{Key:password Value:{SECRET}}}",
    f'{{Key:"db.password", Value:"two {SECRET} words"}}',
    f'{{"name":"DB_PASSWORD","value":"{SECRET}"}}',
    f'{{\\"name\\": \\"api_key\\", \\"value\\": \\"two {SECRET} words\\"}}',
    f"- name: DB_PASSWORD\n  value: {SECRET}",
    f'{{"a": "{{\\"b\\": \\"{{\\\\\\"apiKey\\\\\\": \\\\\\"two {SECRET} words\\\\\\"}}\\"}}"}}',
    f'{{"a": "{{\\\\\\"apiKey\\\\\\":\\\\\\"{SECRET}',
]


@pytest.mark.parametrize("words", SPEAKING)
@given(before=st.text(alphabet=" \n.,:{}abc", max_size=8), after=st.text(alphabet=" \n.,abc", max_size=8))
def test_secrets_are_taken_out(words: str, before: str, after: str) -> None:
    assert SECRET not in redact(harmless(f"{before}\n{words}\n{after}".encode()))


def test_seeds_are_taken_out_and_the_rest_stays() -> None:
    for kind in "UAONCX":
        seed = f"S{kind}{SEED[2:]}"
        assert seed not in redact(f"seed {seed} here")
        assert seed not in redact(f'"seed:\\n{seed}\\n"')
    assert redact("key AKIAIOSFODNN7EXAMPLE") == "key [redacted]"
    assert redact("nats://a:b@h1:4222,nats://c:d@h2") == "nats://[redacted]@h1:4222,nats://[redacted]@h2"
    assert redact('{"cookie":["a","b"],"id":7}') == '{"cookie":"[redacted]","id":7}'
    harmless_words = "token bucket is full; the secret of success; orders:42 http://host/path?a=b panic: boom"
    harmless_words += " <p>key: value</p> name: orders value: 7 {Key:colour Value:red} a => b <token/> key value"
    harmless_words += " nats.go@v1.31.0/nats.go:4000 passed: 3 compass=north http://h:8080/x me@host"
    assert redact(harmless_words) == harmless_words


@pytest.mark.parametrize(
    "piece",
    [
        "a-",
        "a.",
        "token",
        'token"',
        "eyJ-",
        "eyJaaaaaaaa.",
        "x://",
        "x:",
        "x:@",
        "x://a@",
        "cookie:",
        '"token":["a",',
        '"token":[',
        "--token ",
        "ghp_",
        '"token": "\\',
        "\\",
        "<password>",
        "<password ",
        "<token",
        "name: token ",
        "key=token value=",
        '\\"token\\":',
        '\\"token\\": \\"',
        '\\\\"token\\',
        "token => ",
        "key:",
    ],
)
def test_no_text_makes_that_slow(piece: str) -> None:
    assert redact(piece * (16 * 1024 // len(piece)))


@given(st.binary(max_size=300))
def test_any_bytes_become_text_that_controls_no_terminal(raw: bytes) -> None:
    text = redact(harmless(raw))
    text.encode()
    assert not any(ord(one) < 0x20 and one not in "\n\t" for one in text)
    assert "\x7f" not in text
    assert "\x1b" not in text


def test_the_state_directory_is_where_such_things_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_directory({"XDG_STATE_HOME": "/x"}) == Path("/x/diagmesh")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert default_directory({"HOME": "/h"}) == Path("/var/lib/diagmesh")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert default_directory({"HOME": "/h"}) == Path("/h/.local/state/diagmesh")


def test_the_command_line_of_a_launch() -> None:
    given = parse(["--service", "orders", "--linger", "3", "--restart", "on-failure", "--", "./orders", "--", "-v"])
    assert given.launching is not None
    assert given.launching.command == ["./orders", "--", "-v"]
    assert (given.launching.linger_s, given.launching.restart, given.launching.state_dir) == (3, True, "")
    assert parse(["--service", "orders", "--pid", "1"]).launching is None
    assert parse(["--service", "orders", "--launched", "3,4,i1", "--linger", "3"]).launched == "3,4,i1"
    assert parse(["--service", "orders", "--", "x"]).launching == (["x"], 15.0, False, "")


@pytest.mark.parametrize("several", ["", '[[targets]]\nservice = "payments"\n'])
def test_a_launch_is_of_one_instance(tmp_path: Path, several: str) -> None:
    config = tmp_path / "c.toml"
    config.write_text(f'[[targets]]\nservice = "orders"\n{several}')
    given: list[str] = ["--config", str(config), "--", "x"]
    if several:
        with pytest.raises(SettingsError, match="there are 2 targets"):
            parse(given)
    else:
        assert parse(given).launching is not None


@given(st.lists(st.text()), st.floats(0, 1e6), st.booleans())
def test_a_plan_survives_the_command_line(words: list[str], linger_s: float, restart: bool) -> None:
    plan = Plan("orders", "i1", words, words, "/x", linger_s, restart, [3])
    assert Plan.decode(plan.encode()) == plan

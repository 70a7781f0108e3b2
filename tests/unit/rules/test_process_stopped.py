import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.health import Health, Verdict
from diagmesh.contract.answers.resources import ProcessState
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict as Judged
from diagmesh.settings import ProbeSettings
from support.children import Child
from support.procs import freeze, thaw
from support.ruling import UP, check, codes, found, judge, verdict, watched

HELD = check("process", Verdict.FAIL, kind="process", reason="process 4711 is stopped by a signal and runs no code")
LATE = check("door", Verdict.FAIL, reason="it took the connection but answered nothing within 1 s")


@pytest.mark.parametrize(
    ("state", "words"), [(ProcessState.STOPPED, "stopped by a signal"), (ProcessState.TRACED, "held by a tracer")]
)
def test_it_is_found_and_is_neither_gone_nor_a_failing_probe(state: ProcessState, words: str) -> None:
    diagnosis = judge([replace(UP, process_state=state, checks=(HELD, LATE), restarts_seen=9, uptime_s=5.0)])
    assert codes(diagnosis) == ["PROC-002"]
    finding = found(diagnosis, "PROC-002")
    assert finding.severity is Severity.CRITICAL
    assert words in finding.title
    assert "4711" in finding.advice.now[0]


@pytest.mark.parametrize("state", [ProcessState.RUNNING, ProcessState.SLEEPING, ProcessState.IDLE, None])
def test_a_process_that_may_run_is_clear(state: ProcessState | None) -> None:
    assert verdict(judge([replace(UP, process_state=state)]), "PROC-002").verdict is Judged.CLEAR


def test_a_process_whose_state_is_not_known_is_blind() -> None:
    unseen = check("process", Verdict.BLIND, kind="process", required=False, reason="in a state not known to us")
    answer: Health = replace(UP, process_state=ProcessState.UNKNOWN, checks=(unseen,))
    one = verdict(judge([answer]), "PROC-002")
    assert (one.verdict, one.not_judged[0].why) == (Judged.BLIND, "in a state not known to us")


SERVER = """
import http.server
class Quiet(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Quiet)
print(server.server_port, flush=True)
server.serve_forever()
"""


async def test_a_real_server_that_is_stopped_and_goes_on() -> None:
    with Child(SERVER) as child:
        door = ProbeSettings(name="door", http=f"http://127.0.0.1:{child.said}/", timeout_s=0.5)
        async with watched(pid=child.pid, probes=[door]) as it:
            await it.until()
            freeze(child.pid)
            stopped = await it.until("PROC-002")
            assert str(child.pid) in found(stopped, "PROC-002").title
            thaw(child.pid)
            await it.until()

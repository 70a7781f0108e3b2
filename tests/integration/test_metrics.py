"""A real coordinator of a real mesh is scraped and probed; alerts and dashboard speak of metrics that there are."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as families

from diagmesh.client import Mesh
from diagmesh.contract.answers.health import Health
from diagmesh.contract.verdicts import Check, CheckQuestion
from diagmesh.contract.wire import Status
from support.house import ROOT
from support.programs import Program, wait_until
from support.smallmesh import SmallMesh

WAIT_S: Final = 20.0
ALERTS: Final = ROOT / "deploy" / "prometheus" / "alerts.yml"
DASHBOARD: Final = ROOT / "deploy" / "grafana" / "diagmesh.json"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Scraped(NamedTuple):
    """A mesh, its coordinator, and where that one is scraped."""

    small: SmallMesh
    coordinator: Program
    url: str

    def get(self, path: str, accept: str = "") -> tuple[int, str, str]:
        """Status, content type and body of one page."""
        asking = urllib.request.Request(f"{self.url}{path}", headers={"Accept": accept} if accept else {})  # noqa: S310
        try:
            with urllib.request.urlopen(asking, timeout=10) as got:  # noqa: S310  our own loopback address
                return got.status, got.headers["Content-Type"], got.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers["Content-Type"], error.read().decode()

    def samples(self) -> Samples:
        """One scrape, parsed."""
        return {
            (one.name, frozenset(one.labels.items())): one.value
            for family in families(self.get("/metrics")[2])
            for one in family.samples
        }

    def value(self, name: str, **labels: str) -> float:
        """One sample of a fresh scrape."""
        return self.samples()[name, frozenset(labels.items())]


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraped]:
    with SmallMesh(tmp_path_factory.mktemp("metrics")) as small:
        for instance in ("i1", "i2"):
            small.sidecar("orders", instance)
        more = 'metrics = "0"\nreplicas = {orders = 2, payments = 3}'
        coordinator = small.coordinator(more=more)
        found = re.search(r"metrics at (http://127\.0\.0\.1:\d+)/metrics", coordinator.log_text())
        assert found, coordinator.log_text()
        yield Scraped(small, coordinator, found[1])


async def test_it_tells_who_is_there_what_was_asked_and_what_is_the_matter(scraped: Scraped) -> None:
    mesh = await Mesh.connect(url=scraped.small.url)
    try:
        before = await asyncio.to_thread(scraped.samples)
        for _ in range(3):
            assert (await mesh.mesh(Health)).answer.answered == 2
        wrong = await mesh.one(Check, "mesh", CheckQuestion(codes=("NO-999",)))
        assert wrong.reply.status is Status.DECLINED
        check = (await mesh.one(Check, "mesh", CheckQuestion(), timeout_s=10)).answer
        after = await asyncio.to_thread(scraped.samples)
    finally:
        await mesh.close()

    def grew(name: str, **labels: str) -> float:
        key = name, frozenset(labels.items())
        return after[key] - before.get(key, 0.0)

    def is_now(name: str, **labels: str) -> float:
        return after[name, frozenset(labels.items())]

    assert is_now("diagmesh_instances", service="orders", state="live") == 2
    assert is_now("diagmesh_instances", service="orders", state="lost") == 0
    assert is_now("diagmesh_instances", service="payments", state="lacking") == 3
    assert grew("diagmesh_questions_total", kind="health", status="answered") == 3
    assert grew("diagmesh_question_seconds_count", kind="health") == 3
    assert grew("diagmesh_gathers_total", kind="health", ended="complete") == 3
    assert grew("diagmesh_gather_replies_total", kind="health", status="answered") == 6
    assert grew("diagmesh_gather_replies_total", kind="health", status="silent") == 9
    assert grew("diagmesh_questions_total", kind="check", status="declined") == 1
    assert is_now("diagmesh_bus_connected") == 1
    assert is_now("diagmesh_bus_connections_total") == 1
    assert is_now("diagmesh_questions_limit") == 64
    assert is_now("diagmesh_coordinators") == 1
    assert is_now("diagmesh_loop_lag_seconds_count") > 0
    assert is_now("process_resident_memory_bytes") > 1e6
    assert before["diagmesh_check_timestamp_seconds", frozenset()] == 0
    assert is_now("diagmesh_check_timestamp_seconds") > 0
    told = {dict(labels)["code"] for name, labels in after if name == "diagmesh_check_findings"}
    assert told == {one.code for one in check.findings}
    assert told, "three replicas of payments are missing, and no rule says so"
    verdicts = sum(count for (name, _), count in after.items() if name == "diagmesh_check_rules")
    assert verdicts == len(check.verdicts)


def test_both_formats_parse_and_name_no_instance(scraped: Scraped) -> None:
    status, content_type, text = scraped.get("/metrics")
    assert (status, content_type.partition(";")[0]) == (200, "text/plain")
    plain = {family.name for family in families(text)}
    status, content_type, text = scraped.get("/metrics", "application/openmetrics-text;version=1.0.0")
    assert (status, content_type.partition(";")[0]) == (200, "application/openmetrics-text")
    # OpenMetrics has a type for what is `diagmesh_build_info` in the older format.
    assert {f"{one.name}{'_info' if one.type == 'info' else ''}" for one in open_families(text)} == plain  # type: ignore[no-untyped-call]
    assert 'i1"' not in text
    assert 'i2"' not in text


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/livez", 200, "live\n"),
        ("/readyz", 200, "ready\n"),
        ("/", 404, "not here; pages: /metrics, /livez, /readyz\n"),
    ],
)
def test_pages_for_probes(scraped: Scraped, path: str, status: int, says: str) -> None:
    assert (scraped.get(path)[0], scraped.get(path)[2]) == (status, says)


def test_without_nats_it_lives_and_is_not_ready(tmp_path: Path) -> None:
    with SmallMesh(tmp_path) as small:
        coordinator = small.coordinator(more='metrics = "0"')
        found = re.search(r"metrics at (\S+)/metrics", coordinator.log_text())
        assert found
        scraped = Scraped(small, coordinator, found[1])
        small.server.stop()
        wait_until(lambda: scraped.get("/readyz")[0] == 503, WAIT_S, "the word that it is not ready")
        assert "not ready: reconnecting" in scraped.get("/readyz")[2]
        assert scraped.get("/livez")[0] == 200
        assert scraped.value("diagmesh_bus_connected") == 0
        small.server.start()
        wait_until(lambda: scraped.get("/readyz")[0] == 200, WAIT_S, "the connection to come back")
        assert scraped.value("diagmesh_bus_connections_total") == 2


# --- what is shipped speaks of what there is


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no promtool: install the Debian package prometheus")
        pytest.skip("no promtool here (Debian: the package prometheus)")
    return found


def run(*command: str | Path, given: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=60, check=False)


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    board = json.loads(DASHBOARD.read_text())
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def queries() -> list[str]:
    shown = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [*shown, *(rule["expr"] for rule in rules())]


def test_every_metric_of_alerts_and_dashboard_is_scraped(scraped: Scraped) -> None:
    named = {name for query in queries() for name in re.findall(r"\b(?:diagmesh|process)_[a-z_]+\b", query)}
    text = scraped.get("/metrics")[2]
    there = {one.name for family in families(text) for one in family.samples}
    # Those with labels appear with their first value; their families are announced from the start.
    there |= {f"{family.name}{'_total' if family.type == 'counter' else ''}" for family in families(text)}
    there |= {f"{family.name}_bucket" for family in families(text) if family.type == "histogram"}
    assert len(named) > 10
    assert named - there == set()


def test_every_metric_that_is_scraped_is_documented_and_no_other(scraped: Scraped) -> None:
    page = ALERTS.with_name("README.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`(diagmesh_[a-z_]+)`", page))
    there = {
        f"{family.name}{'_total' if family.type == 'counter' else ''}"
        for family in families(scraped.get("/metrics")[2])
        if family.name.startswith("diagmesh_")
    }
    assert len(there) > 15
    assert told == there


def test_the_dashboard_is_in_order() -> None:
    board = json.loads(DASHBOARD.read_text())
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    taken = set[tuple[int, int]]()
    for panel in board["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not taken & cells, f"{panel['title']} lies over another panel"
        taken |= cells
    variables = {one["name"] for one in board["templating"]["list"]}
    for panel in panels():
        assert panel["title"]
        assert panel["description"]
        assert panel["targets"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        for target in panel["targets"]:
            used = set(re.findall(r"\$\{?(\w+)", target["expr"])) - {"__rate_interval", "__range"}
            assert used <= variables
    assert {"datasource", "service"} <= variables


def test_each_alert_says_what_to_do() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"]
        assert "diagmesh " in rule["annotations"]["description"], f"{rule['alert']}: which command comes next?"
        assert "for" in rule


def test_promtool_finds_nothing_wrong_with_a_scrape(scraped: Scraped, promtool: str) -> None:
    done = run(promtool, "check", "metrics", given=scraped.get("/metrics")[2])
    ours = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("diagmesh_")]
    assert ours == []
    assert done.returncode == 0 or "python_" in done.stdout + done.stderr, done.stderr


def test_the_alerts_fire_when_they_should_and_only_then(promtool: str) -> None:
    checked = run(promtool, "check", "rules", "--lint=all", "--lint-fatal", ALERTS)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    tests = ALERTS.with_name("alerts_test.yml")
    done = run(promtool, "test", "rules", tests)
    assert done.returncode == 0, done.stdout + done.stderr
    tried = {case["alertname"] for one in yaml.safe_load(tests.read_text())["tests"] for case in one["alert_rule_test"]}
    assert tried == {rule["alert"] for rule in rules()}, "each alert has its test"


def test_every_query_of_the_dashboard_is_well_formed(promtool: str, tmp_path: Path) -> None:
    plain = [re.sub(r"\$__\w+", "5m", query).replace("$service", ".*") for query in queries()]
    group = {"name": "all", "rules": [{"record": f"query:{n}", "expr": one} for n, one in enumerate(plain)]}
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [group]}))
    done = run(promtool, "check", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr

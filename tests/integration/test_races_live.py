"""races, beside the real Go demo built with -race: in captured standard error, in its race log, and across sidecars."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from nats.errors import NoRespondersError

from diagmesh.adapters.neighbour import Neighbour
from diagmesh.contract.answers.races import Detector, Races, RacesQuestion
from diagmesh.errors import Unavailable
from diagmesh.settings import GoSettings, TargetSettings
from diagmesh_agents.races import races
from support.compiler import c_compiler
from support.godemo import GoDemo, GoService, ask, build
from support.golang import Go
from support.launching import Launched
from support.natsserver import NatsServer
from support.programs import wait_until

pytestmark = pytest.mark.timeout(900)

_PLACE: Final = "harm.countWithoutLock"
Logging = tuple[GoService, Path]


@pytest.fixture(scope="module")
def programs(go: Go) -> Path:
    c_compiler()  # -race needs one
    return build(go, "-race")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with NatsServer(tmp_path_factory.mktemp("nats"), jetstream=True) as server:
        yield server


def functions(answer: Any) -> set[str]:
    frames = [frame for race in answer["races"] for one in race["accesses"] for frame in one["frames"]]
    return {frame["function"].rpartition("/")[2] for frame in frames}


def until(look: Callable[[], Any], wanted: Callable[[Any], bool]) -> Any:
    last: list[Any] = []

    def seen() -> bool:
        last[:] = [look()]
        return wanted(last[0])

    wait_until(seen, 60.0, "the answer")
    return last[0]


def test_a_launched_service_is_heard_on_its_standard_error(programs: Path, server: NatsServer, tmp_path: Path) -> None:
    command = [programs / "payments", "--nats", server.url, "--allow-faults", "--http-port", "0", "--instance", "l1"]

    def asked() -> Any:
        try:
            return ask(server.url, "diag.orders.races")[1]
        except Exception:  # noqa: BLE001  nobody is there yet, or not any more
            return {"status": "nobody"}

    def turned_on() -> bool:
        try:
            ask(server.url, "demo.payments.l1.fault", {"fault": "race", "for_s": 60})
        except NoRespondersError:  # its switches come a moment after its connection
            return False
        return True

    with Launched(tmp_path, command, "--nats", server.url) as launched:
        well = until(asked, lambda told: told["status"] == "answered" and told["answer"].get("detector") == "on")
        assert (well["answer"]["reports"], well.get("findings", [])) == (0, [])
        wait_until(turned_on, 60.0, "its switch is there")
        told = until(asked, lambda told: told["status"] == "answered" and told["answer"]["reports"] > 0)
        (finding,) = told["findings"]
        assert finding["code"] == "RACE-001"
        assert _PLACE in finding["title"]
        answer = told["answer"]
        assert any(_PLACE in name for name in functions(answer))
        assert answer["sources"][0]["kind"] == "stderr"
        assert answer["races"][0]["first_seen"] <= answer["at"]
        # The ring outlives the sidecar, so that the next one knows as much.
        old = launched.sidecar
        os.kill(old, signal.SIGKILL)
        again = until(asked, lambda told: told["status"] == "answered" and told["boot"] != well["boot"])
        assert {race["id"] for race in answer["races"]} <= {race["id"] for race in again["answer"]["races"]}


async def look(service: GoService, **target: Any) -> Races:
    neighbour = Neighbour(TargetSettings(service="payments", pid=service.pid, **target))
    answer = await races.look(RacesQuestion(), neighbour)
    assert isinstance(answer, Races)
    return answer


@pytest.fixture(scope="module")
def logging(programs: Path, server: NatsServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logging]:
    """A service that writes its reports to files, and their prefix; it has met its race."""
    folder = tmp_path_factory.mktemp("logging")
    prefix = folder / "race"
    with GoDemo(programs, server.url, folder) as demo:
        service = demo.service("payments", instance="g1", environment={"GORACE": f"log_path={prefix}"})
        demo.connected(service)
        service.turn("race")
        wait_until(lambda: any(file.stat().st_size for file in folder.glob("race.*")), 60.0, "a report")
        service.turn("race", on=False)
        yield service, prefix


async def test_its_environment_names_the_race_log(logging: Logging) -> None:
    service, prefix = logging
    answer = await look(service)
    assert answer.detector is Detector.ON
    assert [(one.kind, one.where) for one in answer.sources] == [("race log", str(prefix))]
    assert answer.reports > 0
    assert any(_PLACE in (one.own.function if one.own else "") for race in answer.races for one in race.accesses)


async def test_the_settings_name_the_race_log(logging: Logging) -> None:
    service, prefix = logging
    answer = await look(service, go=GoSettings(race_log=str(prefix)))
    assert (answer.reports > 0, len(answer.sources), answer.cut) == (True, 1, 0)


async def test_without_the_race_detector_there_is_nothing_to_hear(go: Go, server: NatsServer, tmp_path: Path) -> None:
    with GoDemo(build(go), server.url, tmp_path) as demo:
        service = demo.service("payments", instance="p1")
        with pytest.raises(Unavailable, match="its program was built without -race") as caught:
            await look(service)
        assert caught.value.code == 501


async def test_with_it_but_with_reports_that_go_elsewhere_it_says_where_to_send_them(
    programs: Path, server: NatsServer, tmp_path: Path
) -> None:
    with GoDemo(programs, server.url, tmp_path) as demo:
        service = demo.service("payments", instance="e1")
        with pytest.raises(Unavailable, match="its standard error is not ours") as caught:
            await look(service)
        assert "race_log" in caught.value.hint

"""A race log is followed: as it grows, is truncated, rotated and removed; what cannot be read is told."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from diagmesh.adapters.racewatch import RaceLog, RaceWatch
from diagmesh.adapters.racewatch import log as log_module
from diagmesh.adapters.racewatch.program import log_path_of, program_of
from diagmesh.contract.answers.races import Detector
from diagmesh.errors import Unavailable
from support.programs import wait_until
from support.racing import REPORT, report

NOW: Final = datetime.now(UTC)
SLEEPER: Final = "import time; time.sleep(60)"


def lines(log: RaceLog) -> list[int]:
    """The line of the first access of each new report."""
    return [news.report.accesses[0].frames[0].line for news in log.news(NOW)]


@pytest.fixture
def log(tmp_path: Path) -> RaceLog:
    return RaceLog(str(tmp_path / "race"))


def test_a_file_is_read_as_it_grows(tmp_path: Path, log: RaceLog) -> None:
    assert lines(log) == []
    file = tmp_path / "race.17"
    whole = report(1) + report(2)
    for size in (100, len(report(1)) - 5, len(report(1)) + 30, len(whole)):
        file.write_bytes(whole[:size])
        assert lines(log) == {len(report(1)) + 30: [1], len(whole): [2]}.get(size, [])
    with file.open("ab") as more:
        more.write(report(3))
    assert lines(log) == [3]
    assert lines(log) == []
    assert (log.told().files, log.told().read_bytes) == (1, len(whole) + len(report(3)))


def test_only_files_of_processes_are_read(tmp_path: Path, log: RaceLog) -> None:
    for name in ("race", "race.", "race.x", "race.1.gz", "other.1", "race1.1"):
        (tmp_path / name).write_bytes(REPORT)
    (tmp_path / "race.2").mkdir()
    os.mkfifo(tmp_path / "race.3")
    assert lines(log) == []
    assert log.blind() == []


def test_a_truncated_file_is_read_anew(tmp_path: Path, log: RaceLog) -> None:
    file = tmp_path / "race.17"
    file.write_bytes(report(1) + report(2)[:200])
    assert lines(log) == [1]
    file.write_bytes(report(3))
    assert lines(log) == [3]
    assert log.cut == 1


def test_a_file_that_takes_the_place_of_another_is_a_new_one(tmp_path: Path, log: RaceLog) -> None:
    file = tmp_path / "race.17"
    file.write_bytes(report(1))
    assert lines(log) == [1]
    fresh = tmp_path / "fresh"
    fresh.write_bytes(report(2) + report(3))
    fresh.replace(file)
    assert lines(log) == [2, 3]
    file.unlink()
    assert lines(log) == []
    assert log.told().files == 0


def test_files_of_several_processes_are_read_and_the_time_is_that_of_the_file(tmp_path: Path, log: RaceLog) -> None:
    for number in (1, 2, 3):
        (tmp_path / f"race.{number}").write_bytes(report(number))
        os.utime(tmp_path / f"race.{number}", (1000 * number, 1000 * number))
    found = log.news(NOW)
    assert [news.at.timestamp() for news in found] == [3000, 2000, 1000]


def test_a_look_reads_no_more_than_its_share(tmp_path: Path, log: RaceLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "_MOST_BYTES", len(report(1)))
    (tmp_path / "race.1").write_bytes(report(1) + report(2))
    assert lines(log) == [1]
    assert "ask again" in log.blind()[0].fix
    assert lines(log) == [2]


def test_of_too_many_files_the_latest_are_read(tmp_path: Path, log: RaceLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "_MOST_FILES", 2)
    for number in (1, 2, 3):
        (tmp_path / f"race.{number}").write_bytes(report(number))
        os.utime(tmp_path / f"race.{number}", (number, number))
    assert lines(log) == [3, 2]
    assert "3 files; the latest 2 are read" in log.blind()[0].why


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    log = RaceLog(str(tmp_path / "none" / "race"))
    assert lines(log) == []
    (blind,) = log.blind()
    assert "No such file or directory" in blind.why
    assert blind.fix == "make that folder"


def test_a_way_that_ended_with_its_process_is_no_news(tmp_path: Path) -> None:
    log = RaceLog(str(tmp_path / "none" / "race"), "/var/log/race")
    assert lines(log) == []
    assert log.blind() == []
    (tmp_path / "race.1").write_bytes(report(1))
    log.moved(str(tmp_path / "race"))
    assert lines(log) == [1]
    assert log.told().where == "/var/log/race"


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("log_path=/var/log/race halt_on_error=1", "/var/log/race"),
        ("halt_on_error=1:log_path='/a b/c'", "/a b/c"),
        ('history_size=7,log_path="/x:y"', "/x:y"),
        ("log_path=stderr", ""),
        ("xlog_path=/no", ""),
        ("", ""),
    ],
)
def test_the_log_path_of_an_environment_is_understood(value: str, path: str) -> None:
    environment = f"A=log_path=/no\0GORACE={value}\0B=1\0".encode()
    assert log_path_of(environment) == path


@pytest.mark.parametrize(("said", "way"), [("/var/log/race", "/var/log/race"), ("logs/race", "{cwd}/logs/race")])
def test_the_way_to_the_log_of_a_process_outlives_it(said: str, way: str, tmp_path: Path) -> None:
    environment = {"GORACE": f"log_path={said} halt_on_error=1"}
    with subprocess.Popen([sys.executable, "-c", SLEEPER], env={**os.environ, **environment}, cwd=tmp_path) as process:
        try:
            wait_until(lambda: program_of(process.pid).shown == said, 20.0, "it has its own environment")
            program = program_of(process.pid)
        finally:
            process.kill()
    assert program.log == way.format(cwd=tmp_path)
    assert program.detector is Detector.OFF


def me() -> tuple[int, int]:
    return os.getpid(), 1


def test_a_program_without_the_race_detector_can_report_nothing() -> None:
    watch = RaceWatch("", None, me)
    with pytest.raises(Unavailable, match="there is no build information of Go in its program") as caught:
        watch.look()
    assert caught.value.code == 501
    assert "go build -race" in caught.value.hint
    with pytest.raises(Unavailable, match="no process that fits was seen yet"):
        RaceWatch("", None, lambda: None).look()


def test_a_race_log_of_the_settings_is_answered_whatever_runs(tmp_path: Path) -> None:
    watch = RaceWatch(str(tmp_path / "race"), None, me)
    answer = watch.look()
    assert (answer.detector, answer.reports, answer.sources[0].kind) == (Detector.OFF, 0, "race log")
    (tmp_path / "race.1").write_bytes(REPORT * 2)
    watch.follow()
    answer = watch.look()
    assert (answer.distinct, answer.reports, answer.announced) == (1, 2, 2)
    assert answer.races[0].last_seen is not None

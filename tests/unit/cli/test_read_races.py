"""`diagmesh read races`: files as they are, exactly in JSON; what is damaged is never taken for well."""

import gzip
import json
from pathlib import Path
from typing import Any, Final

import pytest

from diagmesh_cli.main import run

HERE: Final = Path(__file__).parents[2] / "data" / "race"
SIMPLE: Final = HERE / "simple.txt"


def read(capfdbinary: pytest.CaptureFixture[bytes], *words: str | Path) -> tuple[int, Any]:
    code = run(["read", "races", *map(str, words), "--json"])
    return code, json.loads(capfdbinary.readouterr().out)


def test_json_carries_each_access_exactly(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    expected = json.loads((HERE / "simple.expected.json").read_text())[0]
    code, told = read(capfdbinary, SIMPLE)
    (file,) = told["files"]
    answer = file["answer"]
    assert (code, file["file"], answer["distinct"], answer["announced"]) == (1, str(SIMPLE), 1, 1)
    (race,) = answer["races"]
    for access, labelled in zip(race["accesses"], expected["accesses"], strict=True):
        assert (access["operation"], access["address"], access["by"]) == (
            labelled["op"],
            labelled["addr"],
            labelled["by"],
        )
        assert access.get("previous", False) is labelled["previous"]
        frames = [[f"{one['function']}()", one["file"], one["line"]] for one in access["frames"]]
        assert frames == labelled["frames"]
    assert [one["of"] for one in race["created"]] == ["goroutine 7"]
    assert race["accesses"][0]["own"]["line"] == 14


def test_several_files_are_one_with_the_reports_of_each(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    packed = tmp_path / "race.1.gz"
    packed.write_bytes(gzip.compress(SIMPLE.read_bytes() * 2))
    code, told = read(capfdbinary, SIMPLE, packed, HERE / "test_fails_on_race.txt")
    assert code == 1
    merged = told["merged"]
    assert (merged["distinct"], merged["reports"]) == (2, 4)
    assert merged["races"][0]["instances"] == {str(SIMPLE): 1, str(packed): 2}


def test_a_file_without_a_race_is_well(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    quiet = tmp_path / "quiet.log"
    quiet.write_text("all is well\n")
    code, told = read(capfdbinary, quiet)
    assert (code, told["files"][0]["answer"]) == (0, {"distinct": 0, "reports": 0})


def test_what_is_cut_or_cannot_be_read_is_not_judged(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    cut = tmp_path / "cut.log"
    cut.write_bytes(SIMPLE.read_bytes()[:200])
    code, told = read(capfdbinary, cut)
    assert (code, told["files"][0]["answer"]["cut"]) == (2, 1)
    broken = tmp_path / "broken.gz"
    broken.write_bytes(gzip.compress(SIMPLE.read_bytes())[:-20])
    code, told = read(capfdbinary, SIMPLE, broken, tmp_path / "none")
    assert code == 2
    assert [one.get("problem", {}).get("code") for one in told["files"]] == [None, 422, 422]


def test_without_a_file_it_says_what_to_do(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    code, told = read(capfdbinary)
    assert code == 64
    assert "diagmesh read races FILE" in told["error"]["detail"]


def test_people_see_the_service_and_not_the_frames_of_go(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert run(["read", "races", str(HERE / "test_fails_on_race.txt")]) == 1
    shown = capfdbinary.readouterr().out.decode()
    assert "1 data race in 1 report" in shown
    assert "test_fails_on_race/main_test.go:9" in shown
    assert "testing.tRunner" not in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_a_log_of_any_size_is_read_in_little_room(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    large = tmp_path / "large.log.gz"
    noise = b'{"level":"info","message":"order created","duration":"1.5ms"}\n' * 20_000
    with gzip.open(large, "wb", compresslevel=1) as file:
        for _ in range(40):
            file.write(noise)
        file.write(SIMPLE.read_bytes())
    code, told = read(capfdbinary, large)
    assert (code, told["files"][0]["answer"]["reports"]) == (1, 1)

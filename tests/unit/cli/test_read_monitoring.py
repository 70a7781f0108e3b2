"""`diagmesh read monitoring`: saved moments, judged as what was done to that server."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from diagmesh_cli.main import run

HERE: Final = Path(__file__).parents[2] / "data" / "scenarios"
LABELS: Final[dict[str, set[str]]] = {
    "00_healthy": set(),
    "02_request_errors": {"SRV-023", "SRV-025"},
    "03_auth_and_permissions": {"SRV-021", "SRV-022"},
    "05_consumer_lag_ack_pending": {"JS-001"},
}
"""What was done at that moment; the codes of warning or worse."""


def read(capfdbinary: pytest.CaptureFixture[bytes], *words: str | Path) -> tuple[int, Any]:
    code = run(["read", "monitoring", *map(str, words), "--json"])
    return code, json.loads(capfdbinary.readouterr().out)


def bad(moment: Any) -> set[str]:
    return {one["code"] for one in moment["check"]["findings"] if one["severity"] != "info"}


@pytest.mark.parametrize("name", LABELS)
def test_each_moment_is_judged_as_its_label_says(name: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    code, told = read(capfdbinary, HERE / f"{name}.json")
    (moment,) = told["moments"]
    assert bad(moment) == LABELS[name]
    assert code == (1 if LABELS[name] else 0)


def test_what_was_before_the_moment_is_information_and_the_healthy_one_has_nothing(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    _, told = read(capfdbinary, HERE)
    assert [Path(moment["files"][0]).stem for moment in told["moments"]] == sorted(
        file.stem for file in HERE.glob("*.json")
    )
    assert told["moments"][0]["check"]["findings"] == []
    (slow,) = [one for one in told["moments"][1]["check"]["findings"] if one["code"] == "SRV-004"]
    assert (slow["severity"], "slow-reporter (feed.>)" in slow["title"]) == ("info", True)


def test_nobody_is_advised_to_ask_what_is_no_instance_of_a_mesh(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    _, told = read(capfdbinary, HERE)
    advice = [
        line for moment in told["moments"] for one in moment["check"]["findings"] for line in one["advice"]["now"]
    ]
    assert any("`nats consumer info ORDERS billing`" in line for line in advice)
    assert [line for line in advice if "APP/n1" in line or "nats/n1" in line] == []


def test_compared_moments_tell_all_that_is_new_and_rates(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    _, told = read(capfdbinary, HERE / "00_healthy.json", HERE / "02_request_errors.json", "--compare")
    assert "SRV-004" in bad(told["moments"][1])
    rates = told["moments"][1]["servers"][0]["rates"]
    assert rates["in_msgs_per_s"] * rates["over_s"] == pytest.approx(1202, rel=0.01)


def test_a_folder_with_a_file_per_reply_is_one_moment(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    moment = json.loads((HERE / "03_auth_and_permissions.json").read_text())
    for name, part in moment.items():
        if name == "server_log":
            (tmp_path / "nats-server.log").write_text("\n".join(part))
        elif name == "client_errors":
            (tmp_path / "client_errors.txt").write_text("\n".join(part))
        else:
            (tmp_path / f"http_{name}.json").write_text(json.dumps({"_capture": {}, "body": part}))
    _, told = read(capfdbinary, tmp_path)
    (found,) = told["moments"]
    assert bad(found) == LABELS["03_auth_and_permissions"]


def test_what_cannot_be_read_is_not_judged(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "other.json").write_text("{}")
    code, told = read(capfdbinary, tmp_path, tmp_path / "missing.json")
    assert (code, told["moments"], len(told["unread"])) == (2, [], 3)
    assert "no varz in it" in told["unread"][1]["problem"]["detail"]
    assert told["unread"][2]["problem"]["detail"] == f"{tmp_path / 'missing.json'}: No such file or directory"


def test_a_person_sees_the_finding_before_the_numbers(capfd: pytest.CaptureFixture[str]) -> None:
    run(["read", "monitoring", str(HERE / "03_auth_and_permissions.json")])
    shown = capfd.readouterr().out
    assert 0 < shown.index("SRV-021") < shown.index("connections")
    assert max(map(len, shown.splitlines())) <= 80 + len(str(HERE))

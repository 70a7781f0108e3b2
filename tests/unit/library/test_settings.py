"""Settings: file then environment, strict, every error names its key."""

from pathlib import Path

import pytest

from diagmesh.errors import SettingsError
from diagmesh.settings import CoordinatorSettings, SidecarSettings, load

GOOD = """
heartbeat_s = 2
[nats]
url = "nats://10.0.0.1:4222"
[[targets]]
service = "orders"
port = 8080
[[targets.probes]]
http = "http://127.0.0.1:8080/healthz"
timeout_s = 0.5
"""


def write(directory: Path, text: str) -> str:
    path = directory / "settings.toml"
    path.write_text(text)
    return str(path)


def test_a_file(tmp_path: Path) -> None:
    settings = load(SidecarSettings, write(tmp_path, GOOD), {})
    assert settings.targets[0].port == 8080
    assert settings.targets[0].probes[0].timeout_s == 0.5
    assert settings.heartbeat_s == 2.0


def test_the_environment_wins(tmp_path: Path) -> None:
    environment = {"DIAGMESH_NATS__URL": "nats://other:4222", "DIAGMESH_NATS__CONNECT_TIMEOUT_S": "0.5", "HOME": "/x"}
    settings = load(SidecarSettings, write(tmp_path, GOOD), environment)
    assert settings.nats.url == "nats://other:4222"
    assert settings.nats.connect_timeout_s == 0.5


LABELLED = '[labels]\nzone = "a"\ntier = "1"\n[[targets]]\nservice = "a"\n[targets.labels]\ntier = "2"\n'


def test_labels_of_all_targets_and_of_one(tmp_path: Path) -> None:
    path = write(tmp_path, LABELLED)
    settings = load(SidecarSettings, path, {})
    assert settings.labels_of(settings.targets[0]) == {"zone": "a", "tier": "2"}, "its own win"
    environment = {"DIAGMESH_LABELS": "zone=b,version=1.2", "DIAGMESH_LABELS__NODE": "n7"}
    settings = load(SidecarSettings, path, environment)
    told = {"zone": "b", "version": "1.2", "node": "n7", "tier": "2"}
    assert settings.labels_of(settings.targets[0]) == told, "the environment wins over the file"
    assert load(CoordinatorSettings, None, environment) == CoordinatorSettings(), "not its business"


@pytest.mark.parametrize("value", ["zone", "zone=a b", "zone=a,zone=b"])
def test_labels_of_the_environment_that_cannot_be(value: str) -> None:
    with pytest.raises(SettingsError, match=r"environment: DIAGMESH_LABELS: label 'zone'"):
        load(SidecarSettings, None, {"DIAGMESH_LABELS": value})


def test_numbers_of_a_table_from_the_environment() -> None:
    settings = load(CoordinatorSettings, None, {"DIAGMESH_REPLICAS__ORDERS": "3"})
    assert settings.replicas == {"orders": 3}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[nats]\nurll = 'x'", "unknown field `urll` - at `$.nats`"),
        ("heartbeat_s = 'often'", "at `$.heartbeat_s`"),
        ("heartbeat_s = 0", "at `$.heartbeat_s`"),
        ("[[targets]]\nservice = 'Orders'", "no legal name"),
        ("[[targets]]\nservice = 'mesh'", "reserved"),
        ("[[targets]]\nservice = 'a'\npid = 1\nport = 2", "in one way"),
        ("[[targets]]\nservice = 'a'\n[[targets.probes]]\nname = 'x'", "exactly one of http, tcp, nats, srv"),
        ("[[targets]]\nservice = 'a'\nport = 70000", "at `$.targets[0].port`"),
        ("[labels]\n'a b' = 'x'", "label 'a b': that is no key"),
        ("[[targets]]\nservice = 'a'\nlabels = {zone = 'a b'}", "label 'zone': 'a b' is no value"),
        ("[nats]\ninbox_prefix = 'a b'", "must be _INBOX, or _INBOX_"),
        ("[nats]\ninbox_prefix = '_INBOX.>'", "must be _INBOX, or _INBOX_"),
        ("[nats]\ninbox_prefix = ''", "must be _INBOX, or _INBOX_"),
        ("this is no toml", "no valid TOML"),
    ],
)
def test_every_error_names_its_key(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(SidecarSettings, write(tmp_path, text), {})
    assert says in str(caught.value)
    assert "settings.toml" in str(caught.value)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(SettingsError, match=r"cannot read the settings file /nowhere/x\.toml: No such file"):
        load(SidecarSettings, "/nowhere/x.toml", {})


def test_a_single_value_from_the_environment() -> None:
    environment = {"DIAGMESH_HEARTBEAT_S": "2.5", "DIAGMESH_FORGET_AFTER_S": "60", "DIAGMESH_FIXTURES": "/x"}
    assert load(SidecarSettings, None, environment).heartbeat_s == 2.5, "and what is the coordinator's is left alone"
    assert load(CoordinatorSettings, None, environment).forget_after_s == 60


def test_what_kubernetes_tells_of_a_service_named_like_us_is_no_setting() -> None:
    links = {
        "DIAGMESH_COORDINATOR_SERVICE_HOST": "10.0.0.1",
        "DIAGMESH_COORDINATOR_SERVICE_PORT": "9464",
        "DIAGMESH_COORDINATOR_SERVICE_PORT_METRICS": "9464",
        "DIAGMESH_COORDINATOR_PORT": "tcp://10.0.0.1:9464",
        "DIAGMESH_METRICS_PORT_9464_TCP": "tcp://10.0.0.1:9464",
        "DIAGMESH_METRICS_PORT_9464_TCP_ADDR": "10.0.0.1",
        "DIAGMESH_PORT": "tcp://10.0.0.1:9464",
    }
    assert load(SidecarSettings, None, links) == SidecarSettings()
    assert load(CoordinatorSettings, None, links) == CoordinatorSettings()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("DIAGMESH_PORT", "8080", "DIAGMESH_PORT is no setting"),
        ("DIAGMESH_HEARTBEAT_S", "often", "environment (DIAGMESH_HEARTBEAT_S): "),
        ("DIAGMESH_HEARTBEATS", "2", "DIAGMESH_HEARTBEATS is no setting"),
        ("DIAGMESH_NATS__URLL", "x", "unknown field `urll` - at `$.nats`"),
    ],
)
def test_a_wrong_variable_is_named_not_the_file(tmp_path: Path, name: str, value: str, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(SidecarSettings, write(tmp_path, GOOD), {name: value})
    assert says in str(caught.value)
    assert "settings.toml" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[nats]\nurl = 'nats://a:4222'"])
def test_a_coordinator_keeps_the_inbox_of_its_role(tmp_path: Path, text: str) -> None:
    for environment in ({}, {"DIAGMESH_NATS__URL": "nats://b:4222"}):
        assert load(CoordinatorSettings, write(tmp_path, text), environment).nats.inbox_prefix == "_INBOX_coord"


def test_a_variable_that_is_no_table() -> None:
    with pytest.raises(SettingsError, match="DIAGMESH_NATS__URL__X"):
        load(SidecarSettings, None, {"DIAGMESH_NATS__URL": "x", "DIAGMESH_NATS__URL__X": "y"})

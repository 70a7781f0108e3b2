"""The name that an instance has when nobody gave it one: the pod's, else the host's, always a legal token."""

import socket

import pytest

from diagmesh.contract.names import check_token
from diagmesh.hostname import default_instance, host_name


@pytest.fixture(autouse=True)
def host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "Node-7.example.ORG")


def test_the_pod_s_name_comes_first() -> None:
    assert default_instance({"POD_NAME": "orders-6f9c-x2k", "HOSTNAME": "other"}) == "orders-6f9c-x2k"


@pytest.mark.parametrize("environment", [{}, {"POD_NAME": ""}, {"HOSTNAME": "left-over-of-a-shell"}])
def test_else_the_host_s_whatever_a_shell_left_behind(environment: dict[str, str]) -> None:
    assert default_instance(environment) == host_name() == "node-7-example-org"


@pytest.mark.parametrize("name", ["a" * 200, "Orders_API.svc", "mesh", "-", "ß"])
def test_whatever_they_are_called_the_name_is_legal(name: str) -> None:
    assert check_token(default_instance({"POD_NAME": name}), "instance")


def test_the_environment_of_the_process_is_asked_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POD_NAME", "orders-1")
    assert default_instance() == "orders-1"

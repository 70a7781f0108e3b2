"""Default names are unique on a host, and what stands in the way of one is said."""

import errno
import os
import socket
from uuid import uuid4

import pytest

from diagmesh.errors import DiagmeshError
from diagmesh_agents._names import NameKeeper


def test_the_second_sidecar_of_a_host_has_a_suffix_and_a_name_is_given_back() -> None:
    name, service = f"pod-{uuid4().hex[:8]}", "orders"
    first, second = NameKeeper({"POD_NAME": name}), NameKeeper({"POD_NAME": name})
    try:
        assert [first.take(service), second.take(service), second.take("payments")] == [name, f"{name}-2", name]
        first.close()
        assert second.take(service) == name
    finally:
        first.close()
        second.close()


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EACCES])
@pytest.mark.parametrize("where", ["socket", "bind"])
def test_only_a_name_in_use_counts_as_taken(monkeypatch: pytest.MonkeyPatch, where: str, number: int) -> None:
    class Refusing(socket.socket):
        def __init__(self, *arguments: int) -> None:
            if where == "socket":
                raise OSError(number, os.strerror(number))
            super().__init__(*arguments)

        def bind(self, _: object) -> None:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket, "socket", Refusing)
    keeper = NameKeeper({"POD_NAME": "orders-1"})
    with pytest.raises(DiagmeshError, match=rf"orders-1 .*{os.strerror(number)}.*--instance"):
        keeper.take("orders")

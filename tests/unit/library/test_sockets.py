"""Sockets of one process by state, from real connections; tables of any content."""

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diagmesh.adapters.procfs import PidDir
from diagmesh.adapters.sockets import open_sockets, parse_tcp, readable_address, tcp_table
from diagmesh.errors import Unreadable
from support.children import Child, until
from support.natsserver import MakeServer
from support.nobody import as_nobody, needs_root
from support.trees import plant, stat_line

HOLDER = """
import socket, sys
listener = socket.create_server(("127.0.0.1", 0), backlog=8)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.bind(("127.0.0.1", 0))
unix = socket.socketpair()
netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
print(listener.getsockname()[1], flush=True)
kept = [listener.accept()[0] for _ in range(3)]
print("accepted", flush=True)
sys.stdin.readline()
"""


def test_close_wait_backlog_and_kinds_are_seen() -> None:
    with Child(HOLDER) as child:
        port = int(child.said)
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        assert child.process.stdout is not None
        assert child.process.stdout.readline().strip() == "accepted"
        clients.append(socket.create_connection(("127.0.0.1", port)))
        for client in clients[:2]:
            client.close()  # the child keeps its ends: CLOSE_WAIT
        seen = until(  # what was closed and connected is with the child a moment later
            lambda: open_sockets(PidDir(child.pid)),
            lambda one: one.close_wait == 2 and [each.waiting for each in one.listeners] == [1],
        )
        for client in clients[2:]:
            client.close()
    assert seen.close_wait == 2
    assert seen.established == 1
    assert seen.tcp_by_state == {"CLOSE_WAIT": 2, "ESTABLISHED": 1, "LISTEN": 1}
    assert (seen.udp, seen.unix, seen.other) == (1, 2, 1), "each socket is counted as one kind"
    assert seen.total == 8
    (listener,) = seen.listeners
    assert (listener.address, listener.port, listener.waiting) == ("127.0.0.1", port, 1)


def test_a_go_process_has_its_listeners(make_server: MakeServer) -> None:
    server = make_server(monitoring=True).start()
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.recv(10)
        # Who looked whether it greets may still be there.
        seen = until(lambda: open_sockets(PidDir(server.pid)), lambda one: one.established == 1)
    assert server.port in [listener.port for listener in seen.listeners]
    assert seen.established == 1


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_line_is_an_entry_or_none(line: str) -> None:
    entry = parse_tcp(line)
    assert entry is None or (entry.inode >= 0 and entry.state.isupper())


def test_a_line_of_the_table_is_read() -> None:
    entry = parse_tcp(
        "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000003 00:00000000 00000000  1000        0 55 1 0000"
    )
    assert entry is not None
    assert (entry.port, entry.state, entry.waiting, entry.uid, entry.inode) == (8080, "LISTEN", 3, 1000, 55)


def test_a_kernel_without_ipv6_has_one_table_and_an_unreadable_one_is_refused(tmp_path: Path) -> None:
    line = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000003 00:00000000 00000000  1000        0 55 1 0000"
    plant(f"@ 7/net/tcp\n{line}\n", tmp_path)
    (tmp_path / "7" / "stat").write_text(stat_line(7), encoding="utf-8")
    process = PidDir(7, str(tmp_path))
    assert [entry.port for entry in tcp_table(process)] == [8080]
    (tmp_path / "7" / "net" / "tcp6").mkdir()
    with pytest.raises(Unreadable, match="sockets"):
        list(tcp_table(process))


@pytest.mark.parametrize(
    ("raw", "plain"),
    [("0100007F", "127.0.0.1"), ("00000000000000000000000001000000", "::1"), ("0200A8C0", "192.168.0.2")],
)
def test_addresses_are_written_as_people_do(raw: str, plain: str) -> None:
    assert readable_address(raw) == plain


@needs_root
def test_sockets_of_another_user_are_refused_not_none() -> None:
    printed = as_nobody(
        "from diagmesh.adapters.procfs import PidDir\nfrom diagmesh.adapters.sockets import open_sockets\n"
        "from diagmesh.errors import Unreadable",
        f"""
try:
    print(open_sockets(PidDir({os.getpid()})))
except Unreadable as refusal:
    print(refusal.what, bool(refusal.fix))
""",
    )
    assert printed == "sockets True"

"""One instance that a sidecar stands beside."""

from typing import Annotated

from msgspec import Meta

from diagmesh.contract.labels import check_labels
from diagmesh.contract.names import check_token
from diagmesh.errors import BadName
from diagmesh.settings.nats import ConnectionSettings, NatsSettings
from diagmesh.settings.pages import GoSettings, NatsServerSettings
from diagmesh.settings.probes import ProbeSettings
from diagmesh.settings.streams import StreamsSettings
from diagmesh.settings.table import Port, Seconds, Table

__all__ = ["TargetSettings"]


class TargetSettings(Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One instance that the sidecar stands beside, and how its process is found (at most one way).

    Args:
        service: the service name, a legal token.
        instance: the instance name; default: pod or host name.
        pid: its process id.
        pid_file: a file that holds the process id.
        port: a TCP port that it listens on.
        exe: path of its executable (or the file name alone).
        command: shell-style pattern that fits its whole command line, joined by blanks (``*orders*--port 8080*``).
        systemd: name of its systemd unit.
        container: id (or a prefix of at least 12 characters) of its container.
        probes: doors to knock at.
        labels: told with every heartbeat, over those of the sidecar: keys and values as in Kubernetes, 32 at most.
        nats: the optional observer connection in the account of the application.
        connection: how it connects to NATS itself: its URLs, and its credentials where the sidecar may read them.
        go: where its diagnostic pages are, if it is a Go service that has them.
        streams: which streams it uses, where these are not all of the account.
        nats_server: where its monitoring endpoint or its system account is, if it is a nats-server.
        sample_s: pace of the cheap samples.
    """

    service: str
    instance: str = ""
    pid: Annotated[int, Meta(ge=1)] | None = None
    pid_file: str = ""
    port: Port | None = None
    exe: str = ""
    command: str = ""
    systemd: str = ""
    container: str = ""
    probes: tuple[ProbeSettings, ...] = ()
    labels: dict[str, str] = {}
    nats: NatsSettings | None = None
    connection: ConnectionSettings | None = None
    go: GoSettings | None = None
    streams: StreamsSettings | None = None
    nats_server: NatsServerSettings | None = None
    sample_s: Seconds = 5.0

    def __post_init__(self) -> None:
        """Names are legal, and the process is looked for in one way only."""
        try:
            check_token(self.service, "service")
            if self.instance:
                check_token(self.instance, "instance")
            check_labels(self.labels)
        except BadName as error:
            raise ValueError(str(error)) from None
        ways = (self.pid, self.pid_file, self.port, self.exe, self.command, self.systemd, self.container)
        if sum(map(bool, ways)) > 1:
            raise ValueError("look for the process in one way: pid, pid_file, port, exe, command, systemd or container")

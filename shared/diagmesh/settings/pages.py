"""Pages on which a process tells about itself: those of a Go service, those of a nats-server."""

from diagmesh.settings.nats import NatsSettings
from diagmesh.settings.table import Table

__all__ = ["GoSettings", "NatsServerSettings"]


class GoSettings(Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a Go service shows its diagnostic pages and reports (``[targets.go]``): at least one of the places.

    Args:
        pprof: base URL of ``net/http/pprof`` (``http://127.0.0.1:6060/debug/pprof``).
        expvar: URL of ``expvar`` (``http://127.0.0.1:6060/debug/vars``).
        metrics: URL of the metrics for Prometheus (``http://127.0.0.1:6060/metrics``).
        headers: request headers of all of them; values of the form ``file:PATH`` are read from that file.
        tls_ca_file: CA bundle for ``https``, as of a probe.
        race_log: the ``log_path`` of its ``GORACE``: reports of the race detector are in files named so, with a process
            id behind (``/var/log/orders-race``).
    """

    pprof: str = ""
    expvar: str = ""
    metrics: str = ""
    headers: dict[str, str] = {}
    tls_ca_file: str = ""
    race_log: str = ""

    def __post_init__(self) -> None:
        """A table without a place says nothing."""
        if self.race_log and not self.race_log.startswith("/"):
            raise ValueError(f"race_log {self.race_log!r} must begin with /: it is the log_path of its GORACE")
        if not (self.pprof or self.expvar or self.metrics or self.race_log):
            words = "one of pprof, expvar, metrics: the URL of that page of the service; or race_log"
            raise ValueError(f"the table go needs {words}")


class NatsServerSettings(Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The nats-server that this target is (``[targets.nats_server]``): by its monitoring endpoint, or a system account.

    Args:
        monitor: URL of its monitoring endpoint (``http://127.0.0.1:8222``).
        headers: request headers; values of the form ``file:PATH`` are read from that file.
        tls_ca_file: CA bundle for ``https``, as of a probe.
        system: a connection as a user of the system account, who may ask and change nothing, in place of ``monitor``.
        name: its server_name, where ``system`` may be connected to another server of its cluster.
    """

    monitor: str = ""
    headers: dict[str, str] = {}
    tls_ca_file: str = ""
    system: NatsSettings | None = None
    name: str = ""

    def __post_init__(self) -> None:
        """One way to it."""
        if bool(self.monitor) == (self.system is not None):
            raise ValueError("the table nats_server needs one of monitor (a URL) and system (a table: url, nkey_file)")
        if self.system is not None and (self.headers or self.tls_ca_file):
            raise ValueError("headers and tls_ca_file of nats_server are for monitor; system has its own")
        if self.name and self.system is None:
            raise ValueError("name of nats_server is for system; monitor is of one server anyway")

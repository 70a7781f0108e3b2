"""Settings: frozen structs, a TOML file then the environment, parsed once; every error names its key."""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta

from diagmesh.contract.labels import check_labels, labels_of
from diagmesh.contract.names import check_token
from diagmesh.errors import BadName, SettingsError

__all__ = [
    "ConnectionSettings",
    "CoordinatorNatsSettings",
    "CoordinatorSettings",
    "GoSettings",
    "NatsServerSettings",
    "NatsSettings",
    "ProbeSettings",
    "RegistrySettings",
    "RuleSettings",
    "SidecarSettings",
    "StreamsSettings",
    "TargetSettings",
    "load",
]

ENVIRONMENT_PREFIX: Final = "DIAGMESH_"
_NO_SETTINGS: Final = frozenset({"DIAGMESH_DEBUG", "DIAGMESH_FIXTURES", "DIAGMESH_UPDATE_GOLDEN"})
"""Variables with our prefix that are for the CLI and for tests."""
_SERVICE_LINK: Final = re.compile(
    r"DIAGMESH_(\w+_)?(SERVICE_HOST=.*|SERVICE_PORT(_\w+)?=.*|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?=.*|PORT=\w+://.*)"
)
"""What Kubernetes tells every container about a Service whose name begins with ``diagmesh``."""
_INBOX: Final = re.compile(r"_INBOX(_[A-Za-z0-9_-]+)?(\.[A-Za-z0-9_-]+)*\Z")
_LABELS: Final = "labels"
_ASSET: Final = r"^[^\s.*>/\\]{1,255}(/[^\s.*>/\\]{1,255})?$"
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Port = Annotated[int, Meta(ge=1, le=65_535)]

S = TypeVar("S", bound=msgspec.Struct)


class _Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every settings table."""


class NatsSettings(_Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One connection to NATS. Secrets are named by file only, so that they never stand in settings or a process list.

    Args:
        url: one or more servers, separated by commas; tried in random order.
        nkey_file: file with the seed of a user nkey (mode 0600).
        creds_file: credentials file of an operator-mode user; excludes ``nkey_file``.
        inbox_prefix: where answers to us arrive; the server's permissions must allow it.
        tls_ca_file: CA bundle for a private server certificate.
        tls_first: do the TLS handshake before the server's greeting; refuses a plain-text server.
        tls_server_name: name in the server's certificate, where it is not that of the URL.
        tls_cert_file: certificate of ours, for a server that asks for one.
        tls_key_file: its private key (mode 0600).
        connect_timeout_s: for one attempt at one server.
    """

    url: str = "nats://127.0.0.1:4222"
    nkey_file: str = ""
    creds_file: str = ""
    inbox_prefix: str = "_INBOX"
    tls_ca_file: str = ""
    tls_first: bool = False
    tls_server_name: str = ""
    tls_cert_file: str = ""
    tls_key_file: str = ""
    connect_timeout_s: Seconds = 2.0

    def __post_init__(self) -> None:
        """Agents answer to inboxes only, so everything else would be waiting for nothing."""
        if not _INBOX.match(self.inbox_prefix):
            raise ValueError(f"inbox_prefix {self.inbox_prefix!r} must be _INBOX, or _INBOX_ and a name (_INBOX_coord)")


class ProbeSettings(_Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One door of the service: exactly one of ``http``, ``tcp``, ``nats`` and ``srv``.

    Args:
        name: how the answer calls it; default: its target.
        http: URL that is fetched with GET.
        expect_status: HTTP status codes that are fine (default 200 to 299).
        expect_body: text (UTF-8, no pattern) that must stand in the first 64 KiB of the body.
        tcp: ``host:port`` that must accept a connection.
        nats: subject that must answer a request with an empty body (needs ``target.nats``).
        srv: name of a NATS service that must answer ``$SRV.PING`` (needs ``target.nats``).
        timeout_s: after which the probe counts as failed.
        required: whether failing means *down* (true) or *degraded* (false).
        tls_ca_file: CA bundle for ``https``; a chain that breaks RFC 5280 (a CA without key usage, say) is refused.
        headers: request headers of ``http``; values of the form ``file:PATH`` are read from that file.
    """

    name: str = ""
    http: str = ""
    expect_status: tuple[Annotated[int, Meta(ge=100, le=599)], ...] = ()
    expect_body: str = ""
    tcp: str = ""
    nats: str = ""
    srv: str = ""
    timeout_s: Annotated[float, Meta(gt=0, le=30)] = 1.0
    required: bool = True
    tls_ca_file: str = ""
    headers: dict[str, str] = {}

    def __post_init__(self) -> None:
        """Exactly one door per probe."""
        if sum(map(bool, (self.http, self.tcp, self.nats, self.srv))) != 1:
            raise ValueError("a probe needs exactly one of http, tcp, nats, srv")


class GoSettings(_Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
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


class StreamsSettings(_Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which streams of the application's account are those of the service (``[targets.streams]``; needs ``nats``).

    Args:
        names: streams (``ORDERS``) and single consumers (``ORDERS/worker``); none for all of the account.
        publishes: subjects that the service publishes to, and that a stream must take.
    """

    names: Annotated[tuple[Annotated[str, Meta(pattern=_ASSET)], ...], Meta(max_length=64)] = ()
    publishes: Annotated[tuple[Annotated[str, Meta(pattern=r"^\S{1,255}$")], ...], Meta(max_length=64)] = ()


class ConnectionSettings(NatsSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the service itself connects to NATS (``[targets.connection]``): what `connection` knocks at, and as whom.

    Args:
        client_name: what the service calls its connections, by which earlier ones of it are known.
    """

    client_name: str = ""


class NatsServerSettings(_Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The nats-server that this target is (``[targets.nats_server]``).

    Args:
        monitor: URL of its monitoring endpoint (``http://127.0.0.1:8222``).
        headers: request headers; values of the form ``file:PATH`` are read from that file.
        tls_ca_file: CA bundle for ``https``, as of a probe.
    """

    monitor: str
    headers: dict[str, str] = {}
    tls_ca_file: str = ""


class RuleSettings(_Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one rule is told about some targets (``[[rules]]`` in TOML); later tables win over earlier ones.

    Args:
        code: of the rule.
        services: it holds for these services; empty for all.
        instances: for these instances (``i1`` or ``orders/i1``); empty for all.
        labels: for instances with all of these labels.
        limits: thresholds by name, see ``diagmesh explain CODE``.
        suppress: find it, count it, but do not tell it.
        why: the reason for that, shown wherever it is counted; needed.
    """

    code: str
    services: tuple[str, ...] = ()
    instances: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    limits: dict[str, float | int | str | bool] = {}
    suppress: bool = False
    why: str = ""


class TargetSettings(_Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
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
        nats_server: where its monitoring endpoint is, if it is a nats-server.
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


class SidecarSettings(_Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sidecar: its connection, what it stands beside, and its limits.

    Args:
        nats: the connection of every instance that has none of its own under ``connections``.
        connections: per service, where one sidecar serves several services with different credentials.
        targets: the instances (``[[targets]]`` in TOML).
        labels: of all of them (``DIAGMESH_LABELS=zone=a,version=1.2``); a target's own win.
        heartbeat_s: pace of the heartbeats.
        concurrency: questions in work at a time per instance, over all kinds.
        disable: kinds that are not served.
        rules: thresholds and suppressions for the findings in its answers.
        operators: public nkeys whose signed control requests it accepts; none by default, which closes control.
        control: the control kinds that they may use (``log-level``); none by default.
        log_level: of our own log on standard error.
        alive_file: touched every 5 s while the process works, for whoever probes it by the file's age; none by default.
    """

    nats: NatsSettings = NatsSettings()
    connections: dict[str, NatsSettings] = {}
    targets: tuple[TargetSettings, ...] = ()
    labels: dict[str, str] = {}
    heartbeat_s: Annotated[float, Meta(ge=0.1, le=300)] = 5.0
    concurrency: Annotated[int, Meta(ge=1, le=1024)] = 32
    disable: tuple[str, ...] = ()
    rules: tuple[RuleSettings, ...] = ()
    operators: tuple[str, ...] = ()
    control: tuple[str, ...] = ()
    log_level: str = "info"
    alive_file: str = ""

    def __post_init__(self) -> None:
        """Nobody has more labels than one may have, with those of all targets counted."""
        try:
            check_labels(self.labels)
            for target in self.targets:
                check_labels(self.labels_of(target))
        except BadName as error:
            raise ValueError(str(error)) from None

    def labels_of(self, target: TargetSettings) -> dict[str, str]:
        """The labels of one target, with those of all of them."""
        return {**self.labels, **target.labels}


class CoordinatorNatsSettings(NatsSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The connection of a coordinator: the inbox is that of its role (see the roles of the server configuration)."""

    inbox_prefix: str = "_INBOX_coord"


class RegistrySettings(_Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a coordinator writes down, so that the next one knows whom to expect: a key-value bucket of JetStream.

    Args:
        keep: ``auto`` where JetStream can be used, ``required`` to be warned while it cannot, or ``off``.
        bucket: its name; the permissions of ``diagmesh init`` are for the default.
    """

    keep: Literal["auto", "off", "required"] = "auto"
    bucket: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")] = "diag_registry"


class CoordinatorSettings(_Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A coordinator.

    Args:
        nats: its connection.
        instance: its name; default: host name with a suffix.
        forget_after_s: how long a lost instance stays expected.
        replicas: per service, how many instances there should be.
        coordinators: how many coordinators there should be; 0 leaves it open.
        deadline_s: how long a fan-out waits for the last answer by default.
        heartbeat_s: pace of its own heartbeats.
        concurrency: mesh questions in work at a time.
        rules: thresholds and suppressions for ``diag.mesh.check``.
        operators: public nkeys whose signed control requests it accepts; none by default, which closes control.
        control: the control kinds that they may use (``forget``, ``log-level``).
        metrics: where Prometheus may scrape it: ``HOST:PORT``, or ``PORT`` of the loopback address; off by default.
        alive_file: as of a sidecar.
        registry: what it remembers beyond its own life.
    """

    nats: CoordinatorNatsSettings = CoordinatorNatsSettings()
    instance: str = ""
    forget_after_s: Seconds = 900.0
    replicas: dict[str, Annotated[int, Meta(ge=0, le=100_000)]] = {}
    coordinators: Annotated[int, Meta(ge=0, le=64)] = 0
    deadline_s: Annotated[float, Meta(gt=0, le=60)] = 2.0
    heartbeat_s: Annotated[float, Meta(ge=0.1, le=300)] = 5.0
    concurrency: Annotated[int, Meta(ge=1, le=1024)] = 64
    operators: tuple[str, ...] = ()
    control: tuple[str, ...] = ("forget",)
    rules: tuple[RuleSettings, ...] = ()
    log_level: str = "info"
    metrics: str = ""
    alive_file: str = ""
    registry: RegistrySettings = RegistrySettings()


def load(kind: type[S], path: str | None, environment: Mapping[str, str] | None = None) -> S:
    """Read settings from a TOML file, then lay the environment over it.

    ``DIAGMESH_HEARTBEAT_S=2`` sets ``heartbeat_s``, ``DIAGMESH_NATS__URL=…`` sets ``nats.url``: two underscores
    separate tables, letters fold to lower case. ``DIAGMESH_LABELS=zone=a,version=1.2`` holds a whole table.

    Raises:
        SettingsError: file missing or no TOML, an unknown key, a wrong type or value; the message names the key and
            where it comes from.
    """
    tree = _read(path) if path else {}
    try:
        msgspec.convert(tree, kind)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{path}: {error}") from None
    variables = _overlay(tree, kind, os.environ if environment is None else environment)
    try:
        return msgspec.convert(tree, kind, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"environment ({', '.join(variables)}): {error}") from None


def _read(path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot read the settings file {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is no valid TOML: {error}") from None


def _overlay(tree: dict[str, Any], kind: type[msgspec.Struct], environment: Mapping[str, str]) -> list[str]:
    """Lay the variables over the tree; returns their names."""
    mine = {field.name for field in msgspec.structs.fields(kind)}
    # One environment may serve both programs of a host, so what belongs to the other one is no mistake.
    known = {field.name for one in (SidecarSettings, CoordinatorSettings) for field in msgspec.structs.fields(one)}
    used = []
    for name, value in environment.items():
        if (
            not name.startswith(ENVIRONMENT_PREFIX)
            or name in _NO_SETTINGS
            or _SERVICE_LINK.fullmatch(f"{name}={value}")
        ):
            continue
        *tables, key = name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
        first = (tables or [key])[0]
        if first not in known:
            raise SettingsError(f"environment: {name} is no setting (there is no key {first!r})")
        if first not in mine:
            continue
        node = tree
        for table in tables:
            node = node.setdefault(table, {})
            if not isinstance(node, dict):
                raise SettingsError(f"environment: {name}: {table!r} is no table")
        node[key] = value if [*tables, key] != [_LABELS] else node.get(key, {}) | _labels(name, value)
        used.append(name)
    return used


def _labels(variable: str, text: str) -> dict[str, str]:
    try:
        return labels_of(text)
    except BadName as error:
        raise SettingsError(f"environment: {variable}: {error}") from None

"""`diagmesh config check`: is a settings file right, before a sidecar or coordinator is started with it."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec
from rich.console import Group
from rich.text import Text

from diagmesh.accept import check_control, check_coordinator, check_disabled, check_unique, log_number
from diagmesh.adapters.godoor import door_of
from diagmesh.adapters.probes import make_all
from diagmesh.adapters.ways import way_of
from diagmesh.bus.nats import check_usable, exposed
from diagmesh.diagnose import Engine
from diagmesh.errors import SettingsError
from diagmesh.packs import load_agents, load_rules
from diagmesh.settings import CoordinatorSettings, NatsSettings, RegistrySettings, SidecarSettings, load
from diagmesh_cli.exits import Exit
from diagmesh_cli.options import Shown
from diagmesh_cli.output import Output

__all__ = ["CheckedConfig", "check", "check_file"]


class CheckedConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What the check found.

    Args:
        file: the checked file.
        kind: whose settings they are.
        warnings: what works but should not stay so.
        labels: of each instance, as its heartbeats will tell them; an instance without a name is its service.
    """

    file: str
    kind: str
    warnings: tuple[str, ...] = ()
    labels: dict[str, dict[str, str]] = {}


def check(
    file: Path,
    /,
    *,
    kind: Literal["sidecar", "coordinator"] | None = None,
    shown: Shown = Shown(),  # noqa: B008  frozen, and its defaults are the point
) -> Exit:
    """Check a settings file: every key and value, and the files it names. Ends with 0, 1 (warnings) or 64 (wrong).

    Args:
        file: settings in TOML.
        kind: whose settings they are. Default: told by the keys.
        shown: how to show it.
    """
    output = Output.of(shown)
    found = check_file(file, kind)
    lines = [Text(f"{found.file}: fine settings of a {found.kind}", "" if found.warnings else "green")]
    lines += [Text(f"labels of {name}: {_pairs(labels)}", "dim") for name, labels in found.labels.items()]
    lines += [Text(f"warning: {warning}", "yellow") for warning in found.warnings]
    output.show(found, Group(*lines), wrap=False)
    return Exit.FINDINGS if found.warnings else Exit.WELL


def check_file(file: Path, kind: str | None = None) -> CheckedConfig:
    """Read a settings file as the process would, without its environment, and refuse what the process refuses.

    Raises:
        SettingsError: the process would not start with it; the message names file and key.
    """
    kind = kind or _guess(file)
    settings: SidecarSettings | CoordinatorSettings
    if kind == "coordinator":
        settings = load(CoordinatorSettings, str(file), {})
    else:
        settings = load(SidecarSettings, str(file), {})
    try:
        log_number(settings.log_level)
        if isinstance(settings, SidecarSettings):
            _check_sidecar(settings)
        else:
            check_coordinator(settings)
        for where, nats in _connections(settings):
            check_usable(nats, where)
        Engine(load_rules(), settings.rules)
    except SettingsError as error:
        raise SettingsError(f"{file}: {error}") from None
    warnings = [*_connection_warnings(settings)]
    if isinstance(settings, SidecarSettings):
        warnings += _sidecar_warnings(settings)
    else:
        warnings += _coordinator_warnings(settings)
    return CheckedConfig(file=str(file), kind=kind, warnings=tuple(warnings), labels=_labels(settings))


def _labels(settings: SidecarSettings | CoordinatorSettings) -> dict[str, dict[str, str]]:
    if not isinstance(settings, SidecarSettings):
        return {}
    told = {
        f"{target.service}/{target.instance}" if target.instance else target.service: settings.labels_of(target)
        for target in settings.targets
    }
    return {name: labels for name, labels in told.items() if labels}


def _pairs(labels: dict[str, str]) -> str:
    return " ".join(f"{key}={value}" for key, value in labels.items())


def _check_sidecar(settings: SidecarSettings) -> None:
    check_unique(settings.targets)
    check_control(settings)
    check_disabled(settings.disable, load_agents().agents)
    for position, target in enumerate(settings.targets):
        where = f"targets[{position}]"
        make_all(target.probes, where=f"{where}.probes", instance=target.instance)
        door_of(target.go, target.service, f"{where}.go")
        try:
            way_of(target)
        except SettingsError as error:
            raise SettingsError(f"{where} ({target.service}): {error}") from None


def _guess(file: Path) -> str:
    """Whose settings these are, by the keys that only one of the two has."""
    try:
        tree = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        return "sidecar"  # `load` says what is wrong
    coordinator, sidecar = set(CoordinatorSettings.__struct_fields__), set(SidecarSettings.__struct_fields__)
    if (coordinator - sidecar) & set(tree):
        return "coordinator"
    # Operators without anything of a sidecar: that would need to say what they may control.
    return "coordinator" if "operators" in tree and not (sidecar - coordinator) & set(tree) else "sidecar"


def _connections(settings: SidecarSettings | CoordinatorSettings) -> Iterator[tuple[str, NatsSettings]]:
    """Those that are made: a sidecar whose services all have connections of their own makes no common one."""
    if not isinstance(settings, SidecarSettings):
        yield "nats", settings.nats
        return
    services = {target.service for target in settings.targets}
    if not services or services - set(settings.connections):
        yield "nats", settings.nats
    yield from ((f"connections.{name}", one) for name, one in settings.connections.items() if name in services)
    for position, target in enumerate(settings.targets):
        if target.nats is not None:
            yield f"targets[{position}].nats", target.nats


def _connection_warnings(settings: SidecarSettings | CoordinatorSettings) -> Iterator[str]:
    for where, nats in _connections(settings):
        if nats.nkey_file and nats.creds_file:
            yield f"{where}: nkey_file and creds_file are both set; keep one"
        yield from exposed(nats, where)
        if "@" in nats.url:
            yield f"{where}.url holds a password; use nkey_file or creds_file, so that it stands in no process list"


def _coordinator_warnings(settings: CoordinatorSettings) -> Iterator[str]:
    bucket, usual = settings.registry.bucket, RegistrySettings().bucket
    if bucket != usual and settings.registry.keep != "off":
        yield f"registry.bucket: diagmesh init permits {usual} only; permit {bucket} to the role coordinator yourself"


def _sidecar_warnings(settings: SidecarSettings) -> Iterator[str]:
    if not settings.targets:
        yield "targets: none, so there is nothing to stand beside; add a [[targets]] table or use --service"
    known = {target.service for target in settings.targets}
    for service in sorted(set(settings.connections) - known):
        yield f"connections.{service}: no target of that service"
    for position, target in enumerate(settings.targets):
        where = f"targets[{position}]"
        if not any((target.pid, target.pid_file, target.port, target.exe, target.command)) and not any(
            (target.systemd, target.container)
        ):
            yield f"{where} ({target.service}): no way to find its process; only its probes can be judged"
        for number, probe in enumerate(target.probes):
            if (probe.nats or probe.srv) and target.nats is None:
                yield f"{where}.probes[{number}]: needs targets.nats, the connection into the application's account"

"""`diagmesh init`: keys, a server configuration and settings, to put the mesh beside services of your own."""

from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from diagmesh.bus.nats import check_usable
from diagmesh.contract.names import check_token
from diagmesh.settings import NatsSettings
from diagmesh_cli.exits import Exit
from diagmesh_cli.local import initial
from diagmesh_cli.local.issued import SERVER_FILE, Issued, seed_path, settings_file
from diagmesh_cli.local.permissions import Layout, Role, agent_role
from diagmesh_cli.options import Shown
from diagmesh_cli.output import Output
from diagmesh_cli.trouble import UsageError
from diagmesh_cli.views.init import Handed, Made, made_view

__all__ = ["init"]

_NO_STORE: Final = (
    'no JetStream until it says where to keep data: jetstream { store_dir: "/DIR" };',
    "without that, coordinators that have all stopped no longer know who was expected",
)


def init(  # noqa: PLR0913  options of a command line
    directory: Path = Path("diagmesh"),
    /,
    *,
    services: Annotated[str, Parameter(metavar="NAMES", show_default=False)] = "",
    add: Annotated[str, Parameter(metavar="NAMES", show_default=False)] = "",
    layout: Layout = "simple",
    nats: Annotated[str, Parameter(metavar="URL")] = "nats://127.0.0.1:4222",
    tls_ca: Annotated[Path | None, Parameter(metavar="FILE", show_default=False)] = None,
    rotate: Annotated[str, Parameter(metavar="ROLE", show_default=False)] = "",
    rotate_finish: Annotated[str, Parameter(metavar="ROLE", show_default=False)] = "",
    force: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    shown: Shown = Shown(),  # noqa: B008  frozen, and its defaults are the point
) -> Exit:
    """Write keys (0600), a NATS server configuration and settings, and tell which file is for whom.

    Args:
        directory: to be made.
        services: that are watched, by commas.
        add: watch these services besides; nobody else's key or settings change.
        layout: accounts of the server: people inside DIAG (simple), or in an account of their own (accounts).
        nats: server, for the settings.
        tls_ca: CA bundle of its certificate, for the settings.
        rotate: make a new key for this role; the one before works until it is finished.
        rotate_finish: have the new key of this role accepted only.
        force: replace what an earlier init made; all keys are new.
        shown: how to show it.
    """
    if sum(map(bool, (services, add, rotate, rotate_finish))) != 1:
        raise UsageError("say one of --services NAMES, --add NAMES, --rotate ROLE and --rotate-finish ROLE")
    output = Output.of(shown)
    if services:
        issued = _create(directory, services, layout, nats, tls_ca, force=force)
        changed, did, only = initial.Changed(issued), f"made {directory}", tuple(issued.keys)
    elif add:
        names = _names(add, "--add")
        changed = initial.add(directory, names)
        did, only = f"{', '.join(names)} added", tuple(map(agent_role, names))
    elif rotate:
        changed, only = initial.rotate(directory, rotate), (rotate,)
        did = f"{rotate} has a new key; the one before works until finished"
    else:
        changed, only = initial.finish_rotation(directory, rotate_finish), (rotate_finish,)
        did = f"{rotate_finish}: the new key only"
    made = Made(
        did=did,
        directory=str(directory),
        server_file=SERVER_FILE,
        rotating=changed.issued.rotating,
        handed=tuple(_handed(changed.issued, role) for role in changed.issued.roles if role.name in only),
        changed=changed.settings,
        left=(*changed.left, *_operators(changed.issued, only)),
        notes=_NO_STORE if services else (),
    )
    output.show(made, made_view(made), wrap=False)
    return Exit.WELL


def _operators(issued: Issued, only: tuple[str, ...]) -> tuple[str, ...]:
    """Sidecars whose control door is open name operators in settings that are not ours to change."""
    if only != ("operator",):
        return ()
    every = ", ".join(f'"{key}"' for key in issued.keys["operator"])
    return (f"sidecars that may be controlled: operators = [{every}]",)


def _names(given: str, option: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in given.split(",") if name.strip()))
    if not names:
        raise UsageError(f"{option}: name at least one, by commas")
    for name in names:
        check_token(name, "service")
    return names


def _create(directory: Path, services: str, layout: Layout, nats: str, tls_ca: Path | None, *, force: bool) -> Issued:
    names = _names(services, "--services")
    if tls_ca is not None and not tls_ca.is_file():
        raise UsageError(f"--tls-ca: there is no file {tls_ca}")
    check_usable(NatsSettings(url=nats))
    bundle = str(tls_ca.absolute()) if tls_ca is not None else ""
    return initial.create(directory, Issued(layout=layout, services=names, url=nats, tls_ca_file=bundle), force=force)


def _handed(issued: Issued, role: Role) -> Handed:
    return Handed(
        role=role.name,
        holder=role.holder,
        key_file=str(seed_path(Path(), role.name)),
        settings_file=settings_file(role.name),
        inbox_prefix=role.inbox,
        public=issued.keys[role.name],
    )

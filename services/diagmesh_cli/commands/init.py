"""`diagmesh init`: keys, a server configuration and settings, to put the mesh beside services of your own."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from diagmesh.contract.names import check_token
from diagmesh_cli.exits import Exit
from diagmesh_cli.local import initial
from diagmesh_cli.local.permissions import Layout, Role
from diagmesh_cli.options import Shown
from diagmesh_cli.output import Output
from diagmesh_cli.trouble import UsageError
from diagmesh_cli.views.init import Handed, Made, made_view

__all__ = ["init"]


def init(  # noqa: PLR0913  options of a command line
    directory: Path = Path("diagmesh"),
    /,
    *,
    services: Annotated[str, Parameter(metavar="NAMES", show_default=False)] = "",
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
        layout: accounts of the server: people inside DIAG (simple), or in an account of their own (accounts).
        nats: server, for the settings.
        tls_ca: CA bundle of its certificate, for the settings.
        rotate: make a new key for this role; the one before works until it is finished.
        rotate_finish: have the new key of this role accepted only.
        force: replace what an earlier init made; all keys are new.
        shown: how to show it.
    """
    if sum(map(bool, (services, rotate, rotate_finish))) != 1:
        raise UsageError("say one of --services NAMES, --rotate ROLE and --rotate-finish ROLE")
    output = Output.of(shown)
    if rotate:
        issued, did = initial.rotate(directory, rotate), f"{rotate} has a new key; the one before works until finished"
    elif rotate_finish:
        issued, did = initial.finish_rotation(directory, rotate_finish), f"{rotate_finish}: the new key only"
    else:
        issued, did = _create(directory, services, layout, nats, tls_ca, force=force), f"made {directory}"
    only = rotate or rotate_finish
    made = Made(
        did=did,
        directory=str(directory),
        server_file=str(directory / initial.SERVER_FILE),
        rotating=issued.rotating,
        handed=tuple(_handed(directory, issued, role) for role in issued.roles if role.name == only or not only),
    )
    output.show(made, made_view(made), wrap=False)
    return Exit.WELL


def _create(
    directory: Path, services: str, layout: Layout, nats: str, tls_ca: Path | None, *, force: bool
) -> initial.Issued:
    names = tuple(dict.fromkeys(name.strip() for name in services.split(",") if name.strip()))
    if not names:
        raise UsageError("--services: name at least one, by commas")
    for name in names:
        check_token(name, "service")
    if tls_ca is not None and not tls_ca.is_file():
        raise UsageError(f"--tls-ca: there is no file {tls_ca}")
    bundle = str(tls_ca.absolute()) if tls_ca is not None else ""
    asked = initial.Issued(layout=layout, services=names, url=nats, tls_ca_file=bundle)
    return initial.create(directory, asked, force=force)


def _handed(directory: Path, issued: initial.Issued, role: Role) -> Handed:
    return Handed(
        role=role.name,
        holder=role.holder,
        key_file=str(directory / "keys" / f"{role.name}.nk"),
        inbox_prefix=role.inbox,
        public=issued.keys[role.name],
    )

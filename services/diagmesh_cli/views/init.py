"""`init`: what was made, and which file is for whom."""

import msgspec
from rich.console import Group, RenderableType
from rich.text import Text

__all__ = ["Handed", "Made", "made_view"]


class Handed(msgspec.Struct, frozen=True, kw_only=True):
    """A key file and its holder.

    Args:
        role: of the key.
        holder: who gets the file.
        key_file: with the seed.
        inbox_prefix: what goes with it.
        public: the public keys that the server accepts, the current one first.
    """

    role: str
    holder: str
    key_file: str
    inbox_prefix: str
    public: tuple[str, ...]


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What `init` did; no secret in it."""

    did: str
    directory: str
    server_file: str
    handed: tuple[Handed, ...]
    rotating: tuple[str, ...] = ()


def made_view(made: Made) -> RenderableType:
    """The keys by holder, then what to do next."""
    width = max(len(one.key_file) for one in made.handed)
    lines = [Text(made.did, "green"), Text("")]
    lines.append(Text(f"{'GIVE THIS FILE':<{width}}  TO", "bold"))
    lines += [Text(f"{one.key_file:<{width}}  {one.holder}") for one in made.handed]
    lines += [Text(""), Text(f"the server: {made.server_file} (public keys only); have it read again: kill -HUP PID")]
    if made.rotating:
        lines.append(Text("when every holder has the new file:"))
        lines += [Text(f"  diagmesh init {made.directory} --rotate-finish {name}") for name in made.rotating]
    else:
        lines.append(Text(f"settings of sidecars and coordinator: {made.directory}/settings/"))
    return Group(*lines)

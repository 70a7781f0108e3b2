"""`init`: what was made, and which file is for whom."""

import msgspec
from rich.console import Group, RenderableType
from rich.text import Text

__all__ = ["Handed", "Made", "made_view"]


class Handed(msgspec.Struct, frozen=True, kw_only=True):
    """A key file and its holder.

    Args:
        role: of the key.
        holder: who gets the files.
        key_file: with the seed.
        settings_file: what goes with it; empty for none.
        inbox_prefix: where answers to this role arrive.
        public: the public keys that the server accepts, the current one first.
    """

    role: str
    holder: str
    key_file: str
    settings_file: str
    inbox_prefix: str
    public: tuple[str, ...]


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What `init` did; no secret in it.

    Args:
        did: in a sentence.
        directory: that holds the files, which are named from there.
        server_file: the configuration of the server.
        handed: the files that are to be handed out.
        rotating: roles whose key before is still accepted.
        changed: settings that were changed besides.
        left: what has to be changed by hand.
        notes: what the server does not do by itself.
    """

    did: str
    directory: str
    server_file: str
    handed: tuple[Handed, ...]
    rotating: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def made_view(made: Made) -> RenderableType:
    """The files by holder, then what to do next."""
    width = max(len(one.holder) for one in made.handed)
    lines = [Text(made.did, "green"), Text(""), Text(f"{'FOR':<{width}}  KEY AND SETTINGS", "bold")]
    for one in made.handed:
        files = ", ".join(filter(None, (one.key_file, one.settings_file)))
        lines.append(Text(f"{one.holder:<{width}}  {files}"))
    lines += [Text(""), Text(f"in {made.directory}: give each holder these files, and nobody else")]
    lines += [Text(f"{made.server_file} (public keys only) is for the server; read again: kill -HUP PID")]
    lines += [Text(note) for note in made.notes]
    lines += [Text(f"changed too, so restart who has it: {name}") for name in made.changed]
    lines += [Text(f"by hand: {one}", "yellow") for one in made.left]
    if made.rotating:
        lines.append(Text("when every holder has the new file:"))
        lines += [Text(f"  diagmesh init {made.directory} --rotate-finish {name}") for name in made.rotating]
    return Group(*lines)

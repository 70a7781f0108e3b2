"""Small file trees (``tests/data``): a file is headed by a line ``@ path``, a link by ``@ path -> target``."""

from pathlib import Path

__all__ = ["DATA", "plant", "stat_line"]

DATA = Path(__file__).parent.parent / "data"


def plant(text: str, root: Path) -> Path:
    """Write the files of a tree below ``root`` and return it."""
    for part in ("\n" + text).split("\n@ ")[1:]:
        head, _, content = part.partition("\n")
        name, arrow, target = head.partition(" -> ")
        path = root / name.strip().lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        if arrow:
            path.symlink_to(target.strip())
        elif name.strip().endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.write_text(content if content.endswith("\n") or not content else content + "\n", encoding="utf-8")
    return root


def stat_line(pid: int, *, name: str = "app", state: str = "S", parent: int = 1, start: int = 100) -> str:
    """A line of ``/proc/<pid>/stat`` with the fields that matter, the others zero."""
    fields = ["0"] * 50
    fields[0], fields[1], fields[17], fields[19] = state, str(parent), "1", str(start)
    return f"{pid} ({name}) {' '.join(fields)}\n"

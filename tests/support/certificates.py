"""Certificates for tests, made with the ``openssl`` command: a CA, and leaves that are fine, expired or misnamed."""

import subprocess
from pathlib import Path
from typing import Final

__all__ = ["Authority"]

_TIMEOUT_S: Final = 30
_KEY: Final = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
_CONFIG: Final = """\
[ca]
default_ca = one
[one]
database = {folder}/index
new_certs_dir = {folder}
rand_serial = yes
default_md = sha256
policy = any
certificate = {folder}/ca.pem
private_key = {folder}/ca.key
x509_extensions = leaf
copy_extensions = copy
unique_subject = no
[leaf]
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[any]
commonName = supplied
"""


class Authority:
    """A certificate authority of one test run, in a folder of its own.

    Args:
        folder: an empty folder.
        key_usage: what its own certificate says that its key is for; empty: nothing, as it often is in the wild.
    """

    def __init__(self, folder: Path, key_usage: str = "critical,keyCertSign,cRLSign") -> None:
        self._folder = folder
        self.bundle = folder / "ca.pem"
        (folder / "index").touch()
        (folder / "ca.conf").write_text(_CONFIG.format(folder=folder), encoding="utf-8")
        subject = ("-subj", "/CN=diagmesh test authority", "-days", "2")
        usage = ("-addext", f"keyUsage={key_usage}") if key_usage else ()
        _openssl("req", "-x509", *_KEY, *subject, *usage, "-keyout", str(folder / "ca.key"), "-out", str(self.bundle))

    def leaf(self, names: str = "DNS:localhost,IP:127.0.0.1", *, from_: str = "", until: str = "") -> tuple[Path, Path]:
        """Certificate and key for these names; dates as ``YYYYMMDDHHMMSSZ``, default: valid now."""
        stem = f"leaf-{len(list(self._folder.iterdir()))}"
        certificate, key, request = (self._folder / f"{stem}.{suffix}" for suffix in ("pem", "key", "csr"))
        asked = ("-subj", f"/CN={stem}", "-addext", f"subjectAltName={names}")
        _openssl("req", *_KEY, *asked, "-keyout", str(key), "-out", str(request))
        dates = ("-startdate", from_, "-enddate", until) if from_ else ("-days", "2")
        config = ("-config", str(self._folder / "ca.conf"), "-batch", "-notext")
        _openssl("ca", *config, *dates, "-in", str(request), "-out", str(certificate))
        return certificate, key


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)  # noqa: S607  whichever openssl is there
    if done.returncode:
        raise RuntimeError(f"openssl {arguments[0]} failed: {done.stderr}")

"""Every mistake of TLS and keys gets one clear sentence: from the command, a sidecar and a coordinator alike.

What only the server can refuse is tried again (it may be mended there); what can never work ends the program with 64.
"""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from diagmesh import keys
from diagmesh_cli.main import run
from support.certificates import Authority
from support.natsserver import NatsServer
from support.programs import Program, wait_until

WAIT_S: Final = 30.0
PROGRAMS: Final = {
    "sidecar": ["python", "-m", "diagmesh_agents", "--service", "orders", "--instance", "i1", "--pid", "1"],
    "coordinator": ["python", "-m", "diagmesh_coordinator", "--instance", "c1"],
}


class World(NamedTuple):
    """Servers by name, and files by name."""

    urls: dict[str, str]
    files: dict[str, Path]

    def words(self, server: str, options: str) -> list[str]:
        """Command line for a server; ``{ca}`` in the options names a file."""
        return ["--nats", self.urls[server], *options.format(**self.files).split()]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("files")
    ours, other = Authority(tmp_path_factory.mktemp("ours")), Authority(tmp_path_factory.mktemp("other"))
    known, stranger = keys.generate(), keys.generate()
    files = {"ca": ours.bundle, "other_ca": other.bundle, "folder": folder}
    old = {"from_": "20200101000000Z", "until": "20200201000000Z"}
    leaves = {
        "good": ours.leaf(),
        "misnamed": ours.leaf("DNS:nats.example"),
        "expired": ours.leaf(**old),
        "foreign": other.leaf(),
    }
    for name, (certificate, key) in leaves.items():
        files |= {name: certificate, f"{name}_key": key}
    for name, user in (("known", known), ("stranger", stranger)):
        files[name] = folder / f"{name}.nk"
        keys.write_seed(files[name], user)
    for name, text in (("empty", "nothing\n"), ("half.creds", known.seed.decode() + "\n")):
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(text)

    def tls(name: str, more: str = "") -> str:
        return f'tls {{ cert_file: "{files[name]}", key_file: "{files[f"{name}_key"]}" {more} }}'

    configs = {
        "plain": f'authorization {{ users: [ {{ nkey: "{known.public}" }} ] }}',
        **{name: tls(name) for name in ("good", "misnamed", "expired")},
        "first": tls("good", "\nhandshake_first: true"),
        "asks": tls("good", f'\nca_file: "{ours.bundle}", verify: true'),
        "asks_first": tls("good", f'\nca_file: "{ours.bundle}", verify: true, handshake_first: true'),
    }
    with contextlib.ExitStack() as stack:
        urls = {
            name: stack.enter_context(
                NatsServer(tmp_path_factory.mktemp(name), config=config, greets="handshake_first" not in config)
            ).url
            for name, config in configs.items()
        }
        yield World({**urls, "trap": urls["plain"].replace("nats://", "tls://")}, files)


ASKS_FOR_ONE: Final = "the server asks for a certificate of ours: give tls_cert_file and tls_key_file"
TRIED_AGAIN: Final = (
    ("good", "", "(name the CA that signed it with tls_ca_file)"),
    ("good", "--tls-ca-file {other_ca}", "(name the CA that signed it with tls_ca_file)"),
    ("misnamed", "--tls-ca-file {ca}", "say it with tls_server_name"),
    ("good", "--tls-ca-file {ca} --tls-server-name nats.example", "say it with tls_server_name"),
    ("expired", "--tls-ca-file {ca}", "certificate has expired (renew it on the server"),
    ("trap", "", "the server does not speak TLS, so nothing was sent there"),
    ("plain", "--tls-ca-file {ca}", "the server does not speak TLS, so nothing was sent there"),
    ("plain", "--tls-first", "the server does not begin with TLS"),
    ("good", "--tls-first --tls-ca-file {ca}", "the server does not begin with TLS"),
    ("first", "--tls-ca-file {ca}", "a server that wants TLS before its greeting (tls_first)"),
    ("asks", "--tls-ca-file {ca}", ASKS_FOR_ONE),
    ("asks_first", "--tls-ca-file {ca} --tls-first", "certificate of ours"),
    (
        "asks",
        "--tls-ca-file {ca} --tls-cert-file {foreign} --tls-key-file {foreign_key}",
        "the server does not take our certificate (tls_cert_file)",
    ),
    (
        "asks",
        "--tls-ca-file {ca} --tls-cert-file {expired} --tls-key-file {expired_key}",
        "the server does not take our certificate (tls_cert_file)",
    ),
    ("plain", "--nkey-file {stranger}", "the server refused the credentials (Authorization Violation)"),
    ("plain", "", "the server refused the credentials (Authorization Violation)"),
)


@pytest.mark.parametrize(("server", "options", "says"), TRIED_AGAIN)
def test_what_the_server_refuses_is_told_by_all_three_and_tried_again(
    server: str, options: str, says: str, world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = world.words(server, options)
    with contextlib.ExitStack() as stack:
        programs = [
            stack.enter_context(Program([*start, *words], tmp_path / f"{name}.log")) for name, start in PROGRAMS.items()
        ]
        assert run(["status", "--timeout", "10", *words]) == 3
        told = capsys.readouterr().err
        assert says in told
        assert len(told.splitlines()) == 1
        assert "start one with" not in told or "no answer in time" in told, "another mesh is no help where one is"
        for program in programs:
            wait_until(lambda one=program: says in one.log_text(), WAIT_S, says)  # type: ignore[misc]
            assert program.running, "it goes on trying: the mistake may be mended on the server"
            assert "Traceback" not in program.log_text()
        for name, program in zip(PROGRAMS, programs, strict=True):
            whose = "diag/orders/i1: connecting: " if name == "sidecar" else "diag/mesh/c1: connecting: "
            assert whose in program.log_text()
            assert program.stop() == 0


NEVER: Final = (
    ("--tls-ca-file {folder}/none.pem", "nats.tls_ca_file: there is no file"),
    ("--tls-ca-file {folder}/empty", "holds no certificate in PEM"),
    ("--tls-cert-file {good}", "tls_cert_file and tls_key_file belong together"),
    ("--tls-cert-file {good} --tls-key-file {foreign_key}", "are no certificate and its key"),
    ("--nkey-file {folder}/none.nk", "nats.nkey_file: cannot read the seed file"),
    ("--nkey-file {folder}/empty", "holds no seed of a user nkey"),
    ("--creds-file {folder}/none.creds", "nats.creds_file: cannot read the seed file"),
    ("--creds-file {folder}/half.creds", "holds no JWT of a user, only a seed; give it as nkey_file"),
)


@pytest.mark.parametrize(("options", "says"), NEVER)
def test_what_can_never_work_ends_all_three_with_one_sentence(
    options: str, says: str, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    words = world.words("plain", options)
    assert run(["status", *words]) == 64
    told = capsys.readouterr().err
    assert says in told
    for start in PROGRAMS.values():
        command = [sys.executable, *start[1:], *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
        assert done.returncode == 64
        assert done.stderr.splitlines()[-1] == told.strip(), "the same words"
        assert "Traceback" not in done.stderr


def test_a_secret_that_others_may_read_is_told_by_all_three(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed, key = tmp_path / "open.nk", tmp_path / "open.key"
    seed.write_bytes(world.files["known"].read_bytes())
    key.write_bytes(world.files["good_key"].read_bytes())
    seed.chmod(0o640)
    key.chmod(0o604)
    options = f"--nkey-file {seed} --tls-ca-file {{ca}} --tls-cert-file {{good}} --tls-key-file {key}"
    words = world.words("asks", options)
    wanted = [f"nkey_file: others may read {seed}; run: chmod 600 {seed}", f"tls_key_file: others may read {key}"]
    run(["status", "--timeout", "5", *words])
    told = capsys.readouterr().err
    for says in wanted:
        assert says in told
        for name, start in PROGRAMS.items():
            with Program([*start, *words], tmp_path / f"{name}.log") as program:
                wait_until(lambda one=program, says=says: says in one.log_text(), WAIT_S, says)  # type: ignore[misc]
    for path in (seed, key):
        path.chmod(0o600)
    run(["status", "--timeout", "5", *words])
    assert "others may read" not in capsys.readouterr().err

"""User nkeys: what is written is what the server will see, and nobody else can read it."""

import base64
import stat
from pathlib import Path

import nkeys
import pytest
from nacl.signing import VerifyKey

from diagmesh import keys
from diagmesh.errors import SettingsError


def test_a_generated_key_signs_what_its_public_half_verifies(tmp_path: Path) -> None:
    key = keys.generate()
    signature = nkeys.from_seed(bytearray(key.seed)).sign(b"nonce")
    padded = key.public + "=" * (-len(key.public) % 8)
    VerifyKey(base64.b32decode(padded)[1:33]).verify(b"nonce", signature)
    assert key.public.startswith("U")
    assert len(key.public) == 56


def test_two_keys_differ() -> None:
    assert keys.generate().public != keys.generate().public


def test_the_seed_is_in_no_repr() -> None:
    key = keys.generate()
    assert key.seed.decode() not in repr(key)
    assert key.public in repr(key)


def test_a_seed_file_is_only_ours_and_reads_back(tmp_path: Path) -> None:
    key, path = keys.generate(), tmp_path / "user.nk"
    path.write_text("older")
    path.chmod(0o644)
    keys.write_seed(path, key)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert keys.read_seed(path) == key
    assert [entry.name for entry in tmp_path.iterdir()] == ["user.nk"]


@pytest.mark.parametrize("jwt", ["abc", "e" * 20_000], ids=["short", "of a user with many permissions"])
def test_a_credentials_file_holds_a_seed_too(tmp_path: Path, jwt: str) -> None:
    key, path = keys.generate(), tmp_path / "user.creds"
    path.write_text(
        f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{key.seed.decode()}\n------END USER NKEY SEED------\n"
    )
    assert keys.public_key_of(path) == key.public


@pytest.mark.parametrize("content", ["", "hello", "SUnotaseed", "SAAB" + "A" * 54, "\x00\xff"])
def test_what_is_no_seed_is_refused_without_showing_it(tmp_path: Path, content: str) -> None:
    path = tmp_path / "wrong.nk"
    path.write_text(content)
    with pytest.raises(SettingsError, match="holds no seed") as refused:
        keys.read_seed(path)
    assert not content or content not in str(refused.value)


def test_a_missing_seed_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"gone\.nk: No such file"):
        keys.read_seed(tmp_path / "gone.nk")


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="directory"):
        keys.write_seed(tmp_path / "taken", keys.generate())
    assert [entry.name for entry in tmp_path.iterdir()] == ["taken"]

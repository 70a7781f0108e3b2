"""Credentials files of an operator: a server with a memory resolver takes them; each mistake is told in a line."""

from pathlib import Path

import pytest

from diagmesh_cli.main import run
from support.natsserver import MakeServer
from support.operators import Operator, creds, encoded


def test_a_credentials_file_is_taken_and_each_mistake_is_told(
    make_server: MakeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    operator = Operator()
    server = make_server(config=operator.config).start()
    file = tmp_path / "reader.creds"
    file.touch(mode=0o600)
    asked = ["status", "--timeout", "20", "--nats", server.url, "--creds-file", str(file)]
    jwt, seed = operator.user()
    file.write_text(creds(jwt, seed))
    assert run(asked) == 3
    assert "0 of 0 instances answered" in capsys.readouterr().out
    file.write_text(creds(*Operator().user()))
    assert run(asked) == 3
    assert "refused the credentials" in capsys.readouterr().err
    head, _, signature = jwt.split(".")
    mistakes = (
        (creds(jwt, "none"), "holds no seed"),
        (seed, "holds no JWT"),
        (creds(f"{head}.{encoded(b'{')}.{signature}", seed), "is damaged"),
        (creds(*operator.user(expires=1_600_000_000)), "has expired (2020-09-13"),
    )
    for text, says in mistakes:
        file.write_text(text)
        assert run(asked) == 64
        told = capsys.readouterr().err
        assert says in told
        assert len(told.splitlines()) == 1
        assert seed not in told

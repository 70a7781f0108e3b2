"""What the page for implementers says is so: samples fit their schemas, names and limits are those of the code."""

import base64
import hashlib
import re
import time
from typing import Any, Final

import msgspec
import nkeys
import pytest
from jsonschema import Draft202012Validator

from diagmesh.contract import chunks, coding
from diagmesh.contract.codec import decode_reply
from diagmesh.contract.control import AUTH_HEADER
from diagmesh.contract.mesh import ASK_HEADER
from diagmesh.contract.names import NAME_PATTERN
from diagmesh.contract.wire import ANSWER_LIMIT_BYTES, QUESTION_LIMIT_BYTES, Status
from diagmesh.control import Guard
from diagmesh.keys import generate
from diagmesh_cli.commands.schema import wire_schemas
from support.house import ROOT

PAGE: Final = (ROOT / "deploy/protocol/README.md").read_text(encoding="utf-8")
SAMPLES: Final = re.findall(r"^```json ([\w.-]+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
KIB: Final = 1024


def test_there_is_a_sample_of_everything_that_travels() -> None:
    named = {name for name, _ in SAMPLES}
    assert named >= {"health.question", "mesh.health.question", "health.reply", "mesh.reply", "mesh.services.reply"}
    assert named >= {"heartbeat", "event"}
    assert len(SAMPLES) == len(re.findall(r"^```json", PAGE, re.MULTILINE)), "each names its schema"


@pytest.mark.parametrize(("name", "text"), SAMPLES)
def test_each_sample_fits_its_schema_and_nothing_in_it_is_unknown(name: str, text: str) -> None:
    value = msgspec.json.decode(text)
    schema = closed(wire_schemas()[name])
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(value)
    if name.endswith(".reply"):
        assert decode_reply(text.encode()).kind == value["kind"]


def closed(schema: Any) -> Any:
    """The schema without room for further fields: those are right on the wire, but no sample should have them."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    more = {"additionalProperties": False} if "properties" in schema else {}
    return {**more, **{name: closed(value) for name, value in schema.items()}}


@pytest.mark.parametrize(
    "header",
    [
        chunks.CHUNK_HEADER, chunks.ID_HEADER, chunks.SIZE_HEADER, chunks.DIGEST_HEADER, chunks.FROM_HEADER,
        coding.ACCEPT_HEADER, coding.CONTENT_TYPE_HEADER, AUTH_HEADER, ASK_HEADER,
    ],
)  # fmt: skip
def test_each_header_is_named(header: str) -> None:
    assert re.search(rf"`{header}[`:]", PAGE)


def test_limits_and_names_are_those_of_the_code() -> None:
    assert NAME_PATTERN.strip("^$") in PAGE
    assert f"at most {QUESTION_LIMIT_BYTES // KIB} KiB" in PAGE
    assert f"more than {ANSWER_LIMIT_BYTES // KIB} KiB" in PAGE
    assert f"whole reply, {chunks.CHUNKED_LIMIT_BYTES // KIB // KIB} MiB at most" in PAGE
    assert f"N is {chunks.MOST_CHUNKS} at most" in PAGE
    for status in Status:
        assert re.search(rf"^\| `{status}` \|", PAGE, re.MULTILINE)


def test_a_signature_made_as_the_page_says_is_believed() -> None:
    key = generate()
    body, boot, now, nonce = b'{"level":"debug"}', "k3v9x0q7m2ab41cd", time.time(), "abcdefghijklmnop"
    subject = "diagctl.orders.log-level.i1"
    iat, exp = int(now), int(now) + 30
    lines = ["diagctl/1", subject, hashlib.sha256(body).hexdigest(), str(iat), str(exp), nonce, boot]
    signature = nkeys.from_seed(bytearray(key.seed)).sign("\n".join(lines).encode())
    text = base64.urlsafe_b64encode(signature).decode().rstrip("=")
    headers = {AUTH_HEADER: f"{key.public}.{iat}.{exp}.{nonce}.{text}"}
    assert Guard([key.public], boot).check(headers, subject, body, now) == key.public

"""The protocol as an AsyncAPI 3 document, from the same declarations as the schemas and the subjects."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from diagmesh.contract import subjects
from diagmesh.contract.chunks import (
    CHUNK_HEADER,
    CHUNKED_LIMIT_BYTES,
    DIGEST_HEADER,
    FROM_HEADER,
    ID_HEADER,
    MOST_CHUNKS,
    SIZE_HEADER,
)
from diagmesh.contract.codec import ERROR_CODE_HEADER, ERROR_HEADER
from diagmesh.contract.coding import ACCEPT_HEADER, CONTENT_TYPE_HEADER, JSON, MSGPACK
from diagmesh.contract.control import AUTH_HEADER
from diagmesh.contract.mesh import ASK_HEADER
from diagmesh.contract.names import NAME_PATTERN
from diagmesh.contract.schema import Kinds, hoisted, schemas
from diagmesh.contract.wire import ANSWER_LIMIT_BYTES, QUESTION_LIMIT_BYTES, WIRE_VERSION

__all__ = ["asyncapi"]

_VERSION: Final = "3.0.0"
_NATS_BINDING: Final = "0.1.0"
_INBOX: Final = "inbox"
_TELLS: Final = (
    "Questions and answers of diagmesh over NATS. The application described here is the mesh: it receives questions and"
    f" sends replies, heartbeats and events. A request body is empty or JSON of at most {QUESTION_LIMIT_BYTES} bytes. A"
    " reply comes on the reply subject of the question, which must begin with _INBOX or _R_. README.md beside this"
    " document says the rest in words."
)
_PARAMETERS: Final = {
    "service": "The watched service.",
    "instance": "One instance of it.",
    "coordinator": "One coordinator; diag.mesh.services names them.",
    "kind": "Of the event.",
    "name": "diag-agent or diag-coordinator.",
    "id": "The boot id of one start of a sidecar or coordinator.",
}


def _texts(required: Iterable[str] = (), /, **properties: str) -> dict[str, Any]:
    described = {name: {"type": "string", "description": text} for name, text in properties.items()}
    return {"type": "object", "properties": described} | ({"required": list(required)} if required else {})


_QUESTION_HEADERS: Final = _texts(
    **{
        ACCEPT_HEADER: f"{JSON} (the default) or {MSGPACK}, with q as in HTTP; what is accepted alike is JSON.",
        CONTENT_TYPE_HEADER: f"Of the body: {JSON} (the default) or {MSGPACK}.",
        ASK_HEADER: "A random id; whoever waits for a coordinator can ask diag.mesh.coordinator.all who works on it.",
    }
)
_REPLY_HEADERS: Final = _texts(
    **{
        CONTENT_TYPE_HEADER: f"{MSGPACK} where it was asked for; JSON has no such header.",
        ERROR_HEADER: "The error of the problem in the body; only where there is one.",
        ERROR_CODE_HEADER: "Its code.",
        CHUNK_HEADER: f"n/N: the n-th of N messages (at most {MOST_CHUNKS}). A reply above {ANSWER_LIMIT_BYTES} bytes"
        f" comes so, up to {CHUNKED_LIMIT_BYTES}, if the question has chunks: true.",
        ID_HEADER: "The same in all chunks of one reply, and in no other.",
        SIZE_HEADER: "Bytes of the whole reply.",
        DIGEST_HEADER: "SHA-256 of the whole reply, hexadecimal.",
        FROM_HEADER: "service/instance of whoever sends the chunks.",
    }
)
_CONTROL_HEADERS: Final = _texts(
    (AUTH_HEADER,), **{AUTH_HEADER: "<operator nkey>.<iat>.<exp>.<nonce>.<base64url signature>; see README.md."}
)


def asyncapi(kinds: Kinds) -> dict[str, Any]:
    """The whole document, ready to be written as JSON.

    Args:
        kinds: what the agents answer.
    """
    every = schemas(kinds)
    made = _Document()
    for kind in kinds:
        made.kind(kind)
    for kind in ("services", "check"):
        made.mesh_kind(kind, f"mesh.{kind}.reply")
    made.mesh_kind("coordinator", "mesh.reply", "coordinator.reply", "coordinator.question")
    made.controlled("control.log-level", ("{service}", "log-level", "{instance}"), "control.log-level")
    made.controlled("mesh.log-level", ("mesh", "log-level", "{coordinator}"), "control.log-level")
    made.controlled("mesh.forget", ("mesh", "forget", "{coordinator}"), "mesh.forget")
    for verb in ("ping", "info", "stats"):
        for name, more in (("", ""), (".name", ".{name}"), (".id", ".{name}.{id}")):
            made.asked(f"srv.{verb}{name}", f"$SRV.{verb.upper()}{more}", "", f"srv.{verb}", each=True)
    made.told("heartbeat", subjects.heartbeat("{service}", "{instance}"))
    made.told("event", subjects.event("{service}", "{kind}"))
    return made.document(every)


class _Document:
    """Channels, operations and messages, as they are added."""

    def __init__(self) -> None:
        self._channels: dict[str, dict[str, Any]] = {}
        self._operations: dict[str, dict[str, Any]] = {}
        self._messages: dict[str, dict[str, Any]] = {}
        self._replies: set[str] = set()

    def kind(self, kind: str) -> None:
        """What agents answer, on its four subjects, and the sum of it."""
        question, reply = f"{kind}.question", f"{kind}.reply"
        self.asked(f"{kind}.one", subjects.ask_one("{service}", kind), question, reply, queue=True)
        self.asked(f"{kind}.all", subjects.ask_all("{service}", kind), question, reply, each=True)
        self.asked(f"{kind}.instance", subjects.ask_instance("{service}", kind, "{instance}"), question, reply)
        self.asked(f"{kind}.everyone", subjects.ask_everyone(kind), question, reply, each=True)
        self.mesh_kind(kind, "mesh.reply")

    def mesh_kind(self, kind: str, reply: str, own: str = "", own_question: str = "") -> None:
        """What a coordinator answers: any of them, a named one or each (which may tell of themselves only)."""
        question = f"mesh.{kind}.question"
        self.asked(f"mesh.{kind}", subjects.ask_mesh(kind), question, reply, queue=True)
        self.asked(f"mesh.{kind}.coordinator", subjects.ask_mesh(kind, "{coordinator}"), question, own or reply)
        asked, replied = own_question or question, own or reply
        self.asked(f"mesh.{kind}.all", subjects.ask_mesh(kind, "all"), asked, replied, each=True)

    def controlled(self, name: str, asked: tuple[str, str, str], schema: str) -> None:
        """A subject of signed requests: service, kind and instance."""
        self.asked(name, subjects.control(*asked), f"{schema}.question", f"{schema}.reply", control=True)

    def asked(
        self,
        name: str,
        address: str,
        question: str,
        reply: str,
        *,
        queue: bool = False,
        each: bool = False,
        control: bool = False,
    ) -> None:
        """A subject on which questions come in, and what is replied; an empty question is an empty body."""
        asks = question or "empty"
        headers = "headers.control" if control else "headers.question" if question else ""
        self._message(asks, question, headers)
        self._message(reply, reply, "" if name.startswith("srv.") else "headers.reply")
        self._replies.add(reply)
        self._channel(name, address, asks)
        replies = {"channel": _ref("channels", _INBOX), "messages": [_ref("channels", _INBOX, "messages", reply)]}
        self._operations[f"answer.{name}"] = {
            "action": "receive",
            "channel": _ref("channels", name),
            "summary": "Each of them replies once." if each else "One reply.",
            "messages": [_ref("channels", name, "messages", asks)],
            "reply": replies,
            **({"bindings": {"nats": {"queue": subjects.QUEUE, "bindingVersion": _NATS_BINDING}}} if queue else {}),
        }

    def told(self, name: str, address: str) -> None:
        """A subject on which the mesh tells something without being asked."""
        self._message(name, name, "")
        self._channel(name, address, name)
        self._operations[f"tell.{name}"] = {
            "action": "send",
            "channel": _ref("channels", name),
            "messages": [_ref("channels", name, "messages", name)],
        }

    def document(self, every: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
        """All of it."""
        headers = {"question": _QUESTION_HEADERS, "reply": _REPLY_HEADERS, "control": _CONTROL_HEADERS}
        inbox = {
            "address": None,
            "description": "The reply subject that the asker chose; each asker has inboxes that only he may hear.",
            "messages": {name: _ref("components", "messages", name) for name in sorted(self._replies)},
        }
        return {
            "asyncapi": _VERSION,
            "id": f"urn:diagmesh:v{WIRE_VERSION}",
            "info": {
                "title": "diagmesh",
                "version": str(WIRE_VERSION),
                "description": _TELLS,
                "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
            },
            "defaultContentType": JSON,
            "servers": {"nats": {"host": "localhost:4222", "protocol": "nats", "description": "Any NATS server."}},
            "channels": {_INBOX: inbox, **self._channels},
            "operations": self._operations,
            "components": {
                "schemas": {**hoisted(every), **{f"headers.{name}": schema for name, schema in headers.items()}},
                "messages": self._messages,
                "parameters": {
                    name: {"description": f"{text} {NAME_PATTERN}" if name in _TOKENS else text}
                    for name, text in _PARAMETERS.items()
                },
            },
        }

    def _channel(self, name: str, address: str, message: str) -> None:
        used = [parameter for parameter in _PARAMETERS if f"{{{parameter}}}" in address]
        self._channels[name] = {
            "address": address,
            "messages": {message: _ref("components", "messages", message)},
            **({"parameters": {one: _ref("components", "parameters", one) for one in used}} if used else {}),
        }

    def _message(self, name: str, schema: str, headers: str) -> None:
        self._messages[name] = {
            "name": name,
            **({"headers": _ref("components", "schemas", headers)} if headers else {}),
            **({"payload": _ref("components", "schemas", schema)} if schema else {"summary": "An empty body."}),
        }


_TOKENS: Final = ("service", "instance", "coordinator", "kind")


def _ref(*path: str) -> dict[str, str]:
    return {"$ref": f"#/{'/'.join(path)}"}

"""What nobody may ever be able to do, written by hand, so that a change of the table of roles cannot widen it unseen.

Per role the subjects of `support.permitting.ACTIONS`, with the verb in front. Each must be refused by the server, or
lead nowhere (``app`` has no permissions within its own account, so for it the border of the account is what holds).
"""

from collections.abc import Iterator
from typing import Final

__all__ = ["promises"]

_CONTROL: Final = """
    publish diagctl.orders.chaos.i1   publish diagctl.orders.chaos.all   publish diagctl.orders.chaos
    publish diagctl.payments.chaos.i1 publish diagctl.mesh.forget        subscribe diagctl.>
"""
_FOREIGN_INBOXES: Final = """
    publish _INBOX.x   publish _INBOX_priv.x   publish _INBOX_coord.x   publish _INBOX_agent_payments.x
"""
_SERVERS: Final = """
    request $SYS.REQ.SERVER.PING.VARZ   request $SYS.REQ.SERVER.PING.PROFILEZ   request diagsys.PROFILEZ
    request $SYS.REQ.ACCOUNT.APP.CONNZ  subscribe $SYS.ACCOUNT.>                subscribe >
"""
_STREAMS: Final = """
    request $JS.API.STREAM.CREATE.X   request $JS.API.STREAM.DELETE.X    request $JS.API.STREAM.PURGE.X
    request $JS.API.STREAM.MSG.GET.X  request $JS.API.CONSUMER.CREATE.X  request $JS.API.CONSUMER.DELETE.X.C
    publish $JS.ACK.x                 publish $KV.diag_registry.x        publish $KV.other.x
    publish $O.diag_bundles.C.x       publish $O.diag_bundles.M.x        publish $O.other.C.x
    request $JS.API.STREAM.CREATE.OBJ_diag_bundles  request $JS.API.STREAM.DELETE.OBJ_diag_bundles
    request $JS.API.STREAM.PURGE.OBJ_diag_bundles   request $JS.API.CONSUMER.CREATE.OBJ_diag_bundles
    publish $O.diag_bundles.x         request $JS.API.DIRECT.GET.OBJ_diag_bundles
"""
_EMITTED: Final = """
    publish diagev.hb.payments.i1  publish diagev.ev.payments.exit  publish diagev.hb.billing.i1
    publish diagev.hb.mesh.c1      publish diagev.ev.mesh.audit     publish diagev.alert.a1
"""
_QUESTIONS_OF_OTHERS: Final = """
    subscribe diag.>            subscribe diag.payments.*  subscribe diag.payments.*.i1  subscribe diag.mesh.*
    subscribe diagctl.payments.>  subscribe diagctl.mesh.>
"""
_APPLICATION: Final = """
    publish demo.orders.create  subscribe demo.orders.*  request diagapp.APP.STREAM.DELETE.X
    subscribe $JS.EVENT.ADVISORY.>  subscribe _INBOX_observer.>  publish _INBOX_observer.x
"""
_ASKING: Final = """
    publish diag.orders.health  publish diag.orders.logs  publish diag.orders.health.all
    publish diag.orders.health.i1  publish diag.all.health  publish diag.mesh.check  publish diag.mesh.diagnose
"""
_OF_ORDERS: Final = """
    subscribe diag.orders.*  subscribe diag.orders.health.i1  subscribe diagctl.orders.>  subscribe diag.all.*
    reply to diag.orders.health  publish diagev.hb.orders.i1  publish diagev.ev.orders.exit
    subscribe $SRV.*.diag-agent
"""
_ANSWERS: Final = """
    subscribe _INBOX.>  subscribe _INBOX_priv.>  subscribe _INBOX_coord.>  subscribe _INBOX_agent_payments.>
"""
_READING_EVENTS: Final = "subscribe diagev.>  subscribe $KV.diag_registry.>"

_NEVER: Final = {
    "agent-orders": (
        *(_CONTROL, _FOREIGN_INBOXES, _SERVERS, _STREAMS, _EMITTED, _QUESTIONS_OF_OTHERS, _APPLICATION, _ASKING),
        *(_ANSWERS, _READING_EVENTS, "reply to diag.payments.health  reply to diag.mesh.check  publish $SRV.PING"),
    ),
    "coordinator": (
        *(_CONTROL, _FOREIGN_INBOXES, _SERVERS, _APPLICATION, _OF_ORDERS),
        *("request $JS.API.STREAM.UPDATE.OBJ_diag_bundles  request $JS.API.DIRECT.GET.OBJ_diag_bundles",),
        *("request $JS.API.STREAM.PURGE.OBJ_diag_bundles  request $JS.API.STREAM.DELETE.OBJ_diag_bundles",),
        *("request $JS.API.CONSUMER.CREATE.OBJ_diag_bundles  publish $O.diag_bundles.x  publish $O.other.C.x",),
        *("publish $KV.other.x", "subscribe diag.>  subscribe diag.payments.*  subscribe diagctl.payments.>"),
        *("publish diagev.hb.payments.i1  publish diagev.ev.payments.exit  publish $SRV.PING",),
        *("subscribe _INBOX.>  subscribe _INBOX_priv.>  subscribe _INBOX_agent_payments.>",),
    ),
    "reader": (
        *(_CONTROL, _FOREIGN_INBOXES, _SERVERS, _STREAMS, _EMITTED, _QUESTIONS_OF_OTHERS, _APPLICATION, _OF_ORDERS),
        *("subscribe _INBOX_priv.>  subscribe _INBOX_coord.>  subscribe _INBOX_agent_payments.>",),
        *("subscribe $KV.diag_registry.>  reply to diag.payments.health  reply to diag.mesh.check",),
    ),
    "operator": (
        *(_FOREIGN_INBOXES, _SERVERS, _STREAMS, _EMITTED, _QUESTIONS_OF_OTHERS, _APPLICATION, _OF_ORDERS),
        *("subscribe _INBOX.>  subscribe _INBOX_coord.>  subscribe _INBOX_agent_payments.>  subscribe diagctl.>",),
        *("subscribe $KV.diag_registry.>  reply to diag.payments.health  reply to diag.mesh.check",),
    ),
    "observer": (
        *(_CONTROL, _FOREIGN_INBOXES, _SERVERS, _STREAMS, _EMITTED, _QUESTIONS_OF_OTHERS, _ASKING, _OF_ORDERS),
        *(_ANSWERS, _READING_EVENTS, "publish demo.orders.create  subscribe demo.orders.*"),
    ),
    "app": (
        *(_CONTROL, _FOREIGN_INBOXES, _SERVERS, _EMITTED, _QUESTIONS_OF_OTHERS, _OF_ORDERS, _ANSWERS, _READING_EVENTS),
        *("publish diag.orders.logs  publish diag.orders.health.all  publish diag.orders.health.i1",),
        *("publish diag.mesh.diagnose  publish $KV.diag_registry.x  publish $O.diag_bundles.x",),
        *("reply to diag.payments.health  reply to diag.mesh.check",),
    ),
}


def promises() -> Iterator[tuple[str, str]]:
    """Role, and verb with subject."""
    for role, groups in _NEVER.items():
        words = iter(" ".join(groups).split())
        for word in words:
            verb = f"{word} {next(words)}" if word == "reply" else word
            yield role, f"{verb} {next(words)}"

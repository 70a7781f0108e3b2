"""What a nats-server says of itself: replies of its monitoring endpoint and of the system account, 2.10 to 2.15.

One file an endpoint, each with partial structs: fields that a server does not have keep their defaults, fields that
we do not know are passed over, null counts as missing. `told` takes a reply of either door apart, `plain` an event.
"""

from diagmesh.adapters.natsmon.door import BadReply, ServerHead, Told, plain, told

__all__ = ["BadReply", "ServerHead", "Told", "plain", "told"]

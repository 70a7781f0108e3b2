"""Clients of a nats-server that do one thing and end by themselves: programs for `support.children.Child`."""

__all__ = ["ASK", "LAG", "TRICKLE"]

ASK = """
import socket, sys, time
plug = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
plug.recv(4096)
plug.sendall(b'CONNECT {"verbose":false,"name":"asker","user":"app","pass":"app"}\\r\\n')
print("ready", flush=True)
for _ in range(2400):
    plug.sendall(b"PUB " + sys.argv[2].encode() + b" _INBOX.nobody.waits 2\\r\\n{}\\r\\n")
    time.sleep(0.05)
"""
"""Arguments: port, subject. Asks twenty times a second for two minutes, and waits for no answer."""
TRICKLE = """
import socket, sys, time
plug = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
plug.recv(4096)
plug.sendall(b'CONNECT {"verbose":false,"name":"trickle","user":"app","pass":"app"}\\r\\n')
print("ready", flush=True)
for _ in range(6000):
    plug.sendall(b"PUB feed 100\\r\\n" + b"x" * 100 + b"\\r\\n")
    time.sleep(0.02)
"""
"""Argument: port. Publishes 100 bytes to ``feed`` fifty times a second for two minutes."""
LAG = """
import asyncio, sys, time
import nats
from nats.js.api import ConsumerConfig
async def main():
    app = await nats.connect(sys.argv[1])
    js, until = app.jetstream(), time.monotonic() + 120
    await js.add_stream(name="WORK", subjects=["work"])
    await js.add_consumer("WORK", ConsumerConfig(durable_name="worker"))
    work = await js.pull_subscribe_bind("worker", "WORK")
    async def come():
        while time.monotonic() < until:
            await js.publish("work", b"x")
            await asyncio.sleep(0.01)
    coming = asyncio.create_task(come())
    print("ready", flush=True)
    while time.monotonic() < until:
        for message in await work.fetch(20, timeout=5):
            await asyncio.sleep(0.1)
            await message.ack()
asyncio.run(main())
"""
"""Argument: URL. A hundred messages a second come for a worker that needs 0.1 s for each; two minutes."""

"""orders: takes orders from a small load of its own and has payments charge them."""

import asyncio
import json
import random
import time
import uuid
from typing import Final

from diagmesh.bus.core import Bus, Message
from diagmesh.errors import BusError
from diagmesh_lab.demo.payments import CHARGE
from diagmesh_lab.demo.service import Flags, Service, main

__all__ = ["CREATE", "Orders"]

CREATE: Final = "demo.orders.create"
_CHARGE_TIMEOUT_S: Final = 0.3
_ORDER_TIMEOUT_S: Final = 1.0
_TOO_MANY_FAILED: Final = 0.5


class Orders(Service):
    """Takes orders over NATS; unwell while most of its recent orders could not be charged."""

    name = "orders"

    def __init__(self, bus: Bus, flags: Flags) -> None:
        super().__init__(bus, flags)
        self._load: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen for orders and begin to make some."""
        await self.bus.subscribe(CREATE, self._on_order, queue="orders")
        if self.flags.rate > 0:
            self._load = asyncio.get_running_loop().create_task(self._make_load())

    def unwell(self) -> str:
        """Most recent orders could not be charged."""
        recent = self.recent.now()
        failed = sum(1 for _, was_failure in recent if was_failure)
        if not recent or failed / len(recent) <= _TOO_MANY_FAILED:
            return ""
        return f"payments did not charge {failed} of the last {len(recent)} orders in time"

    async def stop(self) -> None:
        """No more load, then as every service."""
        if self._load is not None:
            self._load.cancel()
        await super().stop()

    def _on_order(self, message: Message) -> None:
        if not self.work(self._order(message)):
            self.recent.add(0.0, failed=True)

    async def _order(self, message: Message) -> None:
        began, request_id = time.monotonic(), str(uuid.uuid4())
        try:
            charge = json.dumps({"order": request_id}).encode()
            await self.bus.request(CHARGE, charge, timeout_s=_CHARGE_TIMEOUT_S)
        except BusError as lost:
            error = f"payments did not charge: {lost}"
            self.log("error", "order failed", operation="create", request_id=request_id, error=error)
            self.recent.add(time.monotonic() - began, failed=True)
            await self.reply(message, {"order": request_id, "state": "failed"}, error=error, code=504)
        else:
            self.recent.add(time.monotonic() - began)
            await self.reply(message, {"order": request_id, "state": "paid"})

    async def _make_load(self) -> None:
        """An open loop: the next order comes in its time, whether or not the last one is done."""
        while True:
            await asyncio.sleep(random.expovariate(self.flags.rate))
            self.work(self._ask())

    async def _ask(self) -> None:
        try:
            await self.bus.request(CREATE, b"{}", timeout_s=_ORDER_TIMEOUT_S)
        except BusError as lost:
            self.log("error", "order not answered", operation="load", error=str(lost))


if __name__ == "__main__":
    main(Orders)

"""``python -m soak.chaos.counted FILE MODULE WORDS…``: a program of ours as it is, beside a count of its tasks.

The program runs unchanged; one more task writes every second how many tasks its event loop has, itself not counted.
It ends with whoever started it, so that nothing stays behind when a soak is killed.
"""

import asyncio
import importlib
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

__all__ = ["main", "tell_tasks"]

_EVERY_S: Final = 1.0


async def tell_tasks(file: Path) -> None:
    """Write the number of other tasks to a file, again and again."""
    parent = os.getppid()
    fresh = file.with_suffix(".fresh")
    while True:
        fresh.write_text(str(len(asyncio.all_tasks()) - 1))
        fresh.replace(file)
        await asyncio.sleep(_EVERY_S)
        if os.getppid() != parent:
            os._exit(1)


def main(words: list[str]) -> int:
    """Run a program; returns its exit code."""
    file, name, *rest = words
    module = importlib.import_module(f"{name}.__main__")
    run = module.run

    def counting(started: Callable[[asyncio.Event], Awaitable[int]]) -> int:
        async def both(stop: asyncio.Event) -> int:
            telling = asyncio.create_task(tell_tasks(Path(file)), name="tell tasks")
            try:
                return await started(stop)
            finally:
                telling.cancel()

        code: int = run(both)
        return code

    vars(module)["run"] = counting
    sys.argv = [name, *rest]
    code: int = module.main()
    return code


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

"""Programs of the tests that start others: whatever tells them to end, what they started is ended with them."""

import signal

__all__ = ["raise_on_term"]


def raise_on_term() -> None:
    """Let SIGTERM end us as Ctrl-C does, so that everything started is ended too."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)

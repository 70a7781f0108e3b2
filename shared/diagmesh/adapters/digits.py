"""What the kernel writes as a number, told from everything else that `int` would take, or would refuse."""

from typing import Final

__all__ = ["is_number"]

_MOST: Final = 20
"""Digits of the largest number of 64 bits; from 4300 on `int` refuses."""


def is_number(text: str) -> bool:
    """Whether this is a whole number without a sign: ASCII digits, at most 20 of them."""
    return len(text) <= _MOST and text.isascii() and text.isdecimal()

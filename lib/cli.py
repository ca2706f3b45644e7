"""Numbers in the flags of stages."""

import argparse
from collections.abc import Callable


def int_in_range(least: int, most: int = 1_000_000) -> Callable[[str], int]:
    """The `type` of a flag that is a whole number within bounds, both included."""

    def read(text: str) -> int:
        # What is longer than `most` is not read: Python refuses thousands of digits.
        if text.isdecimal() and len(text) <= len(str(most)) and least <= int(text) <= most:
            return int(text)
        raise argparse.ArgumentTypeError(
            f"{text[:40]} is not a whole number from {least} to {most}"
        )

    return read

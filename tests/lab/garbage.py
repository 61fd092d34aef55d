"""Bytes that are nearly right, the same ones each time."""

import random
from collections.abc import Iterator


def spoiled(good: bytes, number: int = 500) -> Iterator[bytes]:
    """Yield some bytes cut short, with some of them changed."""
    source = random.Random(20261127)
    for _ in range(number):
        broken = bytearray(good[: source.randrange(len(good) + 1)])
        for _ in range(source.randrange(4)):
            if broken:
                broken[source.randrange(len(broken))] = source.randrange(256)
        yield bytes(broken) + source.randbytes(source.randrange(12))


def changed(good: bytes) -> Iterator[bytes]:
    """Yield the same bytes with one of them changed, for each of them and in several ways."""
    for at, value in enumerate(good):
        for other in {value ^ 1, value ^ 0x80, value ^ 0xFF, 0, 255} - {value}:
            yield good[:at] + bytes([other]) + good[at + 1 :]

"""Pictures in PNG (ISO/IEC 15948): a note in one, and smaller ones. Pure."""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOURS = 256
"""Of a picture with a palette."""

_KEY = b"pkdoors"


def readNote(picture: bytes) -> str:
    """Return the note in a picture; empty if it has none."""
    for kind, content in _chunks(picture):
        if kind == b"tEXt" and content.startswith(_KEY + b"\0"):
            return content.removeprefix(_KEY + b"\0").decode()
    return ""


def shrink(picture: bytes, note: str) -> bytes:
    """
    Return a picture with a palette and a note.

    @param picture: has 8 bits a channel, and no interlacing. If it has more than 256 colours, each
        rare one becomes the nearest of the frequent ones.
    """
    chunks = list(_chunks(picture))
    width, height, depth, kind, *_, interlaced = struct.unpack(">IIBBBBB", chunks[0][1])
    size = {2: 3, 6: 4}[kind]
    if depth != 8 or interlaced:
        raise ValueError("only PNG with 8 bits a channel, and without interlacing")
    data = zlib.decompress(b"".join(content for name, content in chunks if name == b"IDAT"))
    rows = [
        [row[at : at + 3] for at in range(0, width * size, size)]
        for row in _unfilter(data, width * size, height, size)
    ]
    palette, numbers = _choose(Counter(pixel for row in rows for pixel in row))
    lines = b"".join(b"\0" + bytes(numbers[pixel] for pixel in row) for row in rows)
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    return SIGNATURE + b"".join(
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
        for name, content in (
            (b"IHDR", head),
            (b"tEXt", _KEY + b"\0" + note.encode()),
            (b"PLTE", b"".join(palette)),
            (b"IDAT", zlib.compress(lines, 9)),
            (b"IEND", b""),
        )
    )


def _chunks(picture: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = len(SIGNATURE)
    while place < len(picture):
        length, kind = struct.unpack_from(">I4s", picture, place)
        yield kind, picture[place + 8 : place + 8 + length]
        place += length + 12


def _unfilter(data: bytes, width: int, height: int, size: int) -> Iterator[bytes]:
    """Yield the rows, see section 9 of the standard."""
    above = bytearray(width)
    for number in range(height):
        start = number * (width + 1)
        kind, row = data[start], bytearray(data[start + 1 : start + 1 + width])
        for at in range(width):
            left = row[at - size] if at >= size else 0
            corner = above[at - size] if at >= size else 0
            row[at] = (row[at] + _predict(kind, left, above[at], corner)) & 255
        yield bytes(row)
        above = row


def _predict(kind: int, left: int, up: int, corner: int) -> int:
    if kind == 4:
        guess = left + up - corner
        return min((left, up, corner), key=lambda value: abs(guess - value))
    return (0, left, up, (left + up) // 2)[kind]


def _choose(counts: Counter[bytes]) -> tuple[list[bytes], dict[bytes, int]]:
    """Return the palette, and the number in it for each colour."""
    palette = [pixel for pixel, _ in counts.most_common(COLOURS)]
    numbers = {pixel: number for number, pixel in enumerate(palette)}
    for pixel in counts.keys() - numbers.keys():
        numbers[pixel] = min(
            range(len(palette)),
            key=lambda number: sum(
                (a - b) ** 2 for a, b in zip(palette[number], pixel, strict=True)
            ),
        )
    return palette, numbers

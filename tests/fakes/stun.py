"""The messages of a STUN server."""

from ipaddress import ip_address

COOKIE = b"\x21\x12\xa4\x42"


def attribute(kind: int, value: bytes = b"") -> bytes:
    """Return an attribute, filled up to four bytes."""
    return kind.to_bytes(2) + len(value).to_bytes(2) + value + bytes(-len(value) % 4)


def mapped(address: str, number: bytes = b"", port: int = 1) -> bytes:
    """Return the attribute with an address: XOR-MAPPED-ADDRESS if the number is given."""
    packed = ip_address(address).packed
    mask = COOKIE + number if number else bytes(16)
    hidden = bytes(a ^ b for a, b in zip(packed, mask, strict=False))
    shown = bytes(a ^ b for a, b in zip(port.to_bytes(2), mask, strict=False))
    family = 1 if len(packed) == 4 else 2
    return attribute(0x20 if number else 1, bytes([0, family]) + shown + hidden)


def message(kind: int, number: bytes, *attributes: bytes) -> bytes:
    """Return a message."""
    body = b"".join(attributes)
    return kind.to_bytes(2) + len(body).to_bytes(2) + COOKIE + number + body


def answerTo(question: bytes, address: str) -> bytes:
    """Return the answer to a question."""
    assert question[:8] == b"\0\1\0\0" + COOKIE, "not a Binding request"
    assert len(question) == 20
    return message(0x0101, question[8:], mapped(address, question[8:]))

"""
What Linux remembers of the TCP connections that it has had to an address: the round trip. Pure.

C{linux/tcp_metrics.h}, by generic netlink, C{linux/genetlink.h}. Everybody may ask.
"""

import struct
from ipaddress import ip_address

from pkdoors.client.core.plan import RoundTrip

PROTOCOL = 16
"""NETLINK_GENERIC."""

_CONTROLLER, _GETFAMILY, _FAMILY_ID, _FAMILY_NAME = 16, 3, 1, 2
_NAME = b"tcp_metrics\0"
_GET = 1
_ADDRESS = {4: 1, 6: 2}  # the attributes of an address, by its version
_VALUES, _ROUND_TRIP, _VARIATION = 6, 6, 7  # numbers of the values are one more than their names'
_REQUEST = 1
_HEADER, _GENERIC, _ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=BBH"), struct.Struct("=HH")
_KIND = 0x3FFF  # the bits of an attribute's number without its flags


def askForFamily() -> bytes:
    """Return the request for the number that the kernel has given to the metrics."""
    return _pack(_CONTROLLER, _GETFAMILY, _FAMILY_NAME, _NAME)


def readFamily(answer: bytes) -> int:
    """
    Return that number.

    @raise ValueError: the kernel has no metrics, or something else answers.
    """
    return _number(_read(answer, _CONTROLLER), _FAMILY_ID, 2)


def askForMetrics(family: int, address: str) -> bytes:
    """
    Return the request for the metrics of an address.

    @raise ValueError: it is not an address.
    """
    parsed = ip_address(address)
    return _pack(family, _GET, _ADDRESS[parsed.version], parsed.packed)


def readRoundTrip(answer: bytes, family: int) -> RoundTrip:
    """
    Return the round trip to a host.

    @raise ValueError: the kernel does not know the address.
    """
    values = _split(_read(answer, family).get(_VALUES, b""))
    # As the kernel keeps them: eight times, and four times the value, in microseconds.
    mean, variation = _number(values, _ROUND_TRIP, 4) / 8, _number(values, _VARIATION, 4) / 4
    return RoundTrip(mean / 1e6, variation / 1e6)


def _pack(family: int, command: int, kind: int, value: bytes) -> bytes:
    attribute = _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value
    body = _GENERIC.pack(command, 1, 0) + attribute + bytes(-len(attribute) % 4)
    return _HEADER.pack(_HEADER.size + len(body), family, _REQUEST, 1, 0) + body


def _read(answer: bytes, family: int) -> dict[int, bytes]:
    """Return the attributes of an answer."""
    if len(answer) < _HEADER.size or _HEADER.unpack_from(answer)[1] != family:
        raise ValueError("it is an error")
    return _split(answer[_HEADER.size + _GENERIC.size :])


def _split(data: bytes) -> dict[int, bytes]:
    found = {}
    while len(data) >= _ATTRIBUTE.size:
        size, kind = _ATTRIBUTE.unpack_from(data)
        if size < _ATTRIBUTE.size:
            break
        found[kind & _KIND] = data[_ATTRIBUTE.size : size]
        data = data[size + -size % 4 :]
    return found


def _number(values: dict[int, bytes], kind: int, size: int) -> int:
    value = values.get(kind, b"")
    if len(value) != size:
        raise ValueError("it lacks the requested value")
    number: int = struct.unpack("=H" if size == 2 else "=I", value)[0]
    return number

"""
Tracks what is known of the packets at some point of a rule: a small abstract machine. Pure.

It evaluates nftables' expressions only for protocol and original port. All other conditions
(interfaces, sources, ...) count as true: the result is never less than what the rule does.

Formats and numbers: C{linux/netfilter/nf_tables.h}; numbers are in the network's order.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

from pkdoors.firewall.netlink.messages import parseAttributes

Symbol = int | Literal["high", "low", "protocol"]
"""A byte in a register: a known one, or one of the original port, or the protocol's number."""

NUMBERS = {"tcp": 6, "udp": 17}
LAST_PORT = 65535

_META_L4PROTO = 16  # NFT_META_L4PROTO
_CT_PROTOCOL, _CT_TARGET = 10, 12  # NFT_CT_PROTOCOL, NFT_CT_PROTO_DST
_NETWORK, _TRANSPORT = 1, 2  # NFT_PAYLOAD_NETWORK_HEADER, ..._TRANSPORT_HEADER
_IP_PROTOCOL, _IP6_NEXT_HEADER = 9, 6  # offsets in the header
_EQUAL, _UNEQUAL, _LESS, _AT_MOST, _MORE, _AT_LEAST = range(6)  # NFT_CMP_...
_INVERTED = 0x1  # NFT_LOOKUP_F_INV, and NFT_RANGE_NEQ


class Case(NamedTuple):
    """
    Packets that come to some point of a rule.

    @ivar protocol: C{tcp} or C{udp}.
    @ivar first: their lowest original port.
    @ivar last: their highest one.
    @ivar registers: the known bytes of the registers, by position.
    """

    protocol: str
    first: int = 0
    last: int = LAST_PORT
    registers: Mapping[int, Symbol] = {}

    def contents(self, register: int, size: int) -> bytes | None:
        """Return the contents of a register; L{None} if they are not known."""
        start = firstByte(register)
        symbols = [self.registers.get(start + offset) for offset in range(size)]
        numbers = [symbol for symbol in symbols if isinstance(symbol, int)]
        return bytes(numbers) if len(numbers) == size else None

    def load(self, register: int, symbols: Iterable[Symbol | None], size: int = 0) -> "Case":
        """Return the case after loading a register. Bytes beyond the symbols become unknown."""
        start = firstByte(register)
        new = dict(enumerate(symbols, start))
        end = start + max(size, len(new), 4)
        kept = {at: symbol for at, symbol in self.registers.items() if not start <= at < end}
        known = {at: symbol for at, symbol in new.items() if symbol is not None}
        return self._replace(registers=kept | known)

    def narrow(self, low: int, high: int) -> Iterator["Case"]:
        """Yield the part with original ports from C{low} to C{high}, if it is not empty."""
        first, last = max(self.first, low), min(self.last, high)
        if first <= last:
            yield self._replace(first=first, last=last)

    def exclude(self, ranges: Iterable[tuple[int, int]]) -> Iterator["Case"]:
        """Yield the parts whose original ports are outside these ranges."""
        at = self.first
        for low, high in sorted(ranges):
            yield from self.narrow(at, low - 1)
            at = max(at, high + 1)
        yield from self.narrow(at, LAST_PORT)

    def restrict(self, register: int, low: bytes, high: bytes, size: int = 0) -> Iterator["Case"]:
        """
        Yield the part whose register is from C{low} to C{high}, if it is not empty.

        @param size: the bytes of each part of a concatenation; 0 if it is not one.
        """
        start, case = firstByte(register), self
        for at in range(min(len(low), len(high))):
            begin = at - at % size if size else 0
            if low[begin:at] != high[begin:at]:
                continue  # the limits of this byte depend on those before it
            symbol = case.registers.get(start + at)
            if symbol == "high" and at + 2 <= min(len(low), len(high)):
                first, last = (int.from_bytes(limit[at : at + 2]) for limit in (low, high))
                part = list(case.narrow(first, last))
                if not part:
                    return
                case = part[0]
            elif symbol == "protocol" and not low[at] <= NUMBERS[case.protocol] <= high[at]:
                return
        yield case

    def isPort(self, register: int) -> bool:
        """Return whether a register contains the original port."""
        start = firstByte(register)
        return [self.registers.get(start + at) for at in (0, 1)] == ["high", "low"]

    def isProtocol(self, register: int) -> bool:
        """Return whether a register contains the protocol's number."""
        return self.registers.get(firstByte(register)) == "protocol"


class Span(NamedTuple):
    """
    An element of a set or map.

    @ivar low: the first key.
    @ivar high: the last key.
    @ivar value: the attributes C{NFTA_DATA_...} of its value in a map.
    """

    low: bytes
    high: bytes
    value: Mapping[int, bytes] = {}


def firstByte(register: int) -> int:
    """Return the position of a register's first byte: registers have 16 or 4 bytes."""
    return 4 * (4 * register if register < 8 else register - 4)


def readLoad(name: str, parts: Mapping[int, bytes]) -> tuple[int, list[Symbol | None], int] | None:
    """
    Return the register that an expression loads, the symbols, and the number of bytes; L{None} if
    the expression does not load a register.
    """
    if name == "payload" and 1 in parts:
        base, offset, size = (readNumber(parts.get(kind)) for kind in (2, 3, 4))
        return readNumber(parts[1]), _payload(base, offset, min(size, 64)), size
    if name == "meta" and 1 in parts:
        isProtocol = readNumber(parts.get(2)) == _META_L4PROTO
        return readNumber(parts[1]), ["protocol"] if isProtocol else [], 16
    if name == "ct" and 1 in parts:
        key, isReply = readNumber(parts.get(2)), bool(readNumber(parts.get(3)))
        if key == _CT_PROTOCOL:
            return readNumber(parts[1]), ["protocol"], 16
        return (
            readNumber(parts[1]),
            ["high", "low"] if key == _CT_TARGET and not isReply else [],
            16,
        )
    if name == "immediate" and readNumber(parts.get(1)):
        value = parseAttributes(parts.get(2, b"")).get(1, b"")[:64]
        return readNumber(parts[1]), list(value), len(value)
    return None


def _payload(base: int, offset: int, size: int) -> list[Symbol | None]:
    known: dict[int, Symbol] = {}
    if base == _TRANSPORT:
        known = {2: "high", 3: "low"}
    elif base == _NETWORK and (offset, size) in ((_IP_PROTOCOL, 1), (_IP6_NEXT_HEADER, 1)):
        known = {offset: "protocol"}
    return [known.get(offset + index) for index in range(size)]


def applyCompare(case: Case, parts: Mapping[int, bytes]) -> Iterator[Case]:
    """Yield the part of a case that a C{cmp} lets through."""
    register, operator = readNumber(parts.get(1)), readNumber(parts.get(2))
    value = parseAttributes(parts.get(3, b"")).get(1, b"")
    if operator == _EQUAL:
        yield from case.restrict(register, value, value)
        return
    at = int.from_bytes(value)
    allowed = {
        _UNEQUAL: ((0, at - 1), (at + 1, LAST_PORT)),
        _LESS: ((0, at - 1),),
        _AT_MOST: ((0, at),),
        _MORE: ((at + 1, LAST_PORT),),
        _AT_LEAST: ((at, LAST_PORT),),
    }.get(operator, ())
    if case.isPort(register) and len(value) == 2:
        for low, high in allowed:
            yield from case.narrow(low, high)
    elif case.isProtocol(register) and len(value) == 1:
        if any(low <= NUMBERS[case.protocol] <= high for low, high in allowed):
            yield case
    else:
        yield case


def applyRange(case: Case, parts: Mapping[int, bytes]) -> Iterator[Case]:
    """Yield the part of a case that a C{range} lets through."""
    low, high = (parseAttributes(parts.get(kind, b"")).get(1, b"") for kind in (3, 4))
    register = readNumber(parts.get(1))
    if readNumber(parts.get(2)) & _INVERTED:
        yield from excludeSpans(case, register, [Span(low, high)])
    else:
        yield from case.restrict(register, low, high)


def excludeSpans(case: Case, register: int, spans: Iterable[Span]) -> Iterator[Case]:
    """Yield the part of a case whose register is outside these spans."""
    spans = list(spans)
    if case.isPort(register) and all(len(span.low) == len(span.high) == 2 for span in spans):
        numbers = [(int.from_bytes(span.low), int.from_bytes(span.high)) for span in spans]
        yield from case.exclude(numbers)
    elif case.isProtocol(register) and all(len(span.low) == 1 for span in spans):
        protocol = bytes([NUMBERS[case.protocol]])
        if not any(span.low <= protocol <= span.high for span in spans):
            yield case
    else:
        yield case


def isInverted(parts: Mapping[int, bytes]) -> bool:
    """Return whether a C{lookup} is true for keys that are not in the set."""
    return bool(readNumber(parts.get(5)) & _INVERTED)


def mentionsPort(cases: Iterable[Case], register: int, size: int) -> bool:
    """Return whether a register of that many bytes contains a part of port or protocol."""
    places = range(firstByte(register), firstByte(register) + min(size, 64))
    return any(isinstance(case.registers.get(at), str) for case in cases for at in places)


def readNumber(content: bytes | None) -> int:
    """Return the number in an attribute; 0 if it is missing."""
    return int.from_bytes(content or b"")

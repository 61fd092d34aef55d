"""
Reads the matches and targets of iptables that iptables-nft puts into nftables unchanged. Pure.

Formats: C{linux/netfilter/xt_tcpudp.h}, C{xt_multiport.h}, C{nf_nat.h}; in the host's byte order,
except addresses and the ports of targets, which are in the network's.
"""

import struct
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import NamedTuple

from pkdoors.firewall.ways._natcases import Case, readNumber
from pkdoors.model.addresses import Address

IP6 = 10  # NFPROTO_IPV6

_PORTS = struct.Struct("=4H")  # of struct xt_tcp and xt_udp: sources, destinations
_INVERTED_AT = {"tcp": 11, "udp": 8}
_INVERTED_TARGET = 0x2  # XT_TCP_INV_DSTPT, XT_UDP_INV_DSTPT
_MULTIPORT = struct.Struct("=BB15H")  # struct xt_multiport
_SOURCE, _DESTINATION, _EITHER = range(3)  # XT_MULTIPORT_...
_MOST_PORTS = 15
_MAP_IPS, _HAS_PORTS, _HAS_BASE = 0x1, 0x2, 0x20  # NF_NAT_RANGE_...
_RANGE4 = struct.Struct("=II4s4s2s2s")  # struct nf_nat_ipv4_multi_range_compat
_RANGE = struct.Struct("=I16s16s2s2s")  # struct nf_nat_range; nf_nat_range2 has one more port
_TARGETS = ("DNAT", "NETMAP")


class Target(NamedTuple):
    """
    The addresses and ports to which a rule sends packets.

    @ivar first: the first address.
    @ivar last: the last one.
    @ivar ports: the first and the last port; L{None} if the port stays.
    @ivar base: the original port that becomes the first port, while the next one becomes the next;
        L{None} if any original port may become any of them.
    """

    first: Address
    last: Address
    ports: tuple[int, int] | None = None
    base: int | None = None


def applyMatch(case: Case, parts: Mapping[int, bytes]) -> Iterator[Case]:
    """Yield the part of a case that a match lets through."""
    name, info = _name(parts), parts.get(3, b"")  # NFTA_MATCH_INFO
    if name in _INVERTED_AT and len(info) > _INVERTED_AT[name]:
        if case.protocol == name:
            low, high = _PORTS.unpack_from(info)[2:]
            isInverted = bool(info[_INVERTED_AT[name]] & _INVERTED_TARGET)
            yield from case.exclude([(low, high)]) if isInverted else case.narrow(low, high)
    elif name == "multiport" and len(info) >= _MULTIPORT.size:
        yield from _multiport(case, info)
    else:
        yield case


def _multiport(case: Case, info: bytes) -> Iterator[Case]:
    kind, count, *ports = _MULTIPORT.unpack_from(info)
    if kind != _DESTINATION:  # "either" may mean the source port
        yield case
        return
    flags = info[_MULTIPORT.size :].ljust(_MOST_PORTS + 1, b"\0")
    ranges, at = [], 0
    while at < min(count, _MOST_PORTS):
        isRange = bool(flags[at]) and at + 1 < _MOST_PORTS
        ranges.append((ports[at], ports[at + isRange]))
        at += 1 + isRange
    if flags[_MOST_PORTS]:
        yield from case.exclude(ranges)
    else:
        for low, high in ranges:
            yield from case.narrow(low, high)


def readTarget(family: int, parts: Mapping[int, bytes]) -> Target | None:
    """Return the addresses and ports of a target; L{None} if it does not forward packets."""
    if _name(parts) not in _TARGETS:
        return None
    revision, info = readNumber(parts.get(2)), parts.get(3, b"")  # NFTA_TARGET_REV, ..._INFO
    base = b""
    if revision == 0 and family != IP6:
        if len(info) < _RANGE4.size:
            return None
        _, flags, first, last, low, high = _RANGE4.unpack_from(info)
    elif len(info) < _RANGE.size:
        return None
    else:
        flags, first, last, low, high = _RANGE.unpack_from(info)
        base = info[_RANGE.size : _RANGE.size + 2] if revision >= 2 else b""
    size = 16 if family == IP6 else 4
    if not flags & _MAP_IPS:
        return None
    ports = (readNumber(low), readNumber(high)) if flags & _HAS_PORTS else None
    return Target(
        ip_address(first[:size]),
        ip_address(last[:size]),
        ports,
        readNumber(base) if base and flags & _HAS_BASE else None,
    )


def _name(parts: Mapping[int, bytes]) -> str:
    return parts.get(1, b"").rstrip(b"\0").decode("ascii", "replace")

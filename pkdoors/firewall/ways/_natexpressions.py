"""The chains and expressions by which nftables forward ports. Pure."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_address

from pkdoors.firewall.netlink.dump import Answer
from pkdoors.firewall.netlink.messages import iterAttributes, parseAttributes
from pkdoors.firewall.ways._natcases import (
    LAST_PORT,
    Case,
    applyCompare,
    applyRange,
    readLoad,
    readNumber,
)
from pkdoors.firewall.ways._xtables import IP6, Target, applyMatch
from pkdoors.firewall.ways.forwards import NftName

_PREROUTING = 0  # NF_INET_PRE_ROUTING
_DNAT = 1  # NFT_NAT_DNAT

_COMPUTES = {
    "bitwise": 2,
    "byteorder": 2,
    "exthdr": 1,
    "fib": 1,
    "hash": 2,
    "numgen": 1,
    "osf": 1,
    "rt": 1,
    "socket": 2,
    "xfrm": 1,
}
"""Expressions whose result is not known, and the attribute that names its register."""

Rule = list[tuple[str, dict[int, bytes]]]
"""The expressions of a rule: name, and attributes."""


def findNatChains(family: int, answer: Answer) -> Iterator[NftName]:
    """Yield the base chains among chains that do DNAT for packets from outside."""
    for _, body in answer:
        chain = parseAttributes(body)
        hook = parseAttributes(chain.get(4, b""))  # NFTA_CHAIN_HOOK { NFTA_HOOK_HOOKNUM }
        if readText(chain.get(7)) == "nat" and 1 in hook and readNumber(hook[1]) == _PREROUTING:
            yield NftName(family, readText(chain.get(1)), readText(chain.get(3)))


def readExpressions(body: bytes) -> Rule:
    """Return the expressions of a rule."""
    rule = parseAttributes(body).get(4, b"")  # NFTA_RULE_EXPRESSIONS
    expressions = (parseAttributes(content) for kind, content in iterAttributes(rule) if kind == 1)
    return [
        (readText(expression.get(1)), parseAttributes(expression.get(2, b"")))
        for expression in expressions
    ]


def applyExpression(case: Case, name: str, parts: Mapping[int, bytes]) -> Iterator[Case]:
    """Yield what becomes of a case in an expression that leads nowhere else."""
    if name == "cmp":
        yield from applyCompare(case, parts)
    elif name == "range":
        yield from applyRange(case, parts)
    elif name == "match":
        yield from applyMatch(case, parts)
    elif loaded := readLoad(name, parts):
        yield case.load(*loaded)
    elif name in _COMPUTES and _COMPUTES[name] in parts:
        yield case.load(readNumber(parts[_COMPUTES[name]]), (), 16)
    else:
        yield case


def readNatTarget(case: Case, parts: Mapping[int, bytes]) -> Target | None:
    """
    Return where a C{nat} expression sends packets; L{None} if it does not forward them, or if the
    address is unknown.
    """
    if readNumber(parts.get(1)) != _DNAT or 3 not in parts:  # NFTA_NAT_TYPE, ..._REG_ADDR_MIN
        return None
    size = 16 if readNumber(parts.get(2)) == IP6 else 4
    first = case.contents(readNumber(parts[3]), size)
    last = case.contents(readNumber(parts.get(4, parts[3])), size)
    if first is None or last is None:
        return None
    ports = None
    if 5 in parts:  # NFTA_NAT_REG_PROTO_MIN
        low = case.contents(readNumber(parts[5]), 2)
        high = case.contents(readNumber(parts.get(6, parts[5])), 2)
        # A computed port may be any port.
        ports = (readNumber(low), readNumber(high)) if low and high else (1, LAST_PORT)
    return Target(ip_address(first), ip_address(last), ports)


def readText(content: bytes | None) -> str:
    """Return the text in an attribute; empty if it is missing."""
    return (content or b"").rstrip(b"\0").decode("ascii", "replace")

"""
The guard's rules for doors of which an opening is for one connection. Pure.

Anybody can send a SYN in the name of a client, so no SYN uses an opening up. The host answers all
of them; the first client that completes its handshake gets the connection. That is proved: only
who receives the host's SYN/ACK knows its number, which the client's next segment acknowledges. So
the guard remembers those numbers, and needs no connection tracking. When an opening is used, all
other handshakes of its client end there.

The opening stays in its set until its deadline, or until the daemon has noticed. Another set says
that it is used; only a new grant takes it out there.
"""

from collections.abc import Collection, Iterable, Iterator

from pkdoors.firewall.guard.openingsets import OpeningSet, openingSets
from pkdoors.firewall.guard.portgroups import PortGroup
from pkdoors.model.doors import Door

# A fast-open SYN would reach the service before the handshake proves anything. Without an answer,
# clients send an ordinary SYN. 34 is that option, 254 the one that was used before it.
_SYN = """
{chain} tcp flags & (syn|ack) == syn tcp option 34 missing tcp option 254 missing {source} @{open} \
{source} != @{used} accept
"""
# A client that never sent the SYN answers the SYN/ACK with a reset, and the host gives up.
_RESET = "{chain} tcp flags & (syn|rst) == rst {source} @{open} accept"
# Several processors may judge handshakes of one client at a time. The limit lets exactly one
# packet pass, and the set keeps it for as long as the element is there.
_USE = """
{chain} tcp flags & (syn|rst|ack) == ack {source} @{open} {source} != @{used} jump {first}
"""
_FIRST = """
{first} jump proof{v}
{first} add @{used} {{ {source} limit rate 1/week burst 1 packets }} goto session
"""
_TOO_LATE = """
{chain} tcp flags & (syn|rst|ack) == ack {source} @{open} counter reject with tcp reset
"""
_ANSWERS = """
answers oif != "lo" tcp flags & (syn|ack) == (syn|ack) tcp sport @tcp_ports jump answered
forward tcp flags & (syn|ack) == (syn|ack) jump answered
"""
_ANSWERED = (
    "answered {client} @{open} {client} != @{used} "
    "update @synacks{v} {{ {ip} daddr . tcp sequence }}"
)
# The client acknowledges the number plus one. nft cannot add, so this tries all that the addition
# can change: the last bit, the last two, and so on. For a stranger each is one more guess in 2^32.
_PROOF = "proof{v} {ip} saddr . tcp ackseq ^ {bits:#x} @synacks{v} return"
_UNPROVED = "proof{v} counter drop"


_IP = {4: "ip", 6: "ip6"}


def onceRules(chain: str, group: PortGroup, networks: Collection[OpeningSet]) -> Iterator[str]:
    """
    Yield the rules for the openings of a group of ports that are for one connection.

    @param chain: the chain of the group.
    @param networks: the sets that openings for networks need.
    """
    sets = _setsOf(group.doors, networks)
    for rules in (_SYN, _RESET, _USE, _TOO_LATE):
        for openings in sets:
            yield from _rules(rules, openings, chain=chain)


def handshakeRules(doors: Iterable[Door], networks: Collection[OpeningSet]) -> Iterator[str]:
    """
    Yield the rules that remember what the host answered, and prove that the client heard it.

    @param networks: the sets that openings for networks need.
    """
    sets = _setsOf(doors, networks)
    if not sets:
        return
    yield from _ANSWERS.strip().split("\n")
    for openings in sets:
        client = openings.field.replace("saddr", "daddr")
        yield from _rules(_ANSWERED, openings, client=client, ip=_IP[openings.version])
        yield from _rules(_FIRST, openings)
    for v, ip in _IP.items():
        yield from (_PROOF.format(v=v, ip=ip, bits=2**count - 1) for count in range(1, 33))
        yield _UNPROVED.format(v=v)


def _rules(rules: str, openings: OpeningSet, **fields: str) -> list[str]:
    names = {"open": openings.name, "used": openings.used, "first": openings.first}
    text = rules.format(v=openings.version, source=openings.field, **names, **fields)
    return text.strip().split("\n")


def _setsOf(doors: Iterable[Door], networks: Collection[OpeningSet]) -> list[OpeningSet]:
    return [found for door in doors if door.once for found in openingSets(door, networks)]

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

from collections.abc import Iterable, Iterator

from pkdoors.firewall.guard._fields import IP, lines, sourceOf
from pkdoors.firewall.guard.sets import openingsName, usedName
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
{chain} tcp flags & (syn|rst|ack) == ack {source} @{open} {source} != @{used} jump {door}_first{v}
"""
_FIRST = """
{door}_first{v} jump proof{v}
{door}_first{v} add @{used} {{ {source} limit rate 1/week burst 1 packets }} goto session
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


def onceRules(chain: str, sets: Iterable[tuple[str, int, Door]]) -> Iterator[str]:
    """
    Yield the rules for the openings of a group of ports that are for one connection.

    @param chain: the chain of the group.
    @param sets: the field that is compared, the version of IP, and the door, for each set of such
        openings.
    """
    sets = list(sets)
    for rules in (_SYN, _RESET, _USE, _TOO_LATE) if sets else ():
        for source, v, door in sets:
            yield from _rules(rules, door, v, source=source, chain=chain)


def handshakeRules(doors: Iterable[Door]) -> Iterator[str]:
    """Yield the rules that remember what the host answered, and prove that the client heard it."""
    doors = [door for door in doors if door.once]
    if not doors:
        return
    yield from lines(_ANSWERS)
    for v, ip in IP.items():
        for door in doors:
            source = sourceOf(door, v)
            yield from _rules(_ANSWERED, door, v, client=source.replace("saddr", "daddr"), ip=ip)
            yield from _rules(_FIRST, door, v, source=source)
        yield from (_PROOF.format(v=v, ip=ip, bits=2**count - 1) for count in range(1, 33))
        yield _UNPROVED.format(v=v)


def _rules(rules: str, door: Door, v: int, **fields: str) -> list[str]:
    names = {"open": openingsName(door, v), "used": usedName(door, v), "door": door.name}
    return lines(rules.format(v=v, **names, **fields))

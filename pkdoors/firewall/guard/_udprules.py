"""The guard's rules for UDP ports. Pure."""

from collections.abc import Collection, Iterable, Iterator

from pkdoors.firewall.guard._fields import NFPROTO, flow, lines, openingsOf
from pkdoors.firewall.guard.openingsets import OpeningSet
from pkdoors.firewall.guard.portgroups import PortGroup
from pkdoors.firewall.guard.sets import hasUdpSessions, spell, udpNew
from pkdoors.model.doors import Door

# Only a flow that the service answers is a session: otherwise datagrams that are forged in the
# client's name would fill the sets. A first datagram is remembered apart, for a client that sends
# its second one after the door has closed.
_UDP_LET_IN = """
{door}_letin ct state established,untracked update @{door}_udpmost{v} {{ {f} }} \
update @{door}_udp{v} {{ {f} }} accept
{door}_letin update @{door}_udpnew{v} {{ {f} }} accept
"""
# Each datagram restarts the idle time; the longest time restarts only while the door is open.
_UDP_GOING_ON = "{f} @{most} {f} @{idle} update @{idle} {{ {f} }} accept"
_UDP_ANSWERED = (
    "{f} @{door}_udpnew{v} ct state established,untracked update @{door}_udpmost{v} {{ {f} }} "
    "update @{door}_udpmost{v} {{ {f} timeout {most} }} update @{door}_udp{v} {{ {f} }} accept"
)


def udpRules(chain: str, group: PortGroup, networks: Collection[OpeningSet]) -> Iterator[str]:
    """
    Yield the rules of a group of UDP ports.

    @param chain: the chain of the group.
    @param networks: the sets that openings for networks need.
    """
    for door, openings in openingsOf(group, networks):
        yield udpOpeningRule(chain, door, openings)
    # Answers to this host's own questions. TCP has no such rule: a client that got in while there
    # was no guard would seem to answer, too.
    yield f"{chain} ct direction reply accept"
    for v in (4, 6):
        pairs = [("sparedmost", "sparedudp")]
        pairs += [
            (f"{door.name}_udpmost", f"{door.name}_udp")
            for door in group.doors
            if hasUdpSessions(door)
        ]
        for most, idle in pairs:
            yield f"{chain} " + _UDP_GOING_ON.format(
                f=flow("udp", v), most=f"{most}{v}", idle=f"{idle}{v}"
            )
    for door in filter(hasUdpSessions, group.doors):
        most = spell(door.udpMax - udpNew(door))
        for v in (4, 6):
            yield f"{chain} " + _UDP_ANSWERED.format(
                door=door.name, v=v, f=flow("udp", v), most=most
            )
    for v in (4, 6):
        yield f"{chain} meta nfproto {NFPROTO[v]} udp dport @grace{v} accept"
    yield f"{chain} counter drop"


def letInRules(doors: Iterable[Door]) -> Iterator[str]:
    """Yield the rules for datagrams of clients whose door is open, if it has UDP sessions."""
    for door in filter(hasUdpSessions, doors):
        for v in (4, 6):
            yield from lines(_UDP_LET_IN.format(door=door.name, v=v, f=flow("udp", v)))
        yield f"{door.name}_letin accept"


def udpOpeningRule(chain: str, door: Door, openings: OpeningSet) -> str:
    """Return the rule for one set of openings."""
    verdict = f"goto {door.name}_letin" if hasUdpSessions(door) else "accept"
    return f"{chain} {openings.field} @{openings.name} {verdict}"

"""
The guard's sets and maps, which stay in the kernel while the rules are replaced. Pure.

Sets such as C{tcp_open4} hold the clients that may begin a connection to a port, see
L{pkdoors.firewall.guard.openingsets}. C{ssh_once4} has those that may begin only one through a
door, and C{ssh_used4} those of them that have. Flow sets hold the connections that go on, because
the guard let them in or because they existed before the guard did; see
L{pkdoors.firewall.netlink.flows.Flow}.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from pkdoors.firewall.guard.limits import FORGET, LIMIT_MAPS, limitSets
from pkdoors.firewall.guard.openingsets import (
    ADDRESS,
    GATE,
    IP,
    OPEN,
    Access,
    Scope,
    UdpTimes,
    accessesOf,
    onceClients,
    onceSets,
    openingsName,
    scopesOf,
    udpTimesOf,
)
from pkdoors.firewall.guard.trusted import trustedSets
from pkdoors.model.doors import Door

MAX_ELEMENTS = 65_536
"""Flows in one set, which packets fill: a bound for the kernel's memory. 65,536 flows take 8 MB.
Openings have no such bound here, because only the doorkeeper makes them, and it has its own."""
MAX_SPARED = 262_144
"""Flows that need no opening, including those that this host begins from a protected port."""
MAX_SYNACKS = 262_144
"""Handshakes of clients whose opening is for one connection. To fill this, somebody must forge
65,000 SYNs a second in a client's name."""
DAY = 24 * 3600.0
TCP_IDLE = 5 * DAY
"""Seconds for which an idle TCP session is remembered: as long as connection tracking remembers
it. A remembered TCP flow can begin nothing, so a long time does no harm."""
TCP_ENDING = 120.0
"""The same, if connection tracking sees that a connection begins or ends."""
TCP_BEGINNING = 90.0
"""Seconds for which a client's SYN is remembered. After that, no server waits for the client's
answer any more: Linux repeats a SYN/ACK for 63 s."""
ANSWERED = 4.0
"""Seconds for which the number of a SYN/ACK is remembered: Linux repeats it after 1 and 2 and 4
seconds, and each time that counts again."""
SPARED_IDLE, SPARED_MOST = 180.0, 3600.0
"""Seconds of silence after which a UDP flow from before the guard ends, and the longest time that
it goes on."""

ABOUT = "about"
"""The set whose comments say which guard this is, and of which boot."""
FORMAT = "pkdoors guard 3"
PROTOCOLS = ("tcp", "udp")
# A set of ports without timeouts would be a bitmap, which the kernel searches for each new element.
_PORTS = "type inet_service; flags timeout;"
PORT_SETS = {protocol: f"{protocol}_ports" for protocol in PROTOCOLS}
"""All protected ports that are not in a range: a port that is missing in the maps is dropped."""
RANGE_SETS = {protocol: f"{protocol}_ranges" for protocol in PROTOCOLS}
"""All ranges of protected ports."""
FORWARDED = "_dnat"
"""The ending of the names of maps and chains that are about the port before any DNAT."""
DIRECT_MAPS = ("direct4", "direct6")
"""The maps of containers' addresses."""
INSIDE_SETS = ("inside4", "inside6")
"""Their keys for TCP: a container may begin a connection from there."""


def portMap(protocol: str, kind: str = "", isRange: bool = False) -> str:
    """
    Return the name of a map of protected ports to the chains that judge them.

    @param kind: empty, or L{FORWARDED}.
    """
    return f"{protocol}_{'spans' if isRange else 'doors'}{kind}"


DOOR_MAPS = tuple(
    portMap(protocol, kind, isRange)
    for protocol in PROTOCOLS
    for kind in ("", FORWARDED)
    for isRange in (False, True)
)
INTERVALS = frozenset(name for name in DOOR_MAPS if "spans" in name) | {*RANGE_SETS.values()}
"""The sets and maps whose elements are ranges of ports."""
MAPS = {
    **{
        name: f"type inet_service : verdict;{' flags interval;' * (name in INTERVALS)}"
        for name in DOOR_MAPS
    },
    "direct4": "type ipv4_addr . inet_proto . inet_service : verdict;",
    "direct6": "type ipv6_addr . inet_proto . inet_service : verdict;",
    **dict.fromkeys(LIMIT_MAPS.values(), "type inet_service : verdict;"),
}
"""The maps of ports, and of containers' addresses, to the chains that judge them; and the maps of
knock ports to the chains that limit knocks."""


COMPLETE = "complete"
"""The set of the versions of IP for which all openings are there. Until then, nobody is cut off
with a reset: very many openings come back after the guard, and their sessions go on."""


@dataclass(frozen=True, slots=True)
class Set:
    """
    A set as the guard needs it.

    @ivar definition: the text between the braces.
    @ivar timeout: the timeout of its elements in seconds; 0 if each has its own, or none.
    @ivar isFlows: whether its elements are flows.
    @ivar isOpenings: whether its elements are openings.
    """

    definition: str
    timeout: float = 0.0
    isFlows: bool = False
    isOpenings: bool = False


def setsFor(doors: Iterable[Door], networks: Iterable[Scope] = ()) -> dict[str, Set]:
    """
    Return all sets of the guard of these doors, by name.

    @param networks: what openings for networks need.
    """
    doors = list(doors)
    scopes = scopesOf(doors, networks)
    found = {
        ABOUT: Set("type mark;"),
        **dict.fromkeys(PORT_SETS.values(), Set(_PORTS)),
        **dict.fromkeys(RANGE_SETS.values(), Set("type inet_service; flags interval;")),
        "knocks": Set(_PORTS),
        COMPLETE: Set("type nf_proto;"),
    }
    for version in ADDRESS:
        found |= _setsOfVersion(version)
    if any(door.once for door in doors):
        found |= {f"synacks{version}": _synAcks(version) for version in ADDRESS}
    found |= {name: Set(text, FORGET) for name, text in limitSets(doors).items()}
    found |= {name: Set(each.type) for name, each in trustedSets(doors).items()}
    for kind, access in accessesFor(doors):
        for scope in scopes:
            definition = f"type {ADDRESS[scope.version]} . inet_service; flags timeout;"
            found[access.setName(scope.suffix, kind)] = Set(definition, isOpenings=True)
    for times in timesFor(doors):
        for version in ADDRESS:
            found[times.setName("idle", version)] = _flows(version, times.idle)
            found[times.setName("most", version)] = _flows(version, times.most)
            found[times.setName("new", version)] = _flows(version, times.new)
    # The kernel finds a set by going through all of them, so those that all doors share come first.
    own = [once for door in doors for once in onceSets(door, scopes)]
    for once in own:
        definition = f"type {ADDRESS[once.scope.version]}; flags timeout;"
        for name in (onceClients(once.scope), *once.blocks):
            found[name] = Set(definition, isOpenings=True)
    for once in own:
        address = ADDRESS[once.scope.version]
        found[once.name] = Set(f"type {address}; flags timeout;", isOpenings=True)
        # A mark has no timeout: it must never end before the opening.
        found[once.used] = Set(
            f"type {address}; flags dynamic; size {MAX_ELEMENTS};", isOpenings=True
        )
    return found


def _setsOfVersion(version: int) -> dict[str, Set]:
    address = ADDRESS[version]
    return {
        openingsName(version): Set(
            f"type {address} . mark . mark; flags timeout;", isOpenings=True
        ),
        f"inside{version}": Set(f"type {address} . inet_proto . inet_service;"),
        f"grace{version}": Set("type inet_service; flags interval,timeout;"),
        f"sessions{version}": _flows(version, TCP_IDLE),
        f"beginning{version}": _flows(version, TCP_BEGINNING),
        f"spared{version}": _flows(version, TCP_IDLE, MAX_SPARED),
        f"sparedudp{version}": _flows(version, SPARED_IDLE),
        f"sparedmost{version}": _flows(version, SPARED_MOST),
    }


def _synAcks(version: int) -> Set:
    ip = IP[version]
    return Set(
        f"typeof {ip} saddr . {ip} daddr . tcp sport . tcp ackseq; flags dynamic,timeout; "
        f"timeout {spell(ANSWERED)}; size {MAX_SYNACKS};",
        ANSWERED,
    )


def accessesFor(doors: Iterable[Door]) -> list[tuple[str, Access]]:
    """
    Return the kinds of access that openings of these doors give, each of them once, with the kind
    of openings.
    """
    found = {
        (GATE if door.once else OPEN, access): None
        for door in doors
        for ports in door.ports
        for access, _ in accessesOf(door, ports)
    }
    return sorted(found, key=repr)


def timesFor(doors: Iterable[Door]) -> list[UdpTimes]:
    """Return the times of UDP sessions of these doors, each of them once."""
    found = {
        udpTimesOf(door) for door in doors if any(ports.protocol == "udp" for ports in door.ports)
    }
    return sorted(times for times in found if times)


def listOpeningSets(doors: Iterable[Door], networks: Iterable[Scope] = ()) -> list[str]:
    """
    Return the sets of openings, but for those that say which are used. Those in which packets are
    looked up come first.
    """
    sets = setsFor(doors, networks)
    lookups = [
        name for name, each in sets.items() if each.isOpenings and "dynamic" not in each.definition
    ]
    books = [*map(openingsName, ADDRESS)]
    return [*(name for name in lookups if name not in books), *books]


def originNote(origin: str) -> str:
    """Return the note in L{ABOUT} that says in which boot and table the openings were granted."""
    return f"origin {origin}"


def _flows(version: int, timeout: float, size: int = MAX_ELEMENTS) -> Set:
    address = ADDRESS[version]
    return Set(
        f"type {address} . {address} . inet_service . inet_service; flags dynamic,timeout; "
        f"timeout {spell(timeout)}; size {size};",
        timeout,
        isFlows=True,
    )


def flowOf(protocol: str, v: int) -> str:
    """Return the key of a flow, in a packet from the client."""
    ip, p = IP[v], protocol
    return f"{ip} saddr . {ip} daddr . {p} sport . {p} dport"


def backOf(protocol: str, v: int) -> str:
    """Return the key of a flow, in a packet to the client."""
    ip, p = IP[v], protocol
    return f"{ip} daddr . {ip} saddr . {p} dport . {p} sport"


def spell(seconds: float) -> str:
    """Return a time as nft reads it: nft accepts only a few digits of milliseconds."""
    return f"{round(seconds)}s" if seconds == round(seconds) else f"{round(1000 * seconds)}ms"

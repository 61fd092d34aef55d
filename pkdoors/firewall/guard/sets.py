"""
The guard's sets, which stay in the kernel while the rules are replaced. Pure.

Sets such as C{ssh_open4} hold the clients that may begin a connection. C{ssh_once4} has those that
may begin only one, and C{ssh_used4} those of them that have. Flow sets hold the connections that go
on, because the guard let them in or because they existed before the guard did.
See L{pkdoors.firewall.guard.flows.Flow}.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import ip_address
from math import ceil

from pkdoors.firewall.guard.limits import FORGET, LIMIT_MAPS, limitSets
from pkdoors.firewall.guard.openingsets import ADDRESS, IP, OpeningSet, openingSets, setOf
from pkdoors.firewall.guard.trusted import trustedSets
from pkdoors.firewall.netlink.messages import Element
from pkdoors.model.doors import Door, Opening
from pkdoors.model.principal import MAX_COMMENT, parsePrincipal
from pkdoors.model.sources import Source, cutTo, firstAddress

MAX_ELEMENTS = 65_536
"""Addresses or flows in one set: a bound for the kernel's memory, far above what the doorkeeper
opens. 65,536 flows take 8 MB."""
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
seconds, and each time that counts anew."""
SPARED_IDLE, SPARED_MOST = 180.0, 3600.0
"""Seconds of silence after which a UDP flow from before the guard ends, and the longest time that
it goes on."""

OVERDUE = 7 * DAY
"""Seconds for which the kernel keeps an opening of a door without ports beyond its deadline. No
rule looks at it. A daemon that was away at the deadline finds it, and runs what is due then."""

ABOUT = "about"
"""The set whose comments say which guard this is, of which boot, and for which doors."""
FORMAT = "pkdoors guard 2"
MAPS = {
    "tcp_doors": "type inet_service : verdict; flags interval;",
    "udp_doors": "type inet_service : verdict; flags interval;",
    "direct4": "type ipv4_addr . inet_proto . inet_service : verdict;",
    "direct6": "type ipv6_addr . inet_proto . inet_service : verdict;",
    **dict.fromkeys(LIMIT_MAPS.values(), "type inet_service : verdict;"),
}
"""The maps of ports, and of containers' addresses, to the chains of their doors; and the maps of
knock ports to the chains that limit knocks."""

DIRECT_MAPS = ("direct4", "direct6")
"""The maps of containers' addresses."""
INSIDE_SETS = ("inside4", "inside6")
"""Their keys for TCP: a container may begin a connection from there."""
PROTOCOLS = ("tcp", "udp")
PORT_SETS = {protocol: f"{protocol}_ports" for protocol in PROTOCOLS}
"""All protected ports: a port that is missing in the maps is dropped."""
PORT_MAPS = {protocol: f"{protocol}_doors" for protocol in PROTOCOLS}

NEGLIGIBLE = 1000
"""Milliseconds by which an opening in the kernel may end too early or too late. If the difference
is greater, it is written again."""

_COMMENT = re.compile(r"until=([0-9]{1,12}) ?(.*)")


@dataclass(frozen=True, slots=True)
class Set:
    """
    A set as the guard needs it.

    @ivar definition: the text between the braces.
    @ivar timeout: the timeout of its elements in seconds; 0 if each has its own, or none.
    @ivar isFlows: whether its elements are flows.
    """

    definition: str
    timeout: float = 0.0
    isFlows: bool = False


def setsFor(doors: Iterable[Door], networks: Iterable[OpeningSet] = ()) -> dict[str, Set]:
    """
    Return all sets of the guard of these doors, by name.

    @param networks: the sets that openings for networks need.
    """
    found = {
        ABOUT: Set("type mark;"),
        **dict.fromkeys(PORT_SETS.values(), Set("type inet_service; flags interval;")),
        "knocks": Set("type inet_service;"),
    }
    for version, address in ADDRESS.items():
        found[f"inside{version}"] = Set(f"type {address} . inet_proto . inet_service;")
        found[f"grace{version}"] = Set("type inet_service; flags interval,timeout;")
        found[f"sessions{version}"] = _flows(version, TCP_IDLE)
        found[f"beginning{version}"] = _flows(version, TCP_BEGINNING)
        found[f"spared{version}"] = _flows(version, TCP_IDLE, MAX_SPARED)
        found[f"sparedudp{version}"] = _flows(version, SPARED_IDLE)
        found[f"sparedmost{version}"] = _flows(version, SPARED_MOST)
    doors = list(doors)
    for version in (4, 6) if any(door.once for door in doors) else ():
        ip = IP[version]
        found[f"synacks{version}"] = Set(
            f"typeof {ip} saddr . {ip} daddr . tcp sport . tcp ackseq; flags dynamic,timeout; "
            f"timeout {spell(ANSWERED)}; size {MAX_SYNACKS};",
            ANSWERED,
        )
    found |= {name: Set(text, FORGET) for name, text in limitSets(doors).items()}
    for door in doors:
        found |= setsOf(door, networks)
    return found


def setsOf(door: Door, networks: Iterable[OpeningSet] = ()) -> dict[str, Set]:
    """Return the sets of one door, by name."""
    found = {
        openings.name: Set(f"type {ADDRESS[openings.version]}; flags timeout; size {MAX_ELEMENTS};")
        for openings in openingSets(door, networks)
    } | {
        # A mark has no timeout: it must never end before the opening.
        openings.used: Set(f"type {ADDRESS[openings.version]}; flags dynamic; size {MAX_ELEMENTS};")
        for openings in openingSets(door, networks)
        if door.once
    }
    found |= {trusted.name: Set(trusted.definition) for trusted in trustedSets(door)}
    for version in ADDRESS:
        if hasUdpSessions(door):
            found[f"{door.name}_udp{version}"] = _flows(version, door.udpIdle)
            found[f"{door.name}_udpmost{version}"] = _flows(version, door.udpMax)
            found[f"{door.name}_udpnew{version}"] = _flows(version, udpNew(door))
    return found


def hasUdpSessions(door: Door) -> bool:
    """Return whether UDP sessions through a door go on after it has closed."""
    return (
        not door.cutSessions
        and door.udpMax > 0
        and any(ports.protocol == "udp" for ports in door.ports)
    )


def udpNew(door: Door) -> float:
    """
    Return the seconds for which a first datagram that has not been answered is remembered: a part
    of the longest time that a session goes on.
    """
    return min(door.udpIdle, door.udpMax / 2)


def setName(opening: Opening) -> str:
    """Return the name of the set that has an opening as an element."""
    return setOf(opening).name


def openingKey(source: Source) -> bytes:
    """Return the key of the element for an opening."""
    return firstAddress(source).packed


def originNote(origin: str) -> str:
    """Return the note in L{ABOUT} that says in which boot and table the openings were granted."""
    return f"origin {origin}"


def aboutDoor(door: Door) -> str:
    """Return the note in L{ABOUT} by which a later daemon recognizes a door with the same ports."""
    ports = ",".join(map(str, sorted(door.ports)))
    return f"door {door.name} {sha256(ports.encode()).hexdigest()[:16]}"


def openingElement(opening: Opening, left: float, now: float) -> Element:
    """
    Return the element for an opening. Its comment names the principal and the end: if a table is
    saved and loaded again, nobody gets his time back.

    @param left: seconds until its deadline.
    @param now: seconds on the boot clock, which also runs while the host sleeps.
    """
    comment = f"until={ceil(now + left)} {opening.who.asComment()}".strip()[:MAX_COMMENT]
    kept = left if opening.door.ports else left + OVERDUE
    return Element(openingKey(opening.source), max(1, round(1000 * kept)), comment=comment)


def parseOpening(
    element: Element, door: Door, deadline: float, length: int | None = None
) -> Opening:
    """
    Return the opening that an element in a set of a door's stands for.

    @param length: the bits of an address that the set compares; L{None} for all.
    """
    match = _COMMENT.fullmatch(element.comment)
    who = parsePrincipal(match[2] if match else element.comment)
    address = ip_address(element.key)
    return Opening(door, cutTo(address, length or address.max_prefixlen), deadline, who)


def secondsLeft(element: Element, now: float) -> float:
    """
    Return the seconds that an opening's element has left by the kernel's timer and by its own
    comment, whichever is less.

    @param now: seconds on the boot clock.
    """
    match = _COMMENT.fullmatch(element.comment)
    left = element.expires / 1000
    return min(left, int(match[1]) - now) if match else left


def differs(wanted: Element, present: Element | None) -> bool:
    """Return whether an opening must be written, because it is missing or out of date."""
    if present is None or present.comment.partition(" ")[2] != wanted.comment.partition(" ")[2]:
        return True
    return abs(present.expires - wanted.timeout) > NEGLIGIBLE


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

"""
The sets of the guard: what stays in the kernel while rules are replaced. Pure.

Sets like C{ssh_open4} hold the clients that may begin; flow sets hold what goes on: connections
that the guard let in, or that were there before it. See L{pkdoors.firewall.guard.flows.Flow}.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import ip_address
from math import ceil

from pkdoors.firewall.netlink.messages import Element
from pkdoors.model.doors import Door, Opening
from pkdoors.model.principal import MAX_NOTE, principalOf

MAX_ELEMENTS = 65_536
"""Addresses, or flows, in one set: a bound for the kernel's memory, far above what the doorkeeper
opens. 65,536 flows take 8 MB."""
MAX_SPARED = 262_144
"""Flows that need no opening: also those that this host begins from a protected port."""
MAX_LIMITED = 4096
"""Sources of one door whose knocks are counted at a time, about 1 MB of the kernel's memory."""

DAY = 24 * 3600.0
FORGET = 10.0
"""Seconds after its last knock for which a source is counted: then any burst is allowed again."""
TCP_IDLE = 5 * DAY
"""Seconds for which a TCP session without a packet is remembered, as long as connection tracking
does. A remembered TCP flow can begin nothing, so a long time does no harm."""
TCP_ENDING = 120.0
"""The same, when connection tracking sees that a connection begins or ends."""
TCP_BEGINNING = 90.0
"""Seconds for which a client's SYN is remembered, after which nobody waits for its answer's any
more: Linux repeats a SYN/ACK for 63 s."""
SPARED_IDLE, SPARED_MOST = 180.0, 3600.0
"""Seconds of silence after which a UDP flow ends that was there before the guard, and how long it
goes on at most."""

ABOUT = "about"
"""The set that says, in comments, which guard this is, of which boot, and for which doors."""
FORMAT = "pkdoors guard 2"
MAPS = {
    "tcp_doors": "type inet_service : verdict; flags interval;",
    "udp_doors": "type inet_service : verdict; flags interval;",
    "direct4": "type ipv4_addr . inet_proto . inet_service : verdict;",
    "direct6": "type ipv6_addr . inet_proto . inet_service : verdict;",
}
"""Ports, and addresses of containers, to the chains of their doors."""

DIRECT_MAPS = ("direct4", "direct6")
"""Those of addresses."""
INSIDE_SETS = ("inside4", "inside6")
"""The TCP keys of these: a container may begin a connection from there."""
PROTOCOLS = ("tcp", "udp")
PORT_SETS = {each: f"{each}_ports" for each in PROTOCOLS}
"""All protected ports: what the maps lack is dropped."""
PORT_MAPS = {each: f"{each}_doors" for each in PROTOCOLS}

NEGLIGIBLE = 1000
"""Milliseconds by which an opening in the kernel may end earlier or later than it should, before it
is written again."""

_COMMENT = re.compile(r"until=([0-9]{1,12}) ?(.*)")
_ADDRESS = {4: "ipv4_addr", 6: "ipv6_addr"}


@dataclass(frozen=True, slots=True)
class Set:
    """
    A set as the guard needs it.

    @ivar definition: what stands between the braces.
    @ivar timeout: of its elements, in seconds; 0 where each has its own, or none.
    @ivar isFlows: whether its elements are flows.
    """

    definition: str
    timeout: float = 0.0
    isFlows: bool = False


def setsFor(doors: Iterable[Door]) -> dict[str, Set]:
    """Return all sets that the guard of these doors has, by their names."""
    found = {
        ABOUT: Set("type mark;"),
        **dict.fromkeys(PORT_SETS.values(), Set("type inet_service; flags interval;")),
        "knocks": Set("type inet_service;"),
    }
    for version, address in _ADDRESS.items():
        found[f"inside{version}"] = Set(f"type {address} . inet_proto . inet_service;")
        found[f"grace{version}"] = Set("type inet_service; flags interval,timeout;")
        found[f"sessions{version}"] = _flows(version, TCP_IDLE)
        found[f"beginning{version}"] = _flows(version, TCP_BEGINNING)
        found[f"spared{version}"] = _flows(version, TCP_IDLE, MAX_SPARED)
        found[f"sparedudp{version}"] = _flows(version, SPARED_IDLE)
        found[f"sparedmost{version}"] = _flows(version, SPARED_MOST)
    for door in doors:
        found |= setsOf(door)
    return found


def setsOf(door: Door) -> dict[str, Set]:
    """Return the sets of one door, by their names."""
    found = {}
    if door.knockRate:
        found[f"{door.name}_knocks"] = Set("type inet_service;")
    for version, address in _ADDRESS.items():
        found[f"{door.name}_open{version}"] = Set(
            f"type {address}; flags timeout; size {MAX_ELEMENTS};"
        )
        if hasUdpSessions(door):
            found[f"{door.name}_udp{version}"] = _flows(version, door.udpIdle)
            found[f"{door.name}_udpmost{version}"] = _flows(version, door.udpMax)
            found[f"{door.name}_udpnew{version}"] = _flows(version, udpNew(door))
        if door.knockRate:
            found[f"{door.name}_rate{version}"] = Set(
                f"type {address}; flags dynamic,timeout; timeout {spell(FORGET)}; "
                f"size {MAX_LIMITED};",
                FORGET,
            )
    return found


def hasUdpSessions(door: Door) -> bool:
    """Return whether UDP sessions of a door go on when it has closed."""
    return (
        not door.cutSessions
        and door.udpMax > 0
        and any(each.protocol == "udp" for each in door.ports)
    )


def udpNew(door: Door) -> float:
    """Return the seconds for which a first datagram is remembered that was not answered yet: part
    of the time for which a session goes on at most."""
    return min(door.udpIdle, door.udpMax / 2)


def setName(opening: Opening) -> str:
    """Return the name of the set that an opening is an element of."""
    return f"{opening.door.name}_open{opening.source.version}"


def isOpenings(name: str) -> bool:
    """Return whether the elements of a set are openings, of whatever door."""
    return name.endswith(("_open4", "_open6"))


def originNote(origin: str) -> str:
    """Return the note in L{ABOUT} that says where the openings were granted."""
    return f"origin {origin}"


def aboutDoor(door: Door) -> str:
    """Return the note in L{ABOUT} by which a later daemon knows a door with the same ports."""
    ports = ",".join(map(str, sorted(door.ports)))
    return f"door {door.name} {sha256(ports.encode()).hexdigest()[:16]}"


def openingElement(opening: Opening, left: float, now: float) -> Element:
    """
    Return the element that is an opening. Its comment says who has it and until when: a table that
    was saved and is loaded again gives nobody his time back.

    @param left: seconds until its deadline.
    @param now: seconds on the boot clock, which goes on while the host sleeps.
    """
    comment = f"until={ceil(now + left)} {opening.who.asComment()}".strip()[:MAX_NOTE]
    return Element(opening.source.packed, max(1, round(1000 * left)), comment=comment)


def openingIn(element: Element, door: Door, left: float) -> Opening:
    """Return the opening that an element of a door's is, as a deadline from now on."""
    match = _COMMENT.fullmatch(element.comment)
    who = principalOf(match[2] if match else element.comment)
    return Opening(door, ip_address(element.key), left, who)


def secondsLeft(element: Element, now: float) -> float:
    """
    Return what an element that is an opening has left, by the kernel and by its own comment.

    @param now: seconds on the boot clock.
    """
    match = _COMMENT.fullmatch(element.comment)
    left = element.expires / 1000
    return min(left, int(match[1]) - now) if match else left


def differs(wanted: Element, present: Element | None) -> bool:
    """Return whether an opening must be written: it is not there as it should be."""
    if present is None or present.comment.partition(" ")[2] != wanted.comment.partition(" ")[2]:
        return True
    return abs(present.expires - wanted.timeout) > NEGLIGIBLE


def _flows(version: int, timeout: float, size: int = MAX_ELEMENTS) -> Set:
    address = _ADDRESS[version]
    return Set(
        f"type {address} . {address} . inet_service . inet_service; flags dynamic,timeout; "
        f"timeout {spell(timeout)}; size {size};",
        timeout,
        isFlows=True,
    )


def counterName(door: Door) -> str:
    """Return the name of what counts the knocks that were too many from one source."""
    return f"{door.name}_dropped"


def spell(seconds: float) -> str:
    """Return a time as nft reads it: it takes few digits of milliseconds."""
    return f"{round(seconds)}s" if seconds == round(seconds) else f"{round(1000 * seconds)}ms"

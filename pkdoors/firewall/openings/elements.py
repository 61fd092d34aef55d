"""Openings as elements of the guard's sets. Pure."""

import re
from ipaddress import ip_address
from math import ceil

from pkdoors.firewall.netlink.messages import Element
from pkdoors.model.doors import Door, Opening
from pkdoors.model.principal import MAX_COMMENT, parsePrincipal
from pkdoors.model.sources import cutTo

OVERDUE = 7 * 24 * 3600.0
"""Seconds for which the kernel keeps an opening of a door without ports beyond its deadline. No
rule looks at it. A daemon that was away at the deadline finds it, and runs what is due then."""

NEGLIGIBLE = 1000
"""Milliseconds by which an opening in the kernel may end too early or too late. If the difference
is greater, it is written again."""

_COMMENT = re.compile(r"until=([0-9]{1,12}) ?(.*)")


def openingElement(key: bytes, opening: Opening, left: float, now: float) -> Element:
    """
    Return an opening's element in the set of all openings. Its comment names the principal and the
    end: if a table is saved and loaded again, nobody gets his time back.

    @param left: seconds until its deadline.
    @param now: seconds on the boot clock, which also runs while the host sleeps.
    """
    comment = f"until={ceil(now + left)} {opening.who.asComment()}".strip()[:MAX_COMMENT]
    kept = left if opening.door.ports else left + OVERDUE
    return Element(key, max(1, round(1000 * kept)), comment=comment)


def lookupElement(key: bytes, left: float) -> Element:
    """Return an element in a set in which packets are looked up."""
    return Element(key, max(1, round(1000 * left)))


def parseOpening(
    element: Element, source: bytes, length: int, door: Door, deadline: float
) -> Opening:
    """
    Return the opening that an element stands for.

    @param source: the first address of its source.
    @param length: the bits of an address that are compared.
    """
    match = _COMMENT.fullmatch(element.comment)
    who = parsePrincipal(match[2] if match else element.comment)
    return Opening(door, cutTo(ip_address(source), length), deadline, who)


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

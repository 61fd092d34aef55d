"""What others have earned, at an opening that somebody has prolonged. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from pkdoors.model.doors import Door, Opening

MAX_CLAIMS = 16
"""Principals, beside the one whose opening lasts longest, whose claims are remembered."""

Claims = tuple[Opening, ...]
"""The openings that count again when the owner of a longer one closes it: one of each principal,
the longest last."""


def addClaim(claims: Claims, opening: Opening, wanted: Opening, now: float) -> Claims:
    """Return the claims with the shorter of two openings, if they are of different principals."""
    # What was for one connection may be used by now.
    if wanted.door.once or opening.deadline <= now or not opening.who.isOther(wanted.who):
        return claims
    new = opening if wanted.deadline > opening.deadline else wanted
    valid = sorted((*claims, new), key=_deadlineOf)
    latest = {claim.who.key or claim.who.name: claim for claim in valid if claim.deadline > now}
    return _sort(latest.values())


def dropClaims(claims: Claims, isDropped: Callable[[Opening], bool]) -> Claims:
    """Return the claims without some of them."""
    return tuple(claim for claim in claims if not isDropped(claim))


def moveClaims(claims: Claims, door: Door, deadline: float) -> Claims:
    """Return the claims at another door, until a deadline at most."""
    if door.once:
        return ()
    moved = (replace(each, door=door, deadline=min(each.deadline, deadline)) for each in claims)
    return _sort(moved)


def _sort(claims: Iterable[Opening]) -> Claims:
    return tuple(sorted(claims, key=_deadlineOf)[-MAX_CLAIMS:])


def _deadlineOf(opening: Opening) -> float:
    return opening.deadline

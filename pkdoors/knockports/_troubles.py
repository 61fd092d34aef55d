"""Sentences about knock ports that cannot be heard."""

import errno
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from pkdoors.knockports.binding import ANY, hasAddress
from pkdoors.knockports.plan import Plan
from pkdoors.knockports.search import Failure, Search


@dataclass(frozen=True, slots=True)
class PortTrouble:
    """
    A reason why some knocks are not heard.

    @ivar text: what is wrong, a sentence for the operator.
    @ivar over: the sentence for the moment when it is over.
    """

    text: str
    over: str


def findTroubles(search: Search) -> Iterator[tuple[str, PortTrouble]]:
    """Yield what a search did not find, each with a key that stays the same while it lasts."""
    isIPv6Off = any(failure.number == errno.EAFNOSUPPORT for failure in search.failures)
    chosen = [name for name in search.plan.interfaces if not (isIPv6Off and ":" in name)]
    absent = [name for name in chosen if not hasAddress(name)]
    byNumber: dict[int, list[Failure]] = defaultdict(list)
    for failure in search.failures:
        if failure.endpoint[0] not in absent or failure.isLasting:
            byNumber[failure.number].append(failure)
    for number, failures in byNumber.items():
        yield f"errno {number}", _explainMissing(search.plan, failures)
    explained = {failure.endpoint[0] for failures in byNumber.values() for failure in failures}
    for name in absent:
        if name not in explained:
            yield name, _explainAbsent(name)


def _explainAbsent(address: str) -> PortTrouble:
    return PortTrouble(
        f"this host does not have the address {address} yet: knocks to it are heard as soon as it "
        "does (`ip address` lists the addresses that it has)",
        f"this host has the address {address} now: knocks to it are heard",
    )


def _explainMissing(plan: Plan, failures: list[Failure]) -> PortTrouble:
    # Say how many, and never which: the ports are the secret.
    missing = len({failure.endpoint[1] for failure in failures})
    addresses = sorted({failure.endpoint[0] for failure in failures})
    place = ""
    if not {*addresses} & {*ANY.values()}:
        place = f" at {', '.join(addresses)}"
    elif len(addresses) < len(plan.versions()):
        place = f" over IPv{6 if ':' in addresses[0] else 4}"
    count = f"{missing} of {len(plan.ports)} knock ports"
    verbs = ("is", "was") if missing == 1 else ("are", "were")
    return PortTrouble(
        f"{count} {verbs[0]} not heard{place}: {failures[0].reason}",
        f"{count} {verbs[1]} not heard{place}, and {verbs[0]} heard now",
    )

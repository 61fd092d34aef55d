"""Which refusals the operator hears of. Pure."""

import re
from collections import OrderedDict

from pkdoors.locks.lock import Refusal
from pkdoors.model.networks import networkOf
from pkdoors.util.loglimits import LineLimit

MAX_KNOWN = 4096
"""Networks that have opened a door lately, of which refusals are told whatever strangers do."""

# How often somebody knocked rightly stays: who guesses is wrong at once, mostly, and who has lost a
# datagram later.
_NUMBER = re.compile(r"(?<!after )\b[0-9][0-9.]*")


class Refusals:
    """
    Not all of them: anybody can cause some, in as many names as he likes. What is told is one in a
    second for each network and door, and of different kinds rather than many of one kind. Networks
    that have opened a door lately have lines of their own, so strangers cannot hide that somebody
    who knows the door stands before it.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[str, None] = OrderedDict()
        self._limits = {True: LineLimit(), False: LineLimit()}

    def noteOpening(self, source: str) -> None:
        """A door was opened for an address."""
        network = networkOf(source)
        self._known[network] = None
        self._known.move_to_end(network)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)

    def admit(self, refusal: Refusal, now: float) -> int | None:
        """
        Return how many were left out since the last one that was told; L{None} if this one is to be
        left out, too.
        """
        network, door = networkOf(refusal.source), refusal.door.name
        limit = self._limits[network in self._known]
        group = f"{door} {_NUMBER.sub('', refusal.reason)}"
        if limit.admit(f"{network} {door}", now, group):
            return limit.newSuppressed()
        return None

"""Which refusals the log reports to the operator. Pure."""

import re
from collections import OrderedDict

from pkdoors.locks.lock import Refusal
from pkdoors.model.networks import networkOf
from pkdoors.util.loglimits import LineLimit

MAX_KNOWN = 4096
"""Networks that have opened a door lately. Strangers cannot keep their refusals out of the log."""

# The number of right knocks ("after 3 of 5 knocks") stays, as there are two kinds of refusals:
# a guesser is mostly wrong at once, a client that has lost a datagram is wrong later.
_VARIABLE = re.compile(r"'[^']*'|[0-9a-f]*:[0-9a-f:.]*|(?<!after )\b[0-9][0-9.a-z]*")
"""Names and addresses that the sender chose, numbers and times (C{1m5s}): a flood with a new one in
each refusal is still a flood of one kind."""


class Refusals:
    """
    Chooses the refusals that get a line. Anybody can cause refusals, under as many addresses as he
    likes, so each network gets one line a second for each door, or for each key that has made a
    good seal, and different kinds of refusals go before many of one kind. Networks that have opened
    a door lately have lines of their own, so strangers cannot hide the trouble of somebody who
    knows the door.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[str, None] = OrderedDict()
        self._limits = {True: LineLimit(), False: LineLimit()}

    def noteOpening(self, source: str) -> None:
        """Note that a door was opened for an address."""
        network = networkOf(source)
        self._known[network] = None
        self._known.move_to_end(network)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)

    def isKnown(self, source: str) -> bool:
        """Return whether a door was opened for the network of an address lately."""
        return networkOf(source) in self._known

    def admit(self, refusal: Refusal, now: float) -> int | None:
        """
        Return how many refusals were left out since the last line; L{None} if this one must be left
        out, too.
        """
        network, door = networkOf(refusal.source), refusal.door.name
        limit = self._limits[network in self._known]
        group = f"{door} {_VARIABLE.sub('', refusal.reason)}"
        subject = f"{network} {door}"
        if refusal.who.key:  # nobody else can make seals with it, and there are few kinds
            subject += f" {refusal.who.key} {group}"
        if limit.admit(subject, now, group):
            return limit.newSuppressed()
        return None

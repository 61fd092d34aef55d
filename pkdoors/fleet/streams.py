"""The names of the streams and values of a fleet in the engine. Pure."""

from typing import NamedTuple

SEAL, SOURCE, TIME = "s", "a", "t"
"""The fields of an entry in a log: the datagram, the address that it came from, and the time of day
when it was heard. The host that heard it is the one whose stream it is in."""
ORDER = "o"
"""The field of an entry with an order."""
EVENT = "e"
"""The field of an entry with an event, in JSON as C{GET /events} sends it."""
MAX_EVENTS = 10_000
"""Events of one host that are kept, about."""
LASTS = 30
"""Seconds for which a host's report about itself is kept."""


class Streams(NamedTuple):
    """
    The names of one fleet. Each stream has one writer, whose name is in the stream's name: the
    engine lets nobody else write there.

    @ivar fleet: the name of the fleet.
    """

    fleet: str

    def log(self, host: str) -> str:
        """Return the stream of the seals that a host has heard."""
        return f"pk:{self.fleet}:log:{host}"

    def orders(self, host: str) -> str:
        """Return the stream of the orders that were given at a host. It is kept."""
        return f"pk:{self.fleet}:orders:{host}"

    def events(self, host: str) -> str:
        """Return the stream of a host's events."""
        return f"pk:{self.fleet}:events:{host}"

    def up(self, host: str) -> str:
        """Return the name of a host's report about itself, which ends soon after the host."""
        return f"pk:{self.fleet}:up:{host}"

    def claim(self, name: str) -> str:
        """Return the name of a claim."""
        return f"pk:{self.fleet}:claim:{name}"

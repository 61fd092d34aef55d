"""The one seam that varies: the firewall."""

from collections.abc import Callable, Iterable

from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from pkdoors.model.doors import Door, Opening


class IFirewall(Interface):
    """
    What can keep ports closed, or lets through what another one keeps closed; and opens ports for
    one address until a deadline.

    All methods can be called again with the same effect. Deadlines are on the clock that the
    firewall was made with, and the firewall gets them too: an opening ends in time though
    nobody is left to call L{close}.
    """

    name: str = Attribute("What the operator calls it.")

    def prepare(doors: tuple[Door, ...]) -> None:
        """
        Find out whether this firewall can do its work here. Called before a daemon forks: nothing
        is changed, and no thread, connection or socket is left behind.

        @raise FirewallError: it cannot; the message says what is missing.
        """

    def start(doors: tuple[Door, ...], onLost: Callable[[str], None]) -> list[Opening] | None:
        """
        Keep the doors closed and let knocks in. Called once, before the reactor runs; it blocks
        until that is so.

        @param lost: called in the reactor's thread, with a sentence that says why, whenever
            somebody else took away, or may have taken away, what L{start} and L{open} had put
            there. L{restore} puts it back.
        @return: the openings of these doors that were there before and still are, of a daemon
            that ended; L{None} where this firewall does not know them. Then L{restore} is called
            soon, with those that another one knows.
        @raise FirewallError: the firewall refused.
        """

    def setDoors(doors: tuple[Door, ...]) -> None:
        """
        Take other doors: what L{restore} puts there from now on is for these. Nothing else is
        changed by that.

        @raise FirewallError: it is not known what they need; the doors are as before.
        """

    def restore(openings: Iterable[Opening]) -> Deferred[None]:
        """
        Put what L{start} puts there, and these openings and no others, whatever is there now.

        @return: fires when that is so, fails with L{FirewallError}.
        """

    def open(opening: Opening) -> Deferred[None]:
        """
        Open a door for an address until the deadline; where it is open already, move the deadline,
        with no moment in which it is closed.

        @return: fires when it is open, fails with L{FirewallError} where it may not be. What there
            is of it ends at the deadline all the same. Who wants it no more, or otherwise, can
            cancel it: where it has not begun, it is not made.
        """

    def close(opening: Opening) -> Deferred[None]:
        """
        End an opening. That it has ended already is no error.

        @return: fires when it is closed, fails with L{FirewallError}.
        """

    def dropped() -> int:
        """
        How many datagrams it has dropped that came to knock ports, because there were too many from
        one source. It never blocks, and nothing is raised.
        """

    def stop() -> Deferred[None]:
        """
        Let go: protected ports stay closed, openings run out by themselves, knock ports that
        were opened are closed.

        @return: fires when that is done; fails with L{FirewallError} where some of it is not.
        """

"""The interface of a firewall: the one part of the daemon that varies from host to host."""

from collections.abc import Callable, Iterable

from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from pkdoors.model.doors import Door, Opening


class IFirewall(Interface):
    """
    Keeps ports closed, or lets through what another firewall keeps closed; and opens ports for one
    source until a deadline.

    All methods can be called again with the same effect. Deadlines are on the clock that the
    firewall was made with, and the firewall gets them too: an opening ends in time even if nobody
    is left to call L{close}.
    """

    name: str = Attribute("Its name for the operator.")

    def prepare(doors: tuple[Door, ...]) -> None:
        """
        Find out whether this firewall can work here. Called before a daemon forks: it changes
        nothing, and leaves no thread, connection or socket behind.

        @raise FirewallError: it cannot; the message says what is missing.
        """

    def start(doors: tuple[Door, ...], onLost: Callable[[str], None]) -> list[Opening] | None:
        """
        Close the doors and let knocks in. Called once, before the reactor runs; it blocks until
        that is done.

        @param onLost: called in the reactor's thread, with a sentence that gives the cause,
            whenever somebody else removed, or may have removed, what L{start} and L{open} had
            added. L{restore} puts it back.
        @return: the openings of these doors that an earlier daemon left and that still exist;
            L{None} if this firewall does not know them. Then L{restore} is called soon, with those
            that another firewall knows.
        @raise FirewallError: the firewall refused.
        """

    def foresee(doors: tuple[Door, ...]) -> None:
        """
        Compute what L{setDoors} and L{restore} will need for some doors, if that takes long. Called
        in another thread than the reactor's, which may call everything else meanwhile. Nothing
        depends on it.
        """

    def setDoors(doors: tuple[Door, ...]) -> None:
        """
        Use other doors: from now on L{restore} adds what these need. Nothing else changes.
        """

    def restore(openings: Iterable[Opening]) -> Deferred[None]:
        """
        Add what L{start} adds, and exactly these openings, whatever there is now.

        @return: fires when that is done, fails with L{FirewallError}.
        """

    def open(opening: Opening) -> Deferred[None]:
        """
        Open a door for a source until the deadline. If it is open already, move the deadline,
        without closing it even for a moment.

        @return: fires when it is open, fails with L{FirewallError} if the firewall refused. Then
            any part of the opening that exists still ends at the deadline. The caller can cancel
            this: if the firewall has not begun, it does nothing.
        """

    def close(opening: Opening) -> Deferred[None]:
        """
        End an opening. One that has ended already is not an error.

        @return: fires when it is closed, fails with L{FirewallError}.
        """

    def closeMany(openings: Iterable[Opening]) -> Deferred[None]:
        """
        End several openings at once. Only the innermost firewall is asked.

        @param openings: they are looked at when the firewall begins with that.
        @return: see L{close}; if it fails, any of them may be closed.
        """

    def findUsed(openings: Iterable[Opening]) -> list[tuple[Opening, bool]]:
        """
        Return which of these openings, each for one connection, are over before their deadline;
        with whether a connection has used them, because otherwise they were lost. It never blocks,
        and raises nothing. Only the innermost firewall is asked.
        """

    def countDropped() -> int:
        """
        Return how many datagrams to knock ports it has dropped because one source sent too many. It
        never blocks, and raises nothing.
        """

    def countJunk() -> int:
        """
        Return how many datagrams to knock ports it has sorted out because they are not knocks. It
        never blocks, and raises nothing.
        """

    def stop() -> Deferred[None]:
        """
        Let go: protected ports stay closed, openings end by themselves, and knock ports that were
        opened are closed.

        @return: fires when that is done; fails with L{FirewallError} if a part of it failed.
        """

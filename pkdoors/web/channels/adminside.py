"""What the operator's page asks: the channels to one host, this one or another."""

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol
from zope.interface import Attribute, Interface

ADMIN, ABOUT, CHECK, FLEET = "admin", "about", "check", "fleet"
KINDS = (ADMIN, ABOUT, CHECK, FLEET)
"""The channels: HTTP to the daemon; and JSON about the host, of C{pkdoors check}, and of the fleet.
The latter three send one answer, and take nothing."""


class IAdminSide(Interface):
    """One host, as its operator sees it."""

    ended: Deferred[str] = Attribute(
        "Fires with a sentence if the host cannot be asked any more; never for this host."
    )

    def begin() -> Deferred[None]:
        """
        Reach the host. Until the result fires, nothing can be opened.

        It fails with a L{PkdoorsError} if the host cannot be reached, or may not be asked.
        """

    def open(kind: str, protocol: IProtocol) -> None:
        """
        Connect a protocol with a new channel.

        If the channel cannot be opened, or breaks, the protocol's C{connectionLost} gets a
        L{PkdoorsError} with a sentence; without C{makeConnection} before it in the first case.

        @param kind: one of L{KINDS}.
        """

    def stop() -> Deferred[None]:
        """End all channels; the result fires when nothing is left."""

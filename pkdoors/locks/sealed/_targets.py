"""For whom a sealed knock opens: its sender, another address, or a network. Pure."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address

from pkdoors.knocks.seal import Statement
from pkdoors.locks.sealed.authorizedkeys import AuthorizedKey
from pkdoors.model.addresses import Address
from pkdoors.model.doors import Door
from pkdoors.model.sources import Source
from pkdoors.model.unicast import isUnicast

ANY = "*"
"""Stands in a statement that is bound to no address."""


@dataclass(frozen=True, slots=True)
class Target:
    """
    For whom a knock opens by one line of the authorized keys.

    @ivar sender: the address that the knock came from.
    @ivar address: the address that the knock is for: the sender's own, or the one that it is bound
        to.
    @ivar source: what opens: that address, or its network.
    """

    line: AuthorizedKey
    sender: Address
    address: Address
    source: Source

    def isAllowed(self) -> bool:
        """
        Return whether a knock that is bound to the address may come from the sender: a key for
        others may, and a key that opens for a network with both of them in it, too.
        """
        if self.address == self.sender or self.line.isForOthers:
            return True
        source = self.source
        return isinstance(source, IPv4Network | IPv6Network) and self.sender in source

    def findRefusal(self, door: str, today: float) -> str:
        """Return why the line does not allow the knock; empty if it does."""
        if reason := self.line.findRefusal(door, str(self.sender), today):
            return reason
        if not self.isAllowed():
            return explainBound(self.address)
        if not isUnicast(str(self.address)) or self.address.is_loopback:
            return f"it asks to open for {self.address}, which is not the address of one client"
        if not self.line.mayOpenFor(self.source):
            return f"the key of {self.line} may not open for {self.source} (from=)"
        return ""


def findTarget(line: AuthorizedKey, door: Door, statement: Statement, source: str) -> Target:
    """
    Return for whom a knock opens by one line. A knock that asks to close names just an address:
    then all openings of the key end that let this address in.

    @param source: the address that the knock came from.
    """
    sender = ip_address(source)
    address = sender if isOwn(statement, source) else ip_address(statement.bind)
    widened = door.widen(address) if line.hasPrefix else address
    return Target(line, sender, address, widened)


def isOwn(statement: Statement, source: str) -> bool:
    """Return whether a knock from an address is for just that address."""
    return statement.bind in (ANY, source)


def explainBound(bind: object) -> str:
    """Return why a knock that is bound to another address than its sender's is refused."""
    return f"it is bound to {bind}, but comes from elsewhere"

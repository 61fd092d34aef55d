"""Which of the host's addresses are heard if the configuration names some. Pure."""

from collections.abc import Callable, Iterable
from ipaddress import ip_address

_ANY = {4: bytes(4), 16: bytes(16)}
"""C{0.0.0.0} and C{::}, by their length: every address of that version of IP."""


class Destinations:
    """
    @param interfaces: the addresses to hear; all if there are none. An address may have the name or
        the number of an interface behind C{%}.
    @param nameOf: returns the name of the interface with a number; raises C{OSError} if there is
        none. Only packets to an address with an interface need it.
    """

    def __init__(self, interfaces: Iterable[str], nameOf: Callable[[int], str]) -> None:
        self._nameOf = nameOf
        self._scopes: dict[bytes, set[str]] = {}
        for interface in interfaces:
            address, _, scope = interface.partition("%")
            self._scopes.setdefault(ip_address(address).packed, set()).add(scope)
        self._heard = {length for length, every in _ANY.items() if every in self._scopes}

    def has(self, address: bytes, interface: int) -> bool:
        """
        Return whether packets to an address are heard.

        @param interface: the number of the interface by which the packet came.
        """
        if not self._scopes or len(address) in self._heard:
            return True
        scopes = self._scopes.get(address)
        if not scopes:
            return False
        return "" in scopes or str(interface) in scopes or self._name(interface) in scopes

    def _name(self, interface: int) -> str | None:
        try:
            return self._nameOf(interface)
        except OSError:  # it has just gone
            return None

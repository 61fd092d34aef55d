"""The names and addresses by which other hosts reach this one. It blocks."""

import socket

from pkdoors.errors import PkdoorsError
from pkdoors.host.iproute import askIp
from pkdoors.model.reach import explainUnreachable

_PASSING = {"temporary", "deprecated", "tentative", "dadfailed"}
"""What C{ip} says of addresses that are gone tomorrow, or do not work."""


def getShortName() -> str:
    """Return the name of this host, without its domain."""
    return socket.gethostname().partition(".")[0]


def getPublicName() -> str:
    """
    Return the name of this host with its domain, or its first global address if it has no domain:
    the first of these that other networks know, or else the first one. Addresses that stay come
    before those that the network assigned for some time.

    @raise PkdoorsError: it has neither.
    """
    name = socket.getfqdn()
    names = [name] if "." in name and not name.startswith("localhost") else []
    if names and not explainUnreachable(name):
        return name
    names += [address for address, _ in _listGlobalAddresses()]
    if not names:
        raise PkdoorsError(
            "this host has no name with a domain and no global address: "
            "use --host NAME to name the address for clients"
        )
    return next((name for name in names if not explainUnreachable(name)), names[0])


def mayChange(name: str) -> bool:
    """Return whether a name is an address of this host that the network assigned for some time."""
    return (name, True) in _listGlobalAddresses()


def _listGlobalAddresses() -> list[tuple[str, bool]]:
    """
    Return the global addresses, and for each whether it has a limited time; those that have none
    come first. Those that privacy extensions change every day, or that are about to go, are left
    out.
    """
    interfaces = askIp("address", "show", "up", "scope", "global")
    found = [
        (str(address["local"]), "dynamic" in address)
        for interface in interfaces
        for address in interface.get("addr_info", ())
        if not _PASSING & {*address} and "local" in address
    ]
    return sorted(found, key=lambda item: item[1])

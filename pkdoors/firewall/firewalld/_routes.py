"""Asks the kernel for the route to a client. It blocks."""

from pkdoors.host.iproute import askIp
from pkdoors.model.addresses import Address


def findRouteInterface(address: Address) -> str:
    """Return the interface of the route to an address; empty if there is no route."""
    return _first(["route", "get", str(address)], "dev")


def findHardwareAddress(address: Address) -> str:
    """Return the hardware address of a neighbour in lower case; empty if it is not known."""
    return _first(["neigh", "show", str(address)], "lladdr").lower()


def _first(question: list[str], key: str) -> str:
    found = askIp(*question)
    return str(found[0].get(key, "")) if found else ""

"""The way to a client, as the kernel's routing has it. It blocks."""

from pkdoors.host.iproute import askIp
from pkdoors.model.addresses import Address


def findRouteInterface(address: Address) -> str:
    """The interface on which the route to an address leaves; empty where there is no route."""
    return _first(["route", "get", str(address)], "dev")


def findHardwareAddress(address: Address) -> str:
    """The hardware address of a neighbour, small letters; empty where it is not known."""
    return _first(["neigh", "show", str(address)], "lladdr").lower()


def _first(question: list[str], key: str) -> str:
    found = askIp(*question)
    return str(found[0].get(key, "")) if found else ""

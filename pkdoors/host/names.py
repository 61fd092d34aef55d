"""The names and addresses by which other hosts reach this one. It blocks."""

import socket

from pkdoors.errors import PkdoorsError
from pkdoors.host.iproute import askIp
from pkdoors.model.reach import explainUnreachable


def getShortName() -> str:
    """Return the name of this host, without its domain."""
    return socket.gethostname().partition(".")[0]


def getPublicName() -> str:
    """
    Return the name of this host with its domain, or its first global address if it has no domain:
    the first of these that other networks know, or else the first one.

    @raise PkdoorsError: it has neither.
    """
    name = socket.getfqdn()
    names = [name] if "." in name and not name.startswith("localhost") else []
    if names and not explainUnreachable(name):
        return name
    names += _listGlobalAddresses()
    if not names:
        raise PkdoorsError(
            "this host has no name with a domain and no global address: "
            "use --host NAME to name the address for clients"
        )
    return next((name for name in names if not explainUnreachable(name)), names[0])


def _listGlobalAddresses() -> list[str]:
    """Return the permanent global addresses: not those that privacy extensions change every day."""
    interfaces = askIp("address", "show", "up", "scope", "global")
    return [
        str(address["local"])
        for interface in interfaces
        for address in interface.get("addr_info", ())
        if not {"temporary", "deprecated"} & {*address} and "local" in address
    ]

"""How others call this host: its names, and its addresses. It blocks."""

import socket

from pkdoors.errors import PkdoorsError
from pkdoors.host.iproute import askIp


def getShortName() -> str:
    """The name of this host, without its domain."""
    return socket.gethostname().partition(".")[0]


def getPublicName() -> str:
    """
    The name of this host with its domain; where it has none its first global address.

    @raise PkdoorsError: it has neither.
    """
    name = socket.getfqdn()
    if "." in name and not name.startswith("localhost"):
        return name
    for address in _globalAddresses():
        return address
    raise PkdoorsError(
        "this host has no name with a domain and no global address: "
        "say with --address how clients reach it"
    )


def _globalAddresses() -> list[str]:
    """Those that stay: not what privacy extensions make up for a day."""
    interfaces = askIp("address", "show", "up", "scope", "global")
    return [
        str(address["local"])
        for interface in interfaces
        for address in interface.get("addr_info", ())
        if not {"temporary", "deprecated"} & {*address} and "local" in address
    ]

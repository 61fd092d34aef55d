"""Knock ports: a number is a UDP port, and L{TcpPort} a TCP port. Pure."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from pkdoors.errors import BadValue
from pkdoors.model.ports import PortRange, parsePort

_FORM = re.compile(r"\s*([0-9]+)(?:[/:](tcp|udp))?\s*")


class TcpPort(NamedTuple):
    """A TCP port. A tuple, because a flood asks for the hash of very many."""

    number: int

    def __str__(self) -> str:
        return f"{self.number}/tcp"


KnockPort = int | TcpPort
"""A port that hears knocks. A number alone is a UDP port, here as in a sequence."""


def parseKnockPort(text: str) -> KnockPort:
    """
    Read C{7000}, C{7000/udp} or C{7000/tcp}, or C{7000:tcp} as knockd writes it.

    @raise BadValue: it is not a port. The message quotes nothing, as the text may be almost right.
    """
    try:
        match = _FORM.fullmatch(text)
        number = parsePort(match[1] if match else "")
    except BadValue:
        raise BadValue(
            "it is not a port: a port is a number from 1 to 65535, with /tcp at its end for TCP"
        ) from None
    return TcpPort(number) if match and match[2] == "tcp" else number


def numberOf(port: KnockPort) -> int:
    """Return the number of a port."""
    return port.number if isinstance(port, TcpPort) else port


def asRange(port: KnockPort) -> PortRange:
    """Return a knock port as protected ports are written, to compare it with them."""
    protocol, number = ("tcp" if isinstance(port, TcpPort) else "udp"), numberOf(port)
    return PortRange(protocol, number, number)


def sortPorts(ports: Iterable[KnockPort]) -> list[KnockPort]:
    """Return ports sorted, those of UDP first."""
    return sorted(ports, key=lambda port: (isinstance(port, TcpPort), numberOf(port)))

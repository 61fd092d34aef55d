"""Hosts and their names, for tests of the client."""

import socket
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

HOST4, HOST6 = "192.0.2.1", "2001:db8::1"


class FakeNames:
    """
    The system's names, in place of L{socket.getaddrinfo}.
    """

    def __init__(self, test: SynchronousTestCase, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.asked: list[tuple[str, int]] = []
        test.patch(socket, "getaddrinfo", self)

    def __call__(
        self, host: str, port: None, family: int, kind: int
    ) -> list[tuple[int, int, int, str, tuple[Any, ...]]]:
        self.asked.append((host, family))
        found = []
        for address in self.addresses:
            which = socket.AF_INET6 if ":" in address else socket.AF_INET
            if family in (which, socket.AF_UNSPEC):
                rest = (0, 0, 0) if which == socket.AF_INET6 else (0,)
                found.append((int(which), kind, 17, "", (address, *rest)))
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return found

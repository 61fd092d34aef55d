"""C{pkdoors sequence} on the command line."""

from argparse import Namespace
from collections.abc import Mapping

from pkdoors.commands.parser import Parser, addLengthOption
from pkdoors.model.knockports import KnockPort, TcpPort, numberOf
from pkdoors.model.sequence import Sequence
from pkdoors.util.output import tell


def addSequenceCommand(command: Parser) -> None:
    """Add the options."""
    addLengthOption(command)
    command.epilog = "Example: pkdoors sequence --length 8"
    command.set_defaults(run=_sequence)


def _sequence(options: Namespace, environment: Mapping[str, str]) -> None:
    tell(str(Sequence.random(options.length, isFree, options.tcp)))


def isFree(port: KnockPort) -> bool:
    """Return whether a port can be bound at all addresses; that needs nothing of Linux."""
    import errno
    import socket

    kind = socket.SOCK_STREAM if isinstance(port, TcpPort) else socket.SOCK_DGRAM
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            with socket.socket(family, kind) as probe:
                if family == socket.AF_INET6:  # IPv4 has a socket of its own
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind(("", numberOf(port)))
        except OSError as error:
            # The host may have no IPv6: the kernel may lack it, or be told not to use it.
            if error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                return False
    return True

"""Who listens on the ports: somebody on the protected ones, nobody else on ours. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from pkdoors.doctor.findings import ERROR, OK, WARNING, Finding
from pkdoors.doors import Address
from pkdoors.ports import PortRange
from pkdoors.sockets import BOUND, LISTENS, Socket

_WAITS = {"tcp": LISTENS, "udp": BOUND}


@dataclass(frozen=True, slots=True)
class Owner:
    """A process that has a socket."""

    pid: int
    name: str


def listener(
    ports: PortRange, sockets: Mapping[str, Iterable[Socket]], isForwarded: bool
) -> Finding:
    """
    Whether somebody listens on a protected port; on one is enough in a range.

    @param sockets: those of TCP and of UDP.
    @param isForwarded: whether it is forwarded, so that nobody need be on this host.
    """
    found = [
        socket
        for socket in sockets[ports.protocol]
        if socket.state == _WAITS[ports.protocol] and ports.first <= socket.port <= ports.last
    ]
    letter = ports.protocol[0]
    if isForwarded:
        return Finding(OK, str(ports), "it is forwarded")
    if not found:
        text = "nobody listens on it, so that a knock opens nothing"
        return Finding(
            WARNING,
            str(ports),
            text,
            f"start what shall listen there (`ss -ln{letter}p` shows all)",
        )
    if all(socket.isLocal() for socket in found):
        text = "who listens on it does so on the loopback interface only"
        remedy = f"have it listen on all addresses (`ss -ln{letter}p` shows which program it is)"
        return Finding(WARNING, str(ports), text, remedy)
    return Finding(OK, str(ports), "somebody listens on it")


def knockPorts(
    ports: Iterable[int],
    sockets: Iterable[Socket],
    owners: Mapping[int, Owner],
    daemon: int | None,
    interfaces: Iterable[str] = (),
) -> list[Finding]:
    """
    Whether the knock ports are the daemon's, or free for it.

    @param sockets: those of UDP.
    @param owners: who has a socket, by its inode.
    @param daemon: its process; L{None} where it does not run.
    @param interfaces: the only addresses that it shall listen on.
    """
    wanted = sorted(set(ports))
    addresses = {ip_address(each.partition("%")[0]) for each in interfaces}
    found: dict[Finding, None] = {}  # one program may have a port twice, over IPv4 and IPv6
    for port in wanted:
        isHeard = False
        for socket in sockets:
            if socket.port == port and _meets(socket, addresses):
                owner = owners.get(socket.inode)
                isHeard |= owner is not None and owner.pid == daemon
                if owner is None or owner.pid != daemon:
                    found[_taken(port, owner)] = None
        if daemon is not None and not isHeard:
            found[_deaf(port, daemon)] = None
    who = "are free" if daemon is None else "are the daemon's"
    return list(found) or [Finding(OK, "knock ports", f"all {len(wanted)} {who}")]


def _meets(socket: Socket, addresses: set[Address]) -> bool:
    return not addresses or socket.address.is_unspecified or socket.address in addresses


def _taken(port: int, owner: Owner | None) -> Finding:
    who = f"{owner.name} (process {owner.pid}) has it" if owner else "another program has it"
    remedy = f"end that (`ss -lunp 'sport = {port}'` shows it), or take another knock port"
    return Finding(ERROR, f"{port}/udp", f"{who}: knocks do not reach pkdoors", remedy)


def _deaf(port: int, daemon: int) -> Finding:
    text = "the running daemon does not listen on this knock port: it has another sequence"
    return Finding(ERROR, f"{port}/udp", text, restart(daemon))


def restart(daemon: int | None) -> str:
    """How to have a daemon with the options that the check has."""
    if daemon is None:
        return "start the daemon: `twistd pkdoors` with the options of this check"
    return f"`kill {daemon}`, and start the daemon with the options of this check"

"""Who listens on the ports: somebody on the protected ones, nobody else on ours. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address

from pkdoors.doctor._daemon import Daemon
from pkdoors.doctor.findings import ERROR, OK, WARNING, Finding
from pkdoors.host.proc import Owner
from pkdoors.host.procnet import BOUND, LISTENS, Socket
from pkdoors.model.addresses import Address
from pkdoors.model.ports import PortRange

_WAITS = {"tcp": LISTENS, "udp": BOUND}


def waiting(sockets: Iterable[Socket], protocol: str) -> list[Socket]:
    """Return those on which clients are waited for."""
    return [each for each in sockets if each.state == _WAITS[protocol]]


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
    daemon: Daemon,
    interfaces: Iterable[str] = (),
    isTold: bool = False,
) -> list[Finding]:
    """
    Whether the knock ports are the daemon's, or free for it.

    @param sockets: those of UDP.
    @param owners: who has a socket, by its inode.
    @param interfaces: the only addresses that it shall listen on.
    @param isTold: whether it was told that the daemon does not listen on some of them.
    """
    wanted = sorted(set(ports))
    ownersOf = _ownersByPort(sockets, owners, interfaces)
    taken: dict[Owner | None, list[int]] = {}
    for port in wanted:
        # One program may have a port twice, over IPv4 and IPv6.
        for owner in dict.fromkeys(ownersOf[port]):
            if owner is None or owner.pid != daemon.process:
                taken.setdefault(owner, []).append(port)
    found = [_taken(those, wanted, owner) for owner, those in taken.items()]
    deaf = deafPorts(wanted, sockets, owners, daemon, interfaces)
    if deaf and not isTold:
        found.append(_deaf(deaf, wanted, daemon))
    if found or deaf:
        return found
    who = "are free" if daemon.process is None else "are the daemon's"
    return [Finding(OK, "knock ports", f"all {len(wanted)} {who}")]


def deafPorts(
    ports: Iterable[int],
    sockets: Iterable[Socket],
    owners: Mapping[int, Owner],
    daemon: Daemon,
    interfaces: Iterable[str] = (),
) -> list[int]:
    """
    Return the knock ports that nobody listens on though the daemon runs; see L{knockPorts}. Those
    that another program has are not its fault.
    """
    if daemon.process is None:
        return []
    ownersOf = _ownersByPort(sockets, owners, interfaces)
    return [port for port in ports if not ownersOf[port]]


def missing(address: str) -> Finding:
    """An address to listen on that this host does not have."""
    text = f"this host does not have the address {address}: knocks to it are heard when it has"
    return Finding(WARNING, "interfaces", text, "`ip address` lists those that it has")


def _ownersByPort(
    sockets: Iterable[Socket], owners: Mapping[int, Owner], interfaces: Iterable[str]
) -> Mapping[int, list[Owner | None]]:
    """Return who has each port where the daemon is to have it; L{None} for unknown programs."""
    addresses = {ip_address(each.partition("%")[0]) for each in interfaces}
    found: dict[int, list[Owner | None]] = defaultdict(list)
    for socket in sockets:
        if _meets(socket, addresses):
            found[socket.port].append(owners.get(socket.inode))
    return found


def _meets(socket: Socket, addresses: set[Address]) -> bool:
    return not addresses or socket.address.is_unspecified or socket.address in addresses


def _taken(ports: Sequence[int], wanted: Sequence[int], owner: Owner | None) -> Finding:
    subject, which = _which(ports, wanted, "it")
    others = "another program has" if len(ports) == 1 else "other programs have"
    who = f"{owner.name} (process {owner.pid}) has" if owner else others
    port = f" 'sport = {ports[0]}'" if len(ports) == 1 else ""
    remedy = f"end that (`ss -lunp{port}` shows it), or take other knock ports"
    return Finding(ERROR, subject, f"{who} {which}: knocks do not reach pkdoors", remedy)


def _deaf(ports: Sequence[int], wanted: Sequence[int], daemon: Daemon) -> Finding:
    subject, which = _which(ports, wanted, "this knock port")
    text = f"the running daemon does not listen on {which}: it has another sequence"
    return Finding(ERROR, subject, text, daemon.remedy())


def _which(ports: Sequence[int], wanted: Sequence[int], one: str) -> tuple[str, str]:
    """Return the subject of a finding about some knock ports, and what the text calls them."""
    if len(ports) == 1:
        return f"{ports[0]}/udp", one
    return "knock ports", f"{len(ports)} of {len(wanted)} knock ports"

"""Which programs listen: some service on each protected port, only ours on knock ports. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address

from pkdoors.doctor._daemon import Daemon
from pkdoors.doctor.findings import ERROR, OK, WARNING, Finding
from pkdoors.host.proc import Owner
from pkdoors.host.procnet import BOUND, LISTENS, Socket
from pkdoors.model.addresses import Address
from pkdoors.model.ports import PortRange

_LISTENING = {"tcp": LISTENS, "udp": BOUND}
"""The state of a socket that waits for clients."""

NONE_HERE = Finding(
    OK, "knock ports", "this host has none: its doors open to knocks on other hosts of the fleet"
)
"""The finding if no door hears knocks here."""


def selectListening(sockets: Iterable[Socket], protocol: str) -> list[Socket]:
    """Return the sockets that wait for clients."""
    return [socket for socket in sockets if socket.state == _LISTENING[protocol]]


def judgeListener(
    ports: PortRange, sockets: Mapping[str, Iterable[Socket]], isForwarded: bool
) -> Finding:
    """
    Return whether a program listens on a protected port; in a range, one port is enough.

    @param sockets: those of TCP and of UDP.
    @param isForwarded: whether the port is forwarded, so that no program on this host must listen.
    """
    if isForwarded:
        return Finding(OK, str(ports), "it is forwarded")
    found = [
        socket
        for socket in selectListening(sockets[ports.protocol], ports.protocol)
        if ports.first <= socket.port <= ports.last
    ]
    command = f"`ss -ln{ports.protocol[0]}p`"
    if not found:
        text = "no program listens on it, so a knock opens nothing"
        remedy = f"start the service that belongs there ({command} shows what listens)"
        return Finding(WARNING, str(ports), text, remedy)
    if all(socket.isLocal() for socket in found):
        text = "the program on it listens on the loopback interface only"
        remedy = f"make it listen on all addresses ({command} shows which program it is)"
        return Finding(WARNING, str(ports), text, remedy)
    return Finding(OK, str(ports), "a program listens on it")


def judgeKnockPorts(
    ports: Iterable[int],
    sockets: Iterable[Socket],
    owners: Mapping[int, Owner],
    daemon: Daemon,
    interfaces: Iterable[str] = (),
    isReported: bool = False,
) -> list[Finding]:
    """
    Return whether the knock ports are the daemon's, or free for it.

    @param sockets: those of UDP.
    @param owners: the owner of each socket, by its inode.
    @param interfaces: the only addresses that the daemon listens on; all if there are none.
    @param isReported: whether it is reported already that the daemon does not listen on some.
    """
    wanted = sorted(set(ports))
    ownersOf = _mapOwners(sockets, owners, interfaces)
    taken: dict[Owner | None, list[int]] = {}
    for port in wanted:
        # One program may have a port twice, over IPv4 and IPv6.
        for owner in dict.fromkeys(ownersOf[port]):
            if owner is None or owner.pid != daemon.process:
                taken.setdefault(owner, []).append(port)
    found = [_reportTaken(takenPorts, wanted, owner) for owner, takenPorts in taken.items()]
    deaf = findDeafPorts(wanted, sockets, owners, daemon, interfaces)
    if deaf and not isReported:
        found.append(_reportDeaf(deaf, wanted, daemon))
    if found or deaf:
        return found
    state = "are free" if daemon.process is None else "are heard by the daemon's sockets"
    return [Finding(OK, "knock ports", f"all {len(wanted)} {state}")]


def judgeCaptured(
    ports: Iterable[int],
    sockets: Iterable[Socket],
    owners: Mapping[int, Owner],
    daemon: Daemon,
    protocol: str = "udp",
) -> list[Finding]:
    """
    Return whether knock ports that have no socket are free of other programs' sockets: a program
    gets nothing on a knock port.

    @param sockets: those of the protocol.
    @param owners: the owner of each socket, by its inode.
    """
    wanted = sorted(set(ports))
    taken: dict[Owner | None, list[int]] = {}
    ownersOf = _mapOwners(sockets, owners, ())
    for port in wanted:
        for owner in dict.fromkeys(ownersOf[port]):
            taken.setdefault(owner, []).append(port)
    if not taken:
        verb = "will be" if daemon.process is None else "are"
        over = " over TCP" if protocol == "tcp" else ""
        text = f"all {len(wanted)}{over} {verb} heard without sockets, before other firewalls"
        return [Finding(OK, "knock ports", text)]
    return [_reportUseless(*found, wanted, protocol) for found in taken.items()]


def findDeafPorts(
    ports: Iterable[int],
    sockets: Iterable[Socket],
    owners: Mapping[int, Owner],
    daemon: Daemon,
    interfaces: Iterable[str] = (),
) -> list[int]:
    """
    Return the knock ports that nobody listens on although the daemon runs; see L{judgeKnockPorts}.
    A port that another program has is not the daemon's fault.
    """
    if daemon.process is None:
        return []
    ownersOf = _mapOwners(sockets, owners, interfaces)
    return [port for port in ports if not ownersOf[port]]


def reportMissing(address: str) -> Finding:
    """Report an address to listen on that this host does not have."""
    text = (
        f"this host does not have the address {address}: the daemon hears knocks to it once the "
        "host has it"
    )
    return Finding(WARNING, "interfaces", text, "`ip address` lists the addresses that it has")


def _mapOwners(
    sockets: Iterable[Socket], owners: Mapping[int, Owner], interfaces: Iterable[str]
) -> Mapping[int, list[Owner | None]]:
    """Return who has each port on the daemon's addresses; L{None} stands for unknown programs."""
    addresses = {ip_address(interface.partition("%")[0]) for interface in interfaces}
    found: dict[int, list[Owner | None]] = defaultdict(list)
    for socket in sockets:
        if _meets(socket, addresses):
            found[socket.port].append(owners.get(socket.inode))
    return found


def _meets(socket: Socket, addresses: set[Address]) -> bool:
    """Return whether a socket is on one of the daemon's addresses."""
    return not addresses or socket.address.is_unspecified or socket.address in addresses


def _reportTaken(ports: Sequence[int], wanted: Sequence[int], owner: Owner | None) -> Finding:
    subject, what = _describePorts(ports, wanted, "it")
    others = "another program has" if len(ports) == 1 else "other programs have"
    who = f"{owner.name} (process {owner.pid}) has" if owner else others
    port = f" 'sport = {ports[0]}'" if len(ports) == 1 else ""
    remedy = f"stop that program (`ss -lunp{port}` shows it), or use other knock ports"
    return Finding(ERROR, subject, f"{who} {what}: knocks do not reach pkdoors", remedy)


def _reportUseless(
    owner: Owner | None, ports: Sequence[int], wanted: Sequence[int], protocol: str
) -> Finding:
    subject, what = _describePorts(ports, wanted, "it", protocol)
    who = f"{owner.name} (process {owner.pid}) listens" if owner else "another program listens"
    text = f"{who} on {what} and gets nothing: the guard keeps knock ports closed"
    port = f" 'sport = {ports[0]}'" if len(ports) == 1 else ""
    remedy = f"stop that program (`ss -l{protocol[0]}np{port}` shows it), or use other knock ports"
    return Finding(WARNING, subject, text, remedy)


def _reportDeaf(ports: Sequence[int], wanted: Sequence[int], daemon: Daemon) -> Finding:
    subject, what = _describePorts(ports, wanted, "this knock port")
    text = f"the running daemon does not listen on {what}: it has another sequence"
    return Finding(ERROR, subject, text, daemon.remedy())


def _describePorts(
    ports: Sequence[int], wanted: Sequence[int], one: str, protocol: str = "udp"
) -> tuple[str, str]:
    """Return the subject of a finding about some knock ports, and what its text calls them."""
    if len(ports) == 1:
        return f"{ports[0]}/{protocol}", one
    return "knock ports", f"{len(ports)} of {len(wanted)} knock ports"

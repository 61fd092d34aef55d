"""What happens to doors whose packets connection tracking does not see. Pure."""

from collections.abc import Iterable, Iterator

from pkdoors.doctor.findings import INFO, WARNING, Finding
from pkdoors.doctor.packetfilter.openers import showChain
from pkdoors.doctor.packetfilter.packets import Packet, newAnswer, newPacket
from pkdoors.doctor.packetfilter.ruleset import Name, Ruleset
from pkdoors.doctor.packetfilter.verdicts import findUntrackingFates
from pkdoors.model.ports import PortRange

COOKIES = "net.ipv4.tcp_syncookies"
_ALWAYS = 2
"""The value with which the kernel answers each SYN by a cookie, and not only under a flood."""


def judgeCookies(value: int, ports: Iterable[PortRange]) -> Iterator[Finding]:
    """
    Report if the kernel begins connections for ACKs without a recent SYN.

    @param value: of the setting L{COOKIES}; 0 if the kernel does not have it.
    """
    if value == _ALWAYS and any(protected.protocol == "tcp" for protected in ports):
        yield Finding(
            WARNING,
            "SYN cookies",
            f"{COOKIES}={value} answers every SYN with a cookie: a client that was let in can "
            "send an old ACK again, and so begin a connection for a minute or two after its door "
            "has closed",
            f"`sysctl -w {COOKIES}=1`, and change it in the file that sets it "
            "(`grep -rs tcp_syncookies /etc/sysctl.conf /etc/sysctl.d /usr/lib/sysctl.d`)",
        )


def judgeUntracked(
    ruleset: Ruleset,
    ports: PortRange,
    versions: Iterable[int],
    cut: Iterable[PortRange],
    isForwarded: bool,
) -> Iterator[Finding]:
    """
    Report rules of others that keep connection tracking from seeing a protected port.

    @param ports: its first and its last stand for all of a range.
    @param cut: the ports of doors with C{sessions = "cut"}.
    """
    found = {
        chain: isSure
        for version in versions
        for port in (ports.first, ports.last)
        for chain, isSure in _findChains(ruleset, ports.protocol, port, version)
    }
    if not found:
        return
    losses = _listLosses(ports.protocol, any(map(ports.overlaps, cut)), isForwarded)
    for chain, isSure in found.items():
        cause = f"a notrack rule ({' '.join(chain)}) {'takes' if isSure else 'may take'}"
        text = f"{cause} it out of connection tracking: {'; '.join(losses) or _NO_LOSS}"
        remedy = f"exclude this port from that rule (`{showChain(chain)}` shows it)"
        yield Finding(WARNING if losses else INFO, str(ports), text, remedy)


_NO_LOSS = "sessions live on, because the guard itself remembers them"


def _listLosses(protocol: str, cuts: bool, isForwarded: bool) -> list[str]:
    losses = []
    if protocol == "udp":
        losses.append(
            "while the door is closed, the guard drops answers to requests from this port of "
            "this host"
        )
    if cuts and protocol == "tcp":
        losses.append(
            'sessions that are cut (sessions = "cut") get no reset, so both ends wait until '
            "they give up"
        )
    if isForwarded:
        losses.append("DNAT does not work without tracking, so the port is not forwarded")
    return losses


def _findChains(
    ruleset: Ruleset, protocol: str, port: int, version: int
) -> Iterator[tuple[Name, bool]]:
    packets: tuple[tuple[str, Packet], ...] = (
        ("prerouting", newPacket(protocol, port, version)),
        ("output", newAnswer(protocol, port, version)),
    )
    for hook, packet in packets:
        for fate in findUntrackingFates(ruleset, packet, version, hook):
            yield fate.chain.name, fate.verdict == "notrack"

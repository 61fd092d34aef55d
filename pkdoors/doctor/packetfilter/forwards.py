"""Which ports the kernel's firewall forwards, and where to. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from pkdoors.doctor.findings import WARNING, Finding
from pkdoors.doctor.packetfilter._matching import Match, judge
from pkdoors.doctor.packetfilter.packets import Packet, getName, newPacket
from pkdoors.doctor.packetfilter.ruleset import Chain, Expression, Ruleset
from pkdoors.model.ports import PortRange

_TARGETS = ("DNAT", "REDIRECT")
_OFFLOAD = "FLOWOFFLOAD"  # OpenWrt's iptables


def isForwarded(
    ruleset: Ruleset, packet: Packet, version: int, isWholeAddressMeant: bool = False
) -> bool:
    """
    Return whether a packet's port is forwarded, as Docker publishes ports: then no program on this
    host must listen on it.

    @param isWholeAddressMeant: whether rules that forward all ports of an address count, too.
    """
    return any(
        isWholeAddressMeant or any(map(_hasPort, rule))
        for rule in _findForwardingRules(ruleset, packet, version)
    )


def judgeRedirects(
    ruleset: Ruleset,
    ports: PortRange,
    versions: Iterable[int],
    isReachable: Callable[[PortRange], bool],
) -> Iterator[Finding]:
    """
    Report ports of this host on which clients reach the service of a protected port without its
    door.

    @param isReachable: whether clients reach an unprotected port of this host.
    """
    packets = [(newPacket(ports.protocol, ports.first, version), version) for version in versions]
    rules = [
        rule
        for packet, version in packets
        for rule in _findForwardingRules(ruleset, packet, version)
    ]
    bodies = [part["redirect"] for rule in rules for part in rule if "redirect" in part]
    numbers = {body["port"]: None for body in bodies if isinstance((body or {}).get("port"), int)}
    for number in numbers:
        target = PortRange(ports.protocol, number, number)
        if isReachable(target):
            text = f"it is redirected to {target}, which everybody can reach directly"
            yield Finding(WARNING, str(ports), text, f"protect {target} with the same door, too")
    if any(_isRedirectOfIptables(part) for rule in rules for part in rule):
        text = "iptables redirects it to a port that nftables does not show"
        remedy = "protect that port with the same door, too (`iptables -t nat -S` shows it)"
        yield Finding(WARNING, str(ports), text, remedy)


def judgeForwardedKnocks(
    ruleset: Ruleset,
    knockPorts: Mapping[str, Iterable[int]],
    versions: Iterable[int],
    isCaptured: bool,
) -> Iterator[Finding]:
    """
    Report knock ports that are forwarded.

    @param knockPorts: those over UDP and over TCP.
    @param isCaptured: whether knocks go on after the daemon has heard them.
    """
    versions = tuple(versions)
    ports = [PortRange(kind, port, port) for kind, some in knockPorts.items() for port in some]
    found = [
        port
        for port in ports
        if any(isForwarded(ruleset, newPacket(port.protocol, port.first, v), v) for v in versions)
    ]
    if not found:
        return
    subject, what = "knock ports", f"{len(found)} of {len(ports)} are forwarded"
    if len(found) == 1:
        subject, what = str(found[0]), "it is forwarded"
    if isCaptured:
        text = f"{what}: the program there gets the knocks, and whoever uses it knocks"
    else:
        text = f"{what}, but the guard keeps knock ports to itself: the program there gets nothing"
    yield Finding(WARNING, subject, text, "use other knock ports (`nft list ruleset` shows this)")


def judgeOffloading(
    ruleset: Ruleset, ports: PortRange, versions: Iterable[int]
) -> Iterator[Finding]:
    """
    Report a forwarded port on a host with a flowtable: once a connection is in the flowtable, its
    packets pass no rule.

    @param ports: those of a door with C{sessions = "cut"}.
    """
    packets = [(newPacket(ports.protocol, ports.first, version), version) for version in versions]
    if any(isForwarded(ruleset, *packet, isWholeAddressMeant=True) for packet in packets):
        yield Finding(
            WARNING,
            str(ports),
            'sessions = "cut" does not end forwarded sessions at once: a flowtable carries '
            "their packets past the guard until it forgets them",
            "exclude this port from the rule with `flow add` (`nft list ruleset` shows it)",
        )


def hasFlowtable(ruleset: Ruleset) -> bool:
    """Return whether a rule puts connections into a flowtable."""
    rules = (rule for chain in ruleset.chains.values() for rule in chain.rules)
    return any(_isOffload(part) for rule in rules for part in rule)


def _findForwardingRules(
    ruleset: Ruleset, packet: Packet, version: int
) -> Iterator[list[Expression]]:
    """Yield the rules that may forward a packet."""
    # Docker's rules are in chains that a hooked one calls, so all chains of its table count.
    hooked = ruleset.hooked("prerouting", version)
    tables = {chain.name[:2] for chain in hooked if chain.kind == "nat"}
    for chain in ruleset.chains.values() if tables else ():
        if chain.name[:2] in tables:
            yield from (rule for rule in chain.rules if _mayMeet(rule, ruleset, chain, packet))


def _mayMeet(rule: list[Expression], ruleset: Ruleset, chain: Chain, packet: Packet) -> bool:
    if not any(map(_isTarget, rule)):
        return False
    elements = partial(ruleset.elements, chain.name)
    return all(judge(part, packet, elements) is not Match.NO for part in rule)


def _isTarget(part: Expression) -> bool:
    return "dnat" in part or "redirect" in part or _getTarget(part) in _TARGETS


def _isRedirectOfIptables(part: Expression) -> bool:
    return _getTarget(part) == _TARGETS[1]


def _getTarget(part: Expression) -> str:
    return str((part.get("xt") or {}).get("name", ""))


def _isOffload(part: Expression) -> bool:
    return "flow" in part or _getTarget(part) == _OFFLOAD


def _hasPort(part: Expression) -> bool:
    return "match" in part and getName(part["match"]["left"]).endswith(" dport")

"""The guard's rules that judge packets to a group of protected ports. Pure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pkdoors.firewall.guard.openingsets import GATE, OPEN, Access, Scopes, UdpTimes
from pkdoors.firewall.guard.portgroups import PortGroup
from pkdoors.firewall.guard.sets import FORWARDED, flowOf, spell
from pkdoors.model.portblocks import maskOf

NFPROTO = {4: "ipv4", 6: "ipv6"}

# Only a flow that the service answers is a session: otherwise datagrams that are forged in the
# client's name would fill the sets. A first datagram is remembered apart, for a client that sends
# its second one after the door has closed.
_UDP_LET_IN = """
{chain} ct state established,untracked update @{most} {{ {f} }} update @{idle} {{ {f} }} accept
{chain} update @{new} {{ {f} }} accept
"""
# Each datagram restarts the idle time; the longest time restarts only while the door is open.
_UDP_GOING_ON = "{chain} {f} @{most} {f} @{idle} update @{idle} {{ {f} }} accept"
_UDP_ANSWERED = (
    "{chain} {f} @{new} ct state established,untracked update @{most} {{ {f} }} "
    "update @{most} {{ {f} timeout {rest} }} update @{idle} {{ {f} }} accept"
)


@dataclass(frozen=True)
class GroupChain:
    """
    A chain that judges packets to a group of ports.

    @ivar suffix: what its name has after that of the group.
    @ivar port: returns the port in a packet, as nft reads it, for blocks of an exponent. That may
        be the port before any DNAT.
    @ivar protocol: a condition that nft needs to know that port's type.
    """

    group: PortGroup
    suffix: str
    port: Callable[[int], str]
    protocol: str = ""

    @property
    def name(self) -> str:
        """Its name."""
        return self.group.name + self.suffix

    def rules(self, scopes: Scopes) -> Iterator[str]:
        """
        Yield the rules.

        @param scopes: what is compared of addresses.
        """
        yield from self._letIn(scopes)
        if self.group.protocol == "tcp":
            yield from self._tcp(scopes)
        else:
            yield from self._udp()

    def _letIn(self, scopes: Scopes) -> Iterator[str]:
        """
        Yield the rules that let in the clients that a door trusts, and those for whom a door is
        open. Trusted clients come first, so they use nothing up. Openings for one connection have
        rules of their own.
        """
        for lookup in self.group.lookups.trusted:
            condition = lookup.condition(self.port(lookup.access.exponent))
            yield f"{self.name} {self.protocol}{condition} {self._verdict(lookup.access)}"
        for access in self.group.lookups.accesses:
            yield from self._lookUp(access, OPEN, scopes, self._verdict(access))

    def _lookUp(self, access: Access, kind: str, scopes: Scopes, verdict: str) -> Iterator[str]:
        for scope in scopes:
            key = f"{self.protocol}{scope.field} . {self.port(access.exponent)}"
            yield f"{self.name} {key} @{access.setName(scope.suffix, kind)} {verdict}"

    def _verdict(self, access: Access) -> str:
        """Return what happens to a packet that may begin a connection."""
        if access.protocol == "tcp":
            return "accept" if self.group.lookups.cuts else "goto let_in"
        return f"goto {access.times.chain}" if access.times else "accept"

    def _tcp(self, scopes: Scopes) -> Iterator[str]:
        cuts = self.group.lookups.cuts
        yield f"{self.name} jump {'spared' if cuts else 'going_on'}"
        # A client that is let in otherwise, or has a session, does not use these up.
        for access in self.group.lookups.gates:
            yield from self._lookUp(access, GATE, scopes, f"jump {self.group.onceName}")
        yield f"{self.name} goto cut_off" if cuts else f"{self.name} counter drop"

    def _udp(self) -> Iterator[str]:
        # Answers to this host's own questions. TCP has no such rule: a client that got in while
        # there was no guard would seem to answer, too.
        yield f"{self.name} ct direction reply accept"
        trusted = (lookup.access for lookup in self.group.lookups.trusted)
        times = {access.times for access in (*self.group.lookups.accesses, *trusted)} - {None}
        own = sorted(each for each in times if each)
        for v in (4, 6):
            spared = {"most": f"sparedmost{v}", "idle": f"sparedudp{v}"}
            for names in (spared, *(_flowSets(each, v) for each in own)):
                yield _UDP_GOING_ON.format(chain=self.name, f=flowOf("udp", v), **names)
        for each in own:
            fields = {"chain": self.name, "rest": spell(each.most - each.new)}
            for v in (4, 6):
                yield _UDP_ANSWERED.format(f=flowOf("udp", v), **_flowSets(each, v), **fields)
        for v in (4, 6):
            yield f"{self.name} meta nfproto {NFPROTO[v]} udp dport @grace{v} accept"
        yield f"{self.name} counter drop"


def udpLetInRules(times: UdpTimes) -> Iterator[str]:
    """Yield the rules that let in packets of UDP sessions, and remember them."""
    for v in (4, 6):
        fields = {"chain": times.chain, "f": flowOf("udp", v)}
        yield from _UDP_LET_IN.format(**fields, **_flowSets(times, v)).strip().split("\n")
    yield f"{times.chain} accept"


def _flowSets(times: UdpTimes, version: int) -> dict[str, str]:
    return {kind: times.setName(kind, version) for kind in ("idle", "most", "new")}


def groupChains(group: PortGroup) -> tuple[GroupChain, GroupChain]:
    """Return the chains for packets as they arrive, and for those that DNAT has changed."""
    protocol = group.protocol

    def arrived(exponent: int) -> str:
        return _masked(f"{protocol} dport", exponent)

    def wanted(exponent: int) -> str:
        return _masked("ct original proto-dst", exponent)

    return (
        GroupChain(group, "", arrived),
        GroupChain(group, FORWARDED, wanted, f"meta l4proto {protocol} "),
    )


def directChain(group: PortGroup, port: int) -> GroupChain:
    """
    Return the chain for packets straight to a container, to which the host forwards one of the
    group's ports. They do not show that port, so it is a constant here. Ports that share all blocks
    share a chain.
    """
    trusted = (lookup.access for lookup in group.lookups.trusted)
    found = group.lookups
    exponents = {access.exponent for access in (*found.accesses, *found.gates, *trusted)}
    block = port & maskOf(min(exponents)) if exponents else 0

    def constant(exponent: int) -> str:
        return f"{group.protocol} dport & 0 ^ {port & maskOf(exponent)}"

    return GroupChain(group, f"_way{block}", constant)


def _masked(port: str, exponent: int) -> str:
    return f"{port} & {maskOf(exponent):#x}" if exponent else port

"""
The guard's rules, as nft commands; C{nft(8)} describes the language. Pure.

An accept in our table cannot overrule another table's drop, but a drop in our table is final. So
the protected ports are closed, whatever else runs on the host. A packet that I{begins} a connection
is judged by the openings alone, whatever connection tracking says of it; any other packet must
belong to a flow that the guard itself remembers.

Each rule is a line here, with its chain in front.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping

from pkdoors.firewall.guard._grouprules import NFPROTO, GroupChain, groupChains, udpLetInRules
from pkdoors.firewall.guard._oncerules import handshakeRules, onceRules
from pkdoors.firewall.guard.capture import HEARD_CHAIN, Capture
from pkdoors.firewall.guard.limits import LOCAL_CHAIN, limitRules, localRules
from pkdoors.firewall.guard.openingsets import IP, Scope, onceSets, scopesOf
from pkdoors.firewall.guard.portgroups import PortGroup, portGroups
from pkdoors.firewall.guard.sets import (
    FORWARDED,
    PORT_SETS,
    PROTOCOLS,
    RANGE_SETS,
    TCP_ENDING,
    backOf,
    flowOf,
    portMap,
    spell,
    timesFor,
)
from pkdoors.model.doors import Door

BASE_CHAINS = {
    "knock_ports": "type filter hook prerouting priority raw - 5; policy accept;",
    "input": "type filter hook input priority mangle - 5; policy accept;",
    "forward": "type filter hook forward priority mangle - 5; policy accept;",
    "answers": "type filter hook output priority mangle - 5; policy accept;",
}
"""The hooks. Input and forward come after connection tracking and DNAT, so all ways in pass there;
knocks are heard before both."""

# A container begins a connection from the port to which a protected port leads. The packet must
# arrive on the container's interface: a stranger can forge the container's address.
_INSIDE = """
forward tcp flags & (syn|ack) == syn {ip} saddr . meta l4proto . tcp sport @inside{v} \
fib saddr . iif oif exists update @spared{v} {{ {back} }} \
update @spared{v} {{ {back} timeout {ending} }}
"""
# Hosts on one bridge with a container need no help of this host's: with br_netfilter, their packets
# pass here all the same.
# A first IPv6 fragment without the transport header shows no port, and its packet is reassembled
# only after our rules if another table exempts it from connection tracking, which gathers
# fragments. Nobody has to accept such a packet; RFC 7112. 255 is not a protocol, so a packet whose
# protocol can be read passes this rule.
# The drops of each protocol are for protected ports that the maps lack: a map that is being
# replaced must never open anything. And no rule uses an anonymous set: such a set goes with its
# rule, so a packet that still passes the old rule while the new rules take effect would find it
# empty.
_WAYS_IN = """
input iif "lo" accept
input meta l4proto tcp goto tcp_in
input meta l4proto udp goto udp_in
input meta l4proto != 255 accept
input frag frag-off 0 counter drop
forward meta l4proto tcp jump tcp_dnat
forward meta l4proto udp jump udp_dnat
forward meta iifkind "bridge" fib daddr . iif oif exists accept
forward ip daddr . meta l4proto . th dport vmap @direct4
forward ip6 daddr . meta l4proto . th dport vmap @direct6
forward meta l4proto != 255 accept
forward frag frag-off 0 counter drop
"""
_FORWARDED = "ct status dnat ct direction original meta l4proto {p} ct original proto-dst"

# Anybody can forge segments of a client whose door is open. If they filled the set of sessions,
# it would have no room for real ones. So only an answered connection is remembered: one whose
# client acknowledges what the server sent, as far as connection tracking sees that. Connections
# that begin have a set of their own, for a client whose door closes during its handshake.
_LET_IN = """
let_in tcp flags & (syn|ack) == syn update @beginning{v} {{ {f} }} accept
let_in {f} @sessions{v} goto session
"""
_ANSWERED = "tcp flags & (syn|rst|ack) == ack ct state established,untracked"
# The first update gives a new flow the set's own timeout, the second shortens it: an element whose
# own timeout is shorter than the time that it has left could not be loaded from a saved file. If
# the set is full, a new flow is let in as long as the door is open, but it is not remembered.
_SESSION = """
session ct expiration <= {ending} update @sessions{v} {{ {f} }} \
update @sessions{v} {{ {f} timeout {ending} }} accept
session update @sessions{v} {{ {f} }} accept
"""
# A packet that begins a connection never counts as going on. Flows in "spared" existed before the
# guard did, or this host begins them from a protected port: only its own kernel can send that SYN.
# Doors that cut sessions use "spared" alone.
_BEGINS = "{chain} tcp flags & (syn|ack) == syn return"
_GOING_ON = """
going_on {f} @sessions{v} goto session
going_on {f} @beginning{v} {answered} goto session
"""
_SPARED = """
spared {f} @spared{v} ct expiration <= {ending} update @spared{v} {{ {f} }} \
update @spared{v} {{ {f} timeout {ending} }} accept
spared {f} @spared{v} update @spared{v} {{ {f} }} accept
"""
_BEGUN_HERE = (
    'answers oif != "lo" tcp flags & (syn|ack) == syn tcp sport @{ports} '
    "update @spared{v} {{ {back} }} update @spared{v} {{ {back} timeout {ending} }}"
)
# A reset of this host's ends a flow, and the client sends nothing more. Without this rule, flows
# that ended so would fill their sets, and answers to connections that this host begins after that
# would be dropped.
_RESET = (
    'answers oif != "lo" tcp flags & rst == rst tcp sport @{ports} {back} @{name}{v} '
    "update @{name}{v} {{ {back} timeout {ending} }}"
)
# A client that the service answers during a port's grace was using it before.
_GRACE = (
    'answers oif != "lo" meta nfproto {nfproto} udp sport @grace{v} '
    "update @sparedmost{v} {{ {back} }} update @sparedudp{v} {{ {back} }}"
)

# Our reset informs the client. The client's own reset, which answers whatever the server still
# sends, must pass to inform the server.
_CUT_OFF = """
cut_off tcp flags & (syn|ack) == syn counter drop
cut_off ct state established tcp flags & rst == rst accept
cut_off meta nfproto != @complete counter drop
cut_off ct state established meta l4proto tcp counter reject with tcp reset
cut_off counter drop
"""

# Knocks are not tracked: each source would take a place in the kernel's table of connections. A
# flood from forged sources would fill it, and then nobody could connect to anything.
_KNOCKS = f"""
knock_ports meta l4proto != udp accept
knock_ports udp dport != @knocks accept
knock_ports fib daddr type unicast accept
knock_ports iif "lo" goto {LOCAL_CHAIN}
"""


def rulesFor(
    doors: Iterable[Door],
    networks: Collection[Scope] = (),
    capture: Capture | None = None,
    direct: Iterable[GroupChain] = (),
    groups: Mapping[str, Iterable[PortGroup]] | None = None,
) -> Iterator[str]:
    """
    Yield the rules, each with its chain in front, in the order in which packets pass them.

    @param networks: what openings for networks need.
    @param capture: how knocks get into the packet log; L{None} if sockets hear them.
    @param direct: the chains for ways that lead past the protected ports.
    @param groups: the protected ports of each protocol by group, if they are known.
    """
    doors = list(doors)
    if groups is None:
        groups = {protocol: portGroups(doors, protocol) for protocol in PROTOCOLS}
    yield from _knockRules(doors, capture)
    for v in (4, 6):
        fields = {"back": backOf("tcp", v), "ending": spell(TCP_ENDING)}
        yield from _lines(_INSIDE.format(ip=IP[v], v=v, **fields))
    scopes = scopesOf(doors, networks)
    once = [found for door in doors for found in onceSets(door, scopes)]
    yield from handshakeRules(once)
    yield from _lines(_WAYS_IN)
    for protocol in PROTOCOLS:
        yield from _waysInOf(protocol)
    yield from _flowRules()
    for protocol in PROTOCOLS:
        for group in groups[protocol]:
            for chain in groupChains(group):
                yield from chain.rules(scopes)
    for chain in direct:
        yield from chain.rules(scopes)
    onces = {group.onceName: group.lookups.once for group in groups["tcp"]}
    for name, doorNames in onces.items():
        own = {*doorNames}
        yield from onceRules(name, [found for found in once if found.door in own])
    for times in timesFor(doors):
        yield from udpLetInRules(times)


def _knockRules(doors: list[Door], capture: Capture | None) -> Iterator[str]:
    if capture is None:
        yield from _lines(_KNOCKS)
        yield from limitRules(doors, "knock_ports", "drop")
        yield "knock_ports notrack"
        yield from localRules(doors, "drop")
        yield f"{LOCAL_CHAIN} notrack"
        return
    # A packet over the limit goes on as a packet to a closed port does: if it were dropped, a scan
    # could find the port.
    hearsTcp = any(door.sequence.tcpPorts() for door in doors)
    yield from capture.rules(limitRules(doors, "knock_sources", "accept"), hearsTcp)
    yield from localRules(doors, "accept")
    yield f"{LOCAL_CHAIN} goto {HEARD_CHAIN}"


def _waysInOf(protocol: str) -> Iterator[str]:
    """Yield the rules that lead packets of a protocol to the chains of their ports."""
    for chain, port, kind in (
        ("in", f"{protocol} dport", ""),
        ("dnat", _FORWARDED.format(p=protocol), FORWARDED),
    ):
        for isRange in (False, True):
            yield f"{protocol}_{chain} {port} vmap @{portMap(protocol, kind, isRange)}"
        for name in (PORT_SETS[protocol], RANGE_SETS[protocol]):
            yield f"{protocol}_{chain} {port} @{name} counter drop"
        if not kind:
            yield f"{protocol}_in goto {protocol}_dnat"


def _flowRules() -> Iterator[str]:
    for chain in ("going_on", "spared"):
        yield _BEGINS.format(chain=chain)
    for v in (4, 6):
        fields = {
            "v": v,
            "f": flowOf("tcp", v),
            "back": backOf("tcp", v),
            "ending": spell(TCP_ENDING),
            "answered": _ANSWERED,
        }
        for rules in (_LET_IN, _SESSION, _GOING_ON, _SPARED):
            yield from _lines(rules.format(**fields))
        for ports in (PORT_SETS["tcp"], RANGE_SETS["tcp"]):
            yield _BEGUN_HERE.format(**fields, ports=ports)
            for name in ("sessions", "spared"):
                yield _RESET.format(**fields, ports=ports, name=name)
        yield _GRACE.format(v=v, nfproto=NFPROTO[v], back=backOf("udp", v))
    yield "going_on goto spared"
    # Not "goto": a chain that remembers nothing, because its set is full, has no verdict.
    yield f"let_in {_ANSWERED} jump session"
    yield "let_in accept"
    yield from _lines(_CUT_OFF)


def _lines(rules: str) -> list[str]:
    return rules.strip().split("\n")

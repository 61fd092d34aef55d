"""
The guard's rules, as nft commands; C{nft(8)} describes the language. Pure.

An accept in our table cannot overrule another table's drop, but a drop in our table is final. So
the protected ports are closed, whatever else runs on the host. A packet that I{begins} a connection
is judged by the openings alone, whatever connection tracking says of it; any other packet must
belong to a flow that the guard itself remembers.

Each rule is a line here, with its chain in front.
"""

from collections.abc import Collection, Iterable, Iterator

from pkdoors.firewall.guard._lettingin import chainName, letInRules
from pkdoors.firewall.guard._oncerules import handshakeRules, onceRules
from pkdoors.firewall.guard.capture import HEARD_CHAIN, Capture
from pkdoors.firewall.guard.limits import LOCAL_CHAIN, limitRules, localRules
from pkdoors.firewall.guard.openingsets import IP, OpeningSet
from pkdoors.firewall.guard.portgroups import PortGroup, portGroups
from pkdoors.firewall.guard.sets import (
    TCP_ENDING,
    backOf,
    flowOf,
    hasUdpSessions,
    spell,
    udpNew,
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
# The second rule of each protocol drops protected ports that the map lacks: a map that is being
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
_WAYS_IN_OF = """
{p}_in {p} dport vmap @{p}_doors
{p}_in {p} dport @{p}_ports counter drop
{p}_in goto {p}_dnat
{p}_dnat {forwarded} vmap @{p}_doors
{p}_dnat {forwarded} @{p}_ports counter drop
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
answers oif != "lo" tcp flags & (syn|ack) == syn tcp sport @tcp_ports \
update @spared{v} {{ {back} }} update @spared{v} {{ {back} timeout {ending} }}
"""
# A reset of this host's ends a flow, and the client sends nothing more. Without this rule, flows
# that ended so would fill their sets, and answers to connections that this host begins after that
# would be dropped.
_RESET = (
    'answers oif != "lo" tcp flags & rst == rst tcp sport @tcp_ports {back} @{name}{v} '
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
cut_off ct state established meta l4proto tcp counter reject with tcp reset
cut_off counter drop
"""

# Only a flow that the service answers is a session: otherwise datagrams that are forged in the
# client's name would fill the sets. A first datagram is remembered apart, for a client that sends
# its second one after the door has closed.
_UDP_LET_IN = """
{door}_letin ct state established,untracked update @{door}_udpmost{v} {{ {f} }} \
update @{door}_udp{v} {{ {f} }} accept
{door}_letin update @{door}_udpnew{v} {{ {f} }} accept
"""
# Each datagram restarts the idle time; the longest time restarts only while the door is open.
_UDP_GOING_ON = "{f} @{most} {f} @{idle} update @{idle} {{ {f} }} accept"
_UDP_ANSWERED = (
    "{f} @{door}_udpnew{v} ct state established,untracked update @{door}_udpmost{v} {{ {f} }} "
    "update @{door}_udpmost{v} {{ {f} timeout {most} }} update @{door}_udp{v} {{ {f} }} accept"
)

# Knocks are not tracked: each source would take a place in the kernel's table of connections. A
# flood from forged sources would fill it, and then nobody could connect to anything.
_KNOCKS = f"""
knock_ports meta l4proto != udp accept
knock_ports udp dport != @knocks accept
knock_ports fib daddr type unicast accept
knock_ports iif "lo" goto {LOCAL_CHAIN}
"""
_NFPROTO = {4: "ipv4", 6: "ipv6"}


def rulesFor(
    doors: Iterable[Door],
    networks: Collection[OpeningSet] = (),
    capture: Capture | None = None,
) -> Iterator[str]:
    """
    Yield the rules, each with its chain in front, in the order in which packets pass them.

    @param networks: the sets that openings for networks need.
    @param capture: how knocks get into the packet log; L{None} if sockets hear them.
    """
    doors = list(doors)
    if capture is None:
        yield from _lines(_KNOCKS)
        yield from limitRules(doors, "knock_ports", "drop")
        yield "knock_ports notrack"
        yield from localRules(doors, "drop")
        yield f"{LOCAL_CHAIN} notrack"
    else:
        # A packet over the limit goes on as a packet to a closed port does: if it were dropped, a
        # scan could find the port.
        hearsTcp = any(door.sequence.tcpPorts() for door in doors)
        yield from capture.rules(limitRules(doors, "knock_sources", "accept"), hearsTcp)
        yield from localRules(doors, "accept")
        yield f"{LOCAL_CHAIN} goto {HEARD_CHAIN}"
    for v in (4, 6):
        fields = {"back": backOf("tcp", v), "ending": spell(TCP_ENDING)}
        yield from _lines(_INSIDE.format(ip=IP[v], v=v, **fields))
    yield from handshakeRules(doors, networks)
    yield from _lines(_WAYS_IN)
    for protocol in ("tcp", "udp"):
        forwarded = _FORWARDED.format(p=protocol)
        yield from _lines(_WAYS_IN_OF.format(p=protocol, forwarded=forwarded))
    yield from _flowRules()
    for group in portGroups(doors, "tcp"):
        yield from _tcpRules(group, networks)
    for group in portGroups(doors, "udp"):
        yield from _udpRules(group, networks)
    for door in filter(hasUdpSessions, doors):
        for v in (4, 6):
            yield from _lines(_UDP_LET_IN.format(door=door.name, v=v, f=flowOf("udp", v)))
        yield f"{door.name}_letin accept"


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
        for name in ("sessions", "spared"):
            yield _RESET.format(**fields, name=name)
        yield _GRACE.format(v=v, nfproto=_NFPROTO[v], back=backOf("udp", v))
    yield "going_on goto spared"
    # Not "goto": a chain that remembers nothing, because its set is full, has no verdict.
    yield f"let_in {_ANSWERED} jump session"
    yield "let_in accept"
    yield from _lines(_CUT_OFF)


def _tcpRules(group: PortGroup, networks: Collection[OpeningSet]) -> Iterator[str]:
    """Yield the rules of a group of TCP ports: its doors all keep sessions, or all cut them."""
    chain, cuts = chainName(group, "tcp"), group.doors[0].cutSessions
    yield from letInRules(group, "tcp", networks)
    yield f"{chain} jump {'spared' if cuts else 'going_on'}"
    # A client that is let in otherwise, or has a session, does not use these up.
    yield from onceRules(chain, group, networks)
    yield f"{chain} goto cut_off" if cuts else f"{chain} counter drop"


def _udpRules(group: PortGroup, networks: Collection[OpeningSet]) -> Iterator[str]:
    """Yield the rules of a group of UDP ports."""
    chain = chainName(group, "udp")
    yield from letInRules(group, "udp", networks)
    # Answers to this host's own questions. TCP has no such rule: a client that got in while there
    # was no guard would seem to answer, too.
    yield f"{chain} ct direction reply accept"
    for v in (4, 6):
        pairs = [("sparedmost", "sparedudp")]
        pairs += [
            (f"{door.name}_udpmost", f"{door.name}_udp")
            for door in group.doors
            if hasUdpSessions(door)
        ]
        for most, idle in pairs:
            yield f"{chain} " + _UDP_GOING_ON.format(
                f=flowOf("udp", v), most=f"{most}{v}", idle=f"{idle}{v}"
            )
    for door in filter(hasUdpSessions, group.doors):
        most = spell(door.udpMax - udpNew(door))
        for v in (4, 6):
            yield f"{chain} " + _UDP_ANSWERED.format(
                door=door.name, v=v, f=flowOf("udp", v), most=most
            )
    for v in (4, 6):
        yield f"{chain} meta nfproto {_NFPROTO[v]} udp dport @grace{v} accept"
    yield f"{chain} counter drop"


def _lines(rules: str) -> list[str]:
    return rules.strip().split("\n")

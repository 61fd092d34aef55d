"""
The rules of the guard, as nft commands; C{nft(8)} has the language. Pure.

An accept in our table cannot overrule another table's drop, but a drop in it always counts. So the
protected ports are closed whatever else runs on the host. What I{begins} a connection is judged by
the openings alone, whatever connection tracking says of it; what goes on must be a flow that the
guard itself remembers.

Each rule is a line here, with its chain in front.
"""

from collections.abc import Iterable, Iterator

from pkdoors.firewall.guard.portgroups import PortGroup, portGroups
from pkdoors.firewall.guard.sets import TCP_ENDING, counterName, hasUdpSessions, spell, udpNew
from pkdoors.model.doors import Door

BASE_CHAINS = {
    "knock_ports": "type filter hook prerouting priority raw - 5; policy accept;",
    "input": "type filter hook input priority mangle - 5; policy accept;",
    "forward": "type filter hook forward priority mangle - 5; policy accept;",
    "answers": "type filter hook output priority mangle - 5; policy accept;",
}
"""The hooks. Input and forward are behind connection tracking and DNAT, so that all ways in meet
there; knocks are heard before both."""

IPV6_PREFIX = "ffff:ffff:ffff:ffff::"
"""The part of an IPv6 address that is one source: who has one address has all of its /64."""

# What a container begins from a port that is behind a protected one. The packet must come from
# where the container is: a stranger may write its address on his own packets.
_INSIDE = """
forward tcp flags & (syn|ack) == syn {ip} saddr . meta l4proto . tcp sport @inside{v} \
fib saddr . iif oif exists update @spared{v} {{ {back} }} \
update @spared{v} {{ {back} timeout {ending} }}
"""
# Whoever is on one bridge with a container needs no help of this host's: with br_netfilter, their
# packets come by here all the same.
# A first IPv6 fragment without the transport header shows no port, and its packet is put together
# behind us if another table has connection tracking leave it alone before it gathers fragments.
# Nobody has to take such a packet; RFC 7112. 255 is not a protocol, so a packet whose protocol can
# be read goes on.
# A protected port that its map lacks is dropped by the second rule: a map that is being replaced
# must never open anything. And no rule has a set without a name: that goes with its rule, so that a
# packet that still meets the old rule when the new ones come into force finds it empty.
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

# Anybody can send segments in the name of a client whose door is open. A set of sessions full of
# them would have no room for anybody's real one. So only an answered connection is remembered: the
# client acknowledges what the server sent, as far as connection tracking sees that. What begins has
# a set of its own, for a client whose door closes in the midst of its handshake.
_LET_IN = """
let_in tcp flags & (syn|ack) == syn update @beginning{v} {{ {f} }} accept
let_in {f} @sessions{v} goto session
"""
_ANSWERED = "tcp flags & (syn|rst|ack) == ack ct state established,untracked"
# The first update gives a new flow the set's own time, the second shortens that: an element whose
# own timeout is shorter than what it has left could not be loaded from a saved file. A flow that
# finds its set full is let in as long as the door is open, and is not remembered.
_SESSION = """
session ct expiration <= {ending} update @sessions{v} {{ {f} }} \
update @sessions{v} {{ {f} timeout {ending} }} accept
session update @sessions{v} {{ {f} }} accept
"""
# A packet that begins a connection never goes on. Flows in "spared" were there before the guard, or
# this host begins them, from a protected port: only its own kernel can send that SYN.
# Doors that cut sessions go by the latter alone.
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
# This host's reset ends a flow, and the client says nothing more: without this, flows that ended so
# would fill their sets, and those that this host begins from then on would not be answered.
_RESET = (
    'answers oif != "lo" tcp flags & rst == rst tcp sport @tcp_ports {back} @{name}{v} '
    "update @{name}{v} {{ {back} timeout {ending} }}"
)
# Who the service answers while a port has its grace was in the midst of something.
_GRACE = (
    'answers oif != "lo" meta nfproto {nfproto} udp sport @grace{v} '
    "update @sparedmost{v} {{ {back} }} update @sparedudp{v} {{ {back} }}"
)

# The reset tells the client; its own, which answers what the server sends then, must come through
# to tell the server.
_CUT_OFF = """
cut_off tcp flags & (syn|ack) == syn counter drop
cut_off ct state established tcp flags & rst == rst accept
cut_off ct state established meta l4proto tcp counter reject with tcp reset
cut_off counter drop
"""

# Only what the service answers is a session, or what anybody sends in the client's name would fill
# the sets. A first datagram is remembered apart, for a client that sends the second one when the
# door has closed.
_UDP_LET_IN = """
{door}_letin ct state established,untracked update @{door}_udpmost{v} {{ {f} }} \
update @{door}_udp{v} {{ {f} }} accept
{door}_letin update @{door}_udpnew{v} {{ {f} }} accept
"""
# The idle time begins again with each datagram, the longest time only while the door is open.
_UDP_GOING_ON = "{f} @{most} {f} @{idle} update @{idle} {{ {f} }} accept"
_UDP_ANSWERED = (
    "{f} @{door}_udpnew{v} ct state established,untracked update @{door}_udpmost{v} {{ {f} }} "
    "update @{door}_udpmost{v} {{ {f} timeout {most} }} update @{door}_udp{v} {{ {f} }} accept"
)

# Knocks are not tracked: each source would take memory of the kernel's table of connections, and a
# flood from made-up ones would fill that, so that nobody could connect to anything.
_KNOCKS = """
knock_ports meta l4proto != udp accept
knock_ports udp dport != @knocks accept
knock_ports fib daddr type unicast accept
knock_ports iif "lo" notrack accept
"""
# Knocks from one source, over IPv6 from one network. A set that is full limits nobody who is not in
# it: whoever has so many addresses is not kept out by counting.
_LIMIT = (
    "knock_ports udp dport @{door}_knocks update @{door}_rate{v} {{ {source} limit rate over "
    "{rate}/second burst {burst} packets }} counter name {counter} drop"
)
_LIMITED = {4: "ip saddr", 6: f"ip6 saddr & {IPV6_PREFIX}"}
_IP = {4: "ip", 6: "ip6"}
_NFPROTO = {4: "ipv4", 6: "ipv6"}


def rulesFor(doors: Iterable[Door]) -> Iterator[str]:
    """Yield the rules, each with its chain in front, in the order in which packets meet them."""
    doors = list(doors)
    yield from _knockRules(doors)
    for v in (4, 6):
        fields = {"back": _back("tcp", v), "ending": spell(TCP_ENDING)}
        yield from _lines(_INSIDE.format(ip=_IP[v], v=v, **fields))
    yield from _lines(_WAYS_IN)
    for protocol in ("tcp", "udp"):
        forwarded = _FORWARDED.format(p=protocol)
        yield from _lines(_WAYS_IN_OF.format(p=protocol, forwarded=forwarded))
    yield from _flowRules()
    for group in portGroups(doors, "tcp"):
        yield from _tcpRules(group)
    for group in portGroups(doors, "udp"):
        yield from _udpRules(group)
    for door in filter(hasUdpSessions, doors):
        for v in (4, 6):
            yield from _lines(_UDP_LET_IN.format(door=door.name, v=v, f=_flow("udp", v)))
        yield f"{door.name}_letin accept"


def chainName(group: PortGroup, protocol: str) -> str:
    """Return the name of the chain that judges a group of ports."""
    return f"{group.name}_{protocol}"


def _knockRules(doors: Iterable[Door]) -> Iterator[str]:
    yield from _lines(_KNOCKS)
    for door in doors:
        for v in (4, 6) if door.knockRate else ():
            yield _LIMIT.format(
                **{"door": door.name, "v": v, "source": _LIMITED[v], "rate": door.knockRate},
                **{"burst": door.knockBurst, "counter": counterName(door)},
            )
    yield "knock_ports notrack"


def _flowRules() -> Iterator[str]:
    for chain in ("going_on", "spared"):
        yield _BEGINS.format(chain=chain)
    for v in (4, 6):
        fields = {
            "v": v,
            "f": _flow("tcp", v),
            "back": _back("tcp", v),
            "ending": spell(TCP_ENDING),
            "answered": _ANSWERED,
        }
        for rules in (_LET_IN, _SESSION, _GOING_ON, _SPARED):
            yield from _lines(rules.format(**fields))
        for name in ("sessions", "spared"):
            yield _RESET.format(**fields, name=name)
        yield _GRACE.format(v=v, nfproto=_NFPROTO[v], back=_back("udp", v))
    yield "going_on goto spared"
    yield f"let_in {_ANSWERED} goto session"
    yield "let_in accept"
    yield from _lines(_CUT_OFF)


def _tcpRules(group: PortGroup) -> Iterator[str]:
    """Doors that share ports all keep sessions, or all cut them."""
    chain, cuts = chainName(group, "tcp"), group.doors[0].cutSessions
    for source, name, _ in _openings(group):
        yield f"{chain} {source} @{name} {'accept' if cuts else 'goto let_in'}"
    yield f"{chain} jump {'spared' if cuts else 'going_on'}"
    yield f"{chain} goto cut_off" if cuts else f"{chain} counter drop"


def _udpRules(group: PortGroup) -> Iterator[str]:
    chain = chainName(group, "udp")
    for source, name, door in _openings(group):
        yield f"{chain} {source} @{name} " + (
            f"goto {door.name}_letin" if hasUdpSessions(door) else "accept"
        )
    # An answer to what this host asked. Never for TCP: who slipped in while there was no guard
    # would seem to answer, too.
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
                f=_flow("udp", v), most=f"{most}{v}", idle=f"{idle}{v}"
            )
    for door in filter(hasUdpSessions, group.doors):
        most = spell(door.udpMax - udpNew(door))
        for v in (4, 6):
            yield f"{chain} " + _UDP_ANSWERED.format(
                door=door.name, v=v, f=_flow("udp", v), most=most
            )
    for v in (4, 6):
        yield f"{chain} meta nfproto {_NFPROTO[v]} udp dport @grace{v} accept"
    yield f"{chain} counter drop"


def _openings(group: PortGroup) -> Iterator[tuple[str, str, Door]]:
    """Yield what is compared, and the set, for each kind of openings of each door."""
    for door in group.doors:
        for v in (4, 6):
            yield f"{_IP[v]} saddr", f"{door.name}_open{v}", door


def _flow(protocol: str, v: int) -> str:
    """Return the key of a flow, of a packet from the client."""
    ip, p = _IP[v], protocol
    return f"{ip} saddr . {ip} daddr . {p} sport . {p} dport"


def _back(protocol: str, v: int) -> str:
    """Return the same, of a packet to the client."""
    ip, p = _IP[v], protocol
    return f"{ip} daddr . {ip} saddr . {p} dport . {p} sport"


def _lines(rules: str) -> list[str]:
    return rules.strip().split("\n")

"""
The nft commands of pkdoors, as text; C{nft(8)} has the language. Pure.

One table of our own. It guards: an accept in it cannot overrule another table's drop, but a drop in
it always counts. So the protected ports are closed whatever else runs on the host, before DNAT, so
that ports which Docker publishes are, too. Openings are set elements with a timeout: the kernel
ends them, with no daemon alive.
"""

from collections.abc import Iterable

from pkdoors.doors import Door, Opening, knockPorts, protectedPorts
from pkdoors.ports import PortRange
from pkdoors.sessions import Session

TABLE = "pkdoors"
"""Of the C{inet} family."""
MAX_ELEMENTS = 65_536
"""Addresses in one set: a bound for the kernel's memory, far above what the doorkeeper opens."""

MAX_LIMITED = 4096
"""Sources of one door whose knocks are counted at a time, about 1 MB of the kernel's memory."""
FORGET = "10s"
"""For so long after its last knock a source is counted: by then any burst is allowed again."""
IPV6_PREFIX = "ffff:ffff:ffff:ffff::"
"""The part of an IPv6 address that is one source: who has one address has all of its /64."""

_SETS = """
    set {door}_ports {{
        type inet_proto . inet_service; flags interval; elements = {{ {ports} }}
    }}
    set {door}_open4 {{ type ipv4_addr; flags timeout; size {size}; }}
    set {door}_open6 {{ type ipv6_addr; flags timeout; size {size}; }}"""

# Knocks from one source, over IPv6 from one network. A set that is full limits nobody who is not in
# it: whoever has so many addresses is not kept out by counting.
_LIMIT_SETS = """
    set {door}_knocks {{ type inet_service; elements = {{ {ports} }} }}
    set {door}_rate4 {{ type ipv4_addr; flags dynamic,timeout; timeout {forget}; size {size}; }}
    set {door}_rate6 {{ type ipv6_addr; flags dynamic,timeout; timeout {forget}; size {size}; }}
    counter {counter} {{ }}"""
_LIMITS = """
        udp dport @{door}_knocks update @{door}_rate4 {{ ip saddr {over} }} {drop}
        udp dport @{door}_knocks update @{door}_rate6 {{ ip6 saddr & {prefix} {over} }} {drop}"""

_ACCEPTS = """
        meta l4proto . th dport @{door}_ports ip saddr @{door}_open4 accept
        meta l4proto . th dport @{door}_ports ip6 saddr @{door}_open6 accept"""

_LIVE = """
        tcp flags & (syn | rst) == 0 ip saddr . tcp sport . tcp dport @live4 accept
        tcp flags & (syn | rst) == 0 ip6 saddr . tcp sport . tcp dport @live6 accept"""

# Of a door that cuts sessions. The reset tells the client; its own, which answers what the server
# sends then, must come through to tell the server.
_CUT_SETS = """
    set cut {{
        type inet_proto . inet_service; flags interval; elements = {{ {ports} }}
    }}
    chain cut_doors {{{live}{accepts}
        ct state established tcp flags & rst == rst accept
        ct state established meta l4proto tcp counter reject with tcp reset
        counter drop
    }}"""
_CUT = "\n        meta l4proto . th dport @cut goto cut_doors"

# Knocks are not tracked: each source would take memory of the kernel's table of connections, and a
# flood from made-up ones would fill that, so that nobody could connect to anything.
#
# The first hook of the guard is before DNAT, so that it sees the ports that Docker publishes; what
# is routed through this host passes it, but not broadcast, multicast and anycast, which this host
# takes in, too. The second hook sees what DNAT has made of an address that is not this host's. Both
# are after connection tracking (-200). "established" alone: a helper's "related" connection can be
# had by making somebody on this host send the right line.
_TABLE = """
table inet {table} {{
    set protected {{
        type inet_proto . inet_service; flags interval; elements = {{ {ports} }}
    }}
    set live4 {{ type ipv4_addr . inet_service . inet_service; }}
    set live6 {{ type ipv6_addr . inet_service . inet_service; }}{sets}{cutSets}
    set knocks {{ type inet_service; elements = {{ {knocks} }} }}{limitSets}
    chain knock_ports {{
        type filter hook prerouting priority raw - 5; policy accept;
        meta l4proto != udp accept
        udp dport != @knocks accept
        fib daddr type unicast accept
        iif "lo" notrack accept{limits}
        notrack
    }}
    chain doors {{
        meta l4proto . th dport != @protected accept{cut}
        ct state established accept{live}{accepts}
        counter drop
    }}
    chain guard {{
        type filter hook prerouting priority mangle - 5; policy accept;
        iif "lo" accept
        meta l4proto . th dport != @protected accept
        fib daddr type unicast accept
        goto doors
    }}
    chain guard_input {{
        type filter hook input priority mangle - 5; policy accept;
        iif "lo" accept
        goto doors
    }}
}}
"""


def guard(
    doors: Iterable[Door],
    openings: Iterable[tuple[Opening, int]] = (),
    sessions: Iterable[Session] = (),
) -> str:
    """
    The nft commands that put the guard in place, in one transaction: there is no moment in which
    the ports are open to others.

    @param openings: what is open, each with the milliseconds that it has left; all else is closed.
    @param sessions: the connections that live on. Connection tracking knows them only if it was at
        work when they began, and it is off on a host without firewall rules.
    """
    doors = list(doors)
    cutting = [door for door in doors if door.cutSessions]
    limited = [door for door in doors if door.knockRate]
    table = _TABLE.format(
        table=TABLE,
        ports=_elements(protectedPorts(doors)),
        live=_LIVE,
        cut=_CUT if cutting else "",
        cutSets=_CUT_SETS.format(
            ports=_elements(protectedPorts(cutting)), live=_LIVE, accepts=_accepts(cutting)
        )
        if cutting
        else "",
        sets="".join(
            _SETS.format(door=door.name, ports=_elements(door.ports), size=MAX_ELEMENTS)
            for door in doors
        ),
        accepts=_accepts(door for door in doors if not door.cutSessions),
        knocks=", ".join(map(str, knockPorts(doors))),
        limitSets="".join(map(_limitSets, limited)),
        limits="".join(map(_limits, limited)),
    )
    elements = [
        *(
            f"{setOf(opening)} {{ {opening.source} timeout {left}ms{_comment(opening)} }}"
            for opening, left in openings
        ),
        *(f"live{each.source.version} {{ {_tuple(each)} }}" for each in sessions),
    ]
    # add, delete, add: no error whether the table was there before or not.
    start = f"add table inet {TABLE}\ndelete table inet {TABLE}\n{table}"
    return start + "".join(f"add element inet {TABLE} {element}\n" for element in elements)


def _accepts(doors: Iterable[Door]) -> str:
    return "".join(_ACCEPTS.format(door=door.name) for door in doors)


def _limitSets(door: Door) -> str:
    ports = ", ".join(map(str, knockPorts([door])))
    return _LIMIT_SETS.format(
        door=door.name, ports=ports, forget=FORGET, size=MAX_LIMITED, counter=counterOf(door)
    )


def _limits(door: Door) -> str:
    over = f"limit rate over {door.knockRate}/second burst {door.knockBurst} packets"
    drop = f"counter name {counterOf(door)} drop"
    return _LIMITS.format(door=door.name, prefix=IPV6_PREFIX, over=over, drop=drop)


def counterOf(door: Door) -> str:
    """The name of what counts the knocks that were too many from one source."""
    return f"{door.name}_dropped"


def _comment(opening: Opening) -> str:
    note = opening.who.note()
    return note and f' comment "{note}"'


def _tuple(session: Session) -> str:
    return f"{session.source} . {session.sourcePort} . {session.port}"


def _elements(ports: Iterable[PortRange]) -> str:
    return ", ".join(f"{each.protocol} . {each.span}" for each in ports)


def setOf(opening: Opening) -> str:
    """The name of the set that an opening is an element of."""
    return f"{opening.door.name}_open{opening.source.version}"

"""
The guard's rules for doors of which an opening is for one connection. Pure.

Anybody can send a SYN in the name of a client, so no SYN uses an opening up. The host answers all
of them; the first client that completes its handshake gets the connection. That is proved: only
who receives the host's SYN/ACK knows its number, which the client's next segment acknowledges. So
the guard remembers those numbers, and needs no connection tracking. When an opening is used, all
other handshakes of its client end there.

The opening stays in its set until its deadline, or until the daemon has noticed. Another set says
that it is used; only a new grant takes it out there.
"""

from collections.abc import Collection, Iterator

from pkdoors.firewall.guard.openingsets import IP, OnceSet, Scope, onceClients
from pkdoors.firewall.guard.sets import backOf

# A fast-open SYN would reach the service before the handshake proves anything. Without an answer,
# clients send an ordinary SYN. 34 is that option, 254 the one that was used before it.
_SYN = """
{chain} tcp flags & (syn|ack) == syn tcp option 34 missing tcp option 254 missing {source} @{open} \
{source} != @{used} accept
"""
# A client that never sent the SYN answers the SYN/ACK with a reset, and the host gives up.
_RESET = "{chain} tcp flags & (syn|rst) == rst {source} @{open} accept"
# Several processors may judge handshakes of one client at a time. The limit lets exactly one
# packet pass, and the set keeps it for as long as the element is there.
_USE = """
{chain} tcp flags & (syn|rst|ack) == ack {source} @{open} {source} != @{used} jump {first}
"""
_FIRST = """
{first} jump proof{v}
{first} add @{used} {{ {source} limit rate 1/week burst 1 packets }} goto session
"""
_TOO_LATE = """
{chain} tcp flags & (syn|rst|ack) == ack {source} @{open} counter reject with tcp reset
"""
# A redirection hides the protected port here, so all ports count. Who sends a SYN/ACK has no
# earlier connection between these ports any more, so whatever the guard remembers of one must go,
# even if the last set is full. Otherwise a client that takes the port of an earlier session again
# would not use its opening up.
_ANSWERS = """
answers oif != "lo" tcp flags & (syn|ack) == (syn|ack) {client} @{clients} jump answered
forward tcp flags & (syn|ack) == (syn|ack) {client} @{clients} jump answered
"""
_ANSWERED = (
    "answered {client} @{open} {client} != @{used} delete @sessions{v} {{ {back} }} "
    "delete @beginning{v} {{ {back} }} delete @spared{v} {{ {back} }} "
    "update @synacks{v} {{ {number} }}"
)
# One number is for one connection: otherwise somebody who sends many SYNs in a client's name would
# soon guess one of the numbers. The host's port is left out, because nft cannot print a set whose
# keys have five fields, so a saved ruleset could not be loaded.
_NUMBER = "{ip} daddr . {ip} saddr . tcp dport . tcp sequence"
# The client acknowledges the number plus one. nft cannot add, but it can undo what the addition
# changed: the last 0 of the number became 1, and all bits after it became 0. So each number that
# a client acknowledges fits one of these rules.
_PROOF = (
    "proof{v} tcp ackseq & {mask:#x} == {last:#x} "
    "{ip} saddr . {ip} daddr . tcp sport . tcp ackseq ^ {bits:#x} @synacks{v} return"
)
_UNPROVED = "proof{v} counter drop"


def onceRules(chain: str, sets: Collection[OnceSet]) -> Iterator[str]:
    """
    Yield the rules for openings that are for one connection.

    @param chain: a chain for packets of clients that have one at the port.
    """
    for rules in (_SYN, _RESET, _USE, _TOO_LATE):
        for openings in sets:
            yield from _rules(rules, openings, chain=chain)


def handshakeRules(sets: Collection[OnceSet]) -> Iterator[str]:
    """
    Yield the rules that remember what the host answered, and prove that the client heard it.
    """
    if not sets:
        return
    for scope in dict.fromkeys(openings.scope for openings in sets):
        text = _ANSWERS.format(client=_client(scope), clients=onceClients(scope))
        yield from text.strip().split("\n")
    for openings in sets:
        version, client = openings.scope.version, _client(openings.scope)
        number, back = _NUMBER.format(ip=IP[version]), backOf("tcp", version)
        yield from _rules(_ANSWERED, openings, client=client, back=back, number=number)
        yield from _rules(_FIRST, openings)
    for v, ip in IP.items():
        for count in range(1, 33):
            # The highest bit is lost if it overflows, so it can be anything.
            mask, last = (2**count - 1, 2 ** (count - 1)) if count < 32 else (2**31 - 1, 0)
            fields = {"mask": mask, "last": last, "bits": 2**count - 1}
            yield _PROOF.format(v=v, ip=ip, **fields)
        yield _UNPROVED.format(v=v)


def _client(scope: Scope) -> str:
    """Return the client's address, or the part of it that is compared, in a packet to it."""
    return scope.field.replace("saddr", "daddr")


def _rules(rules: str, openings: OnceSet, **fields: str) -> list[str]:
    names = {"open": openings.name, "used": openings.used, "first": openings.first}
    scope = openings.scope
    text = rules.format(v=scope.version, source=scope.field, **names, **fields)
    return text.strip().split("\n")

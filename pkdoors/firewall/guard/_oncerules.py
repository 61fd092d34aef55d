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

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from pkdoors.firewall.guard.openingsets import BLOCK_DIGITS, IP, OnceSet, Scope, onceClients
from pkdoors.firewall.guard.sets import backOf

FEW = 16
"""Doors whose sets packets are looked up in one after the other. More are found by blocks."""

# A fast-open SYN would reach the service before the handshake proves anything. Without an answer,
# clients send an ordinary SYN. 34 is that option, 254 the one that was used before it.
_FAST_OPEN = """
{chain} tcp flags & (syn|ack) == syn tcp option 34 exists return
{chain} tcp flags & (syn|ack) == syn tcp option 254 exists return
"""
_SYN = """
{chain} tcp flags & (syn|ack) == syn {source} @{open} {source} != @{used} accept
"""
# Several processors may judge handshakes of one client at a time. The limit lets exactly one
# packet pass, and the set keeps it for as long as the element is there.
_USE = """
{chain} tcp flags & (syn|rst|ack) == ack {source} @{open} {source} != @{used} jump {first}
"""
# Packets come here only from clients that have such an opening at the port, used or not. A client
# that never sent the SYN answers the SYN/ACK with a reset, and the host gives up.
_OTHERS = """
{chain} tcp flags & (syn|rst) == rst accept
{chain} tcp flags & (syn|rst|ack) == ack counter reject with tcp reset
"""
_FIRST = """
{first} jump proof{v}
{first} add @{used} {{ {source} limit rate 1/week burst 1 packets }} goto session
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
    "{chain} {client} @{open} {client} != @{used} delete @sessions{v} {{ {back} }} "
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
    if not sets:
        return
    yield from _lines(_FAST_OPEN.format(chain=chain))
    yield from _Finder(chain, lambda scope: scope.field, _judge).rules(chain, sets)
    yield from _lines(_OTHERS.format(chain=chain))


@dataclass(frozen=True)
class _Finder:
    """
    Finds the sets that may have a packet's client.

    @ivar name: the beginning of the names of its chains.
    @ivar client: returns the client's address in a packet, as far as it is compared.
    @ivar end: returns the rules of a chain for few doors.
    """

    name: str
    client: Callable[[Scope], str]
    end: Callable[[str, Collection[OnceSet]], Iterator[str]]

    def rules(
        self, chain: str, sets: Collection[OnceSet], lengths: Sequence[int] = BLOCK_DIGITS
    ) -> Iterator[str]:
        """
        Yield the rules of a chain, and of those below it.

        @param lengths: how many digits say in which block a door is, here and below.
        """
        if len({openings.door for openings in sets}) <= FEW or not lengths:
            yield from self.end(chain, sets)
            return
        blocks: dict[tuple[Scope, str], list[OnceSet]] = {}
        for openings in sets:
            blocks.setdefault((openings.scope, openings.block(lengths[0])), []).append(openings)
        for (scope, block), some in sorted(blocks.items()):
            below = f"{self.name}_{block}"
            yield f"{chain} {self.client(scope)} @{block} jump {below}"
            yield from self.rules(below, some, lengths[1:])


def _judge(chain: str, sets: Collection[OnceSet]) -> Iterator[str]:
    """Yield the rules that judge handshakes by the openings of some doors."""
    for rules in (_SYN, _USE):
        for openings in sets:
            yield from _rules(rules, openings, chain=chain)


def handshakeRules(sets: Collection[OnceSet]) -> Iterator[str]:
    """
    Yield the rules that remember what the host answered, and prove that the client heard it.
    """
    if not sets:
        return
    for scope in dict.fromkeys(openings.scope for openings in sets):
        yield from _lines(_ANSWERS.format(client=_client(scope), clients=onceClients(scope)))
    yield from _Finder("answered", _client, _remember).rules("answered", sets)
    for openings in sets:
        yield from _rules(_FIRST, openings)
    for v, ip in IP.items():
        for count in range(1, 33):
            # The highest bit is lost if it overflows, so it can be anything.
            mask, last = (2**count - 1, 2 ** (count - 1)) if count < 32 else (2**31 - 1, 0)
            fields = {"mask": mask, "last": last, "bits": 2**count - 1}
            yield _PROOF.format(v=v, ip=ip, **fields)
        yield _UNPROVED.format(v=v)


def _remember(chain: str, sets: Collection[OnceSet]) -> Iterator[str]:
    """Yield the rules that remember the answers to clients with openings of some doors."""
    for openings in sets:
        version, client = openings.scope.version, _client(openings.scope)
        number, back = _NUMBER.format(ip=IP[version]), backOf("tcp", version)
        fields = {"chain": chain, "client": client, "back": back, "number": number}
        yield from _rules(_ANSWERED, openings, **fields)


def _client(scope: Scope) -> str:
    """Return the client's address, or the part of it that is compared, in a packet to it."""
    return scope.field.replace("saddr", "daddr")


def _rules(rules: str, openings: OnceSet, **fields: str) -> list[str]:
    names = {"open": openings.name, "used": openings.used, "first": openings.first}
    scope = openings.scope
    return _lines(rules.format(v=scope.version, source=scope.field, **names, **fields))


def _lines(rules: str) -> list[str]:
    return rules.strip().split("\n")

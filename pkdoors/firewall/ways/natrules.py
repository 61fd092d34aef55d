"""
Where the host's nftables forward ports to: the rules of nft, and those of iptables-nft. Pure.

C{nft -j list} does not tell the targets of iptables-nft, and reads everybody's sets. So the kernel
itself is asked, and only for what leads to such a rule: from the base chains that do DNAT along all
jumps. Of a rule's conditions only protocol and port count: what is found is never less than what is
forwarded. Garbage finds nothing, and nothing is raised.

Not to be seen here: iptables-legacy, IPVS, tc, eBPF, programs that relay, and addresses that a rule
computes.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import NamedTuple, TypeVar

from pkdoors.firewall.netlink.dump import (
    Answer,
    askChains,
    askElements,
    askRules,
    askSets,
    readSpans,
)
from pkdoors.firewall.netlink.messages import INET, iterAttributes, parseAttributes
from pkdoors.firewall.ways._natcases import (
    LAST_PORT,
    Case,
    Span,
    applyCompare,
    applyRange,
    excludeSpans,
    isInverted,
    mentionsPort,
    readLoad,
    readNumber,
)
from pkdoors.firewall.ways._xtables import IP6, Target, applyMatch, readTarget

T = TypeVar("T")

IP = 2  # NFPROTO_IPV4
FAMILIES = (IP, IP6, INET)

MOST_RULES = 20_000
"""Rules that are read: of more, some are not seen."""
MOST_STEPS = 100_000
"""Rules that are gone through; a chain counts again for each way that leads to it."""
RULES_PER_TURN = 100
"""Rules after which a reader makes a pause: some milliseconds."""
MOST_CASES = 4096
"""Cases that one rule may make of one, with a map."""
MOST_FORWARDS = 65_536

_PREROUTING = 0  # NF_INET_PRE_ROUTING
_DNAT = 1  # NFT_NAT_DNAT
_JUMPS = (0xFFFFFFFD, 0xFFFFFFFC)  # NFT_JUMP, NFT_GOTO
_VERDICT_REGISTER = 0

Ask = Callable[[bytes], Answer]
"""Asks the kernel a question of L{pkdoors.firewall.netlink.dump}."""


class Forward(NamedTuple):
    """
    Original ports from C{first} to C{last} that a rule forwards.
    """

    protocol: str
    first: int
    last: int
    target: Target


class NftName(NamedTuple):
    """A table, or something in one."""

    family: int
    table: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Forwards:
    """
    @ivar found: what is forwarded, without the same twice.
    @ivar tables: those that have chains for it.
    @ivar sets: what their rules ask for ports and addresses.
    @ivar isCut: whether there is more than can be read.
    """

    found: tuple[Forward, ...] = ()
    tables: frozenset[NftName] = frozenset()
    sets: frozenset[NftName] = frozenset()
    isCut: bool = False


def readForwards(ask: Ask) -> Forwards:
    """
    Read what is forwarded.

    @raise FirewallError: the kernel does not tell.
    """
    return runToEnd(readForwardsInTurns(ask))


def readForwardsInTurns(ask: Ask) -> Generator[None, None, Forwards]:
    """
    Read what is forwarded, with a pause after some rules. What changes meanwhile may be missing.

    @raise FirewallError: the kernel does not tell.
    """
    reader = _Reader(ask)
    yield from reader.read()
    return Forwards(
        tuple(reader.found), frozenset(reader.tables), frozenset(reader.sets), reader.isCut
    )


def runToEnd(work: Generator[None, None, T]) -> T:
    """Return what comes of work that makes pauses, without them."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: T = end.value
            return result


Rule = list[tuple[str, dict[int, bytes]]]
"""The expressions of a rule: name, and attributes."""


class _Reader:
    """Goes along the chains: each has the cases that come to it, and is gone through for each."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self.found: dict[Forward, None] = {}
        self.tables: set[NftName] = set()
        self.sets: dict[NftName, list[Span]] = {}
        self.isCut = False
        self._chains: dict[NftName, list[Rule]] = {}
        self._flags: dict[NftName, dict[str, dict[int, bytes]]] = {}
        self._seen: set[tuple[NftName, str, int, int]] = set()
        self._todo: deque[tuple[NftName, str, int, int]] = deque()
        self._rulesLeft, self._stepsLeft = MOST_RULES, MOST_STEPS

    def read(self) -> Iterator[None]:
        for family in FAMILIES:
            for chain in findNatChains(family, self._ask(askChains("", family))):
                self.tables.add(NftName(family, chain.table))
                for protocol in ("tcp", "udp"):
                    self._lead(chain, Case(protocol))
        while self._todo:
            chain, protocol, first, last = self._todo.popleft()
            case = Case(protocol, first, last)
            for rule in self._rulesOf(chain):
                self._stepsLeft -= 1
                if self._stepsLeft % RULES_PER_TURN == 0:
                    yield
                if self._stepsLeft < 0 or len(self.found) >= MOST_FORWARDS:
                    self.isCut = True
                    return
                self._through(chain, rule, case)

    def _lead(self, chain: NftName, case: Case) -> None:
        """Note that packets come to a chain."""
        way = (chain, case.protocol, case.first, case.last)
        if way not in self._seen:
            self._seen.add(way)
            self._todo.append(way)

    def _rulesOf(self, chain: NftName) -> list[Rule]:
        if chain not in self._chains:
            rules = []
            if self._rulesLeft > 0:
                answer = self._ask(askRules(chain.table, chain.family, chain.name))
                rules = [readExpressions(body) for _, body in answer]
            self.isCut |= len(rules) > self._rulesLeft or self._rulesLeft <= 0
            self._chains[chain] = rules[: self._rulesLeft]
            self._rulesLeft -= len(self._chains[chain])
        return self._chains[chain]

    def _through(self, chain: NftName, rule: Rule, case: Case) -> None:
        """Have a case go through a rule."""
        cases = [case]
        for name, parts in rule:
            if name == "target":
                target = readTarget(chain.family, parts)
                self._note((each, target) for each in cases)
            elif name == "nat":
                self._note((each, _natTarget(each, parts)) for each in cases)
            elif name == "immediate" and readNumber(parts.get(1)) == _VERDICT_REGISTER:
                self._follow(chain, parseAttributes(parts.get(2, b"")), cases)
            elif name == "lookup":
                cases = self._lookedUp(chain, parts, cases)
            else:
                cases = [new for each in cases for new in _applied(each, name, parts)]
            if len(cases) > MOST_CASES:
                self.isCut = True
                del cases[MOST_CASES:]
            if not cases:
                return

    def _note(self, found: Iterable[tuple[Case, Target | None]]) -> None:
        for case, target in found:
            if target is not None:
                self.found[Forward(case.protocol, case.first, case.last, target)] = None

    def _follow(self, chain: NftName, value: Mapping[int, bytes], cases: Iterable[Case]) -> None:
        """Have cases go where a verdict sends them."""
        verdict = parseAttributes(value.get(2, b""))  # NFTA_DATA_VERDICT
        if readNumber(verdict.get(1)) in _JUMPS:
            name = _text(verdict.get(2))
            for case in cases:
                self._lead(chain._replace(name=name), case)

    def _lookedUp(
        self, chain: NftName, parts: Mapping[int, bytes], cases: list[Case]
    ) -> list[Case]:
        place = chain._replace(name=_text(parts.get(1)))  # NFTA_LOOKUP_SET
        source = readNumber(parts.get(2))
        flags = self._setFlags(place)
        isMap = 3 in parts  # NFTA_LOOKUP_DREG
        keySize = readNumber(flags.get(5))  # NFTA_SET_KEY_LEN
        if not isMap and not mentionsPort(cases, source, keySize):
            return cases  # of addresses, say: it may be a long list
        spans = self._spansOf(place)
        if not isMap and isInverted(parts):
            return [new for each in cases for new in excludeSpans(each, source, spans)]
        size = 4 if readNumber(flags.get(3)) & _CONCATENATED else 0
        found = []
        for span in spans:
            chosen = [n for each in cases for n in each.restrict(source, span.low, span.high, size)]
            if isMap and readNumber(parts[3]) == _VERDICT_REGISTER:
                self._follow(chain, span.value, chosen)
            elif isMap:
                value = span.value.get(1, b"")  # NFTA_DATA_VALUE
                found += [each.load(readNumber(parts[3]), value) for each in chosen]
            else:
                found += chosen
            if len(found) > MOST_CASES:
                break
        return found

    def _setFlags(self, place: NftName) -> dict[int, bytes]:
        table = NftName(place.family, place.table)
        if table not in self._flags:
            answer = self._ask(askSets(place.table, place.family))
            sets = (parseAttributes(body) for _, body in answer)
            self._flags[table] = {_text(each.get(2)): each for each in sets}
        return self._flags[table].get(place.name, {})

    def _spansOf(self, place: NftName) -> list[Span]:
        if place not in self.sets:
            isInterval = bool(readNumber(self._setFlags(place).get(3)) & _INTERVAL)
            answer = self._ask(askElements(place.table, place.name, place.family))
            self.sets[place] = [Span(*each) for each in readSpans(answer, isInterval)]
        return self.sets[place]


_INTERVAL, _CONCATENATED = 0x4, 0x80  # NFT_SET_INTERVAL, NFT_SET_CONCAT


def findNatChains(family: int, answer: Answer) -> Iterator[NftName]:
    """Yield the base chains among chains that do DNAT for what comes from outside."""
    for _, body in answer:
        chain = parseAttributes(body)
        hook = parseAttributes(chain.get(4, b""))  # NFTA_CHAIN_HOOK { NFTA_HOOK_HOOKNUM }
        if _text(chain.get(7)) == "nat" and 1 in hook and readNumber(hook[1]) == _PREROUTING:
            yield NftName(family, _text(chain.get(1)), _text(chain.get(3)))


def readExpressions(body: bytes) -> Rule:
    """Return the expressions of a rule."""
    rule = parseAttributes(body).get(4, b"")  # NFTA_RULE_EXPRESSIONS
    parts = (parseAttributes(content) for kind, content in iterAttributes(rule) if kind == 1)
    return [(_text(each.get(1)), parseAttributes(each.get(2, b""))) for each in parts]


def _applied(case: Case, name: str, parts: Mapping[int, bytes]) -> Iterator[Case]:
    """Yield what an expression makes of a case."""
    if name == "cmp":
        yield from applyCompare(case, parts)
    elif name == "range":
        yield from applyRange(case, parts)
    elif name == "match":
        yield from applyMatch(case, parts)
    elif loaded := readLoad(name, parts):
        yield case.load(*loaded)
    elif name in _COMPUTES and _COMPUTES[name] in parts:
        yield case.load(readNumber(parts[_COMPUTES[name]]), (), 16)
    else:
        yield case


_COMPUTES = {
    **{"bitwise": 2, "byteorder": 2, "fib": 1, "hash": 2, "numgen": 1, "exthdr": 1, "rt": 1},
    **{"socket": 2, "osf": 1, "xfrm": 1},
}
"""Expressions whose result is not known, and the attribute that names its register."""


def _natTarget(case: Case, parts: Mapping[int, bytes]) -> Target | None:
    """Return where a C{nat} sends packets; L{None} if it does not forward, or that is unknown."""
    if readNumber(parts.get(1)) != _DNAT or 3 not in parts:  # NFTA_NAT_TYPE, ..._REG_ADDR_MIN
        return None
    size = 16 if readNumber(parts.get(2)) == IP6 else 4
    first = case.contents(readNumber(parts[3]), size)
    last = case.contents(readNumber(parts.get(4, parts[3])), size)
    if first is None or last is None:
        return None
    ports = None
    if 5 in parts:  # NFTA_NAT_REG_PROTO_MIN
        low = case.contents(readNumber(parts[5]), 2)
        high = case.contents(readNumber(parts.get(6, parts[5])), 2)
        # A computed port may be any.
        ports = (readNumber(low), readNumber(high)) if low and high else (1, LAST_PORT)
    return Target(ip_address(first), ip_address(last), ports)


def _text(content: bytes | None) -> str:
    return (content or b"").rstrip(b"\0").decode("ascii", "replace")

"""
Finds where the host's nftables forward ports to, in the rules of nft and of iptables-nft. Pure.

C{nft -j list} does not show the targets of iptables-nft, and reads everybody's sets. So the kernel
itself is asked, and only for what leads to such a rule: from the base chains that do DNAT along all
jumps. Of a rule's conditions only protocol and port count: the result is never less than what is
forwarded. Garbage yields nothing, and nothing is raised.

Forwarding by iptables-legacy, IPVS, tc, eBPF or relaying programs cannot be seen here, nor can
addresses that a rule computes.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from typing import TypeVar

from pkdoors.firewall.netlink.dump import (
    Answer,
    askChains,
    askElements,
    askRules,
    askSets,
    readSpans,
)
from pkdoors.firewall.netlink.messages import INET, parseAttributes
from pkdoors.firewall.ways._natcases import (
    Case,
    Span,
    excludeSpans,
    isInverted,
    mentionsPort,
    readNumber,
)
from pkdoors.firewall.ways._natexpressions import (
    Rule,
    applyExpression,
    findNatChains,
    readExpressions,
    readNatTarget,
    readText,
)
from pkdoors.firewall.ways._xtables import IP6, Target, readTarget
from pkdoors.firewall.ways.forwards import Forward, Forwards, NftName

T = TypeVar("T")

IP = 2  # NFPROTO_IPV4
FAMILIES = (IP, IP6, INET)

MOST_RULES = 20_000
"""Rules that are read; if there are more, some are not seen."""
MOST_STEPS = 100_000
"""Rules that are walked through; a chain counts again for each way that leads to it."""
RULES_PER_TURN = 100
"""Rules after which the reader pauses; they take some milliseconds."""
MOST_CASES = 4096
"""Cases into which one rule may split a case, with a map."""
MOST_FORWARDS = 65_536
"""Forwards that are found at most."""

_JUMPS = (0xFFFFFFFD, 0xFFFFFFFC)  # NFT_JUMP, NFT_GOTO
_VERDICT_REGISTER = 0
_INTERVAL, _CONCATENATED = 0x4, 0x80  # NFT_SET_INTERVAL, NFT_SET_CONCAT

Ask = Callable[[bytes], Answer]
"""Asks the kernel a question of L{pkdoors.firewall.netlink.dump}."""


def readForwards(ask: Ask) -> Forwards:
    """
    Read what is forwarded.

    @raise FirewallError: the kernel's rules cannot be read.
    """
    return runToEnd(readForwardsInTurns(ask))


def readForwardsInTurns(ask: Ask) -> Generator[None, None, Forwards]:
    """
    Read what is forwarded, and pause after every few rules. What changes meanwhile may be missing.

    @raise FirewallError: the kernel's rules cannot be read.
    """
    reader = _Reader(ask)
    yield from reader.read()
    return Forwards(
        tuple(reader.found), frozenset(reader.tables), frozenset(reader.sets), reader.isCut
    )


def runToEnd(work: Generator[None, None, T]) -> T:
    """Do work that would pause, without the pauses, and return its result."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: T = end.value
            return result


class _Reader:
    """Walks through the chains: through each chain once for each case that comes to it."""

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
                    self._enter(chain, Case(protocol))
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
                self._walk(chain, rule, case)

    def _enter(self, chain: NftName, case: Case) -> None:
        """Note that packets come to a chain."""
        arrival = (chain, case.protocol, case.first, case.last)
        if arrival not in self._seen:
            self._seen.add(arrival)
            self._todo.append(arrival)

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

    def _walk(self, chain: NftName, rule: Rule, case: Case) -> None:
        """Take a case through a rule."""
        cases = [case]
        for name, parts in rule:
            if name == "target":
                target = readTarget(chain.family, parts)
                self._note((case, target) for case in cases)
            elif name == "nat":
                self._note((case, readNatTarget(case, parts)) for case in cases)
            elif name == "immediate" and readNumber(parts.get(1)) == _VERDICT_REGISTER:
                self._follow(chain, parseAttributes(parts.get(2, b"")), cases)
            elif name == "lookup":
                cases = self._lookUp(chain, parts, cases)
            else:
                cases = [new for case in cases for new in applyExpression(case, name, parts)]
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
        """Send cases to the chain that a verdict names."""
        verdict = parseAttributes(value.get(2, b""))  # NFTA_DATA_VERDICT
        if readNumber(verdict.get(1)) in _JUMPS:
            name = readText(verdict.get(2))
            for case in cases:
                self._enter(chain._replace(name=name), case)

    def _lookUp(self, chain: NftName, parts: Mapping[int, bytes], cases: list[Case]) -> list[Case]:
        """Return what becomes of cases that a rule looks up in a set or map."""
        name = chain._replace(name=readText(parts.get(1)))  # NFTA_LOOKUP_SET
        source = readNumber(parts.get(2))
        flags = self._setFlags(name)
        isMap = 3 in parts  # NFTA_LOOKUP_DREG
        keySize = readNumber(flags.get(5))  # NFTA_SET_KEY_LEN
        if not isMap and not mentionsPort(cases, source, keySize):
            return cases  # a set of addresses, for example: it may be long
        spans = self._spansOf(name)
        if not isMap and isInverted(parts):
            return [new for case in cases for new in excludeSpans(case, source, spans)]
        size = 4 if readNumber(flags.get(3)) & _CONCATENATED else 0
        found = []
        for span in spans:
            chosen = [
                new for case in cases for new in case.restrict(source, span.low, span.high, size)
            ]
            if isMap and readNumber(parts[3]) == _VERDICT_REGISTER:
                self._follow(chain, span.value, chosen)
            elif isMap:
                value = span.value.get(1, b"")  # NFTA_DATA_VALUE
                found += [case.load(readNumber(parts[3]), value) for case in chosen]
            else:
                found += chosen
            if len(found) > MOST_CASES:
                break
        return found

    def _setFlags(self, name: NftName) -> dict[int, bytes]:
        table = NftName(name.family, name.table)
        if table not in self._flags:
            answer = self._ask(askSets(name.table, name.family))
            sets = (parseAttributes(body) for _, body in answer)
            self._flags[table] = {readText(attributes.get(2)): attributes for attributes in sets}
        return self._flags[table].get(name.name, {})

    def _spansOf(self, name: NftName) -> list[Span]:
        if name not in self.sets:
            isInterval = bool(readNumber(self._setFlags(name).get(3)) & _INTERVAL)
            answer = self._ask(askElements(name.table, name.name, name.family))
            self.sets[name] = [Span(*span) for span in readSpans(answer, isInterval)]
        return self.sets[name]

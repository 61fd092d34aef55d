"""
What the chains of the kernel's firewall do with a packet that has not come yet. Pure.

An answer counts as certain only if it holds whatever the unknown facts about the packet are.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from pkdoors.doctor.packetfilter._elements import Elements
from pkdoors.doctor.packetfilter._matching import Match, isAmong, judge, judgeUnknown
from pkdoors.doctor.packetfilter.packets import Packet
from pkdoors.doctor.packetfilter.ruleset import Chain, Expression, Ruleset

MAX_RULES = 200_000
"""Rules that are judged for one packet, a second's work: chains can call each other very often."""
MAX_DEPTH = 16
"""How deep chains can call each other; the kernel's own bound."""

_VERDICTS = {"accept", "drop", "reject", "return", "queue"}
_XT_VERDICTS = {"REJECT": "reject", "NFQUEUE": "queue"}
_UNTRACKING = {**_XT_VERDICTS, "CT": "notrack", "NOTRACK": "notrack"}
_TRACKING = -200  # NF_IP_PRI_CONNTRACK
_STRANGE = (AttributeError, LookupError, TypeError, ValueError)
"""The errors from a rule that is not as nft shows rules today: what it does is unknown."""
_UFW_FRAME = {"ufw-before-input", "ufw6-before-input"}
"""ufw's own rules before the operator's. Those whose match nft cannot read let in connections that
began before, and drop broken packets; a new packet to a port passes them."""
_UFW_BROADCASTS = {"ufw-not-local"}
"""The chain drops packets to other addresses."""

Outcome = tuple[str, Match]
"""A verdict, and how likely a packet gets that far."""


class TooManyRules(Exception):
    """To judge the rules would take too long."""


@dataclass(frozen=True, slots=True)
class Fate:
    """
    What happens to a packet in one chain that the kernel calls.

    @ivar verdict: C{"accept"}, C{"drop"}, C{"reject"}, or C{"queue"} if a program decides.
    @ivar others: what may happen to it before that, in rules that it may or may not meet.
    """

    chain: Chain
    verdict: str
    others: frozenset[Outcome] = frozenset()

    def isLost(self) -> bool:
        """Return whether it does not come through, whatever the unknown facts are."""
        return self.verdict in ("drop", "reject") and not self._friends()

    def isLostToMost(self) -> bool:
        """Return whether it does not come through unless it is from some single addresses, or
        networks, that a rule lets in."""
        return self.verdict in ("drop", "reject") and self._friends() <= Match.NETWORKS

    def isLostToStrangers(self) -> bool:
        """Return whether only packets from some single addresses come through."""
        return self.verdict in ("drop", "reject") and self._friends() <= Match.HOSTS

    def _friends(self) -> Match:
        """Return how likely it is at most that a rule lets it in before it is lost."""
        found = (likelihood for verdict, likelihood in self.others if verdict == "accept")
        return max(found, default=Match.NO)

    def mayBeAccepted(self) -> bool:
        """Return whether a rule may let it in, and not only for a few sources."""
        return ("accept", Match.UNSURE) in self.others

    def mayBeLost(self) -> bool:
        """Return whether it may not come through, and not only because a few sources are banned."""
        unsure = {verdict for verdict, likelihood in self.others if likelihood is Match.UNSURE}
        return self.verdict != "accept" or bool(unsure - {"accept"})


def findFilterFates(ruleset: Ruleset, packet: Packet, version: int, hook: str) -> Iterator[Fate]:
    """Yield what the filters at a hook do with a packet."""
    for chain in ruleset.hooked(hook, version):
        if chain.kind == "filter":
            yield _Walk(ruleset, packet).findFate(chain)


def findUntrackingFates(
    ruleset: Ruleset, packet: Packet, version: int, hook: str
) -> Iterator[Fate]:
    """Yield the fates of a packet in chains at a hook that keep connection tracking from seeing it,
    or may, and not only a few such packets: their verdict is C{"notrack"}, or may be."""
    for chain in ruleset.hooked(hook, version):
        # Later chains run after tracking has begun.
        if chain.kind == "filter" and chain.priority < _TRACKING:
            fate = _Walk(ruleset, packet, _UNTRACKING).findFate(chain)
            if fate.verdict == "notrack" or ("notrack", Match.UNSURE) in fate.others:
                yield fate


class _Walk:
    """
    The walk of a packet through a chain, and the chains that it calls.

    @param targets: iptables' own targets, of which nft shows the name only, and their verdicts.
    """

    def __init__(
        self, ruleset: Ruleset, packet: Packet, targets: Mapping[str, str] = _XT_VERDICTS
    ) -> None:
        self._ruleset = ruleset
        self._packet = packet
        self._targets = targets
        self._left = MAX_RULES

    def findFate(self, chain: Chain) -> Fate:
        """Return what happens to it."""
        others: set[Outcome] = set()
        try:
            for verdict, likelihood in self._walkChain(chain, 0):
                if likelihood is Match.YES:
                    return Fate(chain, verdict, frozenset(others))
                others.add((verdict, likelihood))
        except (TooManyRules, *_STRANGE):
            return Fate(chain, "queue", frozenset(others))
        return Fate(chain, chain.policy, frozenset(others))

    def _walkChain(self, chain: Chain, depth: int) -> Iterator[Outcome]:
        """Yield what may happen to it in a chain; nothing follows a certain outcome."""
        for rule in _selectRules(chain):
            for verdict, likelihood in self._walkRule(chain, rule, depth):
                if verdict != "return":
                    yield verdict, likelihood
                elif likelihood is not Match.YES:  # then a later rule drops it, or does not
                    yield "accept", likelihood
                if likelihood is Match.YES:
                    return

    def _walkRule(self, chain: Chain, rule: list[Expression], depth: int) -> Iterator[Outcome]:
        self._left -= 1
        if self._left < 0 or depth > MAX_DEPTH:
            raise TooManyRules
        # A verdict is at most as likely as the conditions before it in the rule.
        met = Match.YES
        for part in rule:
            match = judge(part, self._packet, partial(self._ruleset.elements, chain.name))
            if match is not None:
                met = min(met, match)
            else:
                for verdict, likelihood in self._walkPart(chain, part, depth):
                    yield verdict, min(likelihood, met)
            if met is Match.NO:
                return

    def _walkPart(self, chain: Chain, part: Expression, depth: int) -> Iterator[Outcome]:
        ((kind, body),) = part.items()
        if kind in _VERDICTS or (kind == "notrack" and self._targets is _UNTRACKING):
            yield kind, Match.YES
        elif kind == "xt" and (target := self._targets.get((body or {}).get("name", ""))):
            # CT has other uses, and nft does not show which one it is.
            yield target, Match.UNSURE if target == "notrack" else Match.YES
        elif kind in ("jump", "goto"):
            yield from self._walkCall(chain, body["target"], kind == "goto", depth)
        elif kind == "vmap":
            for verdict, likelihood in self._lookUpVerdicts(chain, body):
                for outcome, further in self._walkPart(chain, verdict, depth):
                    yield outcome, min(likelihood, further)

    def _walkCall(self, chain: Chain, target: str, isGoto: bool, depth: int) -> Iterator[Outcome]:
        called = self._ruleset.chains[(*chain.name[:2], target)]
        for outcome in self._walkChain(called, depth + 1):
            yield outcome
            if outcome[1] is Match.YES:
                return
        if isGoto:
            yield "return", Match.YES

    def _lookUpVerdicts(self, chain: Chain, body: Any) -> Iterator[tuple[Expression, Match]]:
        """Yield the verdicts that a map may give, with their likelihood."""
        unsure: dict[str, Expression] = {}
        pairs = self._ruleset.elements(chain.name, body["data"])
        for key, verdict in pairs.near(self._packet.values(body["key"])):
            found = isAmong(self._packet, body["key"], Elements([key]))
            if found:
                yield verdict, Match.YES
                return
            if found is None:  # very many addresses share very few verdicts
                unsure[json.dumps(verdict)] = verdict
        for verdict in unsure.values():
            yield verdict, judgeUnknown(body["key"])


def _selectRules(chain: Chain) -> Iterator[list[Expression]]:
    for rule in chain.rules:
        isFrame = chain.name[2] in _UFW_FRAME and any("xt" in part for part in rule)
        if not isFrame and chain.name[2] not in _UFW_BROADCASTS:
            yield rule

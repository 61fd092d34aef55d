"""
A rule of iptables, as C{iptables-save} prints it, in the form in which nft shows rules;
C{iptables-extensions(8)}. Pure.
"""

from collections.abc import Callable, Collection, Iterator
from typing import Any

from pkdoors.doctor.packetfilter.ruleset import Expression

_VERDICTS = {
    "ACCEPT": "accept",
    "DROP": "drop",
    "RETURN": "return",
    "REJECT": "reject",
    "QUEUE": "queue",
    "NFQUEUE": "queue",
}
_PROTOCOLS = {"icmpv6": "ipv6-icmp"}
_WHOLE = {"ip": "32", "ip6": "128"}
"""The length of the prefix that is a single address, as iptables prints it."""
_ALL_FLAGS = ("fin", "syn", "rst", "psh", "ack", "urg")


class _Words:
    """The words of a rule, one after the other."""

    def __init__(self, words: list[str]) -> None:
        self._words = words

    def take(self, count: int = 1) -> list[str]:
        """
        Return the next words, and remove them.

        @raise IndexError: there are not so many.
        """
        return [self._words.pop(0) for _ in range(count)]

    def skipValues(self) -> None:
        """Remove the words up to the next option."""
        while self._words and not self._words[0].startswith("-") and self._words[0] != "!":
            self.take()

    def __bool__(self) -> bool:
        return bool(self._words)


def translateRule(words: list[str], family: str, chains: Collection[str]) -> list[Expression]:
    """
    Return the conditions of a rule, and what it does. A condition that is unknown here becomes one
    of which only the name is known, as nft shows it.

    @param words: those after the name of the rule's chain.
    @param family: C{"ip"} or C{"ip6"}.
    @param chains: the names of the chains in its table.
    @raise LookupError: the rule is not as iptables prints rules today; or L{ValueError}.
    """
    return list(_translate(_Words(list(words)), family, chains))


def _translate(words: _Words, family: str, chains: Collection[str]) -> Iterator[Expression]:
    module, isNegated = "", False
    isBare = False  # the match has no option yet
    while words:
        (word,) = words.take()
        if word == "!":
            isNegated = True
            continue
        if word in ("-m", "-j", "-g") and isBare and module not in _MODULES:
            yield _makeUnknown(module)
        known = _OPTIONS.get((module, word)) or _OPTIONS.get(("", word))
        if word in ("-j", "-g"):
            yield _translateTarget(word, words, chains)
            return
        if word == "-m":
            (module,) = words.take()
        elif known:
            count, read = known
            values = words.take(count)
            if read is not None:
                yield read(values, "!=" if isNegated else "==", family)
        else:
            words.skipValues()
            yield _makeUnknown(f"not {module}" if isNegated else module)
        isBare, isNegated = word == "-m", False


def _translateTarget(word: str, words: _Words, chains: Collection[str]) -> Expression:
    (target,) = words.take()
    if word == "-g":
        return {"goto": {"target": target}}
    if target in chains:
        return {"jump": {"target": target}}
    if target in _VERDICTS:
        return {_VERDICTS[target]: None}
    if target == "CT":
        target = "NOTRACK" if words and words.take() == ["--notrack"] else "CT helper"
    return {"notrack": None} if target == "NOTRACK" else _makeXt("target", target)


def _makeUnknown(name: str) -> Expression:
    return _makeXt("match", name)


def _makeXt(kind: str, name: str) -> Expression:
    return {"xt": {"type": kind, "name": name}}


def _compare(left: Any, op: str, right: Any) -> Expression:
    return {"match": {"op": op, "left": left, "right": right}}


_Reader = Callable[[list[str], str, str], Expression]
"""Takes the values of an option, the operator, and the family."""


def _readAddress(field: str) -> _Reader:
    def read(values: list[str], op: str, family: str) -> Expression:
        left = {"payload": {"protocol": family, "field": field}}
        address, _, length = values[0].partition("/")
        if length in ("", _WHOLE[family]):
            return _compare(left, op, address)
        return _compare(left, op, {"prefix": {"addr": address, "len": length}})

    return read


def _readInterface(key: str) -> _Reader:
    def read(values: list[str], op: str, family: str) -> Expression:
        name = values[0]
        right = f"{name.removesuffix('+')}*" if name.endswith("+") else name
        return _compare({"meta": {"key": key}}, op, right)

    return read


def _readProtocol(values: list[str], op: str, family: str) -> Expression:
    name = _PROTOCOLS.get(values[0], values[0])
    return _compare({"meta": {"key": "l4proto"}}, op, int(name) if name.isdigit() else name)


def _readPorts(field: str) -> _Reader:
    def read(values: list[str], op: str, family: str) -> Expression:
        left = {"payload": {"protocol": "th", "field": field}}
        return _compare(left, op, [_readRange(item) for item in values[0].split(",")])

    return read


def _readRange(text: str) -> Any:
    first, colon, last = text.partition(":")
    return {"range": [int(first or 0), int(last or 65535)]} if colon else int(first)


def _readState(values: list[str], op: str, family: str) -> Expression:
    states = values[0].lower().split(",")
    real = [state for state in states if state not in ("snat", "dnat")]
    if real:
        return _compare({"ct": {"key": "state"}}, op, real)
    return _compare({"ct": {"key": "status"}}, op, states)


def _readType(values: list[str], op: str, family: str) -> Expression:
    left = {"fib": {"result": "type", "flags": ["daddr"]}}
    return _compare(left, op, values[0].lower().split(","))


def _readFlags(values: list[str], op: str, family: str) -> Expression:
    mask, wanted = map(_listFlags, values)
    left = {"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, mask]}
    return _compare(left, op, wanted or [0])


def _listFlags(text: str) -> list[str]:
    if text == "ALL":
        return list(_ALL_FLAGS)
    return [] if text == "NONE" else text.lower().split(",")


def _readMeta(key: str) -> _Reader:
    def read(values: list[str], op: str, family: str) -> Expression:
        return _compare({"meta": {"key": key}}, op, values[0])

    return read


_OPTIONS: dict[tuple[str, str], tuple[int, _Reader | None]] = {
    ("", "-s"): (1, _readAddress("saddr")),
    ("", "-d"): (1, _readAddress("daddr")),
    ("", "-i"): (1, _readInterface("iifname")),
    ("", "-o"): (1, _readInterface("oifname")),
    ("", "-p"): (1, _readProtocol),
    ("comment", "--comment"): (1, None),
    ("tcp", "--dport"): (1, _readPorts("dport")),
    ("tcp", "--sport"): (1, _readPorts("sport")),
    ("tcp", "--tcp-flags"): (2, _readFlags),
    ("udp", "--dport"): (1, _readPorts("dport")),
    ("udp", "--sport"): (1, _readPorts("sport")),
    ("multiport", "--dports"): (1, _readPorts("dport")),
    ("multiport", "--sports"): (1, _readPorts("sport")),
    ("conntrack", "--ctstate"): (1, _readState),
    ("state", "--state"): (1, _readState),
    ("addrtype", "--dst-type"): (1, _readType),
    ("addrtype", "--limit-iface-in"): (0, None),
    ("pkttype", "--pkt-type"): (1, _readMeta("pkttype")),
    ("mark", "--mark"): (1, _readMeta("mark")),
}
"""By the match, empty for iptables' own, and the option: how many values it has, and how to read
them; every packet meets one that nobody reads."""
_MODULES = {module for module, _ in _OPTIONS}

"""
Builds the questions that read our table from the kernel's nftables, and parses the answers. Pure.

libnftables would list the table more slowly, and prints C{flags owner} of nft 1.1 in a form that
nft 1.0 cannot read. Formats and numbers as in L{pkdoors.firewall.netlink.messages}.
"""

from collections.abc import Iterable
from typing import NamedTuple

from pkdoors.firewall.netlink.messages import (
    DUMP,
    INET,
    NFTABLES,
    Element,
    buildMessage,
    iterAttributes,
    listKeys,
    message,
    parseAttributes,
    text,
)

_GET_TABLE, _GET_CHAIN, _GET_RULE, _GET_SET, _GET_ELEMENTS, _GET_OBJECT = 1, 4, 7, 10, 13, 19
_ANONYMOUS = 0x1  # NFT_SET_ANONYMOUS
_JUMP = 2**32 - 3  # NFT_JUMP
_INTERVAL_END = 0x1  # NFT_SET_ELEM_INTERVAL_END

Answer = Iterable[tuple[int, bytes]]
"""The messages of an answer: C{NFT_MSG_...}, and the attributes."""


class Table(NamedTuple):
    """
    @ivar flags: C{NFT_TABLE_F_...}.
    @ivar owner: the netlink port of the owner; 0 if the table has none.
    @ivar handle: a number that no other table has had since the boot.
    """

    flags: int = 0
    owner: int = 0
    handle: int = 0


def askTable(table: str) -> bytes:
    """Return the question whether a table of the C{inet} family exists."""
    return message(_GET_TABLE, 0, text(1, table))


def askChains(table: str, family: int = INET) -> bytes:
    """Return the question for all chains; the kernel also lists other tables' chains."""
    return buildMessage(NFTABLES, _GET_CHAIN, DUMP, text(1, table), family)


def askRules(table: str, family: int = INET, chain: str = "") -> bytes:
    """Return the question for all rules of a table, or of one of its chains."""
    body = text(1, table) + (text(2, chain) if chain else b"")
    return buildMessage(NFTABLES, _GET_RULE, DUMP, body, family)


def askSets(table: str, family: int = INET) -> bytes:
    """Return the question for all sets and maps of a table."""
    return buildMessage(NFTABLES, _GET_SET, DUMP, text(1, table), family)


def askCounters(table: str) -> bytes:
    """Return the question for all named counters of a table."""
    return message(_GET_OBJECT, DUMP, text(1, table))


def askElements(table: str, name: str, family: int = INET) -> bytes:
    """Return the question for the elements of a set."""
    body = text(1, table) + text(2, name)
    return buildMessage(NFTABLES, _GET_ELEMENTS, DUMP, body, family)


def askKey(table: str, name: str, key: bytes) -> bytes:
    """Return the question whether a set has one element; if it has not, the answer is an error."""
    body = text(1, table) + text(2, name) + listKeys([key])
    return message(_GET_ELEMENTS, 0, body)


def readTable(answer: Answer) -> Table | None:
    """Return the table that was asked for; L{None} if it does not exist."""
    for kind, body in answer:
        if kind == NFTABLES << 8:
            found = parseAttributes(body)  # NFTA_TABLE_FLAGS, ..._OWNER, ..._HANDLE
            return Table(*(_number(found.get(kind)) for kind in (2, 7, 4)))
    return None


def readChains(answer: Answer, table: str) -> set[str]:
    """Return the names of a table's chains."""
    found = (parseAttributes(body) for _, body in answer)
    return {_text(chain.get(3)) for chain in found if _text(chain.get(1)) == table}


def readRules(answer: Answer, table: str) -> list[tuple[str, int]]:
    """Return the chain and the handle of each rule, in order: a changed rule has a new handle."""
    found = (parseAttributes(body) for _, body in answer)
    return [
        (_text(rule.get(2)), _number(rule.get(3))) for rule in found if _text(rule.get(1)) == table
    ]


def readSets(answer: Answer) -> dict[str, int]:
    """
    Return the names of sets and maps, each with its timeout in milliseconds. Anonymous sets are
    left out: they belong to a rule, and go with it.
    """
    found = (parseAttributes(body) for _, body in answer)
    return {
        _text(attributes.get(2)): _number(attributes.get(11))  # NFTA_SET_NAME, ..._TIMEOUT
        for attributes in found
        if 2 in attributes and not _number(attributes.get(3)) & _ANONYMOUS  # NFTA_SET_FLAGS
    }


def readCounters(answer: Answer) -> dict[str, int]:
    """Return the packets that each named counter has counted."""
    found = (parseAttributes(body) for _, body in answer)
    return {
        # NFTA_OBJ_DATA { NFTA_COUNTER_PACKETS }
        _text(counter.get(2)): _number(parseAttributes(counter.get(4, b"")).get(2))
        for counter in found
        if 2 in counter
    }


def readElements(answer: Answer) -> list[Element]:
    """Return the elements of a set that has no intervals."""
    return [_element(attributes) for attributes in _listed(answer)]


def readVerdicts(answer: Answer) -> list[bytes]:
    """
    Return the elements of a map without timeouts as raw bytes, sorted: the kernel's order may
    change. They are not parsed, because there may be thousands.
    """
    return sorted(
        content
        for _, body in answer
        for kind, content in iterAttributes(parseAttributes(body).get(3, b""))
        if kind == 1  # NFTA_LIST_ELEM
    )


def readIntervals(answer: Answer) -> dict[tuple[int, int], str]:
    """
    Return the first and the last port of each range in an interval set or map of ports, and the
    chain that a map jumps to; empty for any other verdict. The kernel lists where each range
    begins, and where the ports after it begin.
    """
    # At the same port an end comes before the next beginning.
    marks = sorted(map(_mark, _listed(answer)), key=lambda mark: (mark[0], not mark[1]))
    found: dict[tuple[int, int], str] = {}
    start, chain = -1, ""
    for at, isEnd, jumped in [*marks, (65536, True, "")]:
        if start >= 0:
            found[start, at - 1] = chain
        start, chain = (-1, "") if isEnd else (at, jumped)
    return found


def _mark(attributes: dict[int, bytes]) -> tuple[int, bool, str]:
    """Return a port, whether a range ends before it, and the chain that its verdict jumps to."""
    key = parseAttributes(attributes.get(1, b"")).get(1, b"")
    verdict = parseAttributes(
        parseAttributes(attributes.get(2, b"")).get(2, b"")
    )  # NFTA_DATA_VERDICT
    chain = _text(verdict.get(2)) if _number(verdict.get(1)) == _JUMP else ""
    return int.from_bytes(key), bool(_number(attributes.get(3)) & _INTERVAL_END), chain


def readSpans(answer: Answer, isInterval: bool) -> Iterable[tuple[bytes, bytes, dict[int, bytes]]]:
    """
    Yield the first key, the last key and the value of each element in a set or map of any kind. An
    element that stands for all keys that the others lack has two empty keys.
    """
    found = [
        (_key(element, 1), _key(element, 10), element)  # NFTA_SET_ELEM_KEY, ..._KEY_END
        for element in _listed(answer)
    ]
    if not isInterval or any(high for _, high, _ in found):
        for low, high, element in found:
            yield low, high or low, parseAttributes(element.get(2, b""))  # NFTA_SET_ELEM_DATA
        return
    marks = [
        (low, not _number(element.get(3)) & _INTERVAL_END, element) for low, _, element in found
    ]
    marks.sort(key=lambda mark: mark[:2])  # an end comes before a beginning at the same key
    ends = [low for low, _, _ in marks[1:]] + [b""]
    for (low, isBegin, element), end in zip(marks, ends, strict=False):
        if isBegin:
            last = max(0, int.from_bytes(end[: len(low)]) - 1).to_bytes(len(low))
            yield low, last if end else b"\xff" * len(low), parseAttributes(element.get(2, b""))


def _key(element: dict[int, bytes], kind: int) -> bytes:
    return parseAttributes(element.get(kind, b"")).get(1, b"")


def _listed(answer: Answer) -> Iterable[dict[int, bytes]]:
    for _, body in answer:
        for kind, content in iterAttributes(parseAttributes(body).get(3, b"")):
            if kind == 1:  # NFTA_LIST_ELEM
                yield parseAttributes(content)


def _element(attributes: dict[int, bytes]) -> Element:
    key = parseAttributes(attributes.get(1, b"")).get(1, b"")
    # NFTA_SET_ELEM_DATA { NFTA_DATA_VERDICT { NFTA_VERDICT_CHAIN } }
    verdict = parseAttributes(parseAttributes(attributes.get(2, b"")).get(2, b""))
    return Element(
        key,
        _number(attributes.get(4)),
        _number(attributes.get(5)),
        _comment(attributes.get(6)),
        _text(verdict.get(2)),
    )


def _comment(data: bytes | None) -> str:
    """Return the comment among an element's user data: type, length, value."""
    while data and len(data) >= 2:
        if data[0] == 0:
            return data[2 : 2 + data[1]].rstrip(b"\0").decode("ascii", "replace")
        data = data[2 + data[1] :]
    return ""


def _number(content: bytes | None) -> int:
    return int.from_bytes(content or b"")


def _text(content: bytes | None) -> str:
    return (content or b"").rstrip(b"\0").decode("ascii", "replace")

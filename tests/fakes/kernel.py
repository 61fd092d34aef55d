"""
The kernel's answers to netlink messages about L{FakeTables}. Messages are read and written here
without L{pkdoors.firewall.netlink.messages}.
"""

import errno
import struct
from collections.abc import Iterator, Sequence

from pkdoors.errors import FirewallError
from pkdoors.firewall.netlink.kernel import Kernel, errorFor
from tests.fakes.netlink import readAttributes
from tests.fakes.tables import OUR_PORT, OWNER, Entry, FakeSet, FakeTable, FakeTables, overlap

Message = tuple[int, bytes]


class FakeKernel(Kernel):
    """
    What answers messages.

    @ivar isOpen: whether it may be asked.
    @ivar refusing: the error of each question.
    @ivar asked: how many questions came.
    """

    def __init__(self, tables: FakeTables, port: int = OUR_PORT) -> None:
        self.tables = tables
        self.isOpen = True
        self.refusing: FirewallError | None = None
        self.asked = 0
        self._port = port

    @property
    def port(self) -> int:
        """Return our netlink port."""
        return self._port

    def close(self) -> None:
        """Close it."""
        self.isOpen = False

    def transact(self, batch: bytes) -> None:
        """Do all of a batch, or nothing."""
        assert self.isOpen, "sent to a socket that is closed"
        messages = list(_messages(batch))
        assert messages[0][:2] == (16, 1) and messages[-1][:2] == (17, 1), "no batch"
        changes = messages[1:-1]
        self.tables.change(_step(changes), lambda tables: self._do(tables, changes))

    def _do(self, tables: FakeTables, changes: list[tuple[int, int, bytes]]) -> None:
        for kind, flags, body in changes:
            found = readAttributes(body)
            if kind & 0xFF == 0:
                self._take(tables, _text(found[1]), int.from_bytes(found[2], "big"))
                continue
            table = tables.table(_text(found[1]), self._port)
            there = tables._there(table.sets, _text(found[2]))
            listed = list(_listed(found[3 | 0x8000]))
            for element in _ranges(listed) if there.hasIntervals else listed:
                if kind & 0xFF == 14:
                    if _keyOf(element) not in there.elements:
                        raise errorFor(errno.ENOENT)
                    del there.elements[_keyOf(element)]
                else:
                    assert flags & 0x400, "NLM_F_CREATE"
                    if flags & 0x200 and _keyOf(element) in there.elements:  # NLM_F_EXCL
                        raise errorFor(errno.EEXIST)
                    self._add(table, there, element)

    def _take(self, tables: FakeTables, name: str, flags: int) -> None:
        table = tables.tables.setdefault(name, FakeTable(tables.handle(), flags))
        if table.flags & OWNER and table.owner not in (0, self._port):
            raise errorFor(errno.EPERM)
        if flags & OWNER:
            if not table.flags & OWNER:
                raise errorFor(errno.EOPNOTSUPP)
            table.owner = self._port

    def _add(self, table: FakeTable, there: FakeSet, element: dict[int, bytes]) -> None:
        key = _keyOf(element)
        expected = 4 if there.hasIntervals else there.keySize
        assert len(key) == expected, f"{key!r} in {there.definition}"
        if there.hasIntervals and any(overlap(key, other) for other in there.elements):
            raise errorFor(errno.EEXIST)
        if key in there.elements:  # kernels before 6.12 keep the old timeout
            return
        timeout = int.from_bytes(element.get(4, b""), "big") or there.timeout
        left = int.from_bytes(element.get(5, b""), "big") or timeout
        assert 4 not in element or int.from_bytes(element[4], "big"), "0 is for ever"
        if left > timeout:
            raise errorFor(errno.ERANGE)
        if len(there.elements) >= there.size:
            raise errorFor(errno.ENFILE)
        comment = element.get(6, b"\0\1\0")
        assert comment[0] == 0 and comment[1] == len(comment) - 2 <= 128
        end = self.tables.now() + left if timeout else None
        data = readAttributes(element.get(2 | 0x8000, b"")).get(2 | 0x8000)
        verdict = f"jump {_text(readAttributes(data)[2])}" if data else ""
        assert bool(verdict) is there.isMap
        if verdict and verdict.split()[1] not in table.chains:
            raise errorFor(errno.ENOENT)
        there.elements[key] = Entry(timeout, end, comment[2:-1].decode("ascii"), verdict)

    def tryDump(self, question: bytes) -> tuple[list[Message], bool]:
        """Do so; nothing interrupts it."""
        return self.dump(question), True

    def dump(self, question: bytes) -> list[Message]:
        """Answer a question as the kernel does."""
        assert self.isOpen, "sent to a socket that is closed"
        self.asked += 1
        if self.refusing is not None:
            raise self.refusing
        ((kind, flags, body),) = _messages(question)
        found = readAttributes(body)
        name = _text(found[1])
        assert (flags & 0x300 == 0x300) is (kind & 0xFF != 1), "a dump, but for the table"
        if kind & 0xFF == 4:  # chains of all tables
            return list(self._chains())
        if name not in self.tables.tables:
            return []
        table = self.tables.tables[name]
        match kind & 0xFF:
            case 1:
                flagged = _attribute(2, struct.pack("!I", table.flags))
                owner = _attribute(7, struct.pack("!I", table.owner)) if table.owner else b""
                handle = _attribute(4, struct.pack("!Q", table.handle))
                return [(10 << 8, found_(1, name) + flagged + handle + owner)]
            case 7:
                return [
                    (10 << 8 | 6, found_(1, name) + found_(2, chain) + _attribute(3, _quad(handle)))
                    for handle, chain, _ in table.rules
                ]
            case 10:
                return [
                    (10 << 8 | 9, found_(1, name) + found_(2, each) + _attribute(11, _quad(time)))
                    for each, time in ((key, a.timeout) for key, a in table.sets.items())
                ]
            case 19:
                return [
                    (10 << 8 | 18, found_(1, name) + found_(2, each) + _attribute(4, _counted(n)))
                    for each, n in table.counters.items()
                ]
            case 13:
                return list(self._elements(name, _text(found[2])))
        raise AssertionError(f"no such question: {kind:x}")

    def find(self, questions: Sequence[bytes]) -> list[Message]:
        """Answer questions for one element each."""
        assert self.isOpen, "sent to a socket that is closed"
        self.asked += len(questions)
        if self.refusing is not None:
            raise self.refusing
        return [answer for question in questions for answer in self._find(question)]

    def _find(self, question: bytes) -> Iterator[Message]:
        ((kind, flags, body),) = _messages(question)
        found = readAttributes(body)
        table, name = _text(found[1]), _text(found[2])
        assert (kind, flags & 0x300) == (10 << 8 | 13, 0), "not a question for an element"
        (element,) = _listed(found[3 | 0x8000])
        key = _keyOf(element)
        if table in self.tables.tables and name in self.tables.tables[table].sets:
            each = self.tables.living(table, name).get(key)
            if each is not None:
                listed = _element(key, each, self.tables.now())
                yield 10 << 8 | 12, found_(1, table) + found_(2, name) + _attribute(3, listed)

    def _chains(self) -> Iterator[Message]:
        for name, table in self.tables.tables.items():
            for chain in table.chains:
                yield 10 << 8 | 3, found_(1, name) + found_(3, chain)

    def _elements(self, table: str, name: str) -> Iterator[Message]:
        """Yield the elements in messages of some hundred, as the kernel sends them."""
        if name not in self.tables.tables[table].sets:
            return
        there = self.tables.tables[table].sets[name]
        listed = []
        for key, each in sorted(self.tables.living(table, name).items(), reverse=True):
            if there.hasIntervals:
                listed += _interval(key, each)
            else:
                listed.append(_element(key, each, self.tables.now()))
        for at in range(0, len(listed), 300):
            body = b"".join(listed[at : at + 300])
            yield 10 << 8 | 12, found_(1, table) + found_(2, name) + _attribute(3, body)


def _messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    while data:
        length, kind, flags, _, _ = struct.unpack_from("=IHHII", data)
        assert length % 4 == 0 and flags & 1, "no request"
        yield kind, flags, data[20:length]
        data = data[length:]


def _step(changes: list[tuple[int, int, bytes]]) -> str:
    """Return a line about a batch: its last message is what the others prepare."""
    kind, _, body = changes[-1]
    found = readAttributes(body)
    table = _text(found[1])
    if kind & 0xFF == 0:
        return f"take {table} {int.from_bytes(found[2], 'big')}"
    number = len(list(_listed(found[3 | 0x8000])))
    verb = {12: "add", 14: "remove"}[kind & 0xFF]
    return f"{verb} {table} {_text(found[2])} {number}"


def _listed(body: bytes) -> Iterator[dict[int, bytes]]:
    while body:
        length, kind = struct.unpack_from("=HH", body)
        assert kind == 1 | 0x8000
        yield readAttributes(body[4:length])
        body = body[length + 3 & ~3 :]


def _ranges(listed: list[dict[int, bytes]]) -> Iterator[dict[int, bytes]]:
    """Yield ranges, with both ends as the key, from elements for where they begin and end."""
    for number, element in enumerate(listed):
        if 3 in element:
            continue
        rest = listed[number + 1 : number + 2]
        assert all(3 in end for end in rest), "a range that has no end is the last one"
        behind = int.from_bytes(_keyOf(rest[0]), "big") if rest else 65536
        key = _keyOf(element) + (behind - 1).to_bytes(2, "big")
        yield element | {1 | 0x8000: _attribute(1, key)}


def _keyOf(element: dict[int, bytes]) -> bytes:
    return readAttributes(element[1 | 0x8000])[1]


def _text(content: bytes) -> str:
    assert content[-1:] == b"\0"
    return content[:-1].decode("ascii")


def _attribute(kind: int, body: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(body), kind) + body + bytes(-len(body) % 4)


def found_(kind: int, text: str) -> bytes:
    """Return an attribute that is a text."""
    return _attribute(kind, text.encode() + b"\0")


def _quad(number: int) -> bytes:
    return struct.pack("!Q", number)


def _counted(packets: int) -> bytes:
    return _attribute(1, _quad(42 * packets)) + _attribute(2, _quad(packets))


def _element(key: bytes, each: Entry, now: float) -> bytes:
    body = _attribute(1, _attribute(1, key))
    if each.timeout:
        body += _attribute(4, _quad(each.timeout))
    if each.end is not None:
        body += _attribute(5, _quad(max(1, round(each.end - now))))
    if each.comment:
        comment = each.comment.encode() + b"\0"
        body += _attribute(6, bytes([0, len(comment)]) + comment)
    return _attribute(1, body + _verdict(each.data))


def _verdict(text: str) -> bytes:
    """Return the data of a map's element: what to do, and the chain."""
    if not text:
        return b""
    verb, chain = text.split()
    code = {"jump": -3, "goto": -4}[verb]
    return _attribute(2, _attribute(2, _attribute(1, struct.pack("!i", code)) + found_(2, chain)))


def _interval(key: bytes, each: Entry) -> list[bytes]:
    """Return both ends of a range; the kernel lists the port after it first, if any."""
    first, last = int.from_bytes(key[:2], "big"), int.from_bytes(key[2:], "big")
    begin = _attribute(1, _attribute(1, first.to_bytes(2, "big")))
    start = _attribute(1, begin + _verdict(each.data))
    if last == 65535:
        return [start]
    behind = _attribute(1, _attribute(1, (last + 1).to_bytes(2, "big")))
    return [_attribute(1, behind + _attribute(3, struct.pack("!I", 1))), start]

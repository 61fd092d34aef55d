"""
The kernel's nftables, as far as the guard needs it: tables in a dictionary, with the kernel's rules
about what may be done to them. Messages are read and written here without
L{pkdoors.firewall.netlink.messages}.
"""

import errno
import ipaddress
import re
import struct
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from twisted.internet.task import Clock

from pkdoors.errors import FirewallError
from pkdoors.firewall.guard.flows import Flow
from pkdoors.firewall.netlink.kernel import Kernel, refusal
from pkdoors.firewall.netlink.library import Library
from tests.fakes import readAttributes

V = TypeVar("V")

OWNER, PERSIST = 0x2, 0x4
OUR_PORT = 4711
Message = tuple[int, bytes]


class Entry(NamedTuple):
    """
    An element of a set.

    @ivar timeout: in milliseconds; 0 for none.
    @ivar end: on the kernel's clock, in milliseconds; L{None} for none.
    @ivar data: a map's verdict.
    """

    timeout: int = 0
    end: float | None = None
    comment: str = ""
    data: str = ""


@dataclass
class FakeSet:
    """A set or map: its definition, and its elements by their keys."""

    definition: str
    isMap: bool = False
    elements: dict[bytes, Entry] = field(default_factory=dict)

    @property
    def timeout(self) -> int:
        """Of elements that have none of their own, in milliseconds."""
        found = re.search(r"timeout (\d+)(ms|s);", self.definition)
        return int(found[1]) * {"s": 1000, "ms": 1}[found[2]] if found else 0

    @property
    def size(self) -> int:
        """How many elements it may have."""
        found = re.search(r"size (\d+);", self.definition)
        return int(found[1]) if found else 1 << 32

    @property
    def hasIntervals(self) -> bool:
        """Whether its elements are ranges of ports."""
        return "interval" in self.definition


@dataclass
class FakeTable:
    """A table: what is in it, by names."""

    handle: int
    flags: int = 0
    owner: int = 0
    chains: dict[str, str] = field(default_factory=dict)
    rules: list[tuple[int, str, str]] = field(default_factory=list)
    sets: dict[str, FakeSet] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)

    def texts(self, chain: str) -> list[str]:
        """The rules of a chain."""
        return [text for _, of, text in self.rules if of == chain]

    def guards(self) -> bool:
        """Whether it drops what comes to its ports, in both ways in."""
        ports = any(self.sets[f"{p}_ports"].elements for p in ("tcp", "udp") if self._has(p))
        return ports and all(
            f"{p} dport @{p}_ports counter drop" in self.texts(f"{p}_in") for p in ("tcp", "udp")
        )

    def _has(self, protocol: str) -> bool:
        return f"{protocol}_ports" in self.sets


class FakeTables:
    """
    The tables of the C{inet} family.

    @ivar steps: what was done, a line each: C{take}, C{run}, C{delete}, C{add} or C{remove} with a
        set and how many elements.
    @ivar guarding: which tables guarded after each step.
    @ivar failing: called before each step, with its line; may raise.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._handles = 0
        self.tables: dict[str, FakeTable] = {}
        self.steps: list[str] = []
        self.guarding: list[set[str]] = []
        self.failing: Callable[[str], None] = lambda step: None

    def now(self) -> float:
        """Milliseconds."""
        return 1000 * self._clock.seconds()

    def handle(self) -> int:
        """A new one."""
        self._handles += 1
        return self._handles

    def change(self, step: str, do: Callable[["FakeTables"], None]) -> None:
        """Do a transaction, all of it or nothing."""
        self.failing(step)
        before = deepcopy(self.tables)
        try:
            do(self)
        except BaseException:
            self.tables = before
            raise
        self.steps.append(step)
        self.guarding.append({name for name, table in self.tables.items() if table.guards()})

    def table(self, name: str, port: int = OUR_PORT) -> FakeTable:
        """A table that may be changed by a socket."""
        if name not in self.tables:
            raise refusal(errno.ENOENT)
        table = self.tables[name]
        if table.flags & OWNER and table.owner not in (0, port):
            raise refusal(errno.EPERM)
        return table

    def living(self, table: str, name: str) -> dict[bytes, Entry]:
        """The elements of a set whose time is not over."""
        there = self.tables[table].sets[name].elements
        return {
            key: each for key, each in there.items() if each.end is None or each.end > self.now()
        }

    def sources(self, name: str, table: str = "pkdoors") -> dict[str, float]:
        """Addresses in a set of openings, and the seconds that each has left."""
        return {
            str(ipaddress.ip_address(key)): round(((each.end or 0) - self.now()) / 1000, 3)
            for key, each in self.living(table, name).items()
        }

    def put(self, name: str, key: bytes, left: float, table: str = "pkdoors") -> None:
        """A packet puts an element there, or someone else does."""
        there = self.tables[table].sets[name]
        there.elements[key] = Entry(there.timeout, self.now() + 1000 * left)

    def flows(self, name: str, table: str = "pkdoors") -> dict[bytes, float]:
        """Keys of a set of flows, and the seconds that each has left."""
        return {
            key: round(((each.end or 0) - self.now()) / 1000, 3)
            for key, each in self.living(table, name).items()
        }

    # -- nft's language, as far as it is written

    def run(self, commands: str, port: int = OUR_PORT) -> None:
        """Do commands."""
        lines = [line for line in commands.splitlines() if line]
        deletes = [line for line in lines if line.startswith("delete table")]
        assert not deletes or len(lines) == 1, "a table may go only in a transaction of its own"
        if deletes:
            name = deletes[0].split()[-1]
            self.change(f"delete {name}", lambda tables: tables._deleteTable(name, port))
        else:
            name = lines[0].split()[3]
            self.change(f"run {name}", lambda tables: tables._runAll(lines, port))

    def _deleteTable(self, name: str, port: int) -> None:
        self.table(name, port)
        del self.tables[name]

    def _runAll(self, lines: list[str], port: int) -> None:
        for line in lines:
            verb, what, family, name, *rest = line.split(maxsplit=4)
            assert family == "inet", line
            if (verb, what) == ("add", "table"):
                self.tables.setdefault(name, FakeTable(self.handle()))
                continue
            self._do(self.table(name, port), verb, what, rest[0] if rest else "")

    def _do(self, table: FakeTable, verb: str, what: str, rest: str) -> None:
        if (verb, what) == ("flush", "table"):
            table.rules.clear()
            return
        name, _, more = rest.partition(" ")
        inside = more.strip()[1:-1].strip() if more.strip().startswith("{") else more
        match verb, what:
            case "add", "chain":
                table.chains.setdefault(name, inside)
            case "add", "set" | "map":
                there = table.sets.setdefault(name, FakeSet(inside, what == "map"))
                if there.definition != inside:
                    raise refusal(errno.EEXIST)
            case "add", "counter":
                table.counters.setdefault(name, 0)
            case "add", "rule":
                self._addRule(table, name, more)
            case "flush", "set" | "map":
                self._there(table.sets, name).elements.clear()
            case "add", "element":
                self._addElements(table, name, inside)
            case "delete", "element":
                there = self._there(table.sets, name)
                for each in inside.split(", "):
                    self._there({key.hex(): 0 for key in there.elements}, _key(each, there).hex())
                    del there.elements[_key(each, there)]
            case "delete", "chain":
                self._delete(table, table.chains, name)
            case "delete", "set":
                self._delete(table, table.sets, name)
            case "delete", "counter":
                self._delete(table, table.counters, name)
            case _:
                raise AssertionError(f"no such command: {verb} {what}")

    def _there(self, found: dict[str, V], name: str) -> V:
        if name not in found:
            raise refusal(errno.ENOENT)
        return found[name]

    def _delete(self, table: FakeTable, found: dict[str, V], name: str) -> None:
        """A hook is never deleted: packets would get through."""
        assert "hook" not in table.chains.get(name, ""), f"{name} is a base chain"
        self._there(found, name)
        words = [re.split(r"[ @]", rule) for _, _, rule in table.rules]
        words += [each.data.split() for a in table.sets.values() for each in a.elements.values()]
        if any(name in each for each in words) or any(of == name for _, of, _ in table.rules):
            raise refusal(errno.EBUSY)
        del found[name]

    def _addRule(self, table: FakeTable, chain: str, text: str) -> None:
        self._there(table.chains, chain)
        for name in re.findall(r"@([\w-]+)", text):
            self._there(table.sets, name)
        for name in re.findall(r"(?:goto|jump) ([\w-]+)", text):
            self._there(table.chains, name)
        for name in re.findall(r"counter name ([\w-]+)", text):
            self._there(table.counters, name)
        table.rules.append((self.handle(), chain, text))

    def _addElements(self, table: FakeTable, name: str, inside: str) -> None:
        there = self._there(table.sets, name)
        for each in inside.split(", "):
            value, _, verdict = each.partition(" : ")
            if there.isMap:
                self._there(table.chains, verdict.split()[1])
            key, timeout, comment = re.fullmatch(
                r"(.*?)(?: timeout (\d+m?s))?(?: comment \"(.*)\")?", value
            ).groups("")  # type: ignore[union-attr]
            own = int(re.sub("[^0-9]", "", timeout) or 0) * (1 if "ms" in timeout else 1000)
            raw = _key(key, there)
            if there.hasIntervals and any(_overlap(raw, other) for other in there.elements):
                raise refusal(errno.EEXIST)
            end = self.now() + own if own else None
            there.elements[raw] = Entry(own, end, comment, verdict)


def _key(text: str, there: FakeSet) -> bytes:
    if there.hasIntervals:
        first, _, last = text.partition("-")
        return int(first).to_bytes(2, "big") + int(last or first).to_bytes(2, "big")
    if " . " in text:  # a way past a port: address, protocol, port
        address, protocol, port = text.split(" . ")
        fields = bytes([int(protocol), 0, 0, 0]) + int(port).to_bytes(2, "big") + bytes(2)
        return ipaddress.ip_address(address).packed + fields
    size = 4 if "type mark;" in there.definition else 2
    return int(text).to_bytes(size, "big")


def _overlap(one: bytes, other: bytes) -> bool:
    return one[:2] <= other[2:] and other[:2] <= one[2:]


class FakeKernel(Kernel):
    """
    What answers messages.

    @ivar isOpen: whether it may be asked.
    @ivar refusing: what each question fails with.
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
        """Our netlink port."""
        return self._port

    def close(self) -> None:
        """End it."""
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
            for element in _listed(found[3 | 0x8000]):
                if kind & 0xFF == 14:
                    tables._there({str(key): 0 for key in there.elements}, str(_keyOf(element)))
                    del there.elements[_keyOf(element)]
                else:
                    assert flags & 0x400, "NLM_F_CREATE"
                    self._add(tables, there, element)

    def _take(self, tables: FakeTables, name: str, flags: int) -> None:
        table = tables.tables.setdefault(name, FakeTable(tables.handle(), flags))
        if table.flags & OWNER and table.owner not in (0, self._port):
            raise refusal(errno.EPERM)
        if flags & OWNER:
            if not table.flags & OWNER:
                raise refusal(errno.EOPNOTSUPP)
            table.owner = self._port

    def _add(self, tables: FakeTables, there: FakeSet, element: dict[int, bytes]) -> None:
        key = _keyOf(element)
        sizes = {"ipv4_addr;": 4, "ipv6_addr;": 16, "ipv4_addr . ipv4_addr": 16}
        sizes |= {"ipv4_addr . inet_proto": 12, "ipv6_addr . inet_proto": 24}
        expected = next((n for word, n in sizes.items() if f"type {word}" in there.definition), 40)
        assert len(key) == expected, f"{key!r} in {there.definition}"
        if key in there.elements:  # kernels before 6.12 keep the old timeout
            return
        timeout = int.from_bytes(element.get(4, b""), "big") or there.timeout
        left = int.from_bytes(element.get(5, b""), "big") or timeout
        assert 4 not in element or int.from_bytes(element[4], "big"), "0 is for ever"
        if left > timeout:
            raise refusal(errno.ERANGE)
        if len(there.elements) >= there.size:
            raise refusal(errno.ENFILE)
        comment = element.get(6, b"\0\1\0")
        assert comment[0] == 0 and comment[1] == len(comment) - 2 <= 128
        end = tables.now() + left if timeout else None
        data = readAttributes(element.get(2 | 0x8000, b"")).get(2 | 0x8000)
        verdict = f"jump {_text(readAttributes(data)[2])}" if data else ""
        assert bool(verdict) is there.isMap
        there.elements[key] = Entry(timeout, end, comment[2:-1].decode("ascii"), verdict)

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

    def _chains(self) -> Iterator[Message]:
        for name, table in self.tables.tables.items():
            for chain in table.chains:
                yield 10 << 8 | 3, found_(1, name) + found_(3, chain)

    def _elements(self, table: str, name: str) -> Iterator[Message]:
        """In parts of some hundred, as the kernel tells them."""
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


class FakeLibrary(Library):
    """
    libnftables over the same tables.

    @ivar judged: the commands that were judged, not done.
    @ivar listings: what C{nft -j list} prints, by what is listed.
    """

    kernel: FakeKernel

    def __init__(self, tables: FakeTables, isOwner: bool = False) -> None:
        self.tables = tables
        self.kernel = FakeKernel(tables)
        self.isOwner = isOwner
        self.judged: list[str] = []
        self.listings: dict[str, str] = {}
        self.error: FirewallError | None = None

    def canOwn(self) -> bool:
        """Whether tables can have an owner."""
        return self.isOwner

    def judge(self, commands: str) -> None:
        """Judge."""
        if self.error is not None:
            raise self.error
        self.judged.append(commands)

    def run(self, commands: str) -> None:
        """Do."""
        assert self.kernel.isOpen
        if self.error is not None:
            raise self.error
        self.tables.run(commands)

    def listed(self, what: str) -> str:
        """List."""
        return self.listings.get(what, "")

    def close(self) -> None:
        """Let go."""
        self.kernel.close()


def flow(
    source: str = "203.0.113.9",
    port: int = 22,
    sourcePort: int = 40001,
    protocol: str = "tcp",
    address: str = "",
) -> Flow:
    """A connection to this host."""
    here = address or ("2001:db8::1" if ":" in source else "10.0.0.1")
    ends = ipaddress.ip_address(source), ipaddress.ip_address(here)
    return Flow(protocol, *ends, sourcePort, port)


def _messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    while data:
        length, kind, flags, _, _ = struct.unpack_from("=IHHII", data)
        assert length % 4 == 0 and flags & 1, "no request"
        yield kind, flags, data[20:length]
        data = data[length:]


def _step(changes: list[tuple[int, int, bytes]]) -> str:
    """The last message tells what it is: before it is what makes it possible."""
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


def _keyOf(element: dict[int, bytes]) -> bytes:
    return readAttributes(element[1 | 0x8000])[1]


def _text(content: bytes) -> str:
    assert content[-1:] == b"\0"
    return content[:-1].decode("ascii")


def _attribute(kind: int, body: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(body), kind) + body + bytes(-len(body) % 4)


def found_(kind: int, text: str) -> bytes:
    """An attribute that is a text."""
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
    """The data of a map's element: what to do, and the chain."""
    if not text:
        return b""
    verb, chain = text.split()
    code = {"jump": -3, "goto": -4}[verb]
    return _attribute(2, _attribute(2, _attribute(1, struct.pack("!i", code)) + found_(2, chain)))


def _interval(key: bytes, each: Entry) -> list[bytes]:
    """The kernel tells the end first: the port behind it, unless that is none."""
    first, last = int.from_bytes(key[:2], "big"), int.from_bytes(key[2:], "big")
    begin = _attribute(1, _attribute(1, first.to_bytes(2, "big")))
    start = _attribute(1, begin + _verdict(each.data))
    if last == 65535:
        return [start]
    behind = _attribute(1, _attribute(1, (last + 1).to_bytes(2, "big")))
    return [_attribute(1, behind + _attribute(3, struct.pack("!I", 1))), start]

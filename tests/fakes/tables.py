"""
The kernel's tables, as far as the guard needs them: in a dictionary, with the kernel's rules about
what may be done to them.
"""

import errno
import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeVar

from twisted.internet.task import Clock

from pkdoors.firewall.netlink.kernel import errorFor

V = TypeVar("V")

_SIZES = {
    "ipv4_addr": 4,
    "ipv6_addr": 16,
    "inet_service": 2,
    "inet_proto": 1,
    "nf_proto": 1,
    "ifname": 16,
}
OWNER, PERSIST = 0x2, 0x4

OUR_PORT, OTHER_PORT = 4711, 4712


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
        """The timeout of elements without their own, in milliseconds."""
        found = re.search(r"timeout (\d+)(ms|s);", self.definition)
        return int(found[1]) * {"s": 1000, "ms": 1}[found[2]] if found else 0

    @property
    def size(self) -> int:
        """How many elements it may have."""
        found = re.search(r"size (\d+);", self.definition)
        return int(found[1]) if found else 1 << 32

    @property
    def keySize(self) -> int:
        """How many bytes a key has."""
        kinds = re.search(r"type(?:of)? ([^;]+)", self.definition)
        assert kinds is not None
        fields = re.split(r" \. | : ", kinds[1].removesuffix(" : verdict"))
        sizes = [_SIZES.get(field, 16 if field.startswith("ip6 ") else 4) for field in fields]
        return sizes[0] if len(sizes) == 1 else sum(size + -size % 4 for size in sizes)

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

    def copy(self) -> "FakeTable":
        """Return a copy that does not change with this one."""
        return replace(
            self,
            chains=dict(self.chains),
            rules=[*self.rules],
            sets={
                name: replace(each, elements=dict(each.elements))
                for name, each in self.sets.items()
            },
            counters=dict(self.counters),
        )

    def texts(self, chain: str) -> list[str]:
        """Return the rules of a chain."""
        return [text for _, of, text in self.rules if of == chain]

    def guards(self) -> bool:
        """Return whether it drops packets to its ports, TCP and UDP."""
        names = [f"{p}_{kind}" for p in ("tcp", "udp") for kind in ("ports", "ranges")]
        ports = any(self.sets[name].elements for name in names if name in self.sets)
        return ports and all(
            f"{p} dport @{p}_ports counter drop" in self.texts(f"{p}_in") for p in ("tcp", "udp")
        )


class FakeTables:
    """
    The tables of the C{inet} family.

    @ivar steps: what was done, a line each: C{take}, C{run}, C{delete}, C{add} or C{remove} with a
        set and how many elements.
    @ivar refused: what was tried, and not done, likewise.
    @ivar guarding: which tables guarded after each step.
    @ivar failing: called before each step, with its line; may raise.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._handles = 0
        self.tables: dict[str, FakeTable] = {}
        self.steps: list[str] = []
        self.refused: list[str] = []
        self.guarding: list[set[str]] = []
        self.failing: Callable[[str], None] = lambda step: None

    def now(self) -> float:
        """Return the time in milliseconds."""
        return 1000 * self._clock.seconds()

    def handle(self) -> int:
        """Return a new handle."""
        self._handles += 1
        return self._handles

    def change(self, step: str, do: Callable[["FakeTables"], None]) -> None:
        """Do a transaction, all of it or nothing."""
        self.failing(step)
        before = {name: table.copy() for name, table in self.tables.items()}
        try:
            do(self)
        except BaseException:
            self.tables = before
            self.refused.append(step)
            raise
        self.steps.append(step)
        self.guarding.append({name for name, table in self.tables.items() if table.guards()})

    def table(self, name: str, port: int = OUR_PORT) -> FakeTable:
        """Return a table, if a socket may change it."""
        if name not in self.tables:
            raise errorFor(errno.ENOENT)
        table = self.tables[name]
        if table.flags & OWNER and table.owner not in (0, port):
            raise errorFor(errno.EPERM)
        return table

    def living(self, table: str, name: str) -> dict[bytes, Entry]:
        """Return the elements of a set that have not expired."""
        there = self.tables[table].sets[name].elements
        return {
            key: each for key, each in there.items() if each.end is None or each.end > self.now()
        }

    def sources(self, name: str, table: str = "pkdoors") -> dict[str, float]:
        """
        Return the addresses in a set of openings, whatever the port, and how many seconds each has
        left.
        """
        size = 16 if "ipv6_addr" in self.tables[table].sets[name].definition else 4
        return {
            str(ipaddress.ip_address(key[:size])): round(((each.end or 0) - self.now()) / 1000, 3)
            for key, each in self.living(table, name).items()
        }

    def put(self, name: str, key: bytes, left: float, table: str = "pkdoors") -> None:
        """Add an element, as a packet or another program does."""
        there = self.tables[table].sets[name]
        there.elements[key] = Entry(there.timeout, self.now() + 1000 * left)

    def flows(self, name: str, table: str = "pkdoors") -> dict[bytes, float]:
        """Return the keys of a set of flows, and how many seconds each has left."""
        return {
            key: round(((each.end or 0) - self.now()) / 1000, 3)
            for key, each in self.living(table, name).items()
        }

    # -- nft's language, as far as it is written

    def run(self, commands: str, port: int = OUR_PORT) -> None:
        """Run commands."""
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
            case "flush", "chain":
                self._there(table.chains, name)
                table.rules = [rule for rule in table.rules if rule[1] != name]
            case "add", "chain":
                table.chains.setdefault(name, inside)
            case "add", "set" | "map":
                there = table.sets.setdefault(name, FakeSet(inside, what == "map"))
                if there.definition != inside:
                    raise errorFor(errno.EEXIST)
            case "add", "counter":
                table.counters.setdefault(name, 0)
            case "add" | "insert", "rule":
                self._addRule(table, name, more)
                if verb == "insert":
                    table.rules.insert(0, table.rules.pop())
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
            raise errorFor(errno.ENOENT)
        return found[name]

    def _delete(self, table: FakeTable, found: dict[str, V], name: str) -> None:
        """Delete something; a hook is never deleted, because packets would get through."""
        assert "hook" not in table.chains.get(name, ""), f"{name} is a base chain"
        self._there(found, name)
        words = [re.split(r"[ @]", rule) for _, _, rule in table.rules]
        words += [each.data.split() for a in table.sets.values() for each in a.elements.values()]
        if any(name in each for each in words) or any(of == name for _, of, _ in table.rules):
            raise errorFor(errno.EBUSY)
        del found[name]

    def _addRule(self, table: FakeTable, chain: str, text: str) -> None:
        self._there(table.chains, chain)
        for name in re.findall(r"@(?!th,)([\w-]+)", text):
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
            if there.hasIntervals and any(overlap(raw, other) for other in there.elements):
                raise errorFor(errno.EEXIST)
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
    if text.startswith('"'):  # the name of an interface
        return text.strip('"').encode().ljust(16, b"\0")
    if "_addr;" in there.definition:
        return ipaddress.ip_address(text).packed
    size = 4 if "type mark;" in there.definition else 2
    return int(text).to_bytes(size, "big")


def overlap(one: bytes, other: bytes) -> bool:
    """Return whether two ranges of ports have one in common."""
    return one[:2] <= other[2:] and other[:2] <= one[2:]

"""Tests of L{pkdoors.host.bpf}."""

import random
import struct
from collections.abc import Iterator
from ipaddress import ip_address

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.host.bpf import assemble
from pkdoors.knockports.filters import TAKE_ALL, addressFilter, knockFilter, knockFilters
from pkdoors.knocks.knock import makePlainKnock, parsePlainKnock
from pkdoors.knocks.seal import MAX_SIGNATURE, MAX_STATEMENT
from tests.fakes.doors import makeDoor
from tests.lab.sealing import makeKey, sealed


def run(program: bytes, packet: bytes, destination: str = "0.0.0.0", interface: int = 1) -> int:
    """
    Return how many bytes of a packet the kernel's machine keeps. A load beyond the packet's end
    keeps none.
    """
    raw = ip_address(destination).packed
    header = (bytes(16) if len(raw) == 4 else bytes(24)) + raw
    steps = list(struct.iter_unpack("=HBBI", program))
    a = x = at = 0
    while True:
        code, whereTrue, whereNot, k = steps[at]
        at += 1
        where, size = {0x20: (k, 4), 0x28: (k, 2), 0x30: (k, 1), 0x50: (x + k, 1)}.get(code, (0, 0))
        if where == 0xFFFFF008:  # SKF_AD_OFF + SKF_AD_IFINDEX
            a = interface
            continue
        source = header if where >= 0xFFF00000 else packet  # SKF_NET_OFF
        where %= 0xFFF00000
        if where + size > len(source):
            return 0
        if size:
            a = int.from_bytes(source[where : where + size])
        elif code == 0x05:
            at += k
        elif code == 0x80:
            a = len(packet)
        elif code == 0x14:
            a = (a - k) % 2**32
        elif code == 0x07:
            x = a
        elif code in (0x15, 0x25, 0x35):
            at += whereTrue if {0x15: a == k, 0x25: a > k, 0x35: a >= k}[code] else whereNot
        else:
            assert code == 0x06, code
            return int(k)


def heard(program: bytes, payload: bytes) -> bool:
    """Return whether a whole datagram comes to the daemon."""
    kept = run(program, bytes(8) + payload)
    return kept >= 8 + len(payload)


def junk() -> Iterator[bytes]:
    """Yield datagrams that are not knocks."""
    random_ = random.Random(20261125)
    for length in range(30):
        yield random_.randbytes(length)
    yield from (
        b"",
        b"knock",
        b"knock\r\n",
        b"Knock\n",
        b"knock\n\n",
        b"knock \n",
        b"knock 1",
        b"knoc 1\n",
    )
    yield from (b"pkdoors1", b"pkdoors1 ", b"pkdoors2 " + bytes(90), b"pkdoors1\n" + bytes(90))
    yield from (b"pkdoors1 " + bytes(34), b"pkdoors1 " + bytes(MAX_STATEMENT + MAX_SIGNATURE - 8))
    yield b"knock 1234567890\n"


class FilterTests(SynchronousTestCase):
    """
    Tests of L{knockFilter}.
    """

    plain = makePlainKnock(), *map(makePlainKnock, (1, 60, 3600, 999_999_999))
    seals = (
        sealed(makeKey(), (1, 2, 3, 4, 5)),
        sealed(makeKey("rsa"), (1, 2, 3, 4, 5), door="d" * 32),
    )

    def test_plain(self) -> None:
        """A port of plain doors lets in plain knocks, with any time, and no sealed ones."""
        program = knockFilter(isPlain=True, isSealed=False)
        for payload in self.plain:
            self.assertTrue(heard(program, payload), payload)
        for payload in (*self.seals, *junk()):
            self.assertFalse(heard(program, payload), payload)

    def test_sealed(self) -> None:
        """A port of sealed doors lets in sealed knocks, and no plain ones."""
        program = knockFilter(isPlain=False, isSealed=True)
        for payload in self.seals:
            self.assertTrue(heard(program, payload), payload)
        for payload in (*self.plain, *junk()):
            self.assertFalse(heard(program, payload), payload)

    def test_both(self) -> None:
        """A port of both kinds lets in both, and no junk."""
        program = knockFilter(isPlain=True, isSealed=True)
        for payload in (*self.plain, *self.seals):
            self.assertTrue(heard(program, payload), payload)
        for payload in junk():
            self.assertFalse(heard(program, payload), payload)

    def test_limits(self) -> None:
        """The shortest and the longest possible sealed knock are let in."""
        program = knockFilter(isPlain=False, isSealed=True)
        shortest = b"pkdoors1 a 0 1 0123456789abcdef 01234567 *\n" + b"s"
        for length in (len(shortest), MAX_STATEMENT + MAX_SIGNATURE):
            self.assertTrue(heard(program, shortest.ljust(length, b"s")), length)
        for length in (len(shortest) - 1, MAX_STATEMENT + MAX_SIGNATURE + 1):
            self.assertFalse(heard(program, shortest.ljust(length, b"s")[:length]), length)

    def test_nothingElse(self) -> None:
        """
        Of payloads like a plain knock, only real ones get in, or those without digits for a time.
        """
        program = knockFilter(isPlain=True, isSealed=False)
        random_ = random.Random(7)
        for _ in range(20_000):
            payload = bytearray(random_.choice(self.plain))
            for _ in range(random_.randrange(3)):
                payload[random_.randrange(len(payload))] = random_.choice(b"knoc 0123\n\0")
            isKnock = parsePlainKnock(bytes(payload)) is not None
            if isKnock:
                self.assertTrue(heard(program, bytes(payload)), payload)
            elif heard(program, bytes(payload)):
                self.assertRegex(bytes(payload), rb"\Aknock [^\xff]{1,9}\n\Z")

    def test_size(self) -> None:
        """Without privilege the kernel takes 4096 instructions at most, and no jump backwards."""
        self.assertLess(len(knockFilter(True, True)) // 8, 64)


class FiltersTests(SynchronousTestCase):
    """
    Tests of L{knockFilters}.
    """

    def test_ports(self) -> None:
        """Each port lets in what its doors understand."""
        plain = makeDoor((1, 2, 3, 4, 5), name="plain")
        keys = makeDoor((5, 6, 7, 8, 9), name="keys", authorizedKeys="/keys")
        self.assertEqual(
            {
                **{port: knockFilter(True, False) for port in (1, 2, 3, 4)},
                5: knockFilter(True, True),
                **{port: knockFilter(False, True) for port in (6, 7, 8, 9)},
            },
            knockFilters((plain, keys)),
        )


class AssembleTests(SynchronousTestCase):
    """
    Tests of L{assemble}.
    """

    def test_instructions(self) -> None:
        """
        An instruction is its code, two jumps and a number; labels and comments are not
        instructions.
        """
        text = """
        start:  ld   [12]  ; four bytes
                jeq  #0x10, end, start2
        start2: ldb  [x + 3]
        end:    ret  #1
        """
        self.assertEqual(
            [(0x20, 0, 0, 12), (0x15, 1, 0, 16), (0x50, 0, 0, 3), (0x06, 0, 0, 1)],
            list(struct.iter_unpack("=HBBI", assemble(text))),
        )

    def test_onlyTrue(self) -> None:
        """A missing second target is the next instruction."""
        code = assemble("ld len\njgt #5, end\ntax\nend: ret #0")
        self.assertEqual((0x25, 1, 0, 5), struct.unpack_from("=HBBI", code, 8))


class AddressFilterTests(SynchronousTestCase):
    """
    Tests of L{addressFilter}.
    """

    def takes(self, *addresses: tuple[str, int], to: str, interface: int = 1) -> bool:
        """Return whether the filter takes a datagram to an address."""
        chosen = tuple((ip_address(address), number) for address, number in addresses)
        program = addressFilter(chosen) + assemble(TAKE_ALL)
        return run(program, bytes(14), to, interface) > 0

    def test_none(self) -> None:
        """Without addresses nothing is taken."""
        self.assertFalse(self.takes(to="192.0.2.1"))

    def test_each(self) -> None:
        """Each of the addresses is taken, and no address that differs in one bit."""
        for addresses in (["192.0.2.1", "10.0.0.1"], ["2001:db8::1", "fe80::7", "::1"]):
            pairs = [(address, 0) for address in addresses]
            for address in map(ip_address, addresses):
                self.assertTrue(self.takes(*pairs, to=str(address)))
                for bit in range(address.max_prefixlen):
                    other = type(address)(int(address) ^ 1 << bit)
                    self.assertFalse(self.takes(*pairs, to=str(other)), other)

    def test_many(self) -> None:
        """There may be many addresses: more than the jump of a comparison can skip."""
        for text in ("10.0.{}.1", "2001:db8::{:x}"):
            addresses = [(text.format(number), 0) for number in range(200)]
            for address, _ in (addresses[0], addresses[100], addresses[-1]):
                self.assertTrue(self.takes(*addresses, to=address))
            self.assertFalse(self.takes(*addresses, to=text.format(200)))

    def test_interface(self) -> None:
        """The address of an interface is taken only on that interface."""
        pairs = [("fe80::1", 3), ("fe80::2", 0)]
        heard = {
            (address, interface): self.takes(*pairs, to=address, interface=interface)
            for address in ("fe80::1", "fe80::2")
            for interface in (3, 4)
        }
        self.assertEqual([True, False, True, True], list(heard.values()))

    def test_knocks(self) -> None:
        """A program that follows judges the payload as it does alone."""
        program = addressFilter(((ip_address("192.0.2.1"), 0),)) + knockFilter(True, False)
        for payload, to, isTaken in (
            (b"knock\n", "192.0.2.1", True),
            (b"knick\n", "192.0.2.1", False),
            (b"knock\n", "192.0.2.2", False),
        ):
            self.assertEqual(isTaken, run(program, bytes(8) + payload, to) > 0)

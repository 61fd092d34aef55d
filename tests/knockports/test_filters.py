"""Tests of L{pkdoors.knockports.filters}."""

import random
from collections.abc import Iterator
from ipaddress import ip_address

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.host.bpf import assemble
from pkdoors.knockports.filters import TAKE_ALL, addressFilter, knockFilter, knockFilters
from pkdoors.knocks.knock import makePlainKnock, parsePlainKnock
from pkdoors.knocks.seal import MAX_SIGNATURE, MAX_STATEMENT
from pkdoors.model.knockports import TcpPort
from tests.fakes.bpf import run
from tests.fakes.doors import makeDoor
from tests.lab.sealing import makeKey, sealed


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
        b"Knock\n",
        b"knocks",
        b"knoc 1\n",
        b"knock\0",
        b"knock 1x",
        b"knock" + b" " * 28,
    )
    yield from (b"pkdoors1", b"pkdoors1 ", b"pkdoors2 " + bytes(90), b"pkdoors1\n" + bytes(90))
    yield from (b"pkdoors1 " + bytes(34), b"pkdoors1 " + bytes(MAX_STATEMENT + MAX_SIGNATURE - 8))


class FilterTests(SynchronousTestCase):
    """
    Tests of L{knockFilter}.
    """

    plain = (
        *map(makePlainKnock, (0, 1, 60, 3600, 999_999_999)),
        *(b"knock" + end for end in (b"", b" ", b"\t", b"\r\n", b"\n\n", b" \n", b" " * 27)),
        *(b"knock 60" + end for end in (b"", b" ", b"\t\r", b"\r\n", b" " * 24)),
        b"knock 999999999" + b"\r\n" * 8,
    )
    seals = (
        sealed(makeKey(), (1, 2, 3, 4, 5)),
        sealed(makeKey("rsa"), (1, 2, 3, 4, 5), door="d" * 32),
    )

    def test_plain(self) -> None:
        """A port of plain doors lets in plain knocks, with any time, and no sealed ones."""
        program = knockFilter(isSealed=False)
        for payload in self.plain:
            self.assertTrue(heard(program, payload), payload)
        for payload in (*self.seals, *junk()):
            self.assertFalse(heard(program, payload), payload)

    def test_both(self) -> None:
        """A port of sealed doors lets in both, and no junk: the log tells of plain knocks there."""
        program = knockFilter(isSealed=True)
        for payload in (*self.plain, *self.seals):
            self.assertTrue(heard(program, payload), payload)
        for payload in junk():
            self.assertFalse(heard(program, payload), payload)

    def test_limits(self) -> None:
        """The shortest and the longest possible sealed knock are let in."""
        program = knockFilter(isSealed=True)
        shortest = b"pkdoors1 a 0 1 0123456789abcdef 01234567 *\n" + b"s"
        for length in (len(shortest), MAX_STATEMENT + MAX_SIGNATURE):
            self.assertTrue(heard(program, shortest.ljust(length, b"s")), length)
        for length in (len(shortest) - 1, MAX_STATEMENT + MAX_SIGNATURE + 1):
            self.assertFalse(heard(program, shortest.ljust(length, b"s")[:length]), length)

    def test_nothingElse(self) -> None:
        """
        Of payloads like a plain knock, only real ones get in, or those with something else between
        their beginning and their end.
        """
        program = knockFilter(isSealed=False)
        random_ = random.Random(7)
        for _ in range(20_000):
            payload = bytearray(random_.choice(self.plain))
            for _ in range(random_.randrange(3)):
                payload[random_.randrange(len(payload))] = random_.choice(b"knoc 0123\n\r\t\0")
            isKnock = parsePlainKnock(bytes(payload)) is not None
            if isKnock:
                self.assertTrue(heard(program, bytes(payload)), payload)
            elif heard(program, bytes(payload)):
                self.assertRegex(bytes(payload), rb"\Aknock[ \t\r\n][^\xff]{0,25}[0-9 \t\r\n]\Z")

    def test_size(self) -> None:
        """Without privilege the kernel takes 4096 instructions at most, and no jump backwards."""
        self.assertLess(len(knockFilter(True)) // 8, 64)


class FiltersTests(SynchronousTestCase):
    """
    Tests of L{knockFilters}.
    """

    def test_any(self) -> None:
        """Only the ports of a door that hears any payload let any payload in."""
        loose = makeDoor((1, 2, 3, 4, 5), name="loose", hearsAny=True)
        plain = makeDoor((5, 6, 7, 8, 9), name="plain")
        keys = makeDoor((4, 9, 10, 11, 12), name="keys", authorizedKeys="/keys")
        found = knockFilters((loose, plain, keys))
        for port in (1, 2, 3, 4, 5):
            for payload in (b"", b"x", b"knock\n", bytes(1400), FilterTests.seals[0]):
                self.assertTrue(heard(found[port], payload))
        self.assertEqual(
            knockFilters((plain, keys)),
            {p: found[p] for p in found if p > 5} | {4: knockFilter(True), 5: knockFilter(False)},
        )

    def test_tcp(self) -> None:
        """A TCP port has no socket, so it has no filter."""
        door = makeDoor((1, TcpPort(2), 3, TcpPort(4), TcpPort(1)))
        self.assertEqual({1, 3}, {*knockFilters((door,))})

    def test_ports(self) -> None:
        """Each port lets in what its doors understand."""
        plain = makeDoor((1, 2, 3, 4, 5), name="plain")
        keys = makeDoor((5, 6, 7, 8, 9), name="keys", authorizedKeys="/keys")
        self.assertEqual(
            {
                **{port: knockFilter(False) for port in (1, 2, 3, 4)},
                **{port: knockFilter(True) for port in (5, 6, 7, 8, 9)},
            },
            knockFilters((plain, keys)),
        )


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
        program = addressFilter(((ip_address("192.0.2.1"), 0),)) + knockFilter(False)
        for payload, to, isTaken in (
            (b"knock\n", "192.0.2.1", True),
            (b"knick\n", "192.0.2.1", False),
            (b"knock\n", "192.0.2.2", False),
        ):
            self.assertEqual(isTaken, run(program, bytes(8) + payload, to) > 0)

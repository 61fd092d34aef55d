"""Tests of L{pkdoors.model.sources}."""

from ipaddress import ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import BadValue
from pkdoors.model.sources import (
    Source,
    SourceSet,
    cutTo,
    isNetwork,
    lengthOf,
    parseSource,
    readSource,
    widen,
)
from tests.lab.properties import PROPERTY

FEW = [
    parseSource(text)
    for text in ("10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.0/31", "10.1.2.0", "10.1.2.1")
]
SIX = [parseSource(text) for text in ("2001:db8::/32", "2001:db8::/64", "2001:db8::7", "fd00::/8")]


class ParseSourceTests(SynchronousTestCase):
    """
    Tests of L{parseSource} and L{readSource}.
    """

    def test_sources(self) -> None:
        """Addresses and networks are read; IPv4 that is mapped into IPv6 becomes IPv4."""
        for text, expected in (
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("fe80::1%eth0", "fe80::1"),
            ("10.0.0.0/16", "10.0.0.0/16"),
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("::ffff:10.0.0.0/112", "10.0.0.0/16"),
            ("192.0.2.7/32", "192.0.2.7"),
            ("2001:DB8:0::/64", "2001:db8::/64"),
            ("2001:db8::7/128", "2001:db8::7"),
            ("fd00::/8", "fd00::/8"),
            ("64:ff9b::a00:0/104", "64:ff9b::a00:0/104"),
        ):
            found = parseSource(text)
            self.assertEqual(expected, str(found))
            self.assertEqual("/" in expected, isNetwork(found))
            self.assertEqual(found, readSource(str(found)))

    def test_internet(self) -> None:
        """What is the whole Internet, or much of it, is refused, however it is written."""
        for text in (
            "0.0.0.0/0",
            "::/0",
            "128.0.0.0/1",
            "10.0.0.0/7",
            "2000::/3",
            "2000::/15",
            "::ffff:0:0/96",
            "64:ff9b::/96",
            "64:ff9b::/64",
            "64:ff9b::/103",
            "64:ff9a::/31",
            "fc00::/6",
        ):
            with self.assertRaisesRegex(BadValue, "much of it: a door opens for") as caught:
                parseSource(text)
            self.assertTrue(str(caught.exception).startswith(repr(text)))

    def test_hostBits(self) -> None:
        """A network with the address of a host is refused: nobody knows which one is meant."""
        with self.assertRaisesRegex(
            BadValue, "write 10.1.0.0/16 for the network, or 10.1.2.3 for the host"
        ):
            parseSource("10.1.2.3/16")
        self.assertRaises(BadValue, parseSource, "2001:db8::7/64")

    def test_neither(self) -> None:
        """Whatever else stands there is refused with what to write."""
        for text in ("", "host.example", "10.0.0.0/255.0.0.0", "10.0.0.0/", "/8", "10.0.0.0/33"):
            self.assertRaisesRegex(BadValue, "is not a", parseSource, text)
        for text in ("10.0.0.0/8/8", "fe80::%eth0/64", "10.0.0.0/-1", "10/8", "10.0.0.0/٨"):
            self.assertRaisesRegex(BadValue, "is not a network: write", parseSource, text)


class WidenTests(SynchronousTestCase):
    """
    Tests of L{widen}.
    """

    def test_network(self) -> None:
        """The network of an address is what has its first bits."""
        for text, length, expected in (
            ("192.0.2.7", 24, "192.0.2.0/24"),
            ("192.0.2.7", 32, "192.0.2.7"),
            ("2001:db8::7", 64, "2001:db8::/64"),
            ("2001:db8::7", 128, "2001:db8::7"),
        ):
            self.assertEqual(expected, str(widen(ip_address(text), length)))

    def test_strangers(self) -> None:
        """Where neighbours by number are strangers, only the address itself is meant."""
        for text in ("64:ff9b::c000:207", "64:ff9b:1::7", "2001::7", "2001:0:ffff::7", "fe80::7"):
            self.assertEqual(text, str(widen(ip_address(text), 64)))


class SourceSetTests(SynchronousTestCase):
    """
    Tests of L{SourceSet}.
    """

    @PROPERTY
    @given(st.lists(st.tuples(st.booleans(), st.sampled_from(FEW + SIX))), st.data())
    def test_model(self, steps: list[tuple[bool, Source]], data: st.DataObject) -> None:
        """It finds exactly what a search through all would find."""
        sources = SourceSet()
        model: set[Source] = set()
        for isAdded, source in steps:
            (sources.add if isAdded else sources.discard)(source)
            (model.add if isAdded else model.discard)(source)
        asked = data.draw(st.sampled_from(FEW + SIX))
        network = ip_network(asked)
        same = [other for other in model if other.version == asked.version]
        wider = {other for other in same if network.subnet_of(ip_network(other))}  # type: ignore[arg-type]
        smaller = {
            other
            for other in same
            if lengthOf(other) > lengthOf(asked) and ip_network(other).subnet_of(network)  # type: ignore[arg-type]
        }
        self.assertEqual(wider, set(sources.containing(asked)))
        self.assertEqual(smaller, set(sources.within(asked)))
        self.assertEqual(len(model), len(sources))
        if not isNetwork(asked):
            self.assertEqual(bool(wider), sources.letsIn(asked))  # type: ignore[arg-type]

    def test_firstAddress(self) -> None:
        """A network is not its first address: both can be there, and go, by themselves."""
        network, address = parseSource("10.1.2.0/24"), parseSource("10.1.2.0")
        sources = SourceSet([network, address])
        sources.discard(network)
        self.assertEqual([address], [*sources.containing(address)])
        self.assertFalse(sources.letsIn(ip_address("10.1.2.1")))

    def test_cut(self) -> None:
        """A source is cut to a network that contains it."""
        self.assertEqual(parseSource("10.1.0.0/16"), cutTo(parseSource("10.1.2.0/24"), 16))

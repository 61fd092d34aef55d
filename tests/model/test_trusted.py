"""Tests of L{pkdoors.model.trusted}."""

from ipaddress import ip_network

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import BadValue
from pkdoors.model.trusted import (
    MAX_TRUSTED,
    Interface,
    isInterfaceName,
    listInterfaces,
    listNetworks,
    parseTrusted,
    parseTrustedList,
)
from tests.lab.properties import PROPERTY


class TrustedTests(SynchronousTestCase):
    """
    Tests of L{parseTrusted} and L{parseTrustedList}.
    """

    def refused(self, text: str) -> str:
        """Return why a list is not allowed."""
        return str(self.assertRaises(BadValue, parseTrustedList, text))

    def test_kinds(self) -> None:
        """Networks, addresses and interfaces are read, in order, each once."""
        found = parseTrustedList("192.168.1.0/24, fd00::/8,wg0, 10.0.0.7,::1:2,wg0,eth0.100,br-1_a")
        self.assertEqual(
            ["192.168.1.0/24", "fd00::/8", "wg0", "10.0.0.7/32", "::1:2/128", "eth0.100", "br-1_a"],
            list(map(str, found)),
        )
        self.assertEqual(["wg0", "eth0.100", "br-1_a"], listInterfaces(found))
        self.assertEqual("192.168.1.0/24", str(listNetworks(found)[0]))
        self.assertEqual((), parseTrustedList(" "))

    def test_everybody(self) -> None:
        """Everybody cannot be trusted."""
        for text in ("0.0.0.0/0", "::/0"):
            self.assertIn("is everybody", self.refused(text))

    def test_hostBits(self) -> None:
        """A network with an address in it is a mistake, and the line says how to write it."""
        self.assertEqual(
            "192.168.1.5/24 has bits after its length, so it is not a network: "
            "write 192.168.1.0/24 or 192.168.1.5",
            self.refused("192.168.1.5/24"),
        )

    def test_wrong(self) -> None:
        """Nothing else is read."""
        for text in (
            "10.0.0.0/33",
            "192.168.1",
            "fd00::/129",
            "a/b",
            "eth0:1",
            "..",
            "1",
            "/",
            ":",
        ):
            self.assertIn("is not a network: write a network like", self.refused(text))
        for text in (
            "sixteen-letters-",
            "-a",
            "a b",
            'a"',
            "a;b",
            "$a",
            "wg*",
            "b\u00fcro",
            "a\nb",
        ):
            self.assertIn("neither a network nor an interface", self.refused(text))
        self.assertIn("write only the interface", self.refused("fe80::1%eth0"))
        for text in ("::ffff:10.0.0.0/104", "::/8"):
            self.assertIn("write them as IPv4", self.refused(text))
        self.assertIn("empty item", self.refused("wg0,,wg1"))
        self.assertIn("item 2", self.refused("wg0,0.0.0.0/0"))

    def test_most(self) -> None:
        """There is a limit."""
        names = [f"wg{number}" for number in range(MAX_TRUSTED + 1)]
        self.assertEqual(MAX_TRUSTED, len(parseTrustedList(",".join(names[1:]))))
        self.assertIn("at most 64", self.refused(",".join(names)))

    @PROPERTY
    @given(st.text(max_size=24))
    def test_anyText(self, text: str) -> None:
        """Any text is refused in one line, or means the same when it is written and read again."""
        try:
            found = parseTrusted(text)
        except BadValue as error:
            self.assertNotIn("\n", str(error))
            return
        self.assertEqual(found, parseTrusted(str(found)))
        if isinstance(found, Interface):
            self.assertTrue(isInterfaceName(found.name))
            self.assertRegex(found.name, r"\A[\w.-]{1,15}\Z")
        else:
            self.assertEqual(found, ip_network(str(found)))

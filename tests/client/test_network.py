"""Tests of L{pkdoors.client.network}."""

import socket

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.client.network import findLocalAddress, lookUp, sendSyn
from pkdoors.errors import KnockError
from tests.client.names import HOST4, HOST6, FakeNames


class SynTests(SynchronousTestCase):
    """
    Tests of L{sendSyn}, on this host.
    """

    def test_accepted(self) -> None:
        """A port that accepts gets a connection, which is given up."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            sendSyn("127.0.0.1", server.getsockname()[1])
            connection, _ = server.accept()
            with connection:
                self.assertEqual(b"", connection.recv(1))

    def test_refused(self) -> None:
        """A closed port is knocked on like another."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            sendSyn("127.0.0.1", taken.getsockname()[1])

    def test_error(self) -> None:
        """If nothing was sent, the reason is in words."""
        error = self.assertRaises(OSError, sendSyn, "255.255.255.255", 7)
        self.assertIn("unreachable", str(error.strerror))


class ResolveTests(SynchronousTestCase):
    """
    Tests of L{lookUp}.
    """

    def test_both(self) -> None:
        """All addresses of both families are found, in the system's order."""
        FakeNames(self, HOST6, HOST4, "192.0.2.2")
        self.assertEqual([HOST6, HOST4, "192.0.2.2"], lookUp("host.example"))

    def test_family(self) -> None:
        """Only addresses of one family are found if the caller asks for that."""
        FakeNames(self, HOST6, HOST4)
        for family, address in ((4, HOST4), (6, HOST6)):
            found = lookUp("host.example", family)
            self.assertEqual([address], found)

    def test_once(self) -> None:
        """An address that is listed twice is knocked on once."""
        FakeNames(self, HOST4, HOST4)
        self.assertEqual([HOST4], lookUp("host.example"))

    def test_bound(self) -> None:
        """No more than eight addresses are used."""
        FakeNames(self, *(f"192.0.2.{number}" for number in range(1, 100)))
        self.assertEqual(
            [f"192.0.2.{number}" for number in range(1, 9)],
            lookUp("host.example"),
        )

    def test_unicast(self) -> None:
        """An address that is not one host's is left out, whoever listed it."""
        others = ("ff02::1", "::", "0.0.0.0", "224.0.0.1", "255.255.255.255", "::ffff:224.0.0.1")
        FakeNames(self, *others, HOST6, "0.1.2.3", HOST4, "ff0e::1%2")
        self.assertEqual([HOST6, HOST4], lookUp("host.example"))

    def test_unicastFirst(self) -> None:
        """Such addresses do not count among the eight."""
        FakeNames(self, *(f"224.0.0.{number}" for number in range(1, 100)), HOST4)
        self.assertEqual([HOST4], lookUp("host.example"))

    def test_noneUnicast(self) -> None:
        """If there is no other address, that is one sentence."""
        FakeNames(self, "ff02::1", "0.0.0.0")
        error = self.assertRaises(KnockError, lookUp, "all.example")
        self.assertEqual(
            "'all.example' is ff02::1, 0.0.0.0, which is not the address of one host: give the "
            "address of the host itself",
            str(error),
        )

    def test_none(self) -> None:
        """A name without an address is one sentence, which quotes it."""
        FakeNames(self)
        error = self.assertRaises(KnockError, lookUp, "host\n.example")
        self.assertEqual(
            "no address found for 'host\\n.example': Name or service not known", str(error)
        )

    def test_null(self) -> None:
        """The system ends a name at a null byte: the client does not look up another host."""
        for host in ("localhost\0.example", "fe80::1%lo\0x"):
            error = self.assertRaises(KnockError, lookUp, host)
            self.assertIn("it has a null byte", str(error))
            self.assertNotIn("\0", str(error))

    def test_noneOfFamily(self) -> None:
        """The same is true without an address of the family that was asked for."""
        FakeNames(self, HOST4)
        error = self.assertRaises(KnockError, lookUp, "h", 6)
        self.assertEqual("no IPv6 address found for 'h': Name or service not known", str(error))

    def test_noName(self) -> None:
        """A text that cannot be a name is the same error."""

        def refuse(*arguments: object) -> None:
            raise UnicodeError("label empty or too long")

        self.patch(socket, "getaddrinfo", refuse)
        error = self.assertRaises(KnockError, lookUp, "a" * 70)
        self.assertIn("label empty or too long", str(error))


class LocalAddressTests(SynchronousTestCase):
    """
    Tests of L{findLocalAddress}: over the loopback interface, nothing is sent.
    """

    def test_loopback(self) -> None:
        """It is the address that datagrams leave from."""
        self.assertEqual("127.0.0.1", findLocalAddress("127.0.0.2"))

    def test_noWay(self) -> None:
        """Without a route it is an L{OSError}."""

        def fail(family: int, kind: int) -> socket.socket:
            raise OSError(97, "Address family not supported by protocol")

        self.patch(socket, "socket", fail)
        self.assertRaises(OSError, findLocalAddress, HOST6)

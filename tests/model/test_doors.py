"""Tests of L{pkdoors.model.doors}."""

from dataclasses import FrozenInstanceError

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import BadValue
from pkdoors.model.doors import listKnockPorts, listTcpKnockPorts
from tests.fakes.doors import makeDoor


class DoorTests(SynchronousTestCase):
    """
    Tests of L{pkdoors.model.doors.Door}.
    """

    def test_text(self) -> None:
        """A door is shown with its name and ports."""
        self.assertEqual("default (22/tcp)", str(makeDoor()))
        self.assertEqual("web (80/tcp,443/tcp)", str(makeDoor(name="web", ports="443,80")))

    def test_isSecret(self) -> None:
        """Neither C{str} nor C{repr} shows a knock port."""
        door = makeDoor((17001, 17203, 17005, 17404, 17002))
        self.assertNotIn("17", f"{door} {door!r}")

    def test_frozen(self) -> None:
        """A door is immutable."""
        with self.assertRaises(FrozenInstanceError):
            makeDoor().penalty = 0.0  # type: ignore[misc]

    def test_grant(self) -> None:
        """
        A knock gets the time that it asks for, up to the maximum; without one, the door's time.
        """
        door = makeDoor(openFor=30.0, maxOpenFor=3600.0)
        asked = (0, 1, 29, 31, 3600, 3601, 999_999_999)
        self.assertEqual(
            [30.0, 1.0, 29.0, 31.0, 3600.0, 3600.0, 3600.0], [door.grant(each) for each in asked]
        )

    def test_names(self) -> None:
        """A name must be fit for the name of a set in nftables: all others are refused."""
        for name in ("a", "ssh", "web-2_b", "a" * 32):
            self.assertEqual(name, makeDoor(name=name).name)
        for name in ("", "2web", "Web", "a b", "a;b", "a\n", "a{", "-a", "a" * 33, "ü"):
            error = self.assertRaises(BadValue, makeDoor, name=name)
            self.assertEqual(
                f"{name!r} is not a door's name: use at most 32 small letters, digits, - and _, "
                "a letter first",
                str(error),
            )

    def test_longerThanTheMost(self) -> None:
        """The default time of a door may not be longer than its maximum."""
        error = self.assertRaises(BadValue, makeDoor, openFor=7200.0, maxOpenFor=3600.0)
        self.assertIn("2h is longer than the door may be open at most, 1h", str(error))
        self.assertEqual(60.0, makeDoor(openFor=60.0, maxOpenFor=60.0).openFor)

    def test_revokedWithoutKeys(self) -> None:
        """Only a door with keys can have revoked ones."""
        error = self.assertRaises(BadValue, makeDoor, revokedKeys="/revoked")
        self.assertEqual("revokedKeys", error.field)
        door = makeDoor(authorizedKeys="/keys", revokedKeys="/revoked")
        self.assertFalse(door.hasLockOf(makeDoor(authorizedKeys="/keys")))

    def test_fleet(self) -> None:
        """Only a sealed door can be one of a fleet, and only such a door needs no knock ports."""
        error = self.assertRaises(BadValue, makeDoor, fleet=True)
        self.assertEqual("fleet", error.field)
        error = self.assertRaises(BadValue, makeDoor, authorizedKeys="/keys", listens=False)
        self.assertEqual("listens", error.field)
        self.assertTrue(makeDoor(authorizedKeys="/keys", fleet=True).listens)

    def test_deaf(self) -> None:
        """A door that only other hosts hear has no knock ports here, and may protect those."""
        deaf = makeDoor(
            ports="17005/udp", name="in", authorizedKeys="/keys", fleet=True, listens=False
        )
        self.assertEqual((), deaf.knockPorts)
        self.assertEqual([], listKnockPorts([deaf]))
        other = makeDoor((1, 2, 3, 4, 5), name="out", authorizedKeys="/keys", fleet=True)
        self.assertEqual([1, 2, 3, 4, 5], listKnockPorts([deaf, other]))
        self.assertEqual([], listTcpKnockPorts([deaf, other]))

    def test_knockPortProtected(self) -> None:
        """A knock port may not be a protected UDP port, not even within a range."""
        for ports in ("17005/udp", "17000-17010/udp", "22,1-65535/udp"):
            self.assertRaises(BadValue, makeDoor, ports=ports)
        error = self.assertRaises(BadValue, makeDoor, ports="17005/udp")
        self.assertIn("the protected ports include a knock port, which must stay open", str(error))

    def test_tcpPortOfSameNumber(self) -> None:
        """A knock port may have the number of a protected TCP port."""
        self.assertEqual("default (17005/tcp)", str(makeDoor(ports="17005/tcp")))

"""Tests of L{pkdoors.doorkeeper.doorkeeper}: knocks that open for networks, and for others."""

from ipaddress import ip_address

from twisted.internet.defer import Deferred

from pkdoors.host import clientaddress
from pkdoors.locks.lock import Request
from pkdoors.model.principal import Principal
from pkdoors.model.sources import readSource
from tests.doorkeeper.case import ANN, BOB, KeeperTestCase
from tests.fakes.doors import makeDoor

ANNA, EVE = Principal("anna", "SHA256:a"), Principal("eve", "SHA256:e")
NET, HALF = "203.0.113.0/24", "203.0.113.0/25"
LAPTOP = "198.51.100.7"
ASKING = Principal("anna", "SHA256:a", ANN)


class GrantTests(KeeperTestCase):
    """
    Requests of keys with C{prefix} and C{for-others}.
    """

    def setUp(self) -> None:
        """Know one broadcast address."""
        super().setUp()
        self.patch(clientaddress, "_isBroadcast", lambda address: str(address) == "203.0.113.255")

    def open(self, source: str, who: Principal = ANNA) -> None:
        """Request an opening."""
        self.keeper.request(Request(self.door, source, 0, who=who))

    def close(self, source: str = ANN, who: Principal = ANNA) -> None:
        """Request a close."""
        self.keeper.request(Request(self.door, source, 0, who=who, close=True))
        self.clock.advance(0)

    def opened(self) -> set[str]:
        """Return what is open."""
        return {source for source, _ in self.openings()}

    def test_logged(self) -> None:
        """The log says for whom, who asked, and from where."""
        self.open(NET, ASKING)
        self.assertEqual(
            f"opened door default (22/tcp) for {NET} until 2027-01-15 08:00:30 (30s), "
            f"by anna (SHA256:a) from {ANN}",
            self.log.lines()[-1],
        )
        self.assertEqual(ANN, self.events[-1].who.address)
        self.close(LAPTOP, ASKING)
        self.close(ANN)
        self.assertEqual(
            f"closed door default (22/tcp) for {NET}, at the request of anna (SHA256:a)",
            self.log.lines()[-1],
        )

    def test_useless(self) -> None:
        """No key opens for an address that no client can have, and the refusal names the sender."""
        for source in ("203.0.113.255", "224.0.0.1", "127.0.0.1", "0.0.0.1", "::1"):
            self.open(source, ASKING)
            self.assertEqual(
                f"refused door default (22/tcp) for {ANN}: no client has the address {source}: "
                "give the address of one client",
                self.log.lines()[-1],
            )
            self.clock.advance(2)
        self.assertEqual([], self.calls())

    def test_shared(self) -> None:
        """Nor for a link-local one where there are several links."""
        links = "fe80::1 02 40 20 80 eth0\nfe80::1 03 40 20 80 eth1\n"
        self.patch(clientaddress, "readLinks", lambda: links)
        self.open("fe80::7", ASKING)
        self.assertIn("link-local", self.log.lines()[-1])
        self.assertEqual([], self.calls())

    def test_close(self) -> None:
        """A closing seal closes what its key opened and what lets its sender in, and no more."""
        for source in (NET, HALF, ANN, LAPTOP, BOB):
            self.open(source)
        self.open("203.0.112.0/23", EVE)
        self.close()
        self.assertEqual({LAPTOP, BOB, "203.0.112.0/23"}, self.opened())

    def test_closeFromNetwork(self) -> None:
        """It does so from any address in the network: the client's own may have changed."""
        self.open(NET)
        self.close("203.0.113.200")
        self.assertEqual(set(), self.opened())

    def test_closeOthers(self) -> None:
        """What another key opened stays, and the refusal says so."""
        self.open(NET, EVE)
        self.close()
        self.assertEqual({NET}, self.opened())
        self.assertEqual(
            f"refused door default (22/tcp) for {ANN}: anna (SHA256:a) cannot close what "
            "eve (SHA256:e) opened",
            self.log.lines()[-1],
        )

    def test_closeNothing(self) -> None:
        """If nothing is open, nothing happens."""
        self.close()
        self.assertEqual([], self.calls())

    def test_address(self) -> None:
        """An address in an open network is opened by itself, and ends by itself."""
        self.open(NET)
        self.clock.advance(10)
        self.open(ANN)
        self.clock.advance(20)
        self.assertEqual({ANN}, self.opened())

    def test_reload(self) -> None:
        """An opening for a network stays though its door opens for no networks any more."""
        door = makeDoor(authorizedKeys="/keys", grant4=24)
        self.keeper = self.makeKeeper(door)
        self.door = door
        self.open(NET)
        change = self.keeper.change((makeDoor(authorizedKeys="/keys"),))
        self.successResultOf(Deferred.fromCoroutine(change))
        self.assertEqual({NET}, self.opened())

    def test_state(self) -> None:
        """For an address, what lets it in is found; with many openings, too."""
        for number in range(200):
            self.open(f"203.0.113.{number}")
        self.open(NET)
        found = self.statuses(source=ip_address(ANN))
        self.assertEqual({ANN, NET}, {str(status.opening.source) for status in found})
        self.assertEqual([], self.statuses(source=readSource("10.0.0.0/8")))

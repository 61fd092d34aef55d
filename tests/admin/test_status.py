"""Tests of the status, openings and reloads in L{pkdoors.admin.operations}."""

from ipaddress import ip_address
from math import inf

from pkdoors import __version__
from pkdoors.admin._recording import recordDoors, recordOpenings
from pkdoors.config.config import Config
from pkdoors.doorkeeper.openings.state import Count, OpeningStatus, Page, Snapshot
from pkdoors.errors import BadValue, ConfigError, NotFound
from pkdoors.events.history import PastEvent
from pkdoors.knocks.knock import Knock
from pkdoors.model.doors import Opening
from tests.admin.daemoncase import ANN, BOB, NO, SSH, TODAY, OperationsTestCase
from tests.fakes.doors import PORTS, makeDoor


class StatusTests(OperationsTestCase):
    """Tests of L{Operations.status}, L{Operations.openings} and L{Operations.reload}."""

    def test_status(self) -> None:
        """The status has everything but the secrets."""
        self.do(self.operations.open(ANN, "ssh"))
        self.keeper.knock(Knock(BOB, PORTS[0], b"knock\n"))
        self.reactor.advance(1.5)
        door = {
            "name": "ssh",
            "ports": ["22/tcp"],
            "lock": "sequence",
            "open_for": 30.0,
            "max_open_for": 3600.0,
            "sessions": "keep",
            "udp_idle": 180.0,
            "udp_max": 43200.0,
            "openings": 1,
            "sources": 1,
            "uses": "many",
            "trusted": [],
            "networks": 0,
            "max_openings": 16_384,
            "fleet": False,
            "listens": True,
        }
        web = {"name": "web", "ports": ["443/tcp"], "sessions": "cut", "max_open_for": 60.0}
        web |= {"trusted": ["192.168.1.0/24", "wg0"]}
        status = self.do(self.operations.status())
        self.assertEqual(
            {
                "version": __version__.public(),
                "uptime": 1.5,
                "firewall": "nftables and firewalld",
                "troubles": ["a port is busy"],
                "doors": [door, {**door, **web, "openings": 0, "sources": 0}],
                "openings": self.do(self.operations.openings())["openings"],
                "counters": {
                    "knocks": {"request": 0, "refused": 0, "other": 1},
                    "dropped": {},
                    "events": {"opened": 1},
                    "firewall_calls": {"ok": 0, "failed": 0},
                    "heals": 0,
                },
                "listen": "capture",
                "total": 1,
                "next": "",
                "pending": [],
            },
            status,
        )
        self.assertFalse([port for port in SSH.sequence.ports if str(port) in str(status)])

    def test_sealed(self) -> None:
        """A door with keys has a sealed lock."""
        door = makeDoor(authorizedKeys="/etc/keys")
        counts = {door.name: Count(0, 0, 0)}
        (record,) = recordDoors(Snapshot(0, 0, (door,), counts, {}))
        self.assertEqual("sealed", record.lock)

    def test_once(self) -> None:
        """A used opening for one connection is shown as used, and not counted as open."""
        door = makeDoor(once=True)
        opening = Opening(door, ip_address(ANN), 30.0)
        for isUsed in (False, True):
            status = OpeningStatus(opening, 0.0 if isUsed else 30.0, "", isUsed)
            counts = {door.name: Count(int(not isUsed), 0, int(isUsed))}
            state = Snapshot(0.0, TODAY, (door,), counts, {})
            (record,) = recordDoors(state)
            self.assertEqual(("once", int(not isUsed)), (record.uses, record.openings))
            (shown,) = recordOpenings(Page([status], 1), state)
            self.assertEqual(("once", isUsed, not isUsed), (shown.uses, shown.used, shown.isOpen))

    def test_lazy(self) -> None:
        """The records of openings are made when they are written."""
        unwritable = [OpeningStatus(Opening(SSH, ip_address(ANN), inf), 0.0, "")]
        records = recordOpenings(Page(unwritable, 1), Snapshot(0.0, TODAY, (SSH,), {}, {}))
        self.assertEqual(1, len(records))
        self.assertRaises(OverflowError, list, records)

    def test_openings(self) -> None:
        """Openings are sorted by deadline, and can be selected by door and address."""
        self.do(self.operations.open(ANN, "ssh", 50.0))
        self.do(self.operations.open(ANN, "web", 40.0))
        self.do(self.operations.open(BOB, "ssh", 30.0))
        chosen: dict[str, str]
        for chosen, expected in (
            ({}, [("ssh", BOB), ("web", ANN), ("ssh", ANN)]),
            ({"door": "ssh"}, [("ssh", BOB), ("ssh", ANN)]),
            ({"source": ANN}, [("web", ANN), ("ssh", ANN)]),
            ({"source": ANN, "door": "web"}, [("web", ANN)]),
            ({"source": "10.0.0.1"}, []),
        ):
            found = self.do(self.operations.openings(**chosen))["openings"]
            self.assertEqual(expected, self.names(found))
        self.refused(self.operations.openings(door="shh"), NotFound)
        self.refused(self.operations.openings(source="ann"), BadValue)

    def test_trouble(self) -> None:
        """An opening that the firewall refuses is not open, and has the reason."""
        self.outer.failures = [NO]
        self.begin(self.operations.open(ANN, "ssh")).addErrback(lambda failure: None)
        (opening,) = self.do(self.operations.openings())["openings"]
        self.assertEqual(
            (False, "cannot open: no privilege"), (opening["open"], opening["trouble"])
        )

    def test_reload(self) -> None:
        """A reload returns what has changed, or fails."""
        self.assertEqual({"changes": [], "troubles": []}, self.do(self.operations.reload()))
        self.daemon.error = ConfigError("it is wrong")
        self.assertEqual("it is wrong", self.refused(self.operations.reload(), ConfigError))

    def test_pending(self) -> None:
        """The status has what somebody has changed in the file without a reload."""
        self.daemon.config, self.daemon.mark = Config((SSH,)), (1,)
        self.assertEqual(
            ["door web (443/tcp) is gone"], self.do(self.operations.status())["pending"]
        )

    def test_follow(self) -> None:
        """A follower gets the events until it goes; the history has all of them."""
        heard: list[PastEvent] = []
        end = self.operations.follow(heard.append)
        self.do(self.operations.open(ANN, "ssh"))
        end()
        self.do(self.operations.close())
        self.assertEqual(["opened"], [event.kind for event in heard])
        kept = self.operations.history.last(9)
        self.assertEqual(["opened", "closed"], [event.kind for event in kept])

    def test_rates(self) -> None:
        """The rates have what was counted in each step, and the time by the clock as it is now."""
        self.daemon.rates.start()
        self.assertEqual({"step": 10.0, "rates": []}, self.do(self.operations.rates()))
        self.do(self.operations.open(ANN, "ssh"))
        self.keeper.knock(Knock(BOB, PORTS[0], b"knock\n"))
        drops = {"limit": 1, "junk": 20, "overflow": 300}
        self.daemon.counters.dropped = lambda: drops
        self.reactor.advance(10.0)
        self.reactor.advance(10.0)
        busy = {"knocks": 1, "request": 0, "refused": 0, **drops, "opened": 1}
        self.assertEqual(
            [
                {"time": "2026-11-23T08:00:10.000Z", "seconds": 10.0, **busy},
                {"time": "2026-11-23T08:00:20.000Z", "seconds": 10.0, **dict.fromkeys(busy, 0)},
            ],
            self.do(self.operations.rates())["rates"],
        )

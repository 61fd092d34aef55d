"""Tests of L{pkdoors.firewall.nftables.placing.placer}: only what differs is sent to the kernel."""

from dataclasses import replace

from pkdoors.errors import FirewallError
from pkdoors.model.doors import Door, Opening
from pkdoors.model.sources import readSource
from tests.fakes.doors import flow, makeDoor, makeOpening
from tests.firewall.nftables.firewallcase import ANN, EVE, NEXT, NftablesTestCase

WEB = makeDoor(NEXT, "443", name="web")
OTHER = makeDoor((*NEXT, 6), "22,80", name="other")
"""A door that shares a port with the first one."""


def opened(door: Door, deadline: float = 30.0, source: str = ANN) -> Opening:
    """Return an opening of a door."""
    return Opening(door, readSource(source), deadline)


class ReloadTests(NftablesTestCase):
    """
    What a reload sends.
    """

    def setUp(self) -> None:
        """Start with two doors, one of which is open."""
        super().setUp()
        self.start(makeDoor(), WEB)
        self.open(makeOpening())
        self.tables.steps.clear()

    def open(self, opening: Opening) -> None:
        """Open."""
        self.successResultOf(self.firewall.open(opening))

    def reload(self, *doors: Door, openings: tuple[Opening, ...] = (makeOpening(),)) -> list[str]:
        """Change the doors; return the transactions."""
        self.tables.steps.clear()
        self.firewall.setDoors(doors)
        self.restore(*openings)
        return self.tables.steps

    def test_nothing(self) -> None:
        """A reload that changes nothing sends nothing, whatever is open."""
        self.assertEqual([], self.reload(makeDoor(), WEB))
        slow = replace(WEB, openFor=7.0)
        self.assertEqual([], self.reload(makeDoor(), slow))

    def test_oneDoor(self) -> None:
        """A door that comes or goes needs one element in each set, and no rules."""
        one = makeDoor((5, 4, 3, 2, 1), "80", name="one")
        added = [f"add pkdoors {name} 1" for name in ("tcp_ports", "tcp_doors", "tcp_doors_dnat")]
        self.assertEqual(added, self.reload(makeDoor(), WEB, one))
        removed = [f"remove pkdoors {n} 1" for n in ("tcp_doors", "tcp_doors_dnat", "tcp_ports")]
        self.assertEqual(removed, self.reload(makeDoor(), WEB))

    def test_otherKind(self) -> None:
        """A door of another kind needs rules; ports and openings of others are left alone."""
        steps = self.reload(makeDoor(), replace(WEB, cutSessions=True))
        self.assertEqual("run pkdoors", steps[0])
        self.assertFalse([step for step in steps if "open" in step or "ports" in step])
        self.assertEqual({ANN: 30.0}, self.tables.sources("tcp_open4"))

    def test_openings(self) -> None:
        """Openings that are not wanted go first; those that are missing come; others stay."""
        self.open(opened(WEB, source=EVE))
        steps = self.reload(makeDoor(), openings=(makeOpening(),))
        self.assertTrue(steps[0].startswith("remove pkdoors tcp_open4 "), steps)
        self.assertEqual({ANN: 30.0}, self.tables.sources("tcp_open4"))
        again = makeOpening(deadline=77.0)
        self.assertEqual(["add pkdoors tcp_open4 1"], self.reload(makeDoor(), openings=(again,)))
        self.assertEqual({ANN: 77.0}, self.tables.sources("tcp_open4"))

    def test_spared(self) -> None:
        """Clients that are connected to a port that becomes protected are spared."""
        self.sockets = [flow(port=80)]
        self.reload(makeDoor(), WEB, makeDoor((5, 4, 3, 2, 1), "80", name="one"))
        self.assertEqual({flow(port=80).key}, self.flows("spared4"))

    def test_cut(self) -> None:
        """Sessions of a door that cuts from now on end."""
        self.tables.put("sessions4", flow(port=443).key, 60.0)
        self.tables.put("sessions4", flow().key, 60.0)
        self.reload(makeDoor(), replace(WEB, cutSessions=True))
        self.assertEqual({flow().key}, self.flows("sessions4"))

    def test_retimed(self) -> None:
        """UDP sessions go on with the new times of their door."""
        vpn = makeDoor(NEXT, "53/udp", name="vpn")
        self.reload(makeDoor(), vpn)
        key = flow(port=53, protocol="udp").key
        self.tables.put("udpidle4_180000ms_43200000ms", key, 100.0)
        self.reload(makeDoor(), replace(vpn, udpIdle=50.0))
        self.assertEqual({key: 50.0}, self.tables.flows("udpidle4_50000ms_43200000ms"))
        self.assertNotIn("udpidle4_180000ms_43200000ms", self.ours().sets)

    def test_doubt(self) -> None:
        """After somebody else has changed the guard, all of it is written."""
        self.ours().rules.clear()
        self.watch.changed("nft")
        self.assertIn("run pkdoors", self.reload(makeDoor(), WEB))
        self.assertTrue(self.ours().guards())

    def test_failed(self) -> None:
        """After a step that failed, all of it is written."""

        def refuse(step: str) -> None:
            raise FirewallError("no")

        self.tables.failing = refuse
        self.firewall.setDoors((makeDoor(),))
        self.failureResultOf(self.firewall.restore([]), FirewallError)
        self.tables.failing = lambda step: None
        self.assertIn("run pkdoors", self.reload(makeDoor(), WEB))

    def test_flushed(self) -> None:
        """If the table has gone without notice, it comes back."""
        self.flush()
        self.reload(makeDoor(), WEB)
        self.assertTrue(self.ours().guards())
        self.assertEqual({ANN: 30.0}, self.tables.sources("tcp_open4"))


class SharedPortTests(NftablesTestCase):
    """
    A client for whom several doors are open at one port.
    """

    def setUp(self) -> None:
        """Start with two doors that share a port."""
        super().setUp()
        self.ssh = makeDoor()
        self.start(self.ssh, OTHER)

    def left(self) -> dict[int, float]:
        """Return the seconds that the client has at each port."""
        return {
            int.from_bytes(key[4:6]): round(((each.end or 0) - self.tables.now()) / 1000)
            for key, each in self.tables.living("pkdoors", "tcp_open4").items()
        }

    def open(self, *openings: Opening) -> None:
        """Open."""
        for opening in openings:
            self.successResultOf(self.firewall.open(opening))

    def close(self, *openings: Opening) -> None:
        """Close, all at once."""
        self.successResultOf(self.firewall.closeMany(openings))

    def test_last(self) -> None:
        """The port is open until the last deadline, in whatever order they come."""
        short, long = opened(self.ssh, 30.0), opened(OTHER, 60.0)
        for pair in ((short, long), (long, short)):
            self.open(*pair)
            self.assertEqual({22: 60.0, 80: 60.0}, self.left())
            self.close(*pair)
            self.assertEqual({}, self.left())

    def test_closed(self) -> None:
        """If one door closes, the client keeps what the other gives, and no more."""
        self.open(opened(self.ssh, 30.0), opened(OTHER, 60.0))
        self.close(opened(OTHER))
        self.assertEqual({22: 30.0}, self.left())
        self.open(opened(OTHER, 20.0))
        self.assertEqual({22: 30.0, 80: 20.0}, self.left())
        self.close(opened(self.ssh))
        self.assertEqual({22: 20.0, 80: 20.0}, self.left())

    def test_shortened(self) -> None:
        """An earlier deadline of one door does not shorten what the other gives."""
        self.open(opened(self.ssh, 30.0), opened(OTHER, 60.0), opened(OTHER, 10.0))
        self.assertEqual({22: 30.0, 80: 10.0}, self.left())

    def test_healed(self) -> None:
        """So it is after the guard was put back, and for the next daemon."""
        openings = opened(self.ssh, 30.0), opened(OTHER, 60.0)
        self.open(*openings)
        self.flush()
        self.restore(*openings)
        self.assertEqual({22: 60.0, 80: 60.0}, self.left())
        self.firewall = self.make()
        self.assertEqual({*openings}, {*self.start(self.ssh, OTHER)})
        self.close(opened(OTHER))
        self.assertEqual({22: 30.0}, self.left())

    def test_reload(self) -> None:
        """A reload that removes one of the doors leaves what the other gives."""
        self.open(opened(self.ssh, 30.0), opened(OTHER, 60.0))
        self.firewall.setDoors((self.ssh,))
        self.restore(opened(self.ssh, 30.0))
        self.assertEqual({22: 30.0}, self.left())

    def test_apart(self) -> None:
        """Networks and other clients have elements of their own."""
        self.open(opened(self.ssh, 30.0), opened(OTHER, 60.0, "203.0.113.0/24"))
        self.assertEqual({22: 30.0}, self.left())
        self.close(opened(OTHER, source="203.0.113.0/24"))
        self.assertEqual({22: 30.0}, self.left())

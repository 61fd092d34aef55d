"""Tests of L{pkdoors.firewall.guard.flowbooks}."""

from collections.abc import Iterable

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.guard.flowbooks import FlowBooks, findLetIn
from pkdoors.firewall.guard.sets import TCP_IDLE
from pkdoors.firewall.netlink.flows import Flow, Tracked, isOn
from pkdoors.model.ports import PortRange
from tests.fakes.doors import flow, makeDoor, makeOpening

EVE = "203.0.113.66"
SIX = "2001:db8::7"


class FlowBooksTests(SynchronousTestCase):
    """
    Tests of L{FlowBooks}.
    """

    def setUp(self) -> None:
        """Make empty books."""
        self.clock = Clock()
        self.books = FlowBooks(self.clock.seconds)
        self.live: list[Flow] = []

    def flowsTo(self, ports: Iterable[PortRange]) -> list[Tracked]:
        """Return the existing connections."""
        ports = list(ports)
        return [
            Tracked(flow, flow.port) for flow in self.live if isOn(ports, flow.protocol, flow.port)
        ]

    def left(self) -> dict[str, dict[bytes, float]]:
        """Return the sets, and the deadlines of the flows in them."""
        return {name: dict(flows) for name, flows in self.books.living().items() if flows}

    def test_note(self) -> None:
        """Noted flows replace all earlier ones, and are gone when their time is over."""
        one, other = flow().key, flow(EVE).key
        self.books.note({"sessions4": {other: 9.0}})
        self.books.note({"sessions4": {one: 10.0}, "spared4": {one: 20.0}})
        self.assertEqual({"sessions4": {one: 10.0}, "spared4": {one: 20.0}}, self.left())
        self.clock.advance(10)
        self.assertEqual({"spared4": {one: 20.0}}, self.left())

    def test_copied(self) -> None:
        """The books keep a copy of what they note."""
        noted = {"sessions4": {flow().key: 10.0}}
        self.books.note(noted)
        self.books.addSpared([flow(EVE)])
        noted["sessions4"].clear()
        self.assertIn("sessions4", self.left())

    def test_spared(self) -> None:
        """Spared flows are in the right sets, for the right time: days for TCP, minutes for UDP."""
        self.clock.advance(5)
        udp = flow(SIX, 53, protocol="udp")
        self.books.addSpared([flow(), udp])
        self.assertEqual(
            {
                "spared4": {flow().key: 5 + TCP_IDLE},
                "sparedudp6": {udp.key: 185.0},
                "sparedmost6": {udp.key: 3605.0},
            },
            self.left(),
        )

    def test_noted(self) -> None:
        """Flows that the kernel has forgotten are forgotten here, too."""
        self.books.note({"sessions4": {b"a": 9.0}, "spared4": {b"b": 9.0}})
        self.books.note({"sessions4": {b"a": 9.0}})
        self.assertEqual({"sessions4": {b"a": 9.0}}, self.left())

    def test_letIn(self) -> None:
        """Flows of clients whose door is open are noted, for the door's own times."""
        self.clock.advance(5)
        udp = flow(port=53, protocol="udp")
        self.live = [flow(), flow(EVE), udp, flow(port=80), flow(SIX)]
        opening = makeOpening(ports="22,53/udp", udpIdle=10.0, udpMax=60.0)
        self.books.addLetIn(findLetIn([opening], self.flowsTo))
        self.assertEqual(
            {
                "sessions4": {flow().key: 5 + TCP_IDLE},
                "udpidle4_10000ms_60000ms": {udp.key: 15.0},
                "udpmost4_10000ms_60000ms": {udp.key: 65.0},
            },
            self.left(),
        )

    def test_networks(self) -> None:
        """So are flows of clients in a network for which a door is open."""
        self.live = [flow(), flow(EVE), flow("198.51.100.7"), flow(SIX)]
        self.books.addLetIn(findLetIn([makeOpening("203.0.113.0/24"), makeOpening()], self.flowsTo))
        self.assertEqual(
            {"sessions4": {flow().key, flow(EVE).key}},
            {name: {*flows} for name, flows in self.left().items()},
        )

    def test_otherDoor(self) -> None:
        """An opening of one door does not let flows to another go on."""
        self.live = [flow(port=80)]
        self.books.addLetIn(findLetIn([makeOpening()], self.flowsTo))
        self.assertEqual({}, self.left())

    def test_notKept(self) -> None:
        """No flow is noted if sessions are cut, nor UDP flows that end with the door."""
        self.live = [flow(), flow(port=53, protocol="udp")]
        ports = "22,53/udp"
        self.books.addLetIn(findLetIn([makeOpening(ports=ports, cutSessions=True)], self.flowsTo))
        self.assertEqual({}, self.left())
        self.books.addLetIn(findLetIn([makeOpening(ports=ports, udpMax=0.0)], self.flowsTo))
        self.assertEqual(["sessions4"], list(self.left()))

    def test_manyOpenings(self) -> None:
        """The connections are looked up once for each door, however many clients have it open."""
        calls = []

        def flowsTo(ports: tuple[PortRange, ...]) -> list[Tracked]:
            calls.append(ports)
            return []

        door = makeDoor()
        openings = [makeOpening(f"203.0.113.{n}") for n in range(50)]
        self.books.addLetIn(findLetIn(openings, flowsTo))
        self.assertEqual([door.ports], calls)

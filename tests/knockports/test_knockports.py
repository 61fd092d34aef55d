"""Tests of L{pkdoors.knockports.knockports}: everything can be had."""

from pkdoors.knockports.plan import Plan
from pkdoors.knocks.knock import Knock
from tests.fakes.host import FakeSocket
from tests.knockports.portscase import KnockPortsTestCase, refuse


class ListenTests(KnockPortsTestCase):
    """
    All ports can be had.
    """

    def setUp(self) -> None:
        """Listen on two ports."""
        super().setUp()
        self.ports.listen(Plan((17001, 17002)))

    def test_hears(self) -> None:
        """Each port hands on its knocks, over IPv4 and IPv6."""
        self.receive("0.0.0.0", 17002, "203.0.113.9")
        self.receive("::", 17001, "2001:db8::7")
        self.assertEqual(
            [
                Knock("203.0.113.9", 17002, b"knock\n", 1_700_000_000_000_000_000),
                Knock("2001:db8::7", 17001, b"knock\n", 1_700_000_000_000_000_001),
            ],
            self.heard,
        )

    def test_quiet(self) -> None:
        """Nothing is logged, and nothing ever wakes up."""
        self.receive("0.0.0.0", 17002, "203.0.113.9")
        self.ports.stop()
        self.assertEqual(([], 0), (self.log.lines(), self.changes))
        self.assertEqual([], self.reactor.getDelayedCalls())

    def test_noFilters(self) -> None:
        """If the kernel accepts no filters, that is one warning, and everything is heard."""
        self.host.filtersNothing = True
        self.ports.listen(Plan((17003, 17004), filters={17003: b"program.", 17004: b"program."}))
        self.assertEqual(
            [
                "this kernel does not filter datagrams for the knock ports (Protocol not "
                "available): everything works without that, but a flood of junk costs more, and "
                "knocks to other addresses may be heard, too"
            ],
            self.log.lines(),
        )
        self.receive("0.0.0.0", 17004, "203.0.113.9")
        self.assertEqual(1, len(self.heard))

    def test_filterRefused(self) -> None:
        """If a filter is refused, the older one is removed: it may drop what is a knock now."""
        self.ports.listen(Plan((17001,), filters={17001: b"program."}))
        self.patch(FakeSocket, "_attach", refuse)
        self.ports.listen(Plan((17001,), filters={17001: b"another."}))
        self.assertEqual(b"", self.host.find("0.0.0.0", 17001).program)

    def test_takeDrops(self) -> None:
        """Each drop counts once, and still counts when its port is closed."""
        self.host.find("0.0.0.0", 17001).drops = 5
        self.host.find("::", 17002).drops = 7
        self.assertEqual([12, 0], [self.ports.newDrops() for _ in range(2)])
        self.host.find("0.0.0.0", 17001).drops = 9
        self.ports.listen(Plan((17002,)))
        self.assertEqual([4, 0], [self.ports.newDrops() for _ in range(2)])

    def test_stop(self) -> None:
        """Stopping ends the reading and closes the ports; a second stop is not an error."""
        self.assertEqual(4, len(self.reactor.getReaders()))
        for _ in range(2):
            self.ports.stop()
            self.assertEqual(([], []), (self.reactor.getReaders(), self.host.bound()))

    def test_follows(self) -> None:
        """Another plan first opens what is new, and at the end closes what it does not need."""
        search = self.successResultOf(self.ports.search(Plan((17002, 17003))))
        self.assertEqual({17001, 17002, 17003}, {port for _, port in self.host.bound()})
        self.assertEqual(4, len(self.reactor.getReaders()))
        self.host.find("0.0.0.0", 17001).reorderer.append((b"knock\n", ("203.0.113.9", 5)))
        self.successResultOf(self.ports.use(search))
        self.reactor.advance(0)
        self.assertEqual({17002, 17003}, {port for _, port in self.host.bound()})
        self.assertEqual(4, len(self.reactor.getReaders()))
        self.assertEqual([17001], [knock.port for knock in self.heard])  # what waited there

    def test_givenUp(self) -> None:
        """A plan that is not used changes nothing."""
        before = self.host.bound()
        self.ports.giveUp(self.successResultOf(self.ports.search(Plan((17003,), ("192.0.2.1",)))))
        self.assertEqual(before, self.host.bound())
        self.assertEqual((17001, 17002), self.ports.plan.ports)

    def test_filters(self) -> None:
        """A port of both plans hears from now on what the second one wants."""
        self.ports.listen(Plan((17001, 17003), filters={17001: b"changed.", 17003: b"program."}))
        programs = [self.host.find("0.0.0.0", port).program for port in (17001, 17003)]
        self.assertEqual([b"changed.", b"program."], programs)
        self.ports.listen(Plan((17001,)))
        self.assertEqual(b"", self.host.find("0.0.0.0", 17001).program)

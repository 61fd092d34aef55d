"""Tests of L{pkdoors.admin.operations.Operations.open}."""

from dataclasses import replace

from pkdoors.doorkeeper.control import OPEN_PATIENCE
from pkdoors.errors import BadValue, FirewallError, NotFound
from pkdoors.locks.lock import Request
from tests.admin.daemoncase import ANN, BOB, BROADCAST, NO, SSH, OperationsTestCase


class OpenTests(OperationsTestCase):
    """Tests of L{Operations.open}."""

    def test_opens(self) -> None:
        """When the answer comes, the door is open for its own time, by the operator."""
        self.assertEqual(
            {
                "opening": {
                    "door": "ssh",
                    "source": ANN,
                    "ports": ["22/tcp"],
                    "open": True,
                    "until": "2026-11-23T08:00:30.000Z",
                    "seconds_left": 30.0,
                    "user": "the operator",
                    "key": "",
                    "trouble": "",
                    "asked_from": "",
                    "via": "",
                    "uses": "many",
                    "used": False,
                }
            },
            self.do(self.operations.open(ANN, "ssh")),
        )
        self.assertEqual({ANN: 30.0}, self.outer.open_())
        self.assertNobodyWaits()

    def test_seconds(self) -> None:
        """A request can have its own time."""
        self.do(self.operations.open(ANN, "ssh", 600.0))
        self.assertEqual({ANN: 600.0}, self.guard.open_())

    def test_later(self) -> None:
        """If the door is open already, the deadline moves to a later time, and never back."""
        self.do(self.operations.open(ANN, "ssh", 600.0))
        answer = self.do(self.operations.open(ANN, "ssh", 60.0))
        self.assertEqual(600.0, answer["opening"]["seconds_left"])
        answer = self.do(self.operations.open(ANN, "ssh", 700.0))
        self.assertEqual(700.0, answer["opening"]["seconds_left"])
        self.assertNobodyWaits()

    def test_address(self) -> None:
        """Different spellings mean the same address."""
        for text in ("::ffff:192.0.2.7", "2001:0DB8:0:0::7", "2001:db8::7%eth0"):
            self.do(self.operations.open(text, "ssh"))
        self.assertEqual({ANN: 30.0, BOB: 30.0}, self.guard.open_())

    def test_noAddress(self) -> None:
        """A text that is not an address is refused."""
        for text in ("", "ann.example", "192.0.2.7\n", "0xc0000207", "\ud800"):
            self.assertEqual(
                f"{text!r} is not an address: give an IPv4 or IPv6 address",
                self.refused(self.operations.open(text, "ssh"), BadValue),
            )
        self.assertEqual({}, self.guard.open_())

    def test_noDoor(self) -> None:
        """An unknown door is refused, and so is none if there are two."""
        self.assertEqual(
            "there is no door 'shh': the doors are ssh, web",
            self.refused(self.operations.open(ANN, "shh"), NotFound),
        )
        self.assertEqual(
            "there are 2 doors: name one of ssh, web",
            self.refused(self.operations.open(ANN), BadValue),
        )

    def test_tooLong(self) -> None:
        """More time than the door allows is refused, not shortened."""
        self.assertEqual(
            "door web (443/tcp) opens for 1m at most: ask for less, or raise its max_open_for "
            "and reload",
            self.refused(self.operations.open(ANN, "web", 60.1), BadValue),
        )
        self.assertEqual({}, self.guard.open_())

    def test_full(self) -> None:
        """If there are too many openings, the request is refused."""
        self.keeper._admission.setDoors([replace(SSH, mostOpenings=1)], 9)
        self.do(self.operations.open(ANN, "ssh"))
        self.assertIn("the maximum", self.refused(self.operations.open(BOB, "ssh"), FirewallError))

    def test_refused(self) -> None:
        """If the firewall refuses, the sentence has the reason, and the daemon keeps trying."""
        self.outer.failures = [NO]
        self.assertEqual(
            "cannot open: no privilege",
            self.refused(self.operations.open(ANN, "ssh"), FirewallError),
        )
        self.reactor.advance(1)
        self.assertEqual({ANN: 30.0}, self.outer.open_())

    def test_refusedTwice(self) -> None:
        """A second request is refused with the same reason, at the latest after a while."""
        self.outer.failures = [NO, NO, NO, NO, NO]
        self.refused(self.operations.open(ANN, "ssh"), FirewallError)
        again = self.begin(self.operations.open(ANN, "ssh", 60.0))
        self.reactor.advance(OPEN_PATIENCE)
        self.assertIn("no privilege", str(self.failureResultOf(again).value))
        self.assertNobodyWaits()

    def test_refusedToMany(self) -> None:
        """Each of many requests is refused at once, though the log has one line for all."""
        for last in range(5):
            self.outer.failures = [NO]
            self.refused(self.operations.open(f"192.0.2.{last}", "ssh"), FirewallError)

    def test_hangs(self) -> None:
        """If the firewall does not answer, the request fails after a while."""
        self.outer.holding = True
        done = self.begin(self.operations.open(ANN, "ssh"))
        self.reactor.advance(OPEN_PATIENCE - 0.1)
        self.assertNoResult(done)
        self.reactor.advance(0.1)
        self.assertEqual(
            "the firewall does not answer; see the daemon's log",
            str(self.failureResultOf(done, FirewallError).value),
        )
        self.assertNobodyWaits()
        self.outer.answer()
        self.assertEqual({ANN: 30.0}, self.outer.open_())

    def test_late(self) -> None:
        """The firewall may answer late."""
        self.outer.holding = True
        done = self.begin(self.operations.open(ANN, "ssh"))
        self.reactor.advance(OPEN_PATIENCE - 0.1)
        self.outer.answer()
        self.assertEqual(25.1, self.successResultOf(done)["opening"]["seconds_left"])
        self.assertNobodyWaits()
        self.reactor.advance(OPEN_PATIENCE)
        self.assertEqual(1, len(self.reactor.getDelayedCalls()))

    def test_behindAnother(self) -> None:
        """The answer waits for its own request, not for an earlier one."""
        self.outer.holding = self.outer.hasBegun = True
        self.keeper.request(Request(SSH, ANN, 5))
        done = self.begin(self.operations.open(ANN, "ssh", 60.0))
        self.outer.answer()
        self.assertNoResult(done)
        self.outer.answer()
        self.assertEqual(60.0, self.successResultOf(done)["opening"]["seconds_left"])

    def test_closedMeanwhile(self) -> None:
        """If the opening is closed before it is open, the request fails at once."""
        self.outer.holding = True
        done = self.begin(self.operations.open(ANN, "ssh"))
        self.begin(self.operations.close("ssh", ANN))
        self.outer.answerAll()
        self.assertEqual("it was closed meanwhile", str(self.failureResultOf(done).value))


class AddressTests(OperationsTestCase):
    """Tests of addresses that no client can have."""

    def test_refused(self) -> None:
        """They are refused with a sentence, and nothing opens."""
        for address in (
            "0.0.0.0",
            "0.0.0.7",
            "127.0.0.1",
            "127.9.9.9",
            "224.0.0.1",
            "239.255.255.250",
            "255.255.255.255",
            BROADCAST,
            "::",
            "::1",
            "ff02::1",
            "::ffff:255.255.255.255",
        ):
            sentence = self.refused(self.operations.open(address, "ssh"), BadValue)
            shown = address.removeprefix("::ffff:")
            self.assertEqual(
                f"no client has the address {shown}: give the address of one client", sentence
            )
        self.assertEqual([], list(self.guard.doorsOpen()))

    def test_allowed(self) -> None:
        """All others are allowed, even private ones."""
        for address in (ANN, BOB, "10.0.0.1", "100.64.0.1", "169.254.1.1", "fe80::1", "fd00::1"):
            self.do(self.operations.open(address, "ssh"))
        self.assertEqual(7, len(list(self.guard.doorsOpen())))


class OneDoorTests(OperationsTestCase):
    """Tests of a daemon with one door."""

    doors = (SSH,)

    def test_noName(self) -> None:
        """The door need not be named."""
        self.assertEqual("ssh", self.do(self.operations.open(ANN))["opening"]["door"])

"""Tests of L{pkdoors.locks.refusals}."""

from collections.abc import Iterable

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.locks.lock import Refusal
from pkdoors.locks.refusals import MAX_KNOWN, Refusals
from pkdoors.model.doors import Door
from pkdoors.model.principal import NOBODY, Principal
from pkdoors.util.durations import formatDuration
from tests.fakes.doors import makeDoor

DOOR = makeDoor()
WEB = makeDoor(name="web")
ANN = "203.0.113.9"


REASON = "wrong port after 1 of 8 knocks, ignored for 6s"


def refusal(source: str, reason: str = REASON, door: Door = DOOR) -> Refusal:
    """Make a refusal."""
    return Refusal(door, source, reason)


class RefusalsTests(SynchronousTestCase):
    """
    Tests of L{Refusals}.
    """

    def setUp(self) -> None:
        """Make the filter."""
        self.refusals = Refusals()

    def flood(self, reason: str = "wrong port after 1 of 8 knocks, ignored for {}s") -> int:
        """Return how many lines a thousand strangers get within half a second."""
        return self.tell(reason.format(number) for number in range(1000))

    def tell(self, reasons: Iterable[str]) -> int:
        """Return how many lines so many strangers get, 2000 in a second."""
        told = [
            self.refusals.admit(refusal(f"10.0.{n // 256}.{n % 256}", reason), n / 2000)
            for n, reason in enumerate(reasons)
        ]
        return len([each for each in told if each is not None])

    def test_told(self) -> None:
        """The first refusal of a network gets a line; more within a second are counted."""
        found = [self.refusals.admit(refusal(ANN), at) for at in (0.0, 0.1, 0.2, 1.0)]
        self.assertEqual([0, None, None, 2], found)

    def test_keys(self) -> None:
        """Each key that has made a good seal has its own lines, one for each kind of reason."""
        anna, bob = Principal("anna", "SHA256:a"), Principal("bob", "SHA256:b")
        found = [
            self.refusals.admit(Refusal(DOOR, ANN, reason, who), 0.0)
            for who, reason in (
                (anna, "it expired"),
                (bob, "it expired"),
                (anna, "not from here"),
                (anna, "it expired"),
                (NOBODY, "wrong port"),
                (NOBODY, "another port"),
            )
        ]
        self.assertEqual([0, 0, 0, None, 1, None], found)

    def test_network(self) -> None:
        """All addresses of an IPv6 /64 count as one."""
        found = [self.refusals.admit(refusal(f"2001:db8::{n}"), 0.0) for n in range(1, 100)]
        self.assertEqual([0], [each for each in found if each is not None])

    def test_flood(self) -> None:
        """A flood gets half of the lines, even if each of its reasons has another time."""
        self.assertEqual(10, self.flood())

    def test_timesInUnits(self) -> None:
        """So does one whose reasons have times of several units, C{1h1m57s}."""
        times = (formatDuration(59 * number) for number in range(1000))
        self.assertEqual(10, self.tell(f"its time is {time} behind this host's" for time in times))

    def test_otherKind(self) -> None:
        """It does not hide a client that came further, was too slow, or has another trouble."""
        self.flood()
        for number, reason in enumerate(
            (
                "wrong port after 6 of 8 knocks, ignored for 6s",
                "too slow: 3 of 8 knocks in 30s",
                "its key is not known here",
            )
        ):
            self.assertIsNotNone(self.refusals.admit(refusal(f"192.0.2.{number}", reason), 0.6))

    def test_chosenText(self) -> None:
        """
        Text that the sender chooses does not make another kind: a flood of it hides no honest
        client's line.
        """
        for reason in (
            "it is for a door 'a{:x}', but this door is called ssh: knock with --door ssh",
            "it is bound to 2001:db8::{:x}, but comes from elsewhere",
            "it is bound to 10.0.0.{}, but comes from elsewhere",
            "it is bound to ':{:x}.', which is not an address in its usual notation",
        ):
            self.setUp()
            self.assertEqual(10, self.flood(reason), reason)
            honest = refusal(ANN, "its key is not known here")
            self.assertIsNotNone(self.refusals.admit(honest, 0.6), reason)

    def test_otherDoor(self) -> None:
        """It does not hide trouble at another door; each door has its own lines."""
        self.assertEqual(0, self.refusals.admit(refusal(ANN), 0.0))
        self.assertEqual(0, self.refusals.admit(refusal(ANN, door=WEB), 0.0))
        self.setUp()
        self.flood()
        self.assertIsNotNone(self.refusals.admit(refusal(ANN, door=WEB), 0.6))

    def test_known(self) -> None:
        """It does not hide a network that has opened a door, whatever the reason."""
        self.refusals.noteOpening(ANN)
        self.flood()
        self.assertEqual(0, self.refusals.admit(refusal(ANN), 0.6))

    def test_knownNetwork(self) -> None:
        """This holds for all addresses of that network."""
        self.refusals.noteOpening("2001:db8::7")
        self.flood()
        self.assertEqual(0, self.refusals.admit(refusal("2001:db8::8"), 0.6))

    def test_memory(self) -> None:
        """It remembers a bounded number of such networks, the latest ones."""
        for number in range(MAX_KNOWN + 10):
            self.refusals.noteOpening(f"10.1.{number // 256}.{number % 256}")
        self.assertEqual(MAX_KNOWN, len(self.refusals._known))
        self.assertNotIn("10.1.0.9", self.refusals._known)
        self.assertIn("10.1.0.10", self.refusals._known)

    def test_stays(self) -> None:
        """A network that opens a door again and again stays remembered."""
        self.refusals.noteOpening(ANN)
        for number in range(MAX_KNOWN - 1):
            self.refusals.noteOpening(f"10.1.{number // 256}.{number % 256}")
        self.refusals.noteOpening(ANN)
        self.refusals.noteOpening("192.0.2.1")
        self.assertIn(ANN, self.refusals._known)

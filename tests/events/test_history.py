"""Tests of L{pkdoors.events.history}."""

import json

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.events.history import MAX_BYTES, OVERHEAD, EventHistory, PastEvent


class HistoryTests(SynchronousTestCase):
    """What is kept, and what a client gets that continues."""

    def setUp(self) -> None:
        """Have room for five short events."""
        self.history = EventHistory("run-a", 5 * (OVERHEAD + 50))

    def add(self, count: int) -> None:
        """Add events."""
        for _ in range(count):
            self.history.add({"event": "opened", "user": "anna"})

    def numbers(self, events: list[PastEvent]) -> list[int]:
        """Return the numbers of events of this run."""
        for event in events:
            self.assertTrue(event.id.startswith("run-a-"))
        return [int(event.id.removeprefix("run-a-")) for event in events]

    def after(self, id: str) -> tuple[list[int], int | None]:
        """Return the numbers of the events after an id, and how many are missed."""
        events, missed = self.history.after(id)
        return self.numbers(events), missed

    def test_add(self) -> None:
        """An event has its kind, its JSON in one line, and a number, from 1."""
        name = "a\n\u2028\ud800\u00e9"
        event = self.history.add({"event": "closed", "user": name})
        self.assertEqual(("run-a-1", "closed"), (event.id, event.kind))
        self.assertEqual({"event": "closed", "user": name}, json.loads(event.data))
        self.assertEqual(1, len(event.data.decode().splitlines()))

    def test_last(self) -> None:
        """The last few are returned, the oldest of them first."""
        self.assertEqual([], self.history.last(3))
        self.add(3)
        for most, expected in ((0, []), (1, [3]), (2, [2, 3]), (3, [1, 2, 3]), (99, [1, 2, 3])):
            self.assertEqual(expected, self.numbers(self.history.last(most)))

    def test_bound(self) -> None:
        """The oldest go if there is no room for more, and the numbers go on."""
        self.add(100)
        kept = self.numbers(self.history.last(99))
        self.assertEqual([*range(101 - len(kept), 101)], kept)
        self.assertTrue(3 < len(kept) < 7, kept)

    def test_memory(self) -> None:
        """Events take no more memory than the bound, however long they are."""
        history = EventHistory()
        for length in range(0, 3000, 3):
            history.add({"event": "refused", "reason": length * "x"})
        events = history.last(9999)
        size = sum(OVERHEAD + len(event.data) for event in events)
        self.assertTrue(MAX_BYTES - 4000 < size <= MAX_BYTES, size)

    def test_tooLong(self) -> None:
        """An event that is longer than the bound is not kept, and is missed."""
        self.add(1)
        self.history.add({"event": "opened", "user": 9999 * "x"})
        self.assertEqual(([], []), (self.history.last(9), self.history.after("run-a-2")[0]))
        self.assertEqual(([], 1), self.after("run-a-1"))
        self.add(1)
        self.assertEqual(([3], 1), self.after("run-a-1"))

    def test_after(self) -> None:
        """Whoever continues gets what came since, without a gap, and nothing twice."""
        self.assertEqual(([], 0), self.after("run-a-0"))
        self.add(3)
        self.assertEqual(([1, 2, 3], 0), self.after("run-a-0"))
        self.assertEqual(([3], 0), self.after("run-a-2"))
        self.assertEqual(([], 0), self.after("run-a-3"))

    def test_missed(self) -> None:
        """After a long time some are no longer kept; they are counted."""
        self.add(100)
        kept = self.numbers(self.history.last(99))
        self.assertEqual((kept, kept[0] - 11), self.after("run-a-10"))
        self.assertEqual((kept, 1), self.after(f"run-a-{kept[0] - 2}"))
        self.assertEqual((kept, 0), self.after(f"run-a-{kept[0] - 1}"))
        self.assertEqual((kept[1:], 0), self.after(f"run-a-{kept[0]}"))

    def test_otherRun(self) -> None:
        """An id of another run of the daemon, or none at all, is not taken for one of this run."""
        self.add(3)
        ids = ("run-b-2", "run-a-4", "run-a", "2", "-2", "", "run-a--2", "run-a-2 ", "run-a-\u0662")
        for id in (*ids, "run-a-" + 5000 * "1", "x" * 9999, "run-a-+2", "run-a-1e0"):
            self.assertEqual(([1, 2, 3], None), self.after(id), id)

    def test_run(self) -> None:
        """Each run of the daemon has another name, which fits into a header."""
        names = [EventHistory().before([]).partition("-")[0] for _ in range(100)]
        self.assertEqual(100, len({*names}))
        for name in names:
            self.assertRegex(name, "^[0-9a-f]{16}$")

    def test_before(self) -> None:
        """A client that has heard nothing yet continues from where it began."""
        self.assertEqual("run-a-0", self.history.before([]))
        self.add(3)
        self.assertEqual("run-a-3", self.history.before([]))
        events = self.history.last(2)
        self.assertEqual((events, 0), self.history.after(self.history.before(events)))

"""Tests of the knocks of L{bench.rivals}, and of its tables and verdicts."""

from random import Random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from bench.rivals.verdicts import judgeClosing, judgeFailing, judgeGrowth, judgeKeeping, makeTable
from bench.tables import Cell, Row, Table
from pkdoors.client.core.plan import Sending
from tests.lab.traffic.lines import LINES, Line, planArrivals

KNOCK = [Sending(0.02 if place else 0.0, 17001 + place, b"knock\n") for place in range(5)]


class ArrivalTests(SynchronousTestCase):
    """
    Tests of L{planArrivals}.
    """

    def test_good(self) -> None:
        """Over a good line a knock arrives as it was sent."""
        schedule = planArrivals(KNOCK, Line())
        self.assertEqual([17001, 17002, 17003, 17004, 17005], [port for _, port, _ in schedule])
        self.assertEqual([0, 20, 40, 60, 80], [round(1000 * when) for when, *_ in schedule])

    def test_doubled(self) -> None:
        """If datagrams are doubled, both copies arrive before the next datagram."""
        schedule = planArrivals(KNOCK, Line(doubled=True))
        self.assertEqual([17001, 17001, 17002, 17002], [port for _, port, _ in schedule][:4])

    def test_lost(self) -> None:
        """The line loses the share of datagrams that it should."""
        chance = Random(1)
        came = sum(len(planArrivals(KNOCK, Line(loss=0.1), chance)) for _ in range(1000))
        self.assertTrue(4400 < came < 4600, came)
        self.assertEqual([], planArrivals(KNOCK, Line(loss=1.0)))

    def test_jitter(self) -> None:
        """Datagrams overtake each other only if they can be later than the pause between them."""
        paced = planArrivals(KNOCK, LINES["20 ms jitter, 20 ms apart"], Random(1))
        self.assertEqual(sorted(port for _, port, _ in paced), [port for _, port, _ in paced])
        atOnce = [sending._replace(pause=0.0) for sending in KNOCK]
        mixed = planArrivals(atOnce, LINES["20 ms jitter"], Random(1))
        self.assertNotEqual([17001, 17002, 17003, 17004, 17005], [port for _, port, _ in mixed])
        self.assertEqual(sorted(mixed), mixed)


class TableTests(SynchronousTestCase):
    """
    Tests of L{Table}.
    """

    def setUp(self) -> None:
        """Make a table."""
        self.table = Table(
            ["ours", "other"],
            [
                Row("time", [Cell("0.52", -0.52), Cell("30.10", -30.1)]),
                Row("memory", [Cell("+9 MB", -9), Cell("+0 MB", 0)]),
                Row("closes", [Cell("yes", 1), Cell("n/a")]),
            ],
            ["ours"],
        )

    def test_text(self) -> None:
        """The columns are aligned on a terminal."""
        self.assertEqual(
            "         ours  other\n"
            "time     0.52  30.10\n"
            "memory  +9 MB  +0 MB\n"
            "closes    yes    n/a",
            self.table.text(),
        )

    def test_losses(self) -> None:
        """Ours loses a line if another column is better, even if that one is zero."""
        self.assertEqual(["memory: ours +9 MB, other +0 MB"], self.table.losses())

    def test_rst(self) -> None:
        """The table can be part of a document."""
        self.assertEqual(
            "- *ours*: a daemon\n- *other*: another\n\n"
            ".. list-table::\n   :header-rows: 1\n   :stub-columns: 1\n\n"
            "   * -\n     - ours\n     - other\n"
            "   * - time\n     - 0.52\n     - 30.10\n"
            "   * - memory\n     - +9 MB\n     - +0 MB\n"
            "   * - closes\n     - yes\n     - n/a\n\n"
            "- on a machine\n\n"
            "Where pkdoors loses:\n\n- memory: ours +9 MB, other +0 MB\n",
            self.table.rst({"ours": "a daemon", "other": "another"}, ["on a machine"]),
        )

    def test_noLosses(self) -> None:
        """Without losses, the document says so."""
        table = Table(["ours"], [Row("time", [Cell("1", -1)])], ["ours"])
        self.assertTrue(table.rst({"ours": ""}, []).endswith("pkdoors loses nowhere.\n"))


def makeLevels(*opened: int) -> dict[str, Any]:
    """Return figures of tries under floods."""
    return {
        "levels": [
            {"level": level, "rate": level or 512345.6, "opened": count, "tried": 10, "cpu": 7.4}
            for level, count in zip((50_000, 100_000, 0), opened, strict=True)
        ]
    }


class VerdictTests(SynchronousTestCase):
    """
    Tests of L{bench.rivals.verdicts}.
    """

    def test_judgeFailing(self) -> None:
        """The first level at which a try failed counts."""
        self.assertEqual("100,000", judgeFailing(makeLevels(10, 9, 10)).text)
        self.assertEqual("never (512,346)", judgeFailing(makeLevels(10, 10, 10)).text)
        self.assertTrue(
            judgeFailing(makeLevels(10, 10, 10)).isBetter(judgeFailing(makeLevels(10, 10, 9)))
        )

    def test_judgeGrowth(self) -> None:
        """Without a daemon, the growth is that of the kernel."""
        self.assertEqual("+1.2 MB", judgeGrowth({"daemon": 1.23, "kernel": 60.0}).text)
        self.assertEqual("+4.1 MB (kernel)", judgeGrowth({"daemon": None, "kernel": 4.1}).text)
        self.assertEqual("+0.0 MB", judgeGrowth({"daemon": -1.0, "kernel": 0.0}).text)

    def test_judgeClosing(self) -> None:
        """A door closes in time, too late, or too early."""
        for answered, verdict in (
            (6.0, "yes"),
            (5.4, "yes"),
            (9.0, "no: open 3 s later"),
            (2.0, "no: closed 4.0 s early"),
        ):
            figures = {"openFor": 6, "answered": answered, "watched": 9}
            self.assertEqual(verdict, judgeClosing(figures).text)

    def test_judgeKeeping(self) -> None:
        """A door was kept if it was open at its end."""
        verdicts = [judgeKeeping({"openFor": 6, "answered": when}).text for when in (5.9, 1.0, 0.0)]
        self.assertEqual(["yes", "no", "no"], verdicts)

    def test_table(self) -> None:
        """Each measure has lines; a missing or failed figure says so."""
        table = makeTable(
            {
                "pkdoors": {"levels": makeLevels(10, 10, 10), "busy": {"cpu": 3.2}},
                "knockd": {"levels": {"error": "it ended"}, "busy": {"cpu": 74.0}},
                "kernel": {"levels": makeLevels(10, 8, 0), "busy": {"cpu": None}},
            }
        )
        cells = {row.title: [cell.text for cell in row.cells] for row in table.rows}
        self.assertEqual(
            {
                "opened under 50,000 wrong knocks a second": ["10/10", "failed", "10/10"],
                "opened under 100,000 wrong knocks a second": ["10/10", "failed", "8/10"],
                "opened under the most wrong knocks a second": [
                    "10/10 (512,000)",
                    "failed",
                    "0/10 (512,000)",
                ],
                "tries begin to fail at, datagrams a second": [
                    "never (512,346)",
                    "failed",
                    "100,000",
                ],
                "CPU under 100,000 wrong knocks a second": ["7 %", "failed", "7 %"],
                "CPU under 100,000 junk datagrams a second": ["3 %", "74 %", "n/a"],
            },
            cells,
        )

    def test_opening(self) -> None:
        """A rival that never opened has no time."""
        table = makeTable(
            {
                "pkdoors": {"opening": {"milliseconds": [1.0, 2.0], "opened": 2, "tried": 2}},
                "knockd": {"opening": {"milliseconds": [None], "opened": 0, "tried": 1}},
            }
        )
        self.assertEqual(
            [["1.50", "never"], ["2.00", "never"], ["2/2", "0/1"]],
            [[cell.text for cell in row.cells] for row in table.rows],
        )
        self.assertEqual([], table.losses())

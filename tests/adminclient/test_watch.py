"""Tests of what C{pkdoors watch} shows: L{Board}, L{View} and L{Follower}."""

from io import BytesIO, TextIOWrapper
from queue import SimpleQueue
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.admin.records import EventRecord, StatusRecord
from pkdoors.adminclient import follower as followerModule
from pkdoors.adminclient.client import AdminClient
from pkdoors.adminclient.follower import Follower, Hearing, News, choosePause
from pkdoors.adminclient.responses import readRecord
from pkdoors.adminclient.watchmodel import MAX_EVENTS, RATE_SECONDS, Board
from pkdoors.adminclient.watchview import View
from pkdoors.errors import AskError
from pkdoors.events.event import CLOSED, EXTENDED, OPENED
from tests.commands.controlcase import longStatus, setZone
from tests.fakes.admin import FakeAdmin, makeDoor, makeEvent, makeOpening
from tests.lab.hosts import eventually

ONE, TWO = "192.0.2.7", "2001:db8::7"


def makeStatus(*openings: dict[str, Any], uptime: float = 100.0, knocks: int = 0) -> StatusRecord:
    """Return a status with these openings."""
    admin = FakeAdmin()
    admin.openings = list(openings)
    admin.uptime, admin.knocks = uptime, {"request": 0, "other": knocks}
    return readRecord(StatusRecord, admin.status())


def makeRecord(kind: str, source: str = ONE, seconds: float = 0.0, **keys: Any) -> EventRecord:
    """Return an event of door ssh."""
    return readRecord(EventRecord, makeEvent(kind, source, "ssh", seconds=seconds, **keys))


class BoardTests(SynchronousTestCase):
    """Tests of L{Board}."""

    def bars(self, board: Board, now: float) -> list[tuple[str, float, float]]:
        """Return the address, the time left and the whole time of each opening."""
        return [(bar.opening.source, bar.left, bar.full) for bar in board.bars(now)]

    def test_runsDown(self) -> None:
        """Bars run down between two answers, to 0 and no further."""
        board = Board(makeStatus(makeOpening(ONE, left=40.0)), 1000.0)
        self.assertEqual([(ONE, 40.0, 40.0)], self.bars(board, 1000.0))
        self.assertEqual([(ONE, 15.0, 40.0)], self.bars(board, 1025.0))
        self.assertEqual([(ONE, 0.0, 40.0)], self.bars(board, 1041.0))

    def test_order(self) -> None:
        """The openings are sorted by their deadlines."""
        board = Board(makeStatus(makeOpening(TWO, left=90.0), makeOpening(ONE, left=40.0)), 0.0)
        self.assertEqual([ONE, TWO], [bar[0] for bar in self.bars(board, 1.0)])

    def test_usualTime(self) -> None:
        """An opening that is found half run down is assumed to have had the door's own time."""
        board = Board(makeStatus(makeOpening(ONE, left=10.0)), 0.0)
        self.assertEqual([(ONE, 10.0, 30.0)], self.bars(board, 0.0))

    def test_keepsFull(self) -> None:
        """Later answers do not change the whole time."""
        board = Board(makeStatus(makeOpening(ONE, left=40.0)), 0.0)
        board.learn(makeStatus(makeOpening(ONE, left=10.2)), 30.0)
        self.assertEqual([(ONE, 10.2, 40.0)], self.bars(board, 30.0))

    def test_opened(self) -> None:
        """The whole time in an event counts."""
        board = Board(makeStatus(), 0.0)
        board.hear(makeRecord(OPENED, seconds=12.0), 5.0)
        board.learn(makeStatus(makeOpening(ONE, left=11.5)), 5.5)
        self.assertEqual([(ONE, 11.5, 12.0)], self.bars(board, 5.5))

    def test_extended(self) -> None:
        """An extension begins a new whole time, whether its event arrives or not."""
        for heard in (True, False):
            board = Board(makeStatus(makeOpening(ONE, left=40.0)), 0.0)
            if heard:
                board.hear(makeRecord(EXTENDED, seconds=300.0), 20.0)
            board.learn(makeStatus(makeOpening(ONE, left=299.5)), 20.5)
            ((_, left, full),) = self.bars(board, 20.5)
            self.assertEqual((299.5, 300.0 if heard else 299.5), (left, full))

    def test_openedAgain(self) -> None:
        """An address that is closed and opened again has another opening."""
        board = Board(makeStatus(makeOpening(ONE, left=600.0)), 0.0)
        board.learn(makeStatus(), 1.0)
        board.learn(makeStatus(makeOpening(ONE, left=40.0)), 2.0)
        self.assertEqual([(ONE, 40.0, 40.0)], self.bars(board, 2.0))

    def test_knocks(self) -> None:
        """The rate of knocks is that of the last seconds."""
        board = Board(makeStatus(uptime=100.0, knocks=1000), 0.0)
        self.assertIs(None, board.knocksPerSecond())
        for second in range(1, 20):
            board.learn(makeStatus(uptime=100.0 + second, knocks=1000 + 7 * second), second)
        self.assertAlmostEqual(7.0, board.knocksPerSecond() or 0)
        last = 1000 + 7 * 19
        board.learn(makeStatus(uptime=119 + RATE_SECONDS, knocks=last), 30.0)
        self.assertEqual(0.0, board.knocksPerSecond())

    def test_restarted(self) -> None:
        """Another daemon starts to count from 0."""
        board = Board(makeStatus(uptime=100.0, knocks=1000), 0.0)
        board.learn(makeStatus(uptime=101.0, knocks=1001), 1.0)
        board.learn(makeStatus(uptime=0.5, knocks=3), 2.0)
        self.assertIs(None, board.knocksPerSecond())

    def test_lost(self) -> None:
        """Trouble is remembered until the next answer."""
        board = Board(makeStatus(), 0.0)
        board.lose("no daemon")
        self.assertEqual("no daemon", board.trouble)
        board.learn(makeStatus(), 1.0)
        self.assertEqual("", board.trouble)

    def test_bounded(self) -> None:
        """However much happens, only the last events are remembered."""
        board = Board(makeStatus(), 0.0)
        for number in range(MAX_EVENTS + 5):
            board.hear(makeRecord(OPENED, f"10.0.0.{number % 256}", number), 0.0)
        self.assertEqual(MAX_EVENTS, len(board.events))
        self.assertEqual(MAX_EVENTS + 4, board.events[-1].seconds)


class ViewTests(SynchronousTestCase):
    """Tests of L{View}."""

    def setUp(self) -> None:
        """Set the time zone to UTC."""
        setZone(self, "UTC")

    def lines(
        self, board: Board, width: int = 80, height: int = 24, isAscii: bool = False
    ) -> list[str]:
        """Return the lines that a terminal without colours shows."""
        output = TextIOWrapper(BytesIO(), "ascii" if isAscii else "utf-8")
        console = Console(file=output, width=width, height=height, force_terminal=True)
        console.no_color = True
        drawn = View(width, height, isAscii).draw(board, 0.0)
        rows = console.render_lines(drawn, pad=False)[:height]
        lines = ["".join(segment.text for segment in row).rstrip() for row in rows]
        self.assertEqual([], [line for line in lines if cell_len(line) > width or "\n" in line])
        return lines

    def test_all(self) -> None:
        """It shows the daemon and its doors, the openings, and the last events, newest first."""
        opening = makeOpening(ONE, left=252.0, user="anna@laptop")
        board = Board(makeStatus(opening, makeOpening(TWO, "web", 15.0)), 0.0)
        board.hear(makeRecord(OPENED, ONE, 252.0, user="anna@laptop"), 0.0)
        board.hear(makeRecord(CLOSED, TWO, reason="asked for by the operator"), 0.0)
        self.assertEqual(
            [
                "pkdoors 26.12.0, up 1m40s, nftables and firewalld",
                "ssh 22/tcp open for 1, web 443/tcp open for 1",
                "",
                "OPEN (2)",
                f"web  2001:db8::7    15s  -            {'━' * 21}",
                f"ssh  192.0.2.7    4m12s  anna@laptop  {'━' * 42}",
                "",
                f"LAST EVENTS{'q ends the watch':>69}",
                "08:00:00  closed          ssh for 2001:db8::7, asked for by the operator",
                "08:00:00  opened          ssh for 192.0.2.7, 4m12s, anna@laptop",
            ],
            self.lines(board),
        )

    def test_nothing(self) -> None:
        """It says so if nothing is open, and nothing has happened."""
        lines = self.lines(Board(makeStatus(), 0.0))
        self.assertIn("no door is open", lines)
        self.assertIn("none yet", lines)
        self.assertIn("ssh 22/tcp closed, web 443/tcp closed", lines)

    def test_knocks(self) -> None:
        """The rate of knocks is at the right."""
        board = Board(makeStatus(uptime=100.0, knocks=0), 0.0)
        board.learn(makeStatus(uptime=102.0, knocks=25), 2.0)
        first = self.lines(board)[0]
        self.assertTrue(first.endswith(" 12.5 knocks/s"), first)
        self.assertEqual(80, len(first))

    def test_lost(self) -> None:
        """It shows that the daemon does not answer, and why."""
        board = Board(makeStatus(), 0.0)
        board.lose("the daemon is not running")
        lines = self.lines(board)
        self.assertIn("No answer, trying again: the daemon is not running", lines)
        self.assertNotIn("up", lines[0])

    def test_wrapped(self) -> None:
        """Many doors, and a long reason, have a few lines if the terminal is high enough."""
        admin = FakeAdmin()
        admin.doors = [makeDoor(f"door{n}", f"{8000 + n}/tcp") for n in range(8)]
        board = Board(readRecord(StatusRecord, admin.status()), 0.0)
        board.lose(" ".join(f"reason{n}" for n in range(18)))
        lines = self.lines(board)
        self.assertEqual(
            [
                "door0 8000/tcp closed, door1 8001/tcp closed, door2 8002/tcp closed,",
                "door3 8003/tcp closed, door4 8004/tcp closed, door5 8005/tcp closed,",
                "door6 8006/tcp closed, door7 8007/tcp closed",
            ],
            lines[1:4],
        )
        self.assertTrue(lines[4].startswith("No answer, trying again: reason0 "), lines)
        self.assertTrue(lines[6].endswith(" reason17"), lines)
        self.assertEqual("", lines[7])
        low = self.lines(board, height=12)
        self.assertTrue(low[1].startswith("door0 8000/tcp closed, door1") and low[1][-1] == "…")
        self.assertTrue(low[2].startswith("No answer") and low[2][-1] == "…", low)

    def test_wrappedNoFurther(self) -> None:
        """Any number of doors leaves room for the openings and the events."""
        admin = FakeAdmin()
        admin.doors = [makeDoor(f"door{n}", f"{8000 + n}/tcp") for n in range(50)]
        lines = self.lines(Board(readRecord(StatusRecord, admin.status()), 0.0))
        self.assertEqual(("…", ""), (lines[3][-1], lines[4]))

    def test_deaf(self) -> None:
        """The reason why no events come is above the earlier ones, if the daemon answers."""
        board = Board(makeStatus(*(makeOpening(f"192.0.2.{n}") for n in range(100))), 0.0)
        board.deafness = "64 follow already"
        self.assertEqual("No events come: 64 follow already", self.lines(board)[-1])
        board.hear(makeRecord(OPENED), 0.0)
        self.assertEqual("No events come: 64 follow already", self.lines(board)[-2])
        board.lose("the daemon is not running")
        self.assertNotIn("No events come", "\n".join(self.lines(board)))

    def test_trouble(self) -> None:
        """An opening that a firewall refuses has the reason in place of a bar."""
        board = Board(makeStatus(makeOpening(ONE, open=False, trouble="no such zone")), 0.0)
        self.assertIn("ssh  192.0.2.7  12s  -  no such zone", self.lines(board))

    def test_refused(self) -> None:
        """The reason of a refusal comes before the key, of which the beginning is shown."""
        key = f"SHA256:{'abcdefgh' * 5}abc"
        board = Board(makeStatus(), 0.0)
        board.hear(makeRecord("refused", reason=f"{key} expired", user="anna", key=key), 0.0)
        (line,) = [line for line in self.lines(board) if "expired" in line]
        self.assertIn("ssh for 192.0.2.7, SHA256:abcdefgh... expired, anna", line)

    def test_used(self) -> None:
        """An opening that is used up says so in place of a bar."""
        board = Board(makeStatus(makeOpening(ONE, open=False, uses="once", used=True)), 0.0)
        self.assertIn("ssh  192.0.2.7  12s  -  used", self.lines(board))

    def test_many(self) -> None:
        """Of many openings, it shows those that end first, and the number of the others."""
        openings = [makeOpening(f"10.0.{n // 250}.{n % 250}", left=100.0 + n) for n in range(1000)]
        board = Board(makeStatus(*openings), 0.0)
        for _ in range(100):
            board.hear(makeRecord(CLOSED), 0.0)
        lines = self.lines(board)
        self.assertEqual(24, len(lines))
        self.assertIn("OPEN (1000)", lines)
        shown = [line.split()[1] for line in lines if "━" in line]
        self.assertEqual([f"10.0.0.{n}" for n in range(len(shown))], shown)
        self.assertGreater(len(shown), 8)
        self.assertIn(f"and {1000 - len(shown)} more, which end later", lines)
        self.assertEqual(6, sum("closed " in line and "08:" in line for line in lines))

    def test_fewOpenings(self) -> None:
        """The events get the lines that the openings do not need."""
        board = Board(makeStatus(makeOpening(ONE)), 0.0)
        for _ in range(100):
            board.hear(makeRecord(CLOSED), 0.0)
        lines = self.lines(board)
        self.assertEqual(24, len(lines))
        self.assertEqual(17, sum("08:00:00" in line for line in lines))

    def test_long(self) -> None:
        """Whatever the names are, no line is too long, and addresses are not cut."""
        board = Board(longStatus(), 0.0)
        name = "ユーザー" * 20
        for kind in ("opened", "healed", "reloaded"):
            board.hear(makeRecord(kind, "2001:db8:1234:5678:9abc:def0:1234:5678", user=name), 0.0)
            board.hear(readRecord(EventRecord, makeEvent(kind, reason=name, text=name)), 0.0)
        for width in (80, 81, 100, 200):
            for isAscii in (False, True):
                lines = self.lines(board, width, isAscii=isAscii)
                shown = "\n".join(lines)
                self.assertEqual(3, shown.count("2001:db8:1234:5678:9abc:def0:1234:5678") - 1)

    def test_anySize(self) -> None:
        """It can be drawn on a terminal of any size."""
        board = Board(longStatus(), 0.0)
        board.hear(makeRecord(OPENED), 0.0)
        for width in (1, 2, 10, 39, 60):
            for height in (1, 2, 3, 5, 8, 12):
                self.lines(board, width, height)

    def test_ascii(self) -> None:
        """A terminal that can only show ASCII gets bars of ASCII characters."""
        board = Board(makeStatus(makeOpening(ONE, left=15.0)), 0.0)
        text = "\n".join(self.lines(board, isAscii=True))
        self.assertTrue(text.isascii())
        self.assertRegex(text, "-{20,}")


class PauseTests(SynchronousTestCase):
    """
    Tests of L{choosePause}.
    """

    def test_pause(self) -> None:
        """It asks once a second at most, and less often if there are many openings."""
        admin = FakeAdmin()
        admin.openings = [makeOpening("192.0.2.7")] * 1000
        self.assertEqual(1.0, choosePause(readRecord(StatusRecord, admin.status())))
        admin.openings.append(makeOpening("192.0.2.8"))
        self.assertEqual(5.0, choosePause(readRecord(StatusRecord, admin.status())))


class FollowerTests(SynchronousTestCase):
    """Tests of L{Follower}, with a daemon on a real socket."""

    def setUp(self) -> None:
        """Follow a daemon."""
        self.patch(followerModule, "POLL_INTERVAL", 0.01)
        self.admin = FakeAdmin().__enter__()
        self.addCleanup(self.admin.__exit__)
        self.news: SimpleQueue[News] = SimpleQueue()
        follower = Follower(AdminClient(self.admin.path, 5.0), self.news.put)
        self.addCleanup(follower.stop)
        follower.start()
        self.admin.awaitFollower()

    def next(self, kind: type[Any]) -> Any:
        """Return the next news of a kind."""
        while not isinstance(news := self.news.get(timeout=15), kind):
            pass
        return news

    def test_follows(self) -> None:
        """It reports the status, again and again, and the events."""
        first = self.next(StatusRecord)
        self.admin.uptime += 5
        while self.next(StatusRecord).uptime == first.uptime:
            pass
        self.admin.tell(makeEvent("reloaded", reason="nothing has changed"))
        self.assertEqual("nothing has changed", self.next(EventRecord).reason)

    def test_again(self) -> None:
        """It reports the end of the daemon, and follows the next one."""
        self.admin.stop()
        # A question that was under way is answered first.
        self.assertTrue(eventually(lambda: "no socket at" in str(self.next(AskError))))
        self.admin.start()
        self.next(StatusRecord)
        self.admin.awaitFollower()
        self.admin.tell(makeEvent("guarding", reason="it is shut"))
        self.assertEqual("guarding", self.next(EventRecord).kind)

    def test_deaf(self) -> None:
        """It reports that the daemon sends no events, and that it does again."""
        self.assertEqual(Hearing(), self.next(Hearing))
        self.admin.answers["GET", "/events"] = 503, {"error": "64 follow already"}
        self.admin.send(b"")
        self.assertEqual(Hearing("64 follow already"), self.next(Hearing))
        self.next(StatusRecord)
        self.admin.answers.clear()
        while self.next(Hearing) != Hearing():
            pass

    def test_strange(self) -> None:
        """It goes on after an event that it cannot understand."""
        self.admin.send(b"data: what?\n\n")
        self.admin.followers.clear()
        self.admin.awaitFollower()
        self.admin.tell(makeEvent("reloaded"))
        self.assertEqual("reloaded", self.next(EventRecord).kind)

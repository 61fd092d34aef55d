"""Tests of C{board}, C{view} and C{following} of L{pkdoors.operating}: all of C{pkdoors watch}."""

from queue import SimpleQueue
from typing import Any

from rich.cells import cell_len
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.adminclient.client import AdminClient
from pkdoors.adminclient.follower import Follower, Hearing, News, pauseAfter
from pkdoors.adminclient.responses import Happening, Status, happeningOf, statusOf
from pkdoors.adminclient.watchmodel import MAX_EVENTS, RATE_SECONDS, Board
from pkdoors.adminclient.watchview import View
from pkdoors.errors import AskError
from pkdoors.events.event import CLOSED, EXTENDED, OPENED
from tests.commands.test_control import longStatus, setZone
from tests.fakes.admin import FakeAdmin, makeDoor, makeEvent, makeOpening

ONE, TWO = "192.0.2.7", "2001:db8::7"


def standing(*openings: dict[str, Any], uptime: float = 100.0, knocks: int = 0) -> Status:
    """How things stand, with these openings."""
    admin = FakeAdmin()
    admin.openings = list(openings)
    admin.uptime, admin.knocks = uptime, {"request": 0, "other": knocks}
    return statusOf(admin.status())


def event(kind: str, source: str = ONE, seconds: float = 0.0, **more: Any) -> Happening:
    """Something that happened to door ssh."""
    return happeningOf(makeEvent(kind, source, "ssh", seconds=seconds, **more))


class BoardTests(SynchronousTestCase):
    """
    Tests of L{Board}.
    """

    def bars(self, board: Board, now: float) -> list[tuple[str, float, float]]:
        """The address, the time left and the whole time of each opening."""
        return [(bar.opening.source, bar.left, bar.full) for bar in board.bars(now)]

    def test_runsDown(self) -> None:
        """Bars run down between two answers, to nothing and no further."""
        board = Board(standing(makeOpening(ONE, left=40.0)), 1000.0)
        self.assertEqual([(ONE, 40.0, 40.0)], self.bars(board, 1000.0))
        self.assertEqual([(ONE, 15.0, 40.0)], self.bars(board, 1025.0))
        self.assertEqual([(ONE, 0.0, 40.0)], self.bars(board, 1041.0))

    def test_order(self) -> None:
        """Those that end first are first."""
        board = Board(standing(makeOpening(TWO, left=90.0), makeOpening(ONE, left=40.0)), 0.0)
        self.assertEqual([ONE, TWO], [each[0] for each in self.bars(board, 1.0)])

    def test_usualTime(self) -> None:
        """What is found half run down is taken to have had the door's own time."""
        board = Board(standing(makeOpening(ONE, left=10.0)), 0.0)
        self.assertEqual([(ONE, 10.0, 30.0)], self.bars(board, 0.0))

    def test_keepsFull(self) -> None:
        """Later answers change nothing about the whole time."""
        board = Board(standing(makeOpening(ONE, left=40.0)), 0.0)
        board.learn(standing(makeOpening(ONE, left=10.2)), 30.0)
        self.assertEqual([(ONE, 10.2, 40.0)], self.bars(board, 30.0))

    def test_opened(self) -> None:
        """What an event tells of the whole time counts."""
        board = Board(standing(), 0.0)
        board.hear(event(OPENED, seconds=12.0), 5.0)
        board.learn(standing(makeOpening(ONE, left=11.5)), 5.5)
        self.assertEqual([(ONE, 11.5, 12.0)], self.bars(board, 5.5))

    def test_extended(self) -> None:
        """An extension is the whole time anew, whether its event came or not."""
        for heard in (True, False):
            board = Board(standing(makeOpening(ONE, left=40.0)), 0.0)
            if heard:
                board.hear(event(EXTENDED, seconds=300.0), 20.0)
            board.learn(standing(makeOpening(ONE, left=299.5)), 20.5)
            ((_, left, full),) = self.bars(board, 20.5)
            self.assertEqual((299.5, 300.0 if heard else 299.5), (left, full))

    def test_openedAgain(self) -> None:
        """What was closed and opened again is another opening."""
        board = Board(standing(makeOpening(ONE, left=600.0)), 0.0)
        board.learn(standing(), 1.0)
        board.learn(standing(makeOpening(ONE, left=40.0)), 2.0)
        self.assertEqual([(ONE, 40.0, 40.0)], self.bars(board, 2.0))

    def test_knocks(self) -> None:
        """Knocks a second are those of the last seconds."""
        board = Board(standing(uptime=100.0, knocks=1000), 0.0)
        self.assertIs(None, board.knocksPerSecond())
        for second in range(1, 20):
            board.learn(standing(uptime=100.0 + second, knocks=1000 + 7 * second), second)
        self.assertAlmostEqual(7.0, board.knocksPerSecond() or 0)
        last = 1000 + 7 * 19
        board.learn(standing(uptime=119 + RATE_SECONDS, knocks=last), 30.0)
        self.assertEqual(0.0, board.knocksPerSecond())

    def test_restarted(self) -> None:
        """Another daemon begins to count anew."""
        board = Board(standing(uptime=100.0, knocks=1000), 0.0)
        board.learn(standing(uptime=101.0, knocks=1001), 1.0)
        board.learn(standing(uptime=0.5, knocks=3), 2.0)
        self.assertIs(None, board.knocksPerSecond())

    def test_lost(self) -> None:
        """Trouble is known until there is an answer again."""
        board = Board(standing(), 0.0)
        board.lose("no daemon")
        self.assertEqual("no daemon", board.trouble)
        board.learn(standing(), 1.0)
        self.assertEqual("", board.trouble)

    def test_bounded(self) -> None:
        """However much happens, only the last of it is remembered."""
        board = Board(standing(), 0.0)
        for number in range(MAX_EVENTS + 5):
            board.hear(event(OPENED, f"10.0.0.{number % 256}", number), 0.0)
        self.assertEqual(MAX_EVENTS, len(board.events))
        self.assertEqual(MAX_EVENTS + 4, board.events[-1].seconds)


class ViewTests(SynchronousTestCase):
    """
    Tests of L{View}.
    """

    def setUp(self) -> None:
        """Have a clock in UTC."""
        setZone(self, "UTC")

    def lines(self, board: Board, width: int = 80, height: int = 24, **more: Any) -> list[str]:
        """What is drawn; it fits."""
        lines = [each.plain for each in View(width, height, **more).lines(board, 0.0)]
        self.assertLessEqual(len(lines), height)
        self.assertEqual([], [line for line in lines if cell_len(line) > width or "\n" in line])
        return lines

    def test_all(self) -> None:
        """The daemon and its doors, what is open, and what happened last, the newest first."""
        opening = makeOpening(ONE, left=252.0, user="anna@laptop")
        board = Board(standing(opening, makeOpening(TWO, "web", 15.0)), 0.0)
        board.hear(event(OPENED, ONE, 252.0, user="anna@laptop"), 0.0)
        board.hear(event(CLOSED, TWO, reason="asked for by the operator"), 0.0)
        self.assertEqual(
            [
                "pkdoors 26.11.0, up 1m40s, nftables and firewalld",
                "ssh 22/tcp open for 1, web 443/tcp open for 1",
                "",
                "OPEN (2)",
                f"web  2001:db8::7    15s  -            {'━' * 21}{'─' * 21}",
                f"ssh  192.0.2.7    4m12s  anna@laptop  {'━' * 42}",
                "",
                f"LAST EVENTS{'Ctrl-C ends the watch':>69}",
                "08:00:00  closed          ssh for 2001:db8::7, asked for by the operator",
                "08:00:00  opened          ssh for 192.0.2.7, 4m12s, anna@laptop",
            ],
            self.lines(board),
        )

    def test_nothing(self) -> None:
        """Where nothing is open, and nothing happened, it says so."""
        lines = self.lines(Board(standing(), 0.0))
        self.assertIn("no door is open", lines)
        self.assertIn("none yet", lines)
        self.assertIn("ssh 22/tcp closed, web 443/tcp closed", lines)

    def test_knocks(self) -> None:
        """Knocks a second are at the right."""
        board = Board(standing(uptime=100.0, knocks=0), 0.0)
        board.learn(standing(uptime=102.0, knocks=25), 2.0)
        first = self.lines(board)[0]
        self.assertTrue(first.endswith(" 12.5 knocks/s"), first)
        self.assertEqual(80, len(first))

    def test_lost(self) -> None:
        """That the daemon does not answer is told, with the reason."""
        board = Board(standing(), 0.0)
        board.lose("no daemon is there")
        lines = self.lines(board)
        self.assertIn("No answer, trying again: no daemon is there", lines)
        self.assertNotIn("up", lines[0])

    def test_wrapped(self) -> None:
        """Many doors, and a long reason, have a few lines where the terminal is high enough."""
        admin = FakeAdmin()
        admin.doors = [makeDoor(f"door{n}", f"{8000 + n}/tcp") for n in range(8)]
        board = Board(statusOf(admin.status()), 0.0)
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
        """However many doors there are, they leave room for what is open and what happens."""
        admin = FakeAdmin()
        admin.doors = [makeDoor(f"door{n}", f"{8000 + n}/tcp") for n in range(50)]
        lines = self.lines(Board(statusOf(admin.status()), 0.0))
        self.assertEqual(("…", ""), (lines[3][-1], lines[4]))

    def test_deaf(self) -> None:
        """Why no events come stands before those that came, where the daemon answers at all."""
        board = Board(standing(*(makeOpening(f"192.0.2.{n}") for n in range(100))), 0.0)
        board.deafness = "64 follow already"
        self.assertEqual("No events come: 64 follow already", self.lines(board)[-1])
        board.hear(event(OPENED), 0.0)
        self.assertEqual("No events come: 64 follow already", self.lines(board)[-2])
        board.lose("no daemon is there")
        self.assertNotIn("No events come", "\n".join(self.lines(board)))

    def test_trouble(self) -> None:
        """What a firewall refuses has that in place of a bar."""
        board = Board(standing(makeOpening(ONE, open=False, trouble="no such zone")), 0.0)
        self.assertIn("ssh  192.0.2.7  12s  -  no such zone", self.lines(board))

    def test_many(self) -> None:
        """Of many openings those are shown that end first, and how many more there are."""
        openings = [makeOpening(f"10.0.{n // 250}.{n % 250}", left=100.0 + n) for n in range(1000)]
        board = Board(standing(*openings), 0.0)
        for _ in range(100):
            board.hear(event(CLOSED), 0.0)
        lines = self.lines(board)
        self.assertEqual(24, len(lines))
        self.assertIn("OPEN (1000)", lines)
        shown = [line.split()[1] for line in lines if "━" in line]
        self.assertEqual([f"10.0.0.{n}" for n in range(len(shown))], shown)
        self.assertGreater(len(shown), 8)
        self.assertIn(f"and {1000 - len(shown)} more, which end later", lines)
        self.assertEqual(6, sum("closed " in line and "08:" in line for line in lines))

    def test_fewOpenings(self) -> None:
        """What the openings do not need, the events have."""
        board = Board(standing(makeOpening(ONE)), 0.0)
        for _ in range(100):
            board.hear(event(CLOSED), 0.0)
        lines = self.lines(board)
        self.assertEqual(24, len(lines))
        self.assertEqual(17, sum("08:00:00" in line for line in lines))

    def test_long(self) -> None:
        """Whatever the names are, no line is longer than the terminal, and addresses are whole."""
        board = Board(longStatus(), 0.0)
        name = "ユーザー" * 20
        for kind in ("opened", "healed", "reloaded"):
            board.hear(event(kind, "2001:db8:1234:5678:9abc:def0:1234:5678", user=name), 0.0)
            board.hear(happeningOf(makeEvent(kind, reason=name, text=name)), 0.0)
        for width in (80, 81, 100, 200):
            for each in (False, True):
                lines = self.lines(board, width, isAscii=each)
                shown = "\n".join(lines)
                self.assertEqual(3, shown.count("2001:db8:1234:5678:9abc:def0:1234:5678") - 1)

    def test_anySize(self) -> None:
        """No terminal is too small for it."""
        board = Board(longStatus(), 0.0)
        board.hear(event(OPENED), 0.0)
        for width in (1, 2, 10, 39, 60):
            for height in (1, 2, 3, 5, 8, 12):
                self.lines(board, width, height)

    def test_ascii(self) -> None:
        """A terminal that can show nothing else gets bars of other characters."""
        board = Board(standing(makeOpening(ONE, left=15.0)), 0.0)
        text = "\n".join(self.lines(board, isAscii=True))
        self.assertTrue(text.isascii())
        self.assertRegex(text, "#{20,}-{20,}")


class FollowerTests(SynchronousTestCase):
    """
    Tests of L{Follower}, with a daemon on a real socket.
    """

    def setUp(self) -> None:
        """Follow a daemon."""
        self.admin = FakeAdmin().__enter__()
        self.addCleanup(self.admin.__exit__)
        self.news: SimpleQueue[News] = SimpleQueue()
        follower = Follower(AdminClient(self.admin.path, 5.0), self.news.put)
        self.addCleanup(follower.stop)
        follower.start()
        self.admin.awaitFollower()

    def comes(self, kind: type[Any]) -> Any:
        """The next news of a kind."""
        while not isinstance(news := self.news.get(timeout=15), kind):
            pass
        return news

    def test_follows(self) -> None:
        """It is told how things stand, again and again, and what happens."""
        first = self.comes(Status)
        self.admin.uptime += 5
        while self.comes(Status).uptime == first.uptime:
            pass
        self.admin.tell(makeEvent("reloaded", reason="nothing has changed"))
        self.assertEqual("nothing has changed", self.comes(Happening).reason)

    def test_again(self) -> None:
        """A daemon that ends is told, and one that begins again is followed."""
        self.admin.stop()
        self.assertIn("is missing", str(self.comes(AskError)))
        self.admin.start()
        self.comes(Status)
        self.admin.awaitFollower()
        self.admin.tell(makeEvent("guarding", reason="it is shut"))
        self.assertEqual("guarding", self.comes(Happening).kind)

    def test_deaf(self) -> None:
        """That the daemon lets nobody more follow is told, and that it does again."""
        self.assertEqual(Hearing(), self.comes(Hearing))
        self.admin.answers["GET", "/events"] = 503, {"error": "64 follow already"}
        self.admin.send(b"")
        self.assertEqual(Hearing("64 follow already"), self.comes(Hearing))
        self.comes(Status)
        self.admin.answers.clear()
        while self.comes(Hearing) != Hearing():
            pass

    def test_pause(self) -> None:
        """With many openings it is asked less often, and never more than once a second."""
        self.admin.openings = [makeOpening("192.0.2.7")] * 1000
        self.assertEqual(1.0, pauseAfter(statusOf(self.admin.status())))
        self.admin.openings.append(makeOpening("192.0.2.8"))
        self.assertEqual(5.0, pauseAfter(statusOf(self.admin.status())))

    def test_strange(self) -> None:
        """An event that cannot be understood does not end it."""
        self.admin.send(b"data: what?\n\n")
        self.admin.followers.clear()
        self.admin.awaitFollower()
        self.admin.tell(makeEvent("reloaded"))
        self.assertEqual("reloaded", self.comes(Happening).kind)

"""The command C{pkdoors watch}."""

import os
import select
import signal
import sys
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, NoReturn

from pkdoors.commands.control import addAdminOptions, askOrExit
from pkdoors.commands.parser import Parser

if TYPE_CHECKING:  # they load HTTP and rich, which other commands can do without
    from rich.console import Console
    from rich.live import Live

    from pkdoors.admin.records import StatusRecord
    from pkdoors.adminclient.client import AdminClient
    from pkdoors.adminclient.follower import News

FRAME = 0.2
"""Seconds between two pictures."""

ANSWER_TIMEOUT = 5.0
"""Seconds until the watch reports that the daemon does not answer."""

_MOST_TYPED = 1024
"""Bytes that are read at once from the keyboard."""

ENDS = ("SIGINT", "SIGTERM", "SIGHUP")
"""The signals that end the watch. It obeys them between two pictures: none is left half drawn."""


def addWatchCommand(command: Parser) -> None:
    """Add the options."""
    addAdminOptions(command)
    command.epilog = "Example: sudo pkdoors watch"
    command.set_defaults(run=_watch, parser=command)


def _watch(options: Namespace, environment: Mapping[str, str]) -> NoReturn:
    from pkdoors.admin.records import StatusRecord
    from pkdoors.adminclient.console import makeConsole
    from pkdoors.adminclient.follower import SHOWN
    from pkdoors.adminclient.responses import readRecord

    console = makeConsole(environment)
    if not console.is_terminal or console.is_dumb_terminal:
        options.parser.error("this is not a terminal: use `pkdoors status`")
    client, status = askOrExit(
        options, lambda daemon: (daemon, readRecord(StatusRecord, daemon.status(limit=SHOWN)))
    )
    client.timeout = ANSWER_TIMEOUT
    try:
        raise SystemExit(Watch(client, status, console).run())
    except KeyboardInterrupt:  # before the first picture
        raise SystemExit(0) from None


class Watch:
    """
    Draws the board, and takes in the news of the daemon, and keys and signals of the terminal.
    """

    def __init__(self, client: "AdminClient", status: "StatusRecord", console: "Console") -> None:
        from pkdoors.adminclient.follower import Follower
        from pkdoors.adminclient.watchmodel import Board

        self._console = console
        self._board: Board = Board(status, time.monotonic())
        self._news: SimpleQueue[News] = SimpleQueue()
        self._follower = Follower(client, self._news.put)
        self._signals: list[int] = []

    def run(self) -> int:
        """
        Draw until a signal ends the watch.

        @return: the exit status: 0 for Ctrl-C and the key q.
        """
        self._follower.start()
        with self._catchSignals():
            while True:
                with _hideTyping(), self._makeLive() as live:
                    end = self._show(live)
                if end != signal.SIGTSTP:
                    break
                signal.raise_signal(signal.SIGSTOP)  # the shell has the terminal meanwhile
        self._follower.stop()
        return 0 if end == signal.SIGINT else 128 + end

    def _makeLive(self) -> "Live":
        from rich.live import Live

        return Live(
            console=self._console,
            screen=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        )

    def _show(self, live: "Live") -> int:
        """Draw until a signal comes, and return it; the key q counts as Ctrl-C."""
        from pkdoors.adminclient.watchview import View

        while not self._signals:
            self._takeNews()
            view = View(*self._console.size, isAscii=self._console.options.ascii_only)
            live.update(view.draw(self._board, time.monotonic()), refresh=True)
            if _isQuit(FRAME):
                return signal.SIGINT
        return self._signals.pop(0)

    def _takeNews(self) -> None:
        from pkdoors.admin.records import EventRecord, StatusRecord
        from pkdoors.adminclient.follower import Hearing

        now = time.monotonic()
        while True:
            try:
                news = self._news.get_nowait()
            except Empty:
                return
            if isinstance(news, StatusRecord):
                self._board.learn(news, now)
            elif isinstance(news, EventRecord):
                self._board.hear(news, now)
            elif isinstance(news, Hearing):
                self._board.deafness = news.trouble
            else:
                self._board.lose(str(news))

    @contextmanager
    def _catchSignals(self) -> Iterator[None]:
        """Keep signals until the next picture is drawn."""

        def keep(number: int, frame: object) -> None:
            self._signals.append(number)

        caught = [signal.Signals[name] for name in (*ENDS, "SIGTSTP")]
        before = {each: signal.signal(each, keep) for each in caught}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)


def _isQuit(seconds: float) -> bool:
    """Wait, and return whether the user presses q meanwhile."""
    if not sys.stdin.isatty():
        time.sleep(seconds)
        return False
    if not select.select([sys.stdin], [], [], seconds)[0]:
        return False
    typed = os.read(sys.stdin.fileno(), _MOST_TYPED)
    if not typed:  # Ctrl-C has discarded it, or the terminal has hung up: a signal follows
        time.sleep(seconds)
    return b"q" in typed.lower()


@contextmanager
def _hideTyping() -> Iterator[None]:
    """
    Hide what the user types, and discard it at the end, so that the shell does not get it. A read
    never waits: Ctrl-C may discard the keys that select has just reported.
    """
    if not sys.stdin.isatty():
        yield
        return
    import termios  # which only UNIX has

    before = termios.tcgetattr(sys.stdin)
    quiet = termios.tcgetattr(sys.stdin)
    quiet[3] &= ~(termios.ECHO | termios.ICANON)
    quiet[6][termios.VMIN] = quiet[6][termios.VTIME] = 0
    termios.tcsetattr(sys.stdin, termios.TCSADRAIN, quiet)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSAFLUSH, before)

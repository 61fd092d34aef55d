"""C{pkdoors watch} on the command line."""

import signal
import sys
import termios
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, NoReturn

from pkdoors.commands.control import addAdminOptions, asked

if TYPE_CHECKING:  # they load HTTP and rich, which other commands can do without
    from rich.console import Console
    from rich.live import Live

    from pkdoors.adminclient.client import AdminClient
    from pkdoors.adminclient.follower import News
    from pkdoors.adminclient.responses import Status

FRAME = 0.2
"""Seconds between two pictures."""

PATIENCE = 5.0
"""Seconds until it says that the daemon does not answer."""

ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What ends it. Between two pictures only, so that none is left half drawn."""


def addWatchCommand(commands: Any) -> None:
    """Add it to the commands."""
    about = "show live what is open and what happens, until Ctrl-C"
    command = commands.add_parser("watch", help=about, description=f"S{about[1:]}.")
    addAdminOptions(command)
    command.set_defaults(run=_watch, parser=command)


def _watch(options: Namespace, environment: Mapping[str, str]) -> NoReturn:
    from pkdoors.adminclient.console import makeConsole
    from pkdoors.adminclient.responses import statusOf

    console = makeConsole(environment)
    if not console.is_terminal or console.is_dumb_terminal:
        options.parser.error("it needs a terminal, which this is not: use `pkdoors status`")
    client, status = asked(options, lambda daemon: (daemon, statusOf(daemon.status())))
    client.timeout = PATIENCE
    try:
        raise SystemExit(Watch(client, status, console).run())
    except KeyboardInterrupt:  # before there was anything to see
        raise SystemExit(0) from None


class Watch:
    """
    The picture, and what comes in.
    """

    def __init__(self, client: "AdminClient", status: "Status", console: "Console") -> None:
        from pkdoors.adminclient.follower import Follower
        from pkdoors.adminclient.watchmodel import Board

        self._console = console
        self._board: Board = Board(status, time.monotonic())
        self._news: SimpleQueue[News] = SimpleQueue()
        self._follower = Follower(client, self._news.put)
        self._signals: list[int] = []

    def run(self) -> int:
        """
        Show it until a signal comes.

        @return: the exit status: 0 for Ctrl-C.
        """
        self._follower.start()
        with self._heeding():
            while True:
                with _quiet(), self._live() as live:
                    end = self._show(live)
                if end != signal.SIGTSTP:
                    break
                signal.raise_signal(signal.SIGSTOP)  # the terminal is the shell's meanwhile
        self._follower.stop()
        return 0 if end == signal.SIGINT else 128 + end

    def _live(self) -> "Live":
        from rich.live import Live

        return Live(
            console=self._console,
            screen=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def _show(self, live: "Live") -> int:
        """Draw until a signal comes, and give it."""
        from rich.text import Text

        from pkdoors.adminclient.watchview import View

        while not self._signals:
            self._hear()
            view = View(*self._console.size, isAscii=self._console.options.ascii_only)
            lines = view.lines(self._board, time.monotonic())
            live.update(Text("\n", no_wrap=True).join(lines), refresh=True)
            time.sleep(FRAME)
        return self._signals.pop(0)

    def _hear(self) -> None:
        from pkdoors.adminclient.follower import Hearing
        from pkdoors.adminclient.responses import Happening, Status

        now = time.monotonic()
        while True:
            try:
                news = self._news.get_nowait()
            except Empty:
                return
            if isinstance(news, Status):
                self._board.learn(news, now)
            elif isinstance(news, Happening):
                self._board.hear(news, now)
            elif isinstance(news, Hearing):
                self._board.deafness = news.trouble
            else:
                self._board.lose(str(news))

    @contextmanager
    def _heeding(self) -> Iterator[None]:
        def heed(number: int, frame: object) -> None:
            self._signals.append(number)

        before = {each: signal.signal(each, heed) for each in (*ENDS, signal.SIGTSTP)}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)


@contextmanager
def _quiet() -> Iterator[None]:
    """What is typed is not shown, nor left for the shell."""
    if not sys.stdin.isatty():
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    quiet = termios.tcgetattr(sys.stdin)
    quiet[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(sys.stdin, termios.TCSADRAIN, quiet)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSAFLUSH, before)

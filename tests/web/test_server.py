"""Tests of L{pkdoors.web.server}, L{pkdoors.web.browser}, L{pkdoors.web.peers} and the keyboard."""

import io
import webbrowser
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import AskError
from pkdoors.web._presence import PATIENCE
from pkdoors.web.browser import mayOpen, openBrowser
from pkdoors.web.keyboard import onEnter
from pkdoors.web.peers import canTell, findUser
from pkdoors.web.server import FAREWELL, End, WebServer
from tests.admin.case import Connection
from tests.fakes.adminside import FakeSide
from tests.fakes.reactor import FakeReactor

_HEAD = "sl local_address rem_address st tx_queue:rx tr:when retrnsmt uid timeout inode\n"
_TCP = f"""{_HEAD}
0: 0100007F:1267 00000000:0000 0A 0:0 00:0 0 0 0 1 1 0 100 0
1: 0100007F:1267 0100007F:8235 01 0:0 00:0 0 0 0 2 1 0 20 4
2: 0100007F:8235 0100007F:1267 01 0:0 00:0 0 1000 0 3 1 0 20 4
3: 0200000A:8236 0100007F:1267 01 0:0 00:0 0 1001 0 4 1 0 20 4
""".replace("\n\n", "\n")
_MAPPED = "0000000000000000FFFF00000100007F"
_TCP6 = f"{_HEAD}0: {_MAPPED}:8237 {_MAPPED}:1267 01 0:0 00:0 0 1002 0 9 1 0 20 4\n"


class ServerTests(SynchronousTestCase):
    """Tests of L{WebServer}."""

    def setUp(self) -> None:
        """Run one."""
        self.reactor = FakeReactor()
        self.side = FakeSide()
        self.links: list[str] = []
        self.server = WebServer(self.reactor, self.side, self.links.append)
        self.running = Deferred.fromCoroutine(self.server.run())

    def begin(self) -> None:
        """Let the host answer."""
        self.side.beginning.callback(None)

    def endOf(self) -> End:
        """Return why it has ended; then nothing is left."""
        end = self.successResultOf(self.running)
        self.assertTrue(self.side.isStopped)
        self.assertEqual([], self.reactor.getDelayedCalls())
        return end

    def test_link(self) -> None:
        """Once the host answers, it listens on the loopback only, and shows the link."""
        self.assertEqual(([], []), (self.links, self.reactor.tcpServers))
        self.begin()
        ((port, _, _, interface),) = self.reactor.tcpServers
        self.assertEqual((0, "127.0.0.1"), (port, interface))
        link, other = self.links
        self.assertRegex(link, r"^http://[0-9a-f]{16}\.localhost:[0-9]+/#[A-Za-z0-9_-]{22}$")
        rest = link.partition("localhost:")[2]
        self.assertEqual(f"http://127.0.0.1:{rest}", other.rpartition(" ")[2])

    def test_another(self) -> None:
        """It can show another one; before the host answers there is none."""
        self.server.showLink()
        self.assertEqual([], self.links)
        self.begin()
        self.server.showLink()
        self.assertEqual(4, len({*self.links}))

    def test_notReached(self) -> None:
        """If the host cannot be reached, it ends with the sentence."""
        self.side.beginning.errback(AskError("ssh cannot log in"))
        self.assertEqual(End("ssh cannot log in", True), self.endOf())
        self.assertEqual([], self.links)

    def test_fault(self) -> None:
        """A fault of ours ends it, too."""
        self.side.beginning.errback(ZeroDivisionError())
        self.failureResultOf(self.running, ZeroDivisionError)
        self.assertTrue(self.side.isStopped)

    def test_stop(self) -> None:
        """The user can end it, before the host answers and after."""
        stopped = self.server.stop()
        self.successResultOf(stopped)
        self.assertEqual(End("", False), self.endOf())
        self.begin()
        self.assertEqual([], self.links)
        self.setUp()
        self.begin()
        self.successResultOf(self.server.stop())
        self.assertEqual(End("", False), self.endOf())

    def test_connections(self) -> None:
        """At the end, open connections end, too: a page that follows the events has one."""
        self.begin()
        site: Any = self.reactor.tcpServers[0][1]
        channel = site.buildProtocol(None)
        connection = Connection()
        channel.makeConnection(connection)
        self.assertEqual(0, connection.aborts)
        self.successResultOf(self.server.stop())
        self.assertEqual(1, connection.aborts)

    def test_away(self) -> None:
        """It ends if no page is open; a login may take any time."""
        self.reactor.advance(2 * PATIENCE)
        self.begin()
        self.reactor.advance(PATIENCE - 1)
        self.assertNoResult(self.running)
        self.reactor.advance(1)
        end = self.endOf()
        self.assertIn("ten minutes", end.sentence)
        self.assertFalse(end.isFault)

    def test_sideEnds(self) -> None:
        """If the host cannot be asked any more, it ends with the sentence."""
        self.begin()
        self.side.ended.callback("the connection has ended")
        self.reactor.advance(0)
        self.assertEqual(End("the connection has ended", True), self.endOf())

    def test_sideEndsInUse(self) -> None:
        """A page that is open has some seconds to ask why."""
        self.begin()
        self.server._presence.begin()
        self.server._presence.end()
        self.side.ended.callback("the connection has ended")
        self.reactor.advance(FAREWELL - 1)
        self.assertNoResult(self.running)
        self.reactor.advance(1)
        self.assertEqual(End("the connection has ended", True), self.endOf())


class BrowserTests(SynchronousTestCase):
    """When a browser is opened, and which."""

    def test_may(self) -> None:
        """There must be a screen, at which the user sits, who is not root."""
        screen = {"DISPLAY": ":0"}
        for environment, platform, isRoot, expected in (
            (screen, "linux", False, True),
            ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", False, True),
            (screen, "linux", True, False),
            ({}, "linux", False, False),
            ({"DISPLAY": "", "WAYLAND_DISPLAY": ""}, "linux", False, False),
            ({**screen, "SSH_CONNECTION": "x"}, "linux", False, False),
            ({}, "darwin", False, True),
            ({}, "darwin", True, False),
            ({"SSH_CONNECTION": "x"}, "darwin", False, False),
            ({}, "win32", False, True),
            (screen, "freebsd14", False, False),  # others see command lines there
        ):
            found = mayOpen(environment, platform, isRoot)
            self.assertEqual(expected, found, (environment, platform, isRoot))

    def test_open(self) -> None:
        """It opens the link, but never in the terminal, and a failure does not matter."""
        opened: list[str] = []

        class Browser(webbrowser.BaseBrowser):
            """A browser with windows."""

            def open(self, url: str, new: int = 0, autoraise: bool = True) -> bool:
                """See L{webbrowser.BaseBrowser}."""
                opened.append(url)
                return True

        class Reactor:
            """Has threads."""

            def callInThread(self, work: Any, *arguments: Any) -> None:
                """Do it at once."""
                work(*arguments)

        def fail() -> None:
            raise webbrowser.Error

        for get in (Browser, fail, lambda: webbrowser.GenericBrowser("false")):
            self.patch(webbrowser, "get", get)
            openBrowser(Reactor(), "http://127.0.0.1:1/#x")
        self.assertEqual(["http://127.0.0.1:1/#x"], opened)


class PeersTests(SynchronousTestCase):
    """Who has connected."""

    def test_find(self) -> None:
        """The other end's line has the user, in either table; our own end's does not count."""
        folder = Path(self.mktemp())
        folder.mkdir()
        tables = (str(folder / "tcp"), str(folder / "tcp6"))
        self.assertFalse(canTell(tables))

        def find(there: int, here: int = 0x1267) -> int | None:
            return findUser(("127.0.0.1", here), ("127.0.0.1", there), tables)

        self.assertIsNone(find(0x8235))
        (folder / "tcp").write_text(_TCP)
        self.assertTrue(canTell(tables))
        self.assertEqual(1000, find(0x8235))
        (folder / "tcp6").write_text(_TCP6)
        self.assertEqual(1002, find(0x8237))
        self.assertIsNone(find(0x8236), "not of this machine")
        self.assertIsNone(find(1))
        self.assertIsNone(find(0x8235, 1))

    def test_forged(self) -> None:
        """
        Neither a connection with the same ports at other addresses counts, which another user has
        had the operator's browser make, nor a socket that its process has closed.
        """
        table = Path(self.mktemp())
        lines = (
            "0: 0100007F:8235 0300007F:1267 01 0:0 00:0 0 1000 0 5 1 0 20 4",
            "1: 0500007F:8235 0100007F:1267 01 0:0 00:0 0 1001 0 6 1 0 20 4",
            "2: 0100007F:8236 0100007F:1267 04 0:0 00:0 0 0 0 0 1 0 20 4",
            "3: 0100007F:8237 0100007F:1267 06 0:0 00:0 0 0 0 0 1 0 20 4",
        )
        table.write_text("\n".join((_HEAD.strip(), *lines, "")))
        for there, user in (
            (("127.0.0.5", 0x8235), 1001),
            (("127.0.0.1", 0x8235), None),
            (("127.0.0.1", 0x8236), None),
            (("127.0.0.1", 0x8237), None),
        ):
            self.assertEqual(user, findUser(("127.0.0.1", 0x1267), there, (str(table),)), there)


class KeyboardTests(SynchronousTestCase):
    """Tests of L{onEnter}."""

    def test_lines(self) -> None:
        """Each line calls, until the end or an error."""

        class Broken(io.StringIO):
            """As a terminal for a program in the background."""

            def readline(self, *_: Any) -> Any:
                """See L{io.StringIO}."""
                raise OSError

        for stream, count in ((io.StringIO("\nnew\n\n"), 3), (io.StringIO(), 0), (Broken(), 0)):
            reactor = FakeReactor()
            onEnter(reactor, stream, lambda: None, lambda work: work())
            self.assertEqual(count, len(reactor.calls))

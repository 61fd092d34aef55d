"""Tests of L{pkdoors.web.question}."""

import json

from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import NoDaemon, PkdoorsError
from pkdoors.web.channels.adminside import ABOUT, ADMIN
from pkdoors.web.question import ask, findFolder
from tests.fakes.adminside import FakeChannel, FakeSide


class PlacedSide(FakeSide):
    """
    A host whose daemon has a socket at a path.

    @param path: of the socket.
    """

    def __init__(self, path: str | bytes) -> None:
        super().__init__()
        self._path = path

    def open(self, kind: str, protocol: IProtocol) -> None:
        """See L{FakeSide.open}."""
        channel = FakeChannel(kind, protocol)
        channel.peerAddr = UNIXAddress(self._path)
        self.channels.append(channel)
        protocol.makeConnection(channel)


class AskTests(SynchronousTestCase):
    """Tests of a question."""

    def test_answer(self) -> None:
        """An answer that comes in pieces is whole."""
        side = FakeSide()
        asked = Deferred.fromCoroutine(ask(side, ABOUT))
        (channel,) = side.channels
        self.assertEqual(ABOUT, channel.kind)
        channel.answer(b'{"host":')
        channel.answer(b' "a"}\n')
        self.assertNoResult(asked)
        channel.end()
        self.assertEqual({"host": "a"}, json.loads(self.successResultOf(asked)))

    def test_broken(self) -> None:
        """If the channel breaks, what came before is not an answer."""
        side = FakeSide()
        asked = Deferred.fromCoroutine(ask(side, ABOUT))
        side.channels[0].answer(b"{")
        side.channels[0].end(PkdoorsError("it broke"))
        self.assertEqual("it broke", str(self.failureResultOf(asked, PkdoorsError).value))

    def test_refused(self) -> None:
        """If there is no daemon, the sentence is that of the channel."""
        side = FakeSide()
        side.error = NoDaemon("it is gone")
        asked = Deferred.fromCoroutine(ask(side, ADMIN))
        self.assertEqual("it is gone", str(self.failureResultOf(asked, NoDaemon).value))

    def test_admin(self) -> None:
        """Where the socket is, is where the connection leads; it is left at once."""
        for path in ("/run/pkdoors/admin.sock", "/run/p\xf6/admin.sock"):
            side = PlacedSide(path.encode())
            asked = Deferred.fromCoroutine(ask(side, ADMIN))
            self.assertEqual({"admin": path}, json.loads(self.successResultOf(asked)))
            self.assertTrue(side.channels[0].isEnded)


class FolderTests(SynchronousTestCase):
    """Tests of the folder as a package for Cockpit."""

    def test_manifest(self) -> None:
        """The manifest names a page that exists, and no file has a name that Cockpit refuses."""
        folder = findFolder()
        manifest = json.loads((folder / "manifest.json").read_text())
        (entry,) = manifest["menu"]
        self.assertTrue((folder / f"{entry}.html").exists())
        for file in folder.rglob("*"):
            self.assertRegex(str(file.relative_to(folder)), r"^[A-Za-z0-9_./-]+$")
            self.assertFalse(file.is_symlink(), file)

    def test_policy(self) -> None:
        """In Cockpit, too, the page loads only what is its own; no other page can frame it."""
        policy = json.loads((findFolder() / "manifest.json").read_text())["content-security-policy"]
        rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
        self.assertEqual("'self'", rules["default-src"])
        self.assertEqual("'self'", rules["frame-ancestors"])
        self.assertEqual({"'self'", "'none'"}, {*rules.values()})

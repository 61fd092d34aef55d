"""Tests of L{pkdoors.web.question}."""

import json
from collections.abc import Callable

from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProtocol
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from pkdoors.errors import NoDaemon, PkdoorsError
from pkdoors.web.adminside import ABOUT, ADMIN, KINDS, IAdminSide
from pkdoors.web.question import ask, findFolder


@implementer(IAdminSide)
class FakeSide:
    """
    A host whose channels do what a test wants.

    @param begin: called with the protocol of a channel.
    """

    def __init__(self, begin: Callable[[IProtocol], None]) -> None:
        self.ended: Deferred[str] = Deferred()
        self.begin = begin

    def open(self, kind: str, protocol: IProtocol) -> None:
        """See L{IAdminSide.open}."""
        assert kind in KINDS
        self.begin(protocol)

    def stop(self) -> Deferred[None]:
        """See L{IAdminSide.stop}."""
        raise AssertionError("nobody stops it")


def end(protocol: IProtocol, error: Exception) -> None:
    """End a channel."""
    protocol.connectionLost(Failure(error))


class AskTests(SynchronousTestCase):
    """Tests of a question."""

    def ask(self, kind: str, begin: Callable[[IProtocol], None]) -> "Deferred[bytes]":
        """Ask a host."""
        side = FakeSide(begin)
        verifyObject(IAdminSide, side)
        return Deferred.fromCoroutine(ask(side, kind))

    def test_answer(self) -> None:
        """An answer that comes in pieces is whole."""

        def begin(protocol: IProtocol) -> None:
            protocol.makeConnection(StringTransport())
            protocol.dataReceived(b'{"host":')
            protocol.dataReceived(b' "a"}\n')
            end(protocol, ConnectionDone())

        answer = self.successResultOf(self.ask(ABOUT, begin))
        self.assertEqual({"host": "a"}, json.loads(answer))

    def test_refused(self) -> None:
        """Without an answer the sentence is the channel's, whenever it ends."""

        def begin(protocol: IProtocol) -> None:
            protocol.makeConnection(StringTransport())
            protocol.dataReceived(b"{")
            end(protocol, PkdoorsError("it broke"))

        def refuse(protocol: IProtocol) -> None:
            end(protocol, NoDaemon("gone"))

        for kind, first, sentence in ((ABOUT, begin, "it broke"), (ADMIN, refuse, "gone")):
            failure = self.failureResultOf(self.ask(kind, first), PkdoorsError)
            self.assertEqual(sentence, str(failure.value))

    def test_admin(self) -> None:
        """Where the socket is, is where the connection leads; it is left at once."""
        for name in ("/run/pkdoors/admin.sock", b"/run/p\xc3\xb6/admin.sock"):
            transport = StringTransport(peerAddress=UNIXAddress(name))

            def begin(protocol: IProtocol, transport: StringTransport = transport) -> None:
                protocol.makeConnection(transport)

            answer = json.loads(self.successResultOf(self.ask(ADMIN, begin)))
            self.assertEqual({"admin": name if isinstance(name, str) else name.decode()}, answer)
            self.assertTrue(transport.disconnecting)


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

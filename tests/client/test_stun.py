"""Tests of how both drivers ask a STUN server, with sockets of this host."""

import os
import socket
from collections.abc import Callable
from threading import Thread
from typing import Any

from twisted.internet import reactor as globalReactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from pkdoors.client.blocking import _stun as blockingStun
from pkdoors.client.blocking._loop import Loop
from pkdoors.client.blocking._stun import StunExchange
from pkdoors.client.blocking._work import Work
from pkdoors.client.core.stun import Server, StunError, Transaction
from pkdoors.client.reactor import _stun as reactorStun
from pkdoors.client.reactor._stun import exchangeWith
from pkdoors.client.reactor._work import workWith
from pkdoors.errors import NoAddress
from tests.fakes.stun import answerTo, attribute, message

HOST = "127.0.0.1"
reactor: Any = globalReactor


class StunServer:
    """
    A server that does as a script says.

    @ivar heard: the questions.
    """

    def __init__(self, *script: Callable[[bytes], list[bytes]], family: int = 4) -> None:
        kind = socket.AF_INET if family == 4 else socket.AF_INET6
        self._socket = socket.socket(kind, socket.SOCK_DGRAM)
        self._host = HOST if family == 4 else "::1"
        self._socket.bind((self._host, 0))
        self._socket.settimeout(60)
        self.server = Server(self._host, self._socket.getsockname()[1])
        self.heard: list[bytes] = []
        self._script = script
        self._thread = Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        for answer in self._script:
            question, client = self._socket.recvfrom(2000)
            self.heard.append(question)
            with socket.socket(self._socket.family, socket.SOCK_DGRAM) as stranger:
                stranger.bind((self._host, 0))
                stranger.sendto(answerTo(question, "6.6.6.6"), client)  # not from the server
            for datagram in answer(question):
                self._socket.sendto(datagram, client)

    def close(self) -> None:
        """End."""
        self._thread.join()
        self._socket.close()


def good(question: bytes) -> list[bytes]:
    """Answer."""
    return [answerTo(question, "9.9.9.9")]


def mute(question: bytes) -> list[bytes]:
    """Do not answer."""
    return []


def noisy(question: bytes) -> list[bytes]:
    """Answer with everything but an answer, and then with one."""
    other = answerTo(Transaction().question, "6.6.6.6")
    return [b"", b"\0", other, question, b"x" * 9000, *good(question)]


def refusing(question: bytes) -> list[bytes]:
    """Answer with an error."""
    return [message(0x0111, question[8:], attribute(9, b"\0\0\4\0"))]


class ExchangeMixin:
    """
    Tests of an exchange. A class for each driver has L{ask}.
    """

    addCleanup: Callable[..., None]
    assertEqual: Callable[..., Any]
    patch: Callable[..., Any]

    def ask(self, server: Server, family: int = 4) -> Any:
        """Return the address, or the error."""
        raise NotImplementedError

    def serve(self, *script: Callable[[bytes], list[bytes]], family: int = 4) -> StunServer:
        """Start a server."""
        server = StunServer(*script, family=family)
        self.addCleanup(server.close)
        return server

    async def check(self, expected: str, *script: Callable[[bytes], list[bytes]]) -> StunServer:
        """Ask a server, and compare the address or the error."""
        server = self.serve(*script)
        self.assertEqual(expected, str(await self.ask(server.server)))
        return server

    async def test_good(self) -> None:
        """The answer counts; nobody else's does."""
        await self.check("9.9.9.9", good)

    async def test_noisy(self) -> None:
        """What is not the answer is ignored."""
        await self.check("9.9.9.9", noisy)

    async def test_again(self) -> None:
        """The same question is sent again."""
        server = await self.check("9.9.9.9", mute, mute, good)
        self.assertEqual(1, len({*server.heard}))

    async def test_error(self) -> None:
        """The server's error is told."""
        await self.check("answers with error 400", refusing)

    async def test_mute(self) -> None:
        """A mute server is not waited for long."""
        for module in (blockingStun, reactorStun):
            self.patch(module, "TIMES", (0.0, 0.01))
            self.patch(module, "LAST", 0.05)
        await self.check("does not answer within 50ms", mute, mute)

    async def test_nobody(self) -> None:
        """A port that refuses is not waited for."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind((HOST, 0))
            server = Server(HOST, free.getsockname()[1])
        self.assertEqual("refuses datagrams", str(await self.ask(server)))

    async def test_families(self) -> None:
        """A server of the other family is no server."""
        server = self.serve(good, family=6)
        self.assertEqual("9.9.9.9", await self.ask(server.server, 6))
        self.assertEqual(NoAddress, type(await self.ask(server.server, 4)))

    async def test_nothingLeft(self) -> None:
        """Nothing stays open."""
        counts = []
        for _ in range(3):
            await self.check("9.9.9.9", good)
            await self.check("answers with error 400", refusing)
            await deferLater(reactor, 0, lambda: None)
            counts.append(len(os.listdir("/proc/self/fd")))
        # The servers of this test stay open, one descriptor each.
        self.assertEqual([2, 2], [counts[1] - counts[0], counts[2] - counts[1]])


class BlockingTests(ExchangeMixin, TestCase):
    """
    Tests of L{StunExchange}.
    """

    async def ask(self, server: Server, family: int = 4) -> Any:
        """Ask, in a loop of its own."""
        loop, results = Loop(), list[Any]()

        async def work() -> str | Exception:
            try:
                return await StunExchange(server, family, Transaction())
            except StunError as error:
                return error

        Work(loop, work(), results.append).start()
        while not results:
            loop.turn()
        loop.close()
        return results[0]

    def test_stopped(self) -> None:
        """A question can be given up."""
        server = self.serve(mute)
        loop = Loop()

        async def work() -> str:
            return await StunExchange(server.server, 4, Transaction())

        asking = Work(loop, work(), self.fail)
        asking.start()
        asking.stop()
        self.assertEqual(0, len(loop._selector.get_map()))
        self.assertEqual({}, loop._times)
        loop.close()


class ReactorTests(ExchangeMixin, TestCase):
    """
    Tests of L{exchangeWith}.
    """

    async def ask(self, server: Server, family: int = 4) -> Any:
        """Ask."""
        exchange = exchangeWith(reactor, workWith(reactor))
        try:
            return await exchange(server, family, Transaction())
        except (StunError, NoAddress, OSError) as error:
            return error

    async def test_cancelled(self) -> None:
        """A question can be given up."""
        server = self.serve(mute)
        await deferLater(reactor, 0, lambda: None)
        calls = reactor.getDelayedCalls()  # the test's own

        async def work() -> str:
            exchange = exchangeWith(reactor, workWith(reactor))
            return await exchange(server.server, 4, Transaction())

        asking = Deferred.fromCoroutine(work())
        while not server.heard:
            await deferLater(reactor, 0.01, lambda: None)
        asking.cancel()
        self.failureResultOf(asking, CancelledError)
        await deferLater(reactor, 0, lambda: None)
        self.assertEqual(calls, reactor.getDelayedCalls())

"""Knock ports, a port that opens, and an SSH agent, all real, in a thread, as a script says."""

import contextlib
import os
import selectors
import socket
import time
from tempfile import mkdtemp
from threading import Thread
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.conch.ssh.keys import Key

from tests.fakes.agent import AgentReactor, FakeAgent

SEED = bytes(range(32))
"""The private key of the vectors, as RFC 8032 has it."""
PORTS = (47101, 47103, 47105, 47102, 47104)
PROTECTED, TCP_KNOCK = 47122, 47106
PATIENCE = 60.0
STEP = 0.005


def localAddress() -> str:
    """Return an address of the loopback that is nobody else's: ports are free there."""
    number = os.getpid()
    return f"127.{128 + (number >> 16 & 63)}.{number >> 8 & 255}.{number & 255}"


def loadKey() -> Key:
    """Return the key."""
    return Key(Ed25519PrivateKey.from_private_bytes(SEED))


class World:
    """
    What a client meets.

    @param opensAfter: the datagrams after which the protected port listens; 0 for from the
        beginning, L{None} for never.
    @param agent: C{good}, C{refuses}, C{hangs up}, or C{away}.
    @ivar heard: the datagrams of each knock port, in order; the name of a port is C{4 0} for the
        first one on IPv4.
    @ivar accepted: how many connections to the protected port there were.
    @ivar syns: how many to the port that hears TCP knocks.
    @ivar asked: the questions to the agent.
    """

    def __init__(self, opensAfter: int | None, agent: str, families: tuple[int, ...]) -> None:
        self.addresses = {4: localAddress(), 6: "::1"}
        self.heard: dict[str, list[bytes]] = {}
        self.accepted = self.syns = 0
        self.asked: list[bytes] = []
        self.agentPath = os.path.join(mkdtemp(dir="/tmp"), "agent")
        self._opensAfter = opensAfter
        self._agentKind = agent
        self._agent = FakeAgent(AgentReactor(), loadKey())
        if agent == "refuses":
            self._agent.refused = {loadKey().blob()}
        self._selector = selectors.DefaultSelector()
        self._open: list[socket.socket] = []
        self._doors: list[socket.socket] = []
        self._isOver = False
        for family in families:
            self._bindAll(family)
        if agent != "away":
            self._add(self._listenUnix(), self._serveAgent)
        if opensAfter == 0:
            self._openDoors()
        self._thread = Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        """End, when all that was sent has been read."""
        self._isOver = True
        self._thread.join()
        for each in self._open:
            each.close()
        self._selector.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.agentPath)
        os.rmdir(os.path.dirname(self.agentPath))

    def _bindAll(self, family: int) -> None:
        for index, port in enumerate(PORTS):
            heard = self.heard.setdefault(f"{family} {index}", [])
            ear = self._bind(family, socket.SOCK_DGRAM, port)
            self._add(ear, lambda ear=ear, heard=heard: heard.append(ear.recv(9999)))
        self._doors.append(self._bind(family, socket.SOCK_STREAM, PROTECTED))
        syns = self._bind(family, socket.SOCK_STREAM, TCP_KNOCK)
        syns.listen()
        self._add(syns, lambda: self._countSyn(syns))

    def _bind(self, family: int, kind: int, port: int) -> socket.socket:
        """Bind a socket; wait for its port if the same test runs elsewhere on this machine."""
        made = socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6, kind)
        self._open.append(made)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, kind == socket.SOCK_STREAM)
        end = time.monotonic() + PATIENCE
        while True:
            try:
                made.bind((self.addresses[family], port))
                return made
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def _listenUnix(self) -> socket.socket:
        server = socket.socket(socket.AF_UNIX)
        self._open.append(server)
        server.bind(self.agentPath)
        server.listen()
        return server

    def _add(self, what: socket.socket, call: Any) -> None:
        self._selector.register(what, selectors.EVENT_READ, (call, what))

    def _openDoors(self) -> None:
        for door in self._doors:
            door.listen()
            self._add(door, lambda door=door: self._accept(door))
        self._doors = []

    def _accept(self, door: socket.socket) -> None:
        connection, _ = door.accept()
        self.accepted += 1
        with connection, contextlib.suppress(OSError):
            connection.sendall(b"SSH-2.0-vector\r\n")

    def _countSyn(self, server: socket.socket) -> None:
        server.accept()[0].close()
        self.syns += 1

    def _serveAgent(self) -> None:
        server: Any = next(key.data[1] for key in self._keys() if key.data[0] == self._serveAgent)
        connection, _ = server.accept()
        with connection:
            connection.settimeout(PATIENCE)
            size = int.from_bytes(connection.recv(4))
            question = connection.recv(size)
            self.asked.append(question)
            if self._agentKind != "hangs up":
                answer = self._agent.answer(question)
                connection.sendall(len(answer).to_bytes(4) + answer)

    def _keys(self) -> list[Any]:
        return list(self._selector.get_map().values())

    def _run(self) -> None:
        while True:
            isOver = self._isOver  # before the look: what came after it must still be read
            found = self._selector.select(STEP)
            for key, _ in found:
                key.data[0]()
            count = sum(map(len, self.heard.values()))
            isNew = self._opensAfter is not None and count >= self._opensAfter and self._doors
            if isNew:
                self._openDoors()
            if isOver and not found and not isNew:
                return

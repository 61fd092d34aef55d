"""Connections with chosen source ports, and what happens to them."""

import selectors
import socket
import struct
import time
from collections.abc import Iterable
from contextlib import suppress
from itertools import count
from typing import Self

from tests.lab.conntrack import Flow
from tests.lab.hosts import PATIENCE, Host

_TCP_REPAIR = 19
_RESET = struct.pack("ii", 1, 0)
_tokens = count()

RETRANSMITTED = 1.3
"""Seconds in which a kernel sends its SYN twice."""


def bound(host: Host, flow: Flow) -> socket.socket:
    """Return a socket with the flow's source address and port, even if they were used before."""
    family = socket.AF_INET6 if ":" in flow.source else socket.AF_INET
    with host.inside():
        new = socket.socket(family, socket.SOCK_STREAM)
    new.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    new.bind((flow.source, flow.sourcePort))
    return new


class Session:
    """
    Both ends of a TCP connection.

    @ivar flow: the client's view of it.
    """

    def __init__(self, flow: Flow, client: socket.socket, server: socket.socket) -> None:
        self.flow = flow
        self.client = client
        self.server = server

    @classmethod
    def begin(cls, host: Host, listener: socket.socket, flow: Flow) -> Self:
        """Connect, and accept at the server; close other connections that wait there."""
        client = bound(host, flow)
        client.settimeout(PATIENCE)
        try:
            client.connect((flow.target, flow.port))
            listener.settimeout(PATIENCE)
            while True:
                server, peer = listener.accept()
                if peer[1] == flow.sourcePort:
                    return cls(flow, client, server)
                server.close()
        except OSError as error:
            client.close()
            raise AssertionError(f"{flow} cannot be made: {error}") from error

    def carries(self, patience: float = PATIENCE) -> bool:
        """
        Whether something new gets from the client to the server and back.

        What waits in a buffer proves nothing, so each call sends another text.
        """
        text = f"message {next(_tokens)};".encode()
        try:
            for sender, receiver in ((self.client, self.server), (self.server, self.client)):
                sender.settimeout(patience)
                sender.sendall(text)
                if not _receives(receiver, text, patience):
                    return False
        except OSError:
            return False
        return True

    def reset(self) -> None:
        """Have the server end it with a reset."""
        self.server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.server.close()
        with suppress(OSError):
            self.client.settimeout(PATIENCE)
            self.client.recv(1)
        self.client.close()

    def finish(self) -> None:
        """Have both end it in order, the server first: its end is the one in TIME_WAIT."""
        self.server.shutdown(socket.SHUT_WR)
        self.client.settimeout(PATIENCE)
        self.client.recv(1)
        self.client.close()
        self.server.settimeout(PATIENCE)
        self.server.recv(1)
        self.server.close()

    def vanish(self) -> None:
        """Have both kernels forget it without a packet, as a crash of both would."""
        for end in (self.client, self.server):
            end.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR, 1)
            end.close()

    def close(self) -> None:
        """Close both ends."""
        self.client.close()
        self.server.close()


def beginMany(host: Host, listener: socket.socket, flows: Iterable[Flow]) -> None:
    """Begin a session on each flow, and have both kernels forget it; see L{Session.vanish}."""
    listener.settimeout(PATIENCE)
    with host.inside():
        for flow in flows:
            family = socket.AF_INET6 if ":" in flow.source else socket.AF_INET
            client = socket.socket(family, socket.SOCK_STREAM)
            client.bind((flow.source, flow.sourcePort))
            client.settimeout(PATIENCE)
            client.connect((flow.target, flow.port))
            Session(flow, client, listener.accept()[0]).vanish()


def _receives(receiver: socket.socket, text: bytes, patience: float) -> bool:
    receiver.settimeout(patience)
    got = b""
    while not got.endswith(text):
        more = receiver.recv(4096)
        if not more:
            return False
        got += more
    return True


def drain(listener: socket.socket) -> None:
    """Close connections that wait to be accepted: with a full backlog a server takes no others."""
    listener.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            listener.accept()[0].close()


def begun(host: Host, flows: Iterable[Flow], patience: float = RETRANSMITTED) -> list[Flow]:
    """
    Try to begin a connection on each of these flows, all at the same time.

    @return: those that the server answered with a connection.
    """
    connected = []
    with selectors.DefaultSelector() as selector:
        for flow in flows:
            attempt = bound(host, flow)
            attempt.setblocking(False)
            attempt.connect_ex((flow.target, flow.port))
            selector.register(attempt, selectors.EVENT_WRITE, flow)
        end = time.monotonic() + patience
        while selector.get_map() and (left := end - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                attempt = key.fileobj  # type: ignore[assignment]
                if not attempt.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    connected.append(key.data)
                selector.unregister(attempt)
                attempt.close()
        for key in list(selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
    return connected

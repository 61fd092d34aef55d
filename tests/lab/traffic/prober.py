"""Knocks and connections from any number of addresses, through raw sockets."""

import select
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from ipaddress import IPv4Address, IPv4Network
from math import inf

from pkdoors.client.core.plan import Sending
from pkdoors.model.knockports import numberOf
from tests.lab.hosts import CLIENT4, SERVER4, Network

NET = IPv4Network("10.78.0.0/15")
"""The addresses that knock; the client host speaks for all of them."""

GAP = 0.002
"""Seconds between one knock and the next."""

INTERVAL = 0.0001
"""Seconds between two tries to connect: the resolution of the measurement."""

PATIENCE = 1.0
"""Seconds in which a port must answer, or its door counts as not opened."""

SOON = 0.02
"""Seconds that a door takes to close, and the least time that its port is watched then."""

_SYN, _SYN_ACK = 0x02, 0x12


class Prober:
    """
    Knocks from a fresh address each time, and watches for the protected port's first answer.

    Each try to connect has a source port of its own, so connection tracking does not mistake it
    for an old connection. The client's kernel does not know the tries, and resets those that
    succeed.
    """

    def __init__(self, network: Network, sequence: Sequence[int], protected: int) -> None:
        network.client.run("ip", "route", "replace", "local", str(NET), "dev", "lo")
        network.server.run("ip", "route", "replace", str(NET), "via", CLIENT4)
        with network.client.inside():
            self._out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
            self._in = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
        self._in.setblocking(False)
        self._sequence = sequence
        self._protected = protected
        self._sources = NET.hosts()
        self._last = NET.network_address
        self._port = 0

    def close(self) -> None:
        """Close the sockets."""
        self._out.close()
        self._in.close()

    def fresh(self) -> IPv4Address:
        """Return an address that never knocked before."""
        self._last = next(self._sources)
        return self._last

    def upcoming(self) -> IPv4Address:
        """Return the address that L{fresh} returns next, and do not use it up."""
        return self._last + 1

    def knock(
        self,
        payload: bytes = b"knock\n",
        gap: float = GAP,
        source: IPv4Address | None = None,
        rounds: int = 1,
        pause: float = 0.0,
        patience: float = PATIENCE,
    ) -> float | None:
        """
        Knock with one payload on the whole sequence; see L{attempt}.

        @param gap: seconds between two datagrams.
        @param source: the address to knock from; L{None} for a fresh one.
        """
        knock = [
            Sending(gap if place else 0.0, port, payload)
            for place, port in enumerate(self._sequence)
        ]
        return self.attempt(knock, source or self.fresh(), patience, rounds, pause)

    def attempt(
        self,
        knock: Sequence[Sending],
        source: IPv4Address,
        patience: float = PATIENCE,
        rounds: int = 1,
        pause: float = 0.0,
    ) -> float | None:
        """
        Knock, and try to connect.

        @param rounds: how many times to send the knock if no answer comes.
        @param pause: seconds between two rounds.
        @return: milliseconds from just before the last knock is sent to the first answer that is
            read; L{None} if none comes.
        """
        packets = [(wait, _udp(source, numberOf(port), datagram)) for wait, port, datagram in knock]
        *before, (lastWait, last) = packets
        for wait, packet in before:
            _sleep(wait)
            self._send(packet)
        _sleep(lastWait)
        self.forget()  # late ones to the source before
        began = time.perf_counter()
        self._send(last)
        answered = None
        for _ in range(rounds - 1):
            answered = answered or self._watch(source, time.perf_counter(), pause)
            if answered is None:
                for _, packet in packets:
                    self._send(packet)
        answered = answered or self._watch(source, time.perf_counter(), patience)
        return None if answered is None else (answered - began) * 1000

    def shut(self, payload: bytes, source: IPv4Address) -> bool:
        """Send a knock that closes; return whether the port then stops answering."""
        for port in self._sequence:
            self.send(source, port, payload)
        end = time.perf_counter() + PATIENCE
        while time.perf_counter() < end:
            time.sleep(SOON)
            self.forget()
            if self._watch(source, time.perf_counter(), SOON) is None:
                return True
        return False

    def follow(self, source: IPv4Address, seconds: float, interval: float) -> list[float]:
        """Try to connect for a while; return when answers came, by C{time.perf_counter}."""
        came: list[float] = []
        self.forget()
        due = time.perf_counter()
        end = due + seconds
        while due < end:
            self.connect(source)
            due += interval
            while (left := due - time.perf_counter()) > 0:
                came += [time.perf_counter() for client in self.answers(left) if client == source]
        return came

    def send(self, source: IPv4Address, port: int, datagram: bytes) -> None:
        """Send a datagram."""
        self._send(_udp(source, port, datagram))

    def connect(self, source: IPv4Address) -> None:
        """Try to connect."""
        self._port = (self._port + 1) % 60000
        self._send(_syn(source, 2000 + self._port, self._protected))

    def answers(self, wait: float = 0) -> Iterator[IPv4Address]:
        """
        Yield the addresses that the protected port has answered.

        @param wait: seconds to wait for the first answer.
        """
        if wait:
            select.select([self._in], [], [], wait)
        while packet := self._receive():
            tcp = packet[4 * (packet[0] & 15) :]
            if int.from_bytes(tcp[:2]) == self._protected and tcp[13] == _SYN_ACK:
                yield IPv4Address(packet[16:20])

    def forget(self) -> None:
        """Discard the answers that nobody has read."""
        for _ in self.answers():
            pass

    def _watch(self, source: IPv4Address, began: float, patience: float) -> float | None:
        """Try to connect again and again, without sleeping; return when the first answer came."""
        due = now = began
        while now < began + patience:
            if now >= due:
                self.connect(source)
                due = now + INTERVAL
            isThere = source in self.answers()
            now = time.perf_counter()
            if isThere:
                return now
        return None

    def _send(self, packet: bytes) -> None:
        self._out.sendto(packet, (SERVER4, 0))

    def _receive(self) -> bytes:
        try:
            return self._in.recv(2048)
        except BlockingIOError:
            return b""


@contextmanager
def knocking(
    network: Network, sequence: Sequence[int], port: int, most: float = inf
) -> Iterator[list[float | None]]:
    """
    Knock again and again meanwhile, each time from a fresh address.

    @param most: how many knocks to send: on a busy machine, the work may take much longer.
    @return: filled with the milliseconds of each knock to open; L{None} for one that did not.
    """
    times: list[float | None] = []
    isOver = threading.Event()

    def knock(prober: Prober) -> None:
        while not isOver.is_set() and len(times) < most:
            times.append(prober.knock())

    with closing(Prober(network, sequence, port)) as prober:
        thread = threading.Thread(target=knock, args=(prober,))
        thread.start()
        try:
            yield times
        finally:
            isOver.set()
            thread.join()


def _sleep(seconds: float) -> None:
    if seconds:  # a sleep of zero seconds takes time, too
        time.sleep(seconds)


def _udp(source: IPv4Address, port: int, payload: bytes) -> bytes:
    header = struct.pack("!HHHH", 40001, port, 8 + len(payload), 0)  # no checksum
    return _packet(source, socket.IPPROTO_UDP, header + payload)


def _syn(source: IPv4Address, sourcePort: int, port: int) -> bytes:
    header = struct.pack("!HHIIBBH", sourcePort, port, 1000, 0, 5 << 4, _SYN, 64240)
    pseudo = source.packed + socket.inet_aton(SERVER4) + struct.pack("!HH", socket.IPPROTO_TCP, 20)
    total = sum(struct.unpack("!14H", pseudo + header))
    total = (total & 0xFFFF) + (total >> 16)
    checksum = ~(total + (total >> 16)) & 0xFFFF
    return _packet(source, socket.IPPROTO_TCP, header + struct.pack("!HH", checksum, 0))


def _packet(source: IPv4Address, protocol: int, body: bytes) -> bytes:
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, 64, protocol, 0)
    return header + source.packed + socket.inet_aton(SERVER4) + body

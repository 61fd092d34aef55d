"""
Looks up names in threads: the system has no other way to look up several at once, and Ctrl-C does
not interrupt a look-up, which can take half a minute.
"""

import socket
from _thread import start_new_thread  # threading takes time to load, and waits for threads at exit
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from selectors import EVENT_READ

from pkdoors.client.blocking._loop import Loop
from pkdoors.client.network import lookUp
from pkdoors.errors import KnockError

MAX_LOOKUPS = 256
"""The most names that are looked up at the same time, each in a thread."""

Found = list[str] | KnockError


def lookUpIn(loop: Loop, host: str, family: int | None) -> list[str]:
    """
    Return the addresses of a host; nothing else is done meanwhile, but signals are.

    @raise KnockError: it has none.
    """
    results: list[Found] = []
    names = LookUps(loop, lambda key, found: results.append(found))
    try:
        names.add("", host, family)
        while not results:
            loop.turn()
    finally:
        names.close()
    if isinstance(results[0], KnockError):
        raise results[0]
    return results[0]


class LookUps:
    """
    Looks up names at the same time.

    @param take: called with a host's key, and its addresses or the error.
    """

    def __init__(self, loop: Loop, take: Callable[[str, Found], None]) -> None:
        self._loop = loop
        self._take = take
        self._found: deque[tuple[str, Found]] = deque()
        self._waiting: deque[tuple[str, str, int | None]] = deque()
        self._running = 0
        self._ends: tuple[socket.socket, ...] = ()

    def add(self, key: str, host: str, family: int | None) -> None:
        """Look up a host."""
        if _isAddress(host):  # this takes no time
            self._found.append((key, _find(host, family)))
            self._loop.callAt(self, self._loop.clock(), self._deliver)
        else:
            self._waiting.append((key, host, family))
            self._begin()

    def close(self) -> None:
        """Listen to the threads no more: nothing can stop them, and the process need not wait."""
        self._loop.cancel(self)
        for end in self._ends:
            self._loop.forget(end)
            end.close()
        self._waiting.clear()

    def _begin(self) -> None:
        if not self._ends:
            self._ends = socket.socketpair()
            for end in self._ends:
                end.setblocking(False)
            self._loop.watch(self._ends[0], EVENT_READ, self._wake)
        while self._waiting and self._running < MAX_LOOKUPS:
            try:
                start_new_thread(self._run, self._waiting[0])
            except RuntimeError:  # the system allows no more threads
                if not self._running:
                    self._lookUpHere()
                return
            self._waiting.popleft()
            self._running += 1

    def _lookUpHere(self) -> None:
        """Look up everything without a thread."""
        while self._waiting:
            key, host, family = self._waiting.popleft()
            self._found.append((key, _find(host, family)))
        self._loop.callAt(self, self._loop.clock(), self._deliver)

    def _run(self, key: str, host: str, family: int | None) -> None:
        """In a thread."""
        self._found.append((key, _find(host, family)))
        with suppress(OSError):  # it is closed
            self._ends[1].send(b"\0")

    def _wake(self) -> None:
        self._running -= len(self._ends[0].recv(MAX_LOOKUPS))
        self._begin()
        self._deliver()

    def _deliver(self) -> None:
        while self._found:
            self._take(*self._found.popleft())


def _find(host: str, family: int | None) -> Found:
    try:
        return lookUp(host, family)
    except KnockError as error:
        return error
    except Exception as error:  # a thread has nobody who would see it
        return KnockError(f"the name cannot be looked up: {error}")


def _isAddress(host: str) -> bool:
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True

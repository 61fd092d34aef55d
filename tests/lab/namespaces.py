"""The namespaces of a host: its network, and its view of the file system."""

import ctypes
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Self

from tests import ROOT

LASTING = "/var/lib/pkdoors"
PRIVATE = {"/run": "755", LASTING: "755", "/tmp": "1777"}
"""The folders that each host has for itself, and their modes. Daemons keep their locks, sockets and
notes in them."""

_CLONE_FS, _CLONE_NEWNS, _CLONE_NEWNET = 0x200, 0x20000, 0x40000000  # <linux/sched.h>
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000  # <linux/mount.h>
_libc = ctypes.CDLL(None, use_errno=True)


@cache
def leaveMachine() -> None:
    """
    Give this thread, and whatever it starts, a C{/run} and a C{/var/lib/pkdoors} of its own.

    C{ip netns} keeps the names of network namespaces in C{/run/netns}, so two runs of the tests do
    not see each other's.
    """
    Path(LASTING).mkdir(exist_ok=True)
    _call("unshare", _CLONE_NEWNS)
    _call("mount", None, b"/", None, _MS_REC | _MS_PRIVATE, None)
    for folder in ("/run", LASTING):
        _mountEmpty(folder)


class Namespaces:
    """
    The namespaces of one host.

    @ivar number: the network namespace's, as C{/proc/PID/ns/net} shows it.
    """

    def __init__(self, name: str, shared: Iterable[Path]) -> None:
        """
        Make the file system's namespace.

        @param name: of a network namespace, made with C{ip netns add}.
        @param shared: folders that the host and the test both see, wherever they are.
        """
        with ExitStack() as opened:
            self._net = opened.enter_context(_keep(f"/run/netns/{name}"))
            self.number = os.fstat(self._net).st_ino
            with _returning():
                _call("unshare", _CLONE_NEWNS)
                _hideMachine({*shared, Path.cwd(), ROOT, Path(sys.prefix), Path(sys.base_prefix)})
                self._mounts = opened.enter_context(_keep("/proc/thread-self/ns/mnt"))
            self._opened = opened.pop_all()

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Be on the host: so is whatever is opened or started meanwhile."""
        with _returning():
            _enter(self._mounts, self._net)
            yield

    def shareFiles(self, other: Self) -> None:
        """See the file system of another host from now on, as its containers may."""
        os.dup2(other._mounts, self._mounts, inheritable=False)

    def close(self) -> None:
        """Forget them. The kernel removes them after the last process in them has ended."""
        self._opened.close()


def _hideMachine(shared: set[Path]) -> None:
    with ExitStack() as opened:
        # Opened first: below a folder that is empty afterwards, they have no path.
        kept = {
            path: opened.enter_context(_keep(path, os.O_PATH))
            for path in sorted(path.resolve() for path in shared)
            if any(path.is_relative_to(folder) for folder in PRIVATE)
        }
        for folder in PRIVATE:
            _mountEmpty(folder)
        for path, descriptor in kept.items():
            path.mkdir(parents=True, exist_ok=True)
            source = f"/proc/thread-self/fd/{descriptor}".encode()
            _call("mount", source, bytes(path), None, _MS_BIND | _MS_REC, None)


def _mountEmpty(folder: str) -> None:
    _call("mount", b"tmpfs", folder.encode(), b"tmpfs", 0, f"mode={PRIVATE[folder]}".encode())
    if folder == "/run":
        Path("/run/lock").mkdir()


@contextmanager
def _returning() -> Iterator[None]:
    """Go back to the namespaces of now."""
    with _keep("/proc/thread-self/ns/mnt") as mounts, _keep("/proc/thread-self/ns/net") as net:
        try:
            yield
        finally:
            _enter(mounts, net)


def _enter(mounts: int, net: int) -> None:
    folder = os.getcwd()
    # The kernel refuses another view of the file system to a thread that shares its current folder
    # with other threads.
    _call("unshare", _CLONE_FS)
    _call("setns", mounts, _CLONE_NEWNS)
    os.chdir(folder)  # it was set to the root
    _call("setns", net, _CLONE_NEWNET)


@contextmanager
def _keep(path: str | Path, flags: int = os.O_RDONLY) -> Iterator[int]:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _call(function: str, *arguments: object) -> None:
    if getattr(_libc, function)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")

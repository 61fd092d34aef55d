"""
A Python as on Windows, macOS or a telephone: without much of what only Linux, or only UNIX, has.

Run C{python -m tests.fakes.elsewhere PLATFORM ARGUMENT ...} for C{pkdoors ARGUMENT ...} there.
"""

import _socket
import builtins
import os
import select
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from importlib import reload
from types import ModuleType
from typing import Any

MODULES = "crypt dbus fcntl firewall gi grp nftables nis pty pwd resource spwd syslog termios tty"
"""Modules that cannot be imported."""
NAMES: dict[ModuleType, str] = {
    os: """chown chroot confstr eventfd fchmod fchown fork forkpty fstatvfs get_blocking getegid
        geteuid getgid getgroups getloadavg getpgid getuid initgroups killpg lchown lockf
        memfd_create mkfifo mknod nice openpty pidfd_open posix_fallocate pread preadv pwrite
        pwritev readv sched_getaffinity sched_setaffinity sendfile set_blocking setegid seteuid
        setgid setgroups setpgid setsid setuid splice statvfs sysconf tcgetpgrp ttyname uname wait3
        wait4 waitid writev O_CLOEXEC O_DIRECTORY O_NOCTTY O_NOFOLLOW O_NONBLOCK O_PATH O_TMPFILE
        """,
    select: "epoll kqueue poll",
    signal: """SIGALRM SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGQUIT SIGTSTP SIGUSR1 SIGUSR2
        SIGWINCH alarm pthread_kill pthread_sigmask setitimer siginterrupt sigwait""",
    socket: """AF_ALG AF_NETLINK AF_PACKET AF_UNIX CMSG_LEN CMSG_SPACE MSG_DONTWAIT MSG_ERRQUEUE
        MSG_NOSIGNAL SCM_RIGHTS SOCK_CLOEXEC SOCK_NONBLOCK SO_REUSEPORT recv_fds send_fds""",
    time: "CLOCK_BOOTTIME CLOCK_MONOTONIC CLOCK_REALTIME clock_gettime clock_gettime_ns",
}
"""Modules -> what they lack."""


def hide() -> None:
    """Take it all away, for as long as this process lives."""
    for name in MODULES.split():
        sys.modules[name] = None  # type: ignore[assignment]
    for module, names in (*NAMES.items(), (_socket, NAMES[socket])):
        for name in names.split():
            vars(module).pop(name, None)
    socket.socketpair = _makePair  # type: ignore[assignment]
    for module, names in ((builtins, "open"), (os, "open stat lstat listdir scandir readlink")):
        for name in names.split():
            setattr(module, name, _withoutProc(getattr(module, name)))


def _makePair() -> tuple[socket.socket, socket.socket]:
    """Return a pair of connected sockets, made as on Windows."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = socket.create_connection(server.getsockname())
        return one, server.accept()[0]


def _withoutProc(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function on files for which the folders of Linux do not exist, nor C{dir_fd}."""

    def call(path: Any = ".", *args: Any, **named: Any) -> Any:
        if named.get("dir_fd") is not None:
            raise NotImplementedError("dir_fd unavailable on this platform")
        if isinstance(path, str | os.PathLike) and str(path).startswith(("/proc", "/sys")):
            raise FileNotFoundError(2, "No such file or directory", path)
        return function(path, *args, **named)

    return call


if __name__ == "__main__":
    hide()
    import shutil  # noqa: F401 it looks at the platform, of which more is missing than is hidden

    sys.platform = sys.argv.pop(1)
    sys.argv[0] = "pkdoors"
    if sys.platform == "win32":
        from tests.fakes.windows import beWindows

        beWindows()
    reload(selectors)  # without epoll(), and on Windows with another use of select()
    from pkdoors.cli import main

    main()

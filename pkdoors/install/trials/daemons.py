"""How a trial starts the daemon, and arranges that it ends: with systemd, and without."""

import os
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from math import ceil
from shlex import join
from typing import Protocol

from pkdoors.errors import InstallError
from pkdoors.files.reading import readFile
from pkdoors.files.trust import isShared
from pkdoors.host.serviceuser import openOwn
from pkdoors.install.installer import Run
from pkdoors.install.trials.notes import FOLDER

UNIT = "pkdoors.service"
TIMER = "pkdoors-trial"
"""The transient unit of systemd that ends a trial."""
LOG_FOLDERS = ("/var/log", str(FOLDER))
"""Where a daemon without systemd writes its log: on some hosts others can write to the first."""
START_TIMEOUT = 60.0
"""Seconds for a daemon to guard its doors."""
_MAX_LOG = 1 << 22
"""Bytes of that log; the daemon begins a new file earlier."""
_READY = b"guarding door"
_PAUSE = 0.1


class IDaemon(Protocol):
    """A daemon on trial."""

    def arm(self, command: Sequence[str], seconds: float) -> None:
        """Arrange that a command runs after some seconds, whatever happens to this process."""

    def disarm(self) -> None:
        """Undo that."""

    def start(self) -> None:
        """Start the daemon, and wait until it guards its doors."""

    def stop(self) -> None:
        """Stop the daemon. It need not run."""

    def keep(self) -> str:
        """Let the daemon start at boot, too; return what was done."""

    def startsAtBoot(self) -> bool:
        """Return whether it starts at boot now."""


class Service:
    """
    The daemon as systemd's service.

    @param run: runs a command to its end, see L{pkdoors.install.installer.runCommand}.
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    def arm(self, command: Sequence[str], seconds: float) -> None:
        """See L{IDaemon.arm}. The timer is systemd's own, and a command that fails runs again."""
        self.disarm()  # the one of an earlier trial
        properties = ("Type=oneshot", "Restart=on-failure", "RestartSec=5", "StartLimitBurst=100")
        self._run(
            "systemd-run",
            "--quiet",
            "--collect",
            f"--unit={TIMER}",
            "--description=End of the trial of pkdoors",
            f"--on-active={ceil(seconds)}",
            "--timer-property=AccuracySec=1s",
            *(f"--property={each}" for each in properties),
            *command,
        )

    def disarm(self) -> None:
        """See L{IDaemon.disarm}."""
        with suppress(InstallError):  # there is no such unit
            self._run("systemctl", "stop", "--quiet", f"{TIMER}.timer")

    def start(self) -> None:
        """See L{IDaemon.start}. Until somebody keeps it, it does not start at boot."""
        self._run("systemctl", "disable", "--quiet", UNIT)
        with suppress(InstallError):  # it has not failed before
            self._run("systemctl", "reset-failed", UNIT)
        self._run("systemctl", "start", UNIT)

    def stop(self) -> None:
        """See L{IDaemon.stop}. Somebody may have enabled it meanwhile, without keeping it."""
        self._run("systemctl", "disable", "--quiet", "--now", UNIT)

    def keep(self) -> str:
        """See L{IDaemon.keep}."""
        self._run("systemctl", "enable", "--quiet", UNIT)
        return "the service goes on, and starts at each boot"

    def startsAtBoot(self) -> bool:
        """See L{IDaemon.startsAtBoot}."""
        try:
            self._run("systemctl", "is-enabled", "--quiet", UNIT)
        except InstallError:
            return False
        return True


class Process:
    """
    The daemon as a process of its own, on a host without systemd.

    @param program: the words that start C{pkdoors}.
    """

    def __init__(self, program: Sequence[str]) -> None:
        self._program = [*program]

    def arm(self, command: Sequence[str], seconds: float) -> None:
        """See L{IDaemon.arm}. The command waits by itself, in a session of its own."""
        _detach(command, None)

    def disarm(self) -> None:
        """See L{IDaemon.disarm}: the command ends as soon as it sees that there is no trial."""

    def start(self) -> None:
        """See L{IDaemon.start}."""
        log = _chooseLog()
        before = _sizeOf(log)
        daemon = _detach([*self._program, "daemon", "--logfile", log], log)
        until = time.monotonic() + START_TIMEOUT
        while _READY not in (text := _readAfter(log, before)):
            if daemon.poll() is not None or time.monotonic() > until:
                line = text.decode(errors="replace").strip().rpartition("\n")[2]
                raise InstallError(f"the daemon did not start: {line or 'it said nothing'}")
            time.sleep(_PAUSE)

    def stop(self) -> None:
        """See L{IDaemon.stop}: the release ends it."""

    def keep(self) -> str:
        """See L{IDaemon.keep}."""
        return (
            f"the daemon goes on until the next boot, and logs to {_chooseLog()}: let this host's "
            "service manager run `pkdoors daemon` at boot"
        )

    def startsAtBoot(self) -> bool:
        """See L{IDaemon.startsAtBoot}: if it does, we do not know how."""
        return False


def _chooseLog() -> str:
    """Return the path of the log: the daemon refuses a folder that others can write."""
    for folder in LOG_FOLDERS:
        with suppress(OSError):
            if not isShared(folder):
                return os.path.join(folder, "pkdoors.log")
    raise InstallError(
        f"others can write to {' and '.join(LOG_FOLDERS)}, and so exchange the daemon's log: use "
        "`chmod go-w` to prevent that"
    )


def _detach(words: Sequence[str], log: str | None) -> "subprocess.Popen[bytes]":
    """
    Start a program that outlives this one, its terminal and its session.

    @param log: the file for its output; L{None} for nowhere.
    """
    try:
        output = openOwn(log, os.O_WRONLY | os.O_APPEND) if log else subprocess.DEVNULL
        try:
            return subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                start_new_session=True,
            )
        finally:
            if log:
                os.close(output)
    except OSError as error:
        raise InstallError(f"cannot run `{join(words)}`: {error.strerror}") from error


def _sizeOf(path: str) -> int:
    return os.path.getsize(path) if os.path.exists(path) else 0


def _readAfter(path: str, start: int) -> bytes:
    """Return what a log has after some bytes; all of it if a new file has been begun."""
    try:
        data = readFile(path, _MAX_LOG).data
    except OSError:
        return b""
    return data[start if start <= len(data) else 0 :]

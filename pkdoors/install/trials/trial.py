"""
A trial of the daemon, like C{netplan try}.

Before the daemon starts, something that does not depend on this process, its terminal or its login
gets the order to take everything back in time: systemd, or a process in a session of its own.
Nothing starts at boot, so a boot ends the trial, too.
"""

import os
import secrets
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from pkdoors.errors import InstallError, PkdoorsError
from pkdoors.host.bootid import readBootId
from pkdoors.host.instance import Instance
from pkdoors.install.release import releaseAll
from pkdoors.install.trials.daemons import IDaemon
from pkdoors.install.trials.notes import Notes, NotesFile, seconds
from pkdoors.util.durations import formatLength

TAKE_BACK = "--take-back"
"""The option of C{pkdoors trial} with which the trial that has a token ends."""
RETRY = 5.0
"""Seconds after which a release that failed is tried again."""
GIVE_UP = 600.0
"""Seconds for which it is."""
ENDED = (
    "the guard and the rules of pkdoors are gone, so the ports are as open as the rules of other "
    "firewalls leave them"
)
"""What is true after a trial."""
_LOOK = 1.0
"""Seconds between two looks at whether the trial still goes on."""


class Host(NamedTuple):
    """
    What a trial needs of its host.

    @ivar daemon: returns the daemon on trial, given whether it is systemd's service.
    @ivar isService: whether it is to be.
    @ivar program: the words that start C{pkdoors}.
    @ivar findDaemon: returns the process of the daemon that runs now, or L{None}.
    @ivar release: removes everything from the firewall; see L{releaseAll}.
    """

    daemon: Callable[[bool], IDaemon]
    isService: bool
    program: Sequence[str]
    notes: NotesFile = NotesFile()
    findDaemon: Callable[[], int | None] = Instance().findHolder
    release: Callable[[], list[str]] = releaseAll
    seconds: Callable[[], float] = seconds
    sleep: Callable[[float], None] = time.sleep


def beginTrial(host: Host, duration: float) -> None:
    """
    Start the daemon for a while. If that fails, take everything back at once: the service then
    starts at boot if it did so before.

    @raise PkdoorsError: it fails, or there is nothing to try.
    """
    with host.notes.lock():
        _refuseSecond(host)
        daemon = host.daemon(host.isService)
        until = host.seconds() + duration
        notes = Notes(secrets.token_hex(8), until, host.isService, readBootId())
        host.notes.write(notes)
        didStart = daemon.startsAtBoot()
        try:
            daemon.arm([*host.program, "trial", TAKE_BACK, notes.token], duration)
            daemon.start()
        except BaseException:
            _takeBack(host, notes)
            if didStart:
                daemon.keep()
            raise


def _refuseSecond(host: Host) -> None:
    if notes := host.notes.read():
        raise InstallError(
            f"a trial is running, for {describeRest(host, notes)} more: `pkdoors keep` keeps the "
            "daemon, `pkdoors trial --end` ends the trial now"
        )
    process = host.findDaemon()
    if process is not None:
        raise InstallError(
            f"pkdoors is already running (process {process}), so there is nothing to try: "
            "`pkdoors release` ends it and opens the ports, then try again"
        )


def describeRest(host: Host, notes: Notes) -> str:
    """Return how long a trial still lasts."""
    return formatLength(notes.until - host.seconds())


def keepTrial(host: Host) -> str:
    """
    Let the daemon of the trial go on.

    @return: what was done.
    @raise PkdoorsError: there is no trial, or its daemon does not run.
    """
    with host.notes.lock():
        notes = host.notes.read()
        if notes is None:
            isRunning = host.findDaemon() is not None
            state = "the daemon runs, and stays" if isRunning else "`pkdoors trial` begins one"
            raise InstallError(f"no trial is running: {state}")
        if host.findDaemon() is None:
            raise InstallError(
                "the daemon of the trial does not run, so there is nothing to keep: `pkdoors trial "
                "--end` ends the trial; see the daemon's log"
            )
        daemon = host.daemon(notes.isService)
        done = daemon.keep()
        host.notes.remove()  # from now on, nobody takes it back
        daemon.disarm()
        return done


def endTrial(host: Host) -> list[str]:
    """
    Take everything back now.

    @return: what was done, a line each.
    @raise PkdoorsError: there is no trial, or the firewall refuses.
    """
    with host.notes.lock():
        notes = host.notes.read()
        if notes is None:
            raise InstallError("no trial is running")
        return _takeBack(host, notes)


def endInTime(host: Host, token: str) -> list[str]:
    """
    Take everything back when the time of a trial is over, unless it is kept or ended before. Try
    again if the firewall refuses.

    @return: what was done, a line each.
    @raise PkdoorsError: the firewall refuses for ever.
    """
    while (notes := _findTrial(host, token)) is not None:
        left = notes.until - host.seconds()
        if left <= 0:
            try:
                with host.notes.lock():
                    notes = _findTrial(host, token)
                    return _takeBack(host, notes) if notes else []
            except PkdoorsError:
                if left < -GIVE_UP:
                    raise
                left = RETRY
        host.sleep(min(left, _LOOK if left > 0 else RETRY))
    return []


def _findTrial(host: Host, token: str) -> Notes | None:
    notes = host.notes.read()
    return notes if notes is not None and notes.token == token else None


def _takeBack(host: Host, notes: Notes) -> list[str]:
    """Stop the daemon, and remove everything; only then forget the trial: this can be repeated."""
    daemon = host.daemon(notes.isService)
    daemon.stop()
    done = host.release()
    host.notes.remove()
    daemon.disarm()
    return done


def refuseOthers() -> None:
    """
    Check that root runs this.

    @raise InstallError: somebody else does.
    """
    if os.geteuid():
        raise InstallError("only root can try the daemon: run it as root")

"""Installs the daemon as a service of systemd, with a user of its own, and uninstalls it."""

import os
import stat
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from shlex import join, quote
from shutil import which

from pkdoors.daemon.notes.replaycare import keepNotes
from pkdoors.errors import InstallError
from pkdoors.files.trust import Flaw, findFlaw
from pkdoors.host.serviceuser import FLEET_NAME, NAME, findFleetGroup, findServiceGroup
from pkdoors.host.systemd import isRunning
from pkdoors.install.sharing import checkSeen, listNames, shareConfiguration
from pkdoors.install.unitfiles import ServiceFiles

UNITS = ("pkdoors.service", "pkdoors-metrics.timer", "pkdoors-fleet.service")
"""What can be enabled; an earlier version may have installed the first alone."""

Run = Callable[..., None]


def installService(
    files: ServiceFiles,
    code: Iterable[Path],
    run: Run,
    findCodeFlaw: Callable[[], Flaw | None] = lambda: None,
) -> Iterator[str]:
    """
    Install the service; start nothing.

    @param code: the files that the service must be able to read, or to run.
    @param run: see L{runCommand}.
    @param findCodeFlaw: see L{pkdoors.install.servicecode.findCodeFlaw}.
    @return: what is done, a line each.
    @raise InstallError: it fails. What was done until then stays.
    """
    _needSystemd()
    for path in code:
        _checkReadable(path)
        _refuse(findFlaw(path))
    _refuse(findCodeFlaw())
    os.umask(0o022)  # no file here is a secret; those that are get a mode of their own
    yield from files.place()
    yield from _makeUsers(files, run)
    _makeFolders(files, run)
    yield from shareConfiguration()
    yield from _reload(run)


def preparePackaged(files: ServiceFiles, run: Run) -> Iterator[str]:
    """
    Prepare the service that a package has installed for the configuration and keys of this host.

    @param files: the package's.
    @return: what is done, a line each.
    @raise InstallError: it fails. What was done until then stays.
    """
    yield f"unchanged  {files.path('pkdoors.service')}, which the package has installed"
    _makeFolders(files, run)
    yield from shareConfiguration()


def uninstallService(files: ServiceFiles, run: Run) -> Iterator[str]:
    """
    Stop the service, and remove its files. Configuration, notes, user and guard stay.

    @return: what is done, a line each.
    @raise InstallError: it fails. What was done until then stays.
    """
    files.refuseForeign()
    if isRunning() and files.path("pkdoors.service").exists():
        units = [name for name in UNITS if files.path(name).exists()]
        run("systemctl", "disable", "--quiet", "--now", *units)
        yield "stopped    the service; the guard, unless you released it, keeps the ports closed"
    yield from files.remove()
    yield from _reload(run)


def runCommand(*argv: str) -> None:
    """
    Run a command to its end.

    @raise InstallError: it is missing, or fails.
    """
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace"
        )
    except OSError as error:
        raise InstallError(f"cannot run `{join(argv)}`: {error.strerror}") from error
    if done.returncode:
        words = " ".join(done.stderr.split()) or f"status {done.returncode}"
        raise InstallError(f"`{join(argv)}` failed: {words}")


def _needSystemd() -> None:
    if which("systemctl") is None:
        raise InstallError(
            "this host has no systemd: let its service manager run "
            "`pkdoors daemon`, with CAP_NET_ADMIN and CAP_NET_BIND_SERVICE"
        )


def _checkReadable(path: Path) -> None:
    checkSeen(path, "install pkdoors in another virtual environment, for instance in /opt/pkdoors")
    for name in listNames(path):
        for step in (name, *name.parents):
            mode = _readMode(step)
            if not mode & (stat.S_IXOTH if stat.S_ISDIR(mode) else stat.S_IROTH):
                raise InstallError(
                    f"the service's user cannot read {step}: "
                    f"allow it with `chmod -R go+rX {quote(str(step))}`"
                )


def _refuse(flaw: Flaw | None) -> None:
    if flaw is not None:
        raise InstallError(
            f"others can change what the service runs, because {flaw.why}: run `{flaw.remedy}`"
        )


def _readMode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except FileNotFoundError as error:
        raise InstallError(
            f"{path} does not exist: install pkdoors with pip, in a virtual environment "
            "that root made, and run it from there"
        ) from error


def _makeUsers(files: ServiceFiles, run: Run) -> Iterator[str]:
    """Create the users of the service and of the fleet's process."""
    groups = {NAME: findServiceGroup(), FLEET_NAME: findFleetGroup()}
    missing = [name for name, group in groups.items() if group is None]
    if missing and which("systemd-sysusers"):
        run("systemd-sysusers", str(files.path("pkdoors.sysusers")))
    elif missing:
        options = ("--system", "--user-group", "--home-dir", "/", "--no-create-home")
        for name in missing:
            run("useradd", *options, name)
    for name in groups:
        yield f"{'created  ' if name in missing else 'unchanged'}  user and group {name}"


def _makeFolders(files: ServiceFiles, run: Run) -> None:
    """Make the service's folders, and give it what a daemon of root's left there."""
    with keepNotes():
        run("systemd-tmpfiles", "--create", str(files.path("pkdoors.tmpfiles")))


def _reload(run: Run) -> Iterator[str]:
    if isRunning():
        run("systemctl", "daemon-reload")
        yield "reloaded   systemd's units"

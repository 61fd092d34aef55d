"""Installs the daemon as a service of systemd, with a user of its own, and uninstalls it."""

import os
import stat
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from shlex import join, quote
from shutil import which

from pkdoors.config.config import CONF_FILE, SEED_FILE
from pkdoors.config.file import readConf
from pkdoors.config.parser import parseConfig
from pkdoors.errors import InstallError, PkdoorsError
from pkdoors.files.access import findHookFlaw
from pkdoors.files.trust import Flaw, findFlaw
from pkdoors.host.serviceuser import NAME, findServiceGroup, letRead, refuseOddFile
from pkdoors.host.systemd import isRunning
from pkdoors.install.unitfiles import ServiceFiles
from pkdoors.model.doors import Door

HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")
"""Folders that a service with ProtectHome= and PrivateTmp= does not see."""

ELSEWHERE = "move the file, for instance to /etc/pkdoors"
"""The remedy for a file that the service does not see, or cannot reach."""

CONFS = (CONF_FILE, SEED_FILE)
"""The configuration files of a service, which reads the first that exists."""

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
    yield _makeUser(files, run)
    run("systemd-tmpfiles", "--create", str(files.path("pkdoors.tmpfiles")))
    for conf in [path for path in CONFS if os.path.exists(path)][:1]:
        yield from _shareConf(Path(conf))
    yield from _reload(run)


def uninstallService(files: ServiceFiles, run: Run) -> Iterator[str]:
    """
    Stop the service, and remove its files. Configuration, notes, user and guard stay.

    @return: what is done, a line each.
    @raise InstallError: it fails. What was done until then stays.
    """
    files.refuseForeign()
    if isRunning() and files.path("pkdoors.service").exists():
        run("systemctl", "disable", "--quiet", "--now", "pkdoors.service")
        yield "stopped    the service; the guard keeps the ports closed"
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
    _checkSeen(path, "install pkdoors in another virtual environment, for instance in /opt/pkdoors")
    for name in _listNames(path):
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


def _checkSeen(path: Path, remedy: str) -> None:
    for name in _listNames(path):
        if any(name.is_relative_to(hidden) for hidden in HIDDEN):
            raise InstallError(f"a service does not see {name}: {remedy}")


def _listNames(path: Path) -> tuple[Path, Path]:
    """Return the given name of a file, and its real one."""
    return path.absolute(), Path(os.path.realpath(path))  # resolve() raises errors of its own


def _readMode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except FileNotFoundError as error:
        raise InstallError(
            f"{path} does not exist: install pkdoors with pip, in a virtual environment "
            "that root made, and run it from there"
        ) from error


def _makeUser(files: ServiceFiles, run: Run) -> str:
    if findServiceGroup() is not None:
        return f"unchanged  user and group {NAME}"
    if which("systemd-sysusers"):
        run("systemd-sysusers", str(files.path("pkdoors.sysusers")))
    else:
        run("useradd", "--system", "--user-group", "--home-dir", "/", "--no-create-home", NAME)
    return f"created    user and group {NAME}"


def _shareConf(conf: Path) -> Iterator[str]:
    """
    Let the service read its configuration, and the keys that this names. Report what it cannot use
    in spite of that, and go on.
    """
    try:
        yield _share(conf)
        doors = parseConfig(readConf(str(conf)), str(conf)).doors
    except PkdoorsError as error:
        yield f"trouble    {error}"
        return
    for command in {hook for door in doors for hook in door.hooks().values()}:
        if flaw := findHookFlaw(command):
            yield (
                f"trouble    the daemon does not run the hook {command[0]}, because others can "
                f"change what it does: {flaw}"
            )
    for path, what in _listKeyFiles(doors):
        try:
            yield _shareKeys(Path(path), what)
        except PkdoorsError as error:
            yield f"trouble    {error}"


def _listKeyFiles(doors: Iterable[Door]) -> list[tuple[str, str]]:
    """Return the files of keys that doors have, and what they list."""
    allowed = {path for door in doors for path in door.authorizedKeys}
    revoked = {door.revokedKeys for door in doors} - {""}
    return [
        *((path, "the keys that may knock") for path in sorted(allowed)),
        *((path, "the keys that are revoked") for path in sorted(revoked - allowed)),
    ]


def _shareKeys(keys: Path, what: str) -> str:
    _checkSeen(keys, ELSEWHERE)
    if not os.path.exists(keys):
        return f"missing    {keys}, which lists {what}"
    if keys.is_dir():
        return _shareFolder(keys)
    if os.stat(keys).st_mode & stat.S_IROTH:
        _checkUsable(keys)
        return f"unchanged  {keys}, which everybody may read"
    return _share(keys)


def _shareFolder(folder: Path) -> str:
    """
    Report whether the service can read a folder of keys. Nothing in it is changed: whoever makes
    the next file there must let the service read it, too.
    """
    _checkUsable(folder)
    status = os.stat(folder)
    byGroup = stat.S_IRGRP | stat.S_IXGRP if status.st_gid == findServiceGroup() else 0
    byAll = stat.S_IROTH | stat.S_IXOTH
    if any(bits and status.st_mode & bits == bits for bits in (byGroup, byAll)):
        return f"unchanged  {folder}, which the service may read; let it read the files in there"
    name = quote(str(folder))
    raise InstallError(
        f"the service cannot read the folder {folder}: run `chgrp -R {NAME} {name}` and "
        f"`chmod -R g+rX,g+s {name}`, and let it read each new file"
    )


def _share(path: Path) -> str:
    whole = _checkUsable(path)
    try:
        return f"{_letRead(whole)}  {path}, which the service may read"
    except OSError as error:
        raise InstallError(f"cannot let the service read {path}: {error.strerror}") from error


def _checkUsable(path: Path) -> Path:
    """
    Check that the service can reach a file, and that nobody else can replace it: root must not
    change who may read a file that others chose.

    @return: its real name.
    """
    _checkSeen(path, ELSEWHERE)
    try:
        flaw = findFlaw(path)
    except OSError as error:
        raise InstallError(f"cannot read {path}: {error.strerror}") from error
    if flaw is not None:
        raise InstallError(str(flaw))
    whole = Path(os.path.realpath(path))
    for name in _listNames(path):
        for folder in reversed(name.parents):
            if not _canEnter(folder):
                raise InstallError(
                    f"the service's user cannot enter {folder}, on the way to {path}: "
                    f"allow it with `chmod go+x {quote(str(folder))}`, or {ELSEWHERE}"
                )
    return whole


def _canEnter(folder: Path) -> bool:
    status = folder.stat()
    isItsGroup = status.st_gid == findServiceGroup()
    return bool(status.st_mode & (stat.S_IXGRP if isItsGroup else stat.S_IXOTH))


def _letRead(path: Path) -> str:
    """Let the service read an existing file; return what was done."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        before = _readAccess(descriptor)
        refuseOddFile(os.fstat(descriptor))
        letRead(descriptor)
        return "unchanged" if _readAccess(descriptor) == before else "changed  "
    finally:
        os.close(descriptor)


def _readAccess(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_gid, status.st_mode


def _reload(run: Run) -> Iterator[str]:
    if isRunning():
        run("systemctl", "daemon-reload")
        yield "reloaded   systemd's units"

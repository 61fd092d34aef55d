"""Making the daemon a service of systemd, with a user of its own, and undoing that."""

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

HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")
"""What a service with ProtectHome= and PrivateTmp= does not see."""

ELSEWHERE = "have the file elsewhere, say in /etc/pkdoors"
"""What to do about one that the service does not see, or cannot reach."""

CONFS = (CONF_FILE, SEED_FILE)
"""What a service reads: the first that is there."""

Run = Callable[..., None]


def install(
    files: ServiceFiles,
    code: Iterable[Path],
    run: Run,
    findCodeFlaw: Callable[[], Flaw | None] = lambda: None,
) -> Iterator[str]:
    """
    Put everything in place; start nothing.

    @param code: what the service has to be able to read, or to run.
    @param run: see L{command}.
    @param findCodeFlaw: see L{pkdoors.install.servicecode.findCodeFlaw}.
    @return: what is done, a line each.
    @raise InstallError: it cannot be done. What was done until then stays.
    """
    _needSystemd()
    for path in code:
        _checkReadable(path)
        _refuse(findFlaw(path))
    _refuse(findCodeFlaw())
    os.umask(0o022)  # nothing here is a secret; what is gets its mode by name
    yield from files.place()
    yield _makeUser(files, run)
    run("systemd-tmpfiles", "--create", str(files.path("pkdoors.tmpfiles")))
    for conf in [path for path in CONFS if os.path.exists(path)][:1]:
        yield from _shareConf(Path(conf))
    fillPluginCache()
    yield from _reload(run)


def uninstall(files: ServiceFiles, run: Run) -> Iterator[str]:
    """
    End the service, and take its files away. Configuration, notes, user and guard stay.

    @raise InstallError: it cannot be done. What was done until then stays.
    """
    files.refuseForeign()
    if isRunning() and files.path("pkdoors.service").exists():
        run("systemctl", "disable", "--quiet", "--now", "pkdoors.service")
        yield "ended      the service; the guard keeps the ports closed"
    yield from files.remove()
    yield from _reload(run)


def command(*argv: str) -> None:
    """
    Run a command to its end.

    @raise InstallError: it is not there, or failed.
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


def fillPluginCache() -> None:
    """Have Twisted write down which plugins there are: the service may not write it."""
    from twisted.plugin import IPlugin, getPlugins

    import twisted.plugins

    for _ in getPlugins(IPlugin):
        pass
    for folder in twisted.plugins.__path__:
        cache = Path(folder, "dropin.cache")
        if cache.exists() and not cache.stat().st_mode & stat.S_IROTH:
            cache.chmod(0o644)


def _needSystemd() -> None:
    if which("systemctl") is None:
        raise InstallError(
            "systemd is not there: have another service manager run "
            "`twistd --nodaemon --pidfile= pkdoors`, with CAP_NET_ADMIN and CAP_NET_BIND_SERVICE"
        )


def _checkReadable(path: Path) -> None:
    _checkSeen(path, "have pkdoors, with its virtual environment, elsewhere, say in /opt/pkdoors")
    for each in _ways(path):
        for above in (each, *each.parents):
            mode = _mode(above)
            if not mode & (stat.S_IXOTH if stat.S_ISDIR(mode) else stat.S_IROTH):
                raise InstallError(
                    f"the service's user could not read {above}: "
                    f"`chmod -R go+rX {quote(str(above))}` lets it"
                )


def _refuse(flaw: Flaw | None) -> None:
    if flaw is not None:
        raise InstallError(
            f"others could change what the service runs, because {flaw.why}: "
            f"`{flaw.remedy}` mends it"
        )


def _checkSeen(path: Path, remedy: str) -> None:
    for each in _ways(path):
        if any(each.is_relative_to(hidden) for hidden in HIDDEN):
            raise InstallError(f"a service does not see {each}: {remedy}")


def _ways(path: Path) -> tuple[Path, Path]:
    """A file by the name that was given, and where it really is."""
    return path.absolute(), Path(os.path.realpath(path))  # resolve() has errors of its own


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except FileNotFoundError as error:
        raise InstallError(
            f"{path} is not there: install pkdoors with pip, in a virtual environment "
            "that root made, and run it from there"
        ) from error


def _makeUser(files: ServiceFiles, run: Run) -> str:
    if findServiceGroup() is not None:
        return f"unchanged  user and group {NAME}"
    if which("systemd-sysusers"):
        run("systemd-sysusers", str(files.path("pkdoors.sysusers")))
    else:
        run("useradd", "--system", "--user-group", "--home-dir", "/", "--no-create-home", NAME)
    return f"made       user and group {NAME}"


def _shareConf(conf: Path) -> Iterator[str]:
    """
    Let the service read its configuration, and the keys that this names. What it could not use all
    the same is told, and hinders nothing.
    """
    try:
        yield _share(conf)
        doors = parseConfig(readConf(str(conf)), str(conf)).doors
    except PkdoorsError as error:
        yield f"trouble    {error}"
        return
    for command in {each for door in doors for each in door.hooks().values()}:
        if flaw := findHookFlaw(command):
            yield f"trouble    the hook {command[0]} is not run, others decide what it does: {flaw}"
    for keys in sorted({door.authorizedKeys for door in doors} - {""}):
        try:
            yield _shareKeys(Path(keys))
        except PkdoorsError as error:
            yield f"trouble    {error}"


def _shareKeys(keys: Path) -> str:
    _checkSeen(keys, ELSEWHERE)
    if not os.path.exists(keys):
        return f"not there  {keys}, which is to have the keys that may knock"
    if os.stat(keys).st_mode & stat.S_IROTH:
        _checkUsable(keys)
        return f"unchanged  {keys}, which all may read"
    return _share(keys)


def _share(path: Path) -> str:
    whole = _checkUsable(path)
    try:
        return f"{_letRead(whole)}  {path}, which the service may read"
    except OSError as error:
        raise InstallError(f"cannot let the service read {path}: {error.strerror}") from error


def _checkUsable(path: Path) -> Path:
    """
    See that the service can come to a file, and that nobody else decides which file that is: of
    such a one root must not change who may read it.

    @return: where it really is.
    """
    _checkSeen(path, ELSEWHERE)
    try:
        flaw = findFlaw(path)
    except OSError as error:
        raise InstallError(f"cannot read {path}: {error.strerror}") from error
    if flaw is not None:
        raise InstallError(str(flaw))
    whole = Path(os.path.realpath(path))
    for each in _ways(path):
        for above in reversed(each.parents):
            if not _canEnter(above):
                raise InstallError(
                    f"the service's user could not enter {above}, on the way to {path}: "
                    f"`chmod go+x {quote(str(above))}` lets it, or {ELSEWHERE}"
                )
    return whole


def _canEnter(folder: Path) -> bool:
    now = folder.stat()
    isItsGroup = now.st_gid == findServiceGroup()
    return bool(now.st_mode & (stat.S_IXGRP if isItsGroup else stat.S_IXOTH))


def _letRead(path: Path) -> str:
    """What was done to an existing file, so that the service may read it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        before = _access(descriptor)
        refuseOddFile(os.fstat(descriptor))
        letRead(descriptor)
        return "unchanged" if _access(descriptor) == before else "changed  "
    finally:
        os.close(descriptor)


def _access(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_gid, status.st_mode


def _reload(run: Run) -> Iterator[str]:
    if isRunning():
        run("systemctl", "daemon-reload")
        yield "reloaded   systemd's units"

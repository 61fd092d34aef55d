"""Making the daemon a service of systemd, with a user of its own, and undoing that."""

import os
import stat
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from shlex import join, quote
from shutil import which

from pkdoors.conffile import readConf
from pkdoors.config import CONF_FILE, SEED_FILE
from pkdoors.conftoml import parseConfig
from pkdoors.errors import InstallError, PkdoorsError
from pkdoors.servicefiles import ServiceFiles
from pkdoors.serviceuser import NAME, letRead, serviceGroup

HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")
"""What a service with ProtectHome= and PrivateTmp= does not see."""

RUNNING = "/run/systemd/system"
"""There where systemd is what started the host; C{sd_booted(3)}."""

CONFS = (CONF_FILE, SEED_FILE)
"""What a service reads: the first that is there."""

Run = Callable[..., None]


def install(files: ServiceFiles, code: Iterable[Path], run: Run) -> Iterator[str]:
    """
    Put everything in place; start nothing.

    @param code: what the service has to be able to read, or to run.
    @param run: see L{command}.
    @return: what is done, a line each.
    @raise InstallError: it cannot be done. What was done until then stays.
    """
    _needSystemd()
    for path in code:
        _checkReadable(path)
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
    files.refuseStrange()
    if _isRunning() and files.path("pkdoors.service").exists():
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
    for each in (path.absolute(), path.resolve()):
        if any(each.is_relative_to(hidden) for hidden in HIDDEN):
            raise InstallError(
                f"a service does not see {each}: have pkdoors, with its virtual environment, "
                "elsewhere, say in /opt/pkdoors"
            )
        for above in (each, *each.parents):
            mode = _mode(above)
            if not mode & (stat.S_IXOTH if stat.S_ISDIR(mode) else stat.S_IROTH):
                raise InstallError(
                    f"the service's user could not read {above}: "
                    f"`chmod -R go+rX {quote(str(above))}` lets it"
                )


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except FileNotFoundError as error:
        raise InstallError(
            f"{path} is not there: install pkdoors with pip, in a virtual environment "
            "that root made, and run it from there"
        ) from error


def _makeUser(files: ServiceFiles, run: Run) -> str:
    if serviceGroup() is not None:
        return f"unchanged  user and group {NAME}"
    if which("systemd-sysusers"):
        run("systemd-sysusers", str(files.path("pkdoors.sysusers")))
    else:
        run("useradd", "--system", "--user-group", "--home-dir", "/", "--no-create-home", NAME)
    return f"made       user and group {NAME}"


def _shareConf(conf: Path) -> Iterator[str]:
    """Let the service read its configuration, and the keys that this names."""
    yield _share(conf)
    try:
        doors = parseConfig(readConf(str(conf)), str(conf)).doors
    except PkdoorsError as error:
        yield f"trouble    {error}"
        return
    for keys in sorted({door.authorizedKeys for door in doors} - {""}):
        if not os.path.exists(keys):
            yield f"not there  {keys}, which is to have the keys that may knock"
        elif os.stat(keys).st_mode & stat.S_IROTH:
            yield f"unchanged  {keys}, which all may read"
        else:
            yield _share(Path(keys))


def _share(path: Path) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            before = _access(descriptor)
            letRead(descriptor)
            isChanged = _access(descriptor) != before
        finally:
            os.close(descriptor)
    except OSError as error:
        raise InstallError(f"cannot let the service read {path}: {error.strerror}") from error
    return f"{'changed  ' if isChanged else 'unchanged'}  {path}, which the service may read"


def _access(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_gid, status.st_mode


def _isRunning() -> bool:
    return os.path.isdir(RUNNING)


def _reload(run: Run) -> Iterator[str]:
    if _isRunning():
        run("systemctl", "daemon-reload")
        yield "reloaded   systemd's units"

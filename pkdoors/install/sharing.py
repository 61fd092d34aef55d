"""Lets the user of the service read its configuration, and the keys that this names."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from shlex import quote

from pkdoors.config.config import CONF_FILE, SEED_FILE
from pkdoors.config.file import findFleetFile, readConf
from pkdoors.config.parser import parseConfig
from pkdoors.errors import InstallError, PkdoorsError
from pkdoors.files.access import findHookFlaw
from pkdoors.files.trust import findFlaw
from pkdoors.host.serviceuser import (
    FLEET_NAME,
    NAME,
    findFleetGroup,
    findServiceGroup,
    letGroupRead,
    letRead,
    refuseOddFile,
)
from pkdoors.model.doors import Door

HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")
"""Folders that a service with ProtectHome= and PrivateTmp= does not see."""

ELSEWHERE = "move the file, for instance to /etc/pkdoors"
"""The remedy for a file that the service does not see, or cannot reach."""

CONFS = (CONF_FILE, SEED_FILE)
"""The configuration files of a service, which reads the first that exists."""


def findConf() -> str | None:
    """Return the configuration file that a service would read; L{None} if there is none."""
    return next(filter(os.path.exists, CONFS), None)


def shareConfiguration() -> Iterator[str]:
    """
    Let the service read the configuration that it would use, and the keys that this names.

    @return: what is done, a line each; also what the service cannot use in spite of that.
    """
    if conf := findConf():
        yield from _shareConf(Path(conf))


def checkSeen(path: Path, remedy: str) -> None:
    """
    Check that a service sees a file.

    @raise InstallError: it does not.
    """
    for name in listNames(path):
        if any(name.is_relative_to(hidden) for hidden in HIDDEN):
            raise InstallError(f"a service does not see {name}: {remedy}")


def listNames(path: Path) -> tuple[Path, Path]:
    """Return the given name of a file, and its real one."""
    return path.absolute(), Path(os.path.realpath(path))  # resolve() raises errors of its own


def _shareConf(conf: Path) -> Iterator[str]:
    """
    Let the service read its configuration, and the keys that this names. Report what it cannot use
    in spite of that, and go on.
    """
    try:
        yield _share(conf)
        config = parseConfig(readConf(str(conf)), str(conf))
        doors = config.doors
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
    if any(door.fleet for door in doors):
        yield from _shareFleet(findFleetFile(config, str(conf)))


def _shareFleet(file: str) -> Iterator[str]:
    """Let the two services read what each of them needs of the fleet's files."""
    from pkdoors.config.fleetfile import readFleet  # only for hosts of a fleet

    try:
        fleet = readFleet(file)
    except PkdoorsError as error:
        yield f"trouble    {error}"
        return
    try:
        if not os.stat(file).st_mode & stat.S_IROTH:
            raise InstallError(f"the services cannot read {file}: `chmod 644 {quote(file)}`")
        if fleet.operators:
            yield _shareKeys(Path(fleet.operators), "the keys that can give orders")
        if fleet.password:
            yield _sharePassword(Path(fleet.password))
    except PkdoorsError as error:
        yield f"trouble    {error}"


def _sharePassword(path: Path) -> str:
    """Let the fleet's service read the password, and the daemon not."""
    group = findFleetGroup()
    if group is None:
        return f"missing    the group {FLEET_NAME}, which should be able to read {path}"
    if not os.path.exists(path):
        return f"missing    {path}, the password for the engine of the fleet"
    flaw = findFlaw(path)
    if flaw is not None:
        raise InstallError(str(flaw))
    try:
        done = _letRead(Path(os.path.realpath(path)), lambda file: letGroupRead(file, group))
    except OSError as error:
        raise InstallError(
            f"cannot let the fleet's service read {path}: {error.strerror}"
        ) from error
    return f"{done}  {path}, which the fleet's service may read"


def _listKeyFiles(doors: Iterable[Door]) -> list[tuple[str, str]]:
    """Return the files of keys that doors have, and what they list."""
    allowed = {path for door in doors for path in door.authorizedKeys}
    revoked = {door.revokedKeys for door in doors} - {""}
    return [
        *((path, "the keys that may knock") for path in sorted(allowed)),
        *((path, "the keys that are revoked") for path in sorted(revoked - allowed)),
    ]


def _shareKeys(keys: Path, what: str) -> str:
    checkSeen(keys, ELSEWHERE)
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
        files = "ensure that it can read each file in there"
        return f"unchanged  {folder}, which the service may read; {files}"
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
    checkSeen(path, ELSEWHERE)
    try:
        flaw = findFlaw(path)
    except OSError as error:
        raise InstallError(f"cannot read {path}: {error.strerror}") from error
    if flaw is not None:
        raise InstallError(str(flaw))
    whole = Path(os.path.realpath(path))
    for name in listNames(path):
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


def _letRead(path: Path, let: Callable[[int], bool] | None = None) -> str:
    """
    Let the service read an existing file; return what was done.

    @param let: lets another one read it, instead.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        before = _readAccess(descriptor)
        refuseOddFile(os.fstat(descriptor))
        (let or letRead)(descriptor)
        return "unchanged" if _readAccess(descriptor) == before else "changed  "
    finally:
        os.close(descriptor)


def _readAccess(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_gid, status.st_mode

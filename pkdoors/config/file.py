"""The configuration file itself. It holds a secret, and is read and written as one."""

import errno
import os
import pwd
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from shlex import quote

from pkdoors.config.config import (
    CONF_FILE,
    FLEET_NAME,
    MAX_CONF,
    SEED_FILE,
    SEED_NAME,
    Config,
)
from pkdoors.config.parser import parseConfig
from pkdoors.errors import ConfigError
from pkdoors.files.folders import openFolder
from pkdoors.files.reading import readFile
from pkdoors.files.trust import findFlaw
from pkdoors.host.serviceuser import NAME, findServiceGroup, letRead


def listConfPlaces(environment: Mapping[str, str]) -> list[str]:
    """Return the paths where the daemon looks for its configuration, in that order."""
    return [CONF_FILE, *listSeedPlaces(environment)]


def listSeedPlaces(environment: Mapping[str, str]) -> list[str]:
    """Return the paths of port-knocking-doors' file: in the user's home, then the host's."""
    home = environment.get("HOME") or _findHome(os.geteuid())
    return [os.path.join(home, SEED_NAME), SEED_FILE] if home.startswith("/") else [SEED_FILE]


def _findHome(user: int) -> str:
    """Return a user's home, which the environment of a service lacks; empty if there is none."""
    try:
        return pwd.getpwuid(user).pw_dir
    except KeyError:
        return ""


def isThere(path: str) -> bool:
    """Return whether a file exists, even if it cannot be read."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        pass
    return True


def readConfig(path: str) -> Config:
    """
    Return the configuration that a file holds, with that of the fleet if a door needs it.

    @raise ConfigError: one of the files cannot be read, or others can change it, or it is wrong.
    """
    config = parseConfig(readConf(path), path)
    if not any(door.fleet for door in config.doors):
        return config
    from pkdoors.config.fleetfile import readFleet  # only for those who have one

    return replace(config, fleet=readFleet(findFleetFile(config, path)))


def findFleetFile(config: Config, path: str) -> str:
    """
    Return the path of the fleet's configuration.

    @param path: the file of the daemon's.
    """
    return config.fleetFile or os.path.join(os.path.dirname(path), FLEET_NAME)


def readConf(path: str) -> str:
    """
    Return the text of a file that only its owner may read and write; if root owns it, the service
    may read it, too. A user who can put another file in its place commands the firewall and the
    hooks. So nobody else may be able to write to its folders either, nor to those that a link on
    the way leads through.

    @raise ConfigError: the file cannot be read, or others can read or change it.
    """
    try:
        found = readFile(path, MAX_CONF)
        _checkPrivate(found.status, path)
        _checkPath(path)
        return found.text()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}{_suggestRemedy(error)}") from error
    except ValueError as error:
        raise ConfigError(f"cannot read {path}: {error}") from None


def _suggestRemedy(error: OSError) -> str:
    remedies: dict[type[OSError], str] = {
        FileNotFoundError: ": create it with `pkdoors init`",
        PermissionError: ": run this as root; `pkdoors install-service` lets the service read it",
        IsADirectoryError: ": give the path of a file",
    }
    return remedies.get(type(error), "")


def _checkPath(path: str) -> None:
    flaw = findFlaw(path)
    if flaw is None:
        return
    remedy = f"`{flaw.remedy}`"
    if flaw.isOwner:
        remedy = f"move the configuration to {CONF_FILE}, or {remedy}"
    raise ConfigError(
        f"other users could replace {path} and so open every door, because {flaw.path} "
        f"{flaw.what}: {remedy}"
    )


def _checkPrivate(status: os.stat_result, path: str) -> None:
    if status.st_uid not in (0, os.geteuid()):
        raise ConfigError(
            f"{path} belongs to another user, who could change it and open every door: "
            f"`chown root {quote(path)}`"
        )
    allowed = 0o640 if _isForService(status) else 0o600
    remedy = f"`chmod {allowed:o} {quote(path)}`"
    if status.st_uid == 0 and findServiceGroup() not in (
        None,
        status.st_gid,
    ):  # the service reads it
        remedy = f"`chgrp {NAME} {quote(path)} && chmod 640 {quote(path)}`"
    if status.st_mode & 0o022:
        raise ConfigError(f"other users can write {path} and so open every door: {remedy}")
    if status.st_mode & 0o077 & ~allowed:
        raise ConfigError(
            f"other users can read {path}, and the sequence in it is a secret: {remedy}"
        )


def _isForService(status: os.stat_result) -> bool:
    return status.st_uid == 0 and status.st_gid == findServiceGroup()


def writeConf(path: str, text: str, share: Callable[[int], bool] | None = None) -> bool:
    """
    Write a new file that only its owner may read and write. If the default folder does not exist,
    make it, too, for its owner alone; any other one may be a mistake. If we are root and the
    service has a user, that user may read both.

    @param share: lets others read the open file, instead of the service.
    @return: whether the service may read the file.
    @raise ConfigError: the file exists or cannot be written. No half-written file is left.
    """
    try:
        _makeFolder(Path(path).parent)
    except OSError as error:
        raise ConfigError(_describeFailure(path, error)) from error
    try:
        descriptor = _openNew(path)
    except FileExistsError as error:
        raise ConfigError(
            f"{path} already exists and is not overwritten: "
            "move it away, or use --output FILE to write elsewhere"
        ) from error
    except OSError as error:
        raise ConfigError(_describeFailure(path, error)) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
            return (share or letRead)(file.fileno())
    except OSError as error:
        os.unlink(path)
        raise ConfigError(_describeFailure(path, error)) from error


def _openNew(path: str) -> int:
    above, name = os.path.split(path)
    folder = openFolder(above)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(name, flags, 0o600, dir_fd=folder)
    finally:
        os.close(folder)


def _makeFolder(folder: Path) -> None:
    if not os.path.lexists(folder):
        if str(folder) != os.path.dirname(CONF_FILE):
            raise ConfigError(
                f"the folder {folder} does not exist: create it (`mkdir -p {quote(str(folder))}`), "
                "or use --output FILE to write elsewhere"
            )
        folder.mkdir(0o700)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            letRead(descriptor)
        finally:
            os.close(descriptor)


def _describeFailure(path: str, error: OSError) -> str:
    remedy = "use --output FILE to write elsewhere"
    if isinstance(error, PermissionError):
        remedy = f"run this as root, or {remedy}"
    elif error.errno in (errno.ENOSPC, errno.EDQUOT):
        remedy = f"free space there, or {remedy}"
    return f"cannot write {path}: {error.strerror}: {remedy}"

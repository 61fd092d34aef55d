"""
Who can change the files that pkdoors obeys or runs: a configuration, keys, a hook, the service's
code.

As with sshd's StrictModes, only root and the user that runs pkdoors may be able to write a file, or
to put another in its place. Unlike sshd, pkdoors demands this also of each link that leads to it.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import starmap
from pathlib import Path
from shlex import quote

_OWNED = "belongs to another user"
_OTHERS = stat.S_IWGRP | stat.S_IWOTH
"""Bits of a mode. They cover POSIX access lists, too: the mask of such a list, the most that it
grants, takes the place of the group's bits; C{acl(5)}."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """
    Why somebody else can change a file.

    @ivar path: the file, a folder above it, or a link in its path.
    @ivar what: half a sentence about that path.
    @ivar remedy: a shell command that repairs it.
    """

    path: Path
    what: str
    remedy: str

    @property
    def isOwner(self) -> bool:
        """Whether the path belongs to somebody else."""
        return self.what == _OWNED

    @property
    def why(self) -> str:
        """The path with what is wrong about it."""
        return f"{self.path} {self.what}"

    def __str__(self) -> str:
        return f"{self.why}: run `{self.remedy}`"


def findFlaw(path: str | os.PathLike[str]) -> Flaw | None:
    """
    Return the first reason why somebody else can change a file, or exchange it for another.

    If there is no reason, nobody else can cause one: each part of the path is in a folder that only
    root and this user can write. So opening or running the file right after this uses the file that
    was checked.

    @raise OSError: the file does not exist.
    """
    way = [*_way(str(Path(path).absolute()), set())]
    if any(stat.S_ISLNK(now.st_mode) for _, now in way):
        os.path.realpath(path, strict=True)  # raises if the path has a circle of links
    return next(_flaws(way), None)


def findEntryFlaw(path: str | os.PathLike[str]) -> Flaw | None:
    """
    Return what L{findFlaw} does, for a file in a folder that L{findFlaw} has just found safe. This
    is quicker if the file is not a link.

    @raise OSError: the file does not exist.
    """
    now = os.lstat(path)
    return findFlaw(path) if stat.S_ISLNK(now.st_mode) else _flaw(os.fspath(path), now)


def findNameFlaw(path: str | os.PathLike[str]) -> Flaw | None:
    """
    Return the first reason why somebody else can decide what has this name. L{findFlaw} is for
    files that exist; this function is also for names that do not exist, or are not files.
    """
    path = Path(path).absolute()
    folder, isOurs = path.parent, _isOurs(path)
    while True:
        try:
            flaw = findFlaw(folder)
            break
        except OSError:  # it does not exist either
            folder, isOurs = folder.parent, False
    if flaw is not None or isOurs or not folder.stat().st_mode & _OTHERS:
        return flaw
    return Flaw(path, "could be made by others", f"touch {quote(str(path))}")


def _isOurs(path: Path) -> bool:
    try:
        return path.lstat().st_uid in (0, os.geteuid())
    except OSError:
        return False


def isShared(folder: str | os.PathLike[str]) -> bool:
    """
    Return whether somebody else can make files in a folder, or exchange it for another.

    @raise OSError: it does not exist.
    """
    return findFlaw(folder) is not None or bool(os.stat(folder).st_mode & _OTHERS)


def findFlawBelow(folder: str | os.PathLike[str]) -> Flaw | None:
    """
    Return the first reason why somebody else can change a folder, or anything in it. The remedy is
    for the whole folder: if one file has the wrong mode, a thousand others probably have it, too.

    @raise OSError: the folder does not exist, or cannot be read.
    """
    whole = Path(os.path.realpath(folder))
    flaw = findFlaw(folder) or next(_flaws(_tree(str(whole), set())), None)
    if flaw is None or not flaw.path.is_relative_to(whole):
        return flaw
    work = "chown -hR root" if flaw.what == _OWNED else "chmod -R go-w"
    return replace(flaw, remedy=f"{work} {quote(str(whole))}")


_Part = tuple[str, os.stat_result]
"""A path, and what C{lstat} says of it."""


def _flaws(parts: Iterable[_Part]) -> Iterator[Flaw]:
    return filter(None, starmap(_flaw, parts))


def _way(path: str, seen: set[str]) -> Iterator[_Part]:
    """
    Yield all that decides which file a path means: folders, links, and the links' targets. This
    happens at each sealed knock, so it makes one system call for each, and no L{Path}.
    """
    todo = [path]
    while todo:
        part = todo.pop()
        if part in seen:
            continue
        seen.add(part)
        now = os.lstat(part)
        yield part, now
        folder = os.path.dirname(part)
        todo.append(folder)
        if stat.S_ISLNK(now.st_mode):
            todo.append(str(Path(folder, os.readlink(part))))


def _tree(folder: str, seen: set[str]) -> Iterator[_Part]:
    """Yield everything below a folder, and the targets of links there; its own path was checked."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.is_symlink():
                yield entry.path, os.lstat(entry.path)
            elif os.path.exists(entry.path):  # a link to nothing does no harm
                yield from _way(entry.path, seen)
            if entry.is_dir(follow_symlinks=False):
                yield from _tree(entry.path, seen)


def _flaw(path: str, now: os.stat_result) -> Flaw | None:
    isLink = stat.S_ISLNK(now.st_mode)
    if now.st_uid not in (0, os.geteuid()):
        chown = "chown -h" if isLink else "chown"
        return Flaw(Path(path), _OWNED, f"{chown} root {quote(path)}")
    if isLink or not now.st_mode & _OTHERS:  # the mode of a link means nothing
        return None
    if stat.S_ISDIR(now.st_mode) and now.st_mode & stat.S_ISVTX:
        return None  # in a sticky folder nobody can replace the files of others
    return Flaw(Path(path), "can be written by others", f"chmod go-w {quote(path)}")

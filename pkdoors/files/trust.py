"""
Who can change what we obey or run: a configuration, keys, a hook, the code of the service.

As with sshd's StrictModes, nobody but root and ourselves may be able to write a file, or to put
another in its place. Unlike there, that also goes for each link that leads to it.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote

_OWNED = "belongs to another user"
_OTHERS = stat.S_IWGRP | stat.S_IWOTH
"""Bits of a mode. A POSIX access list needs no look of its own: what it grants at most, its mask,
stands in the place of the group's bits; C{acl(5)}."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """
    Why somebody else can change a file.

    @ivar path: the file, a folder above it, or a link on the way.
    @ivar what: half a sentence about that path.
    @ivar remedy: a command for the shell.
    """

    path: Path
    what: str
    remedy: str

    @property
    def why(self) -> str:
        """The path, and what is wrong with it."""
        return f"{self.path} {self.what}"

    def __str__(self) -> str:
        return f"{self.why}: `{self.remedy}` mends it"


def findFlaw(path: str | os.PathLike[str]) -> Flaw | None:
    """
    Return the first reason why somebody else can change a file, or which file the path means.

    Where there is none, nobody else can make one either: each part of the way is in a folder that
    only root and we can write. So what is opened or run right after this is what was looked at.

    @raise OSError: the file is not there.
    """
    os.path.realpath(path, strict=True)  # the way is not followed round a circle of links
    return next(_flaws(_way(Path(path).absolute(), set())), None)


def findNameFlaw(path: str | os.PathLike[str]) -> Flaw | None:
    """
    Return the first reason why somebody else can choose what has this name: nothing, or a file of
    theirs. L{findFlaw} is for what is there; this is also for what is not, or is no file.
    """
    path = Path(path).absolute()
    folder, isOurs = path.parent, _isOurs(path)
    while True:
        try:
            flaw = findFlaw(folder)
            break
        except OSError:  # it is not there either
            folder, isOurs = folder.parent, False
    if flaw is not None or isOurs or not folder.stat().st_mode & _OTHERS:
        return flaw
    return Flaw(path, "could be made by others", f"touch {quote(str(path))}")


def _isOurs(path: Path) -> bool:
    try:
        return path.lstat().st_uid in (0, os.geteuid())
    except OSError:
        return False


def findFlawBelow(folder: str | os.PathLike[str]) -> Flaw | None:
    """
    Return the first reason why somebody else can change a folder, or anything in it. The remedy
    is one for all of the folder: where one file has the wrong mode, so have a thousand.

    @raise OSError: the folder is not there, or cannot be looked at.
    """
    whole = Path(os.path.realpath(folder))
    flaw = findFlaw(folder) or next(_flaws(_tree(str(whole), set())), None)
    if flaw is None or not flaw.path.is_relative_to(whole):
        return flaw
    work = "chown -hR root" if flaw.what == _OWNED else "chmod -R go-w"
    return replace(flaw, remedy=f"{work} {quote(str(whole))}")


def _flaws(paths: Iterable[Path]) -> Iterator[Flaw]:
    return filter(None, map(_flaw, paths))


def _way(path: Path, seen: set[Path]) -> Iterator[Path]:
    """All that decides which file a path means: folders, links, and the way that these lead."""
    todo = [path]
    while todo:
        each = todo.pop()
        if each in seen:
            continue
        seen.add(each)
        yield each
        todo.extend(reversed(each.parents))
        if each.is_symlink():
            todo.append(each.parent / os.readlink(each))


def _tree(folder: str, seen: set[Path]) -> Iterator[Path]:
    """All that is below a folder whose own way was looked at, and where its links lead."""
    with os.scandir(folder) as entries:
        for entry in entries:
            path = Path(entry.path)
            if not entry.is_symlink():
                yield path
            elif os.path.exists(path):  # what leads nowhere runs nothing
                yield from _way(path, seen)
            if entry.is_dir(follow_symlinks=False):
                yield from _tree(entry.path, seen)


def _flaw(path: Path) -> Flaw | None:
    now = path.lstat()
    isLink = stat.S_ISLNK(now.st_mode)
    if now.st_uid not in (0, os.geteuid()):
        chown = "chown -h" if isLink else "chown"
        return Flaw(path, _OWNED, f"{chown} root {quote(str(path))}")
    if isLink or not now.st_mode & _OTHERS:  # a link has no mode that counts
        return None
    if stat.S_ISDIR(now.st_mode) and now.st_mode & stat.S_ISVTX:
        return None  # nobody can replace there what is not theirs
    return Flaw(path, "can be written by others", f"chmod go-w {quote(str(path))}")

"""Replacements for modules, the reactor, and the service's user."""

import os
import pwd
import sys
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from types import ModuleType
from typing import Any

import twisted.internet
from twisted.trial.unittest import SynchronousTestCase

SERVICE = 61234
"""The user of a service, and its group."""


def haveService(test: SynchronousTestCase) -> Path:
    """Have a service user while a test runs, and return a folder that belongs to it."""
    user = pwd.struct_passwd(("pkdoors", "x", SERVICE, SERVICE, "", "/", "/bin/false"))
    test.patch(pwd, "getpwnam", lambda name: user)
    above = Path(mkdtemp())
    test.addCleanup(rmtree, above)
    above.chmod(0o755)
    folder = above / "service"
    folder.mkdir(0o755)
    os.chown(folder, SERVICE, SERVICE)
    return folder


def replaceModule(test: SynchronousTestCase, name: str, module: ModuleType | None) -> None:
    """Make C{import} give this module while a test runs; with L{None} the import fails."""

    def restore(before: dict[str, ModuleType]) -> None:
        sys.modules.pop(name, None)
        sys.modules.update(before)

    test.addCleanup(restore, {name: sys.modules[name]} if name in sys.modules else {})
    modules: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment]
    modules[name] = module


def replaceReactor(test: SynchronousTestCase, reactor: object) -> None:
    """Make C{from twisted.internet import reactor} give this reactor while a test runs."""
    contents = twisted.internet.__dict__

    def restore(before: dict[str, object]) -> None:
        contents.pop("reactor", None)
        contents.update(before)

    test.addCleanup(restore, {"reactor": contents["reactor"]} if "reactor" in contents else {})
    contents["reactor"] = reactor


def makeModule(name: str, **contents: Any) -> ModuleType:
    """Return a module."""
    module = ModuleType(name)
    module.__dict__.update(contents)
    return module

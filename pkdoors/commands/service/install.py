"""The command C{pkdoors install-service}."""

import os
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from shlex import quote
from sysconfig import get_path
from typing import TYPE_CHECKING

from pkdoors.commands.parser import Parser, completeWith
from pkdoors.config.config import CONF_FILE, SEED_FILE
from pkdoors.errors import InstallError, PkdoorsError
from pkdoors.util.output import tell, tellText

if TYPE_CHECKING:  # it needs Linux, and C{--help} does not
    from pkdoors.install.unitfiles import ServiceFiles


def addInstallCommand(command: Parser) -> None:
    """Add the options."""
    command.describe("This starts nothing, and prints what it does.")
    add = command.add_argument
    add("--uninstall", action="store_true", help="stop the service, and remove its files")
    root = add(
        "--root",
        metavar="DIR",
        type=Path,
        help="write the files below this folder, and do nothing else (for packagers)",
    )
    completeWith(root, "listFiles")
    command.set_defaults(run=_install, parser=command)


def _install(options: Namespace, environment: Mapping[str, str]) -> None:
    from pkdoors.install.unitfiles import ServiceFiles

    # Not in the folder of the interpreter: a distribution's Python has its scripts elsewhere.
    scripts = Path(get_path("scripts"))
    files = ServiceFiles(options.root or Path("/"), scripts)
    try:
        for line in _work(options, files, scripts):
            tell(line)
    except PkdoorsError as error:
        options.parser.exit(1, f"{options.parser.prog}: {error}\n")
    if options.root is None:
        tellText(_describeRest(scripts) if options.uninstall else _describeNextSteps(scripts))


def _work(options: Namespace, files: "ServiceFiles", scripts: Path) -> Iterator[str]:
    import pkdoors
    import twisted
    from pkdoors.install.installer import installService, runCommand, uninstallService
    from pkdoors.install.servicecode import findCodeFlaw

    if options.root is not None:
        return files.remove() if options.uninstall else files.place()
    if os.geteuid():
        raise InstallError("only root can install or uninstall a service: run it as root")
    if options.uninstall:
        return uninstallService(files, runCommand)
    modules = [Path(str(package.__file__)) for package in (pkdoors, twisted)]
    programs = [scripts / "pkdoors", Path(sys.executable)]
    return installService(files, [*programs, *modules], runCommand, findCodeFlaw)


def _describeNextSteps(scripts: Path) -> str:
    here = quote(str(scripts))
    isConfigured = os.path.exists(CONF_FILE) or os.path.exists(SEED_FILE)
    init = "" if isConfigured else f"Create a configuration:   {here}/pkdoors init\n"
    return (
        f"\n{init}"
        f"Check that all is well:   {here}/pkdoors check\n"
        "Start it, at boot, too:   systemctl enable --now pkdoors\n"
        "See what it does:         systemctl status pkdoors; journalctl -u pkdoors\n"
    )


def _describeRest(scripts: Path) -> str:
    from pkdoors.host.serviceuser import NAME

    return (
        "\nThese stay until you remove them:\n"
        f"the guard, with the ports closed:  {quote(str(scripts))}/pkdoors release\n"
        "configuration, notes and logs:     "
        "rm -r /etc/pkdoors /var/lib/pkdoors /var/log/pkdoors\n"
        f"the user:                          userdel {NAME}\n"
    )

"""The command C{pkdoors install-service}."""

import os
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from sysconfig import get_path
from typing import TYPE_CHECKING

from pkdoors.commands.parser import Parser, completeWith
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
    add(
        "--package",
        action="store_true",
        help="with --root: write them where the files of a distribution's packages are",
    )
    scripts = add(
        "--scripts",
        metavar="DIR",
        type=Path,
        help="with --root: the folder where the service will find `pkdoors` and `twistd` "
        "(default: this installation's)",
    )
    completeWith(scripts, "listFiles")
    command.epilog = "Example: sudo pkdoors install-service"
    command.set_defaults(run=_install, parser=command)


def _install(options: Namespace, environment: Mapping[str, str]) -> None:
    from pkdoors.install.unitfiles import LOCAL, PACKAGE, ServiceFiles

    if options.root is None and (options.package or options.scripts):
        options.parser.error("--package and --scripts need --root: they are for packagers")
    # Not in the folder of the interpreter: a distribution's Python has its scripts elsewhere.
    scripts = options.scripts or Path(get_path("scripts"))
    layout = PACKAGE if options.package else LOCAL
    files = ServiceFiles(options.root or Path("/"), scripts, layout)
    try:
        for line in _work(options, files, scripts):
            tell(line)
    except PkdoorsError as error:
        options.parser.exit(1, f"{options.parser.prog}: {error}\n")
    if options.root is None:
        tellText(_describeRest() if options.uninstall else _describeNextSteps())


def _work(options: Namespace, files: "ServiceFiles", scripts: Path) -> Iterator[str]:
    from pkdoors.host.systemd import isPackaged
    from pkdoors.install.installer import runCommand, uninstallService

    if options.root is not None:
        return files.remove() if options.uninstall else files.place()
    if os.geteuid():
        raise InstallError("only root can install or uninstall a service: run it as root")
    if isPackaged():
        return _workPackaged(options, scripts)
    if options.uninstall:
        return uninstallService(files, runCommand)
    return _installFrom(files, scripts)


def _installFrom(files: "ServiceFiles", scripts: Path) -> Iterator[str]:
    import pkdoors
    import twisted
    from pkdoors.install.installer import installService, runCommand
    from pkdoors.install.servicecode import findCodeFlaw

    modules = [Path(str(package.__file__)) for package in (pkdoors, twisted)]
    programs = [scripts / "pkdoors", Path(sys.executable)]
    return installService(files, [*programs, *modules], runCommand, findCodeFlaw)


def _workPackaged(options: Namespace, scripts: Path) -> Iterator[str]:
    """Prepare the service that a package has installed, and leave the package's files alone."""
    from pkdoors.host.systemd import PACKAGE_UNIT
    from pkdoors.install.installer import preparePackaged, runCommand
    from pkdoors.install.unitfiles import PACKAGE, ServiceFiles

    files = ServiceFiles(Path("/"), scripts, PACKAGE)
    if options.uninstall:
        raise InstallError(
            f"the package pkdoors has installed the service ({PACKAGE_UNIT}): "
            "remove that package instead (`apt remove pkdoors`)"
        )
    if not files.areRunningThis():
        raise InstallError(
            f"the package pkdoors has installed a service already ({PACKAGE_UNIT}): remove that "
            "package first (`apt remove pkdoors`), or use its own command `pkdoors`"
        )
    return preparePackaged(files, runCommand)


def _describeNextSteps() -> str:
    from pkdoors.firewall.firststart import SECOND, STAY
    from pkdoors.host.program import ownCommand
    from pkdoors.install.sharing import findConf

    own = ownCommand()
    init = "" if findConf() else f"Create a configuration:   {own} init\n"
    return (
        f"\n{init}"
        f"Check that all is well:   {own} check\n"
        f"Try it for 10 minutes:    {own} trial 10m\n"
        f"Keep it, at boot, too:    {own} keep\n"
        "Start it without a trial: systemctl enable --now pkdoors\n"
        "See what it does:         systemctl status pkdoors; journalctl -u pkdoors\n"
        f"\n{STAY}\n{SECOND}\n"
    )


def _describeRest() -> str:
    from pkdoors.host.program import ownCommand
    from pkdoors.host.serviceuser import FLEET_NAME, NAME

    return (
        "\nThese stay until you remove them:\n"
        f"the guard, if it is there:      {ownCommand()} release\n"
        "configuration, notes and logs:  "
        "rm -r /etc/pkdoors /var/lib/pkdoors /var/log/pkdoors\n"
        f"the users:                      userdel {NAME}\n"
        f"                                userdel {FLEET_NAME}\n"
    )

"""Configurations of other programs, from which C{pkdoors init} makes one of ours."""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import replace
from shlex import join
from typing import TYPE_CHECKING, Any

from pkdoors.commands.setup._doors import Host, Plan, makeSequence
from pkdoors.config.parser import parseConfig, parseSeed
from pkdoors.config.template import renderConf
from pkdoors.errors import BadValue, ConfigError
from pkdoors.model.doors import Door
from pkdoors.util.oneline import limitLines, printable

MOST_LINES = 500
"""Of a report about a file."""
MOST_OF_HOOK = 1000
"""Characters of a command that are shown."""

if TYPE_CHECKING:
    from pkdoors.config.foreign.doors import Foreign


def convertSeed(options: Namespace, environment: Mapping[str, str], keys: tuple[str, ...]) -> Plan:
    """Return the door of port-knocking-doors' file, with its sequence."""
    from pkdoors.config.file import readConf

    for name in ("length", "ports", "tcp"):
        if getattr(options, name) not in (None, False):
            options.parser.error(
                f"argument --{name}: --seed takes this from its file: use only one of the two"
            )
    file = _findSeed(options, environment)
    door, lines = parseSeed(readConf(file), file)
    warnings = [] if keys else door.sequence.warnings()
    lines += [f"warning: {warning}" for warning in warnings]
    report = f"From {file}, which stays as it is:\n" + "".join(f"  {line}\n" for line in lines)
    return Plan((replace(door, name=options.door or door.name, authorizedKeys=keys),), None, report)


def _findSeed(options: Namespace, environment: Mapping[str, str]) -> str:
    from pkdoors.config.file import isThere, listSeedPlaces

    places = listSeedPlaces(environment) if options.seed is True else [options.seed]
    found = next(filter(isThere, places), "")
    if not found:
        raise ConfigError(
            f"no configuration of port-knocking-doors found (looked for {', '.join(places)}): "
            "use --seed FILE to name it"
        )
    return found


def readForeign(options: Namespace) -> "Foreign":
    """
    Return what the configuration of knockd or fwknop means that the options name.

    @raise PkdoorsError: it cannot be read, or others can change it: its commands become hooks.
    """
    from pkdoors.config.foreign.fwknop import readFwknop
    from pkdoors.config.foreign.knockd import readKnockd

    for name in ("door", "ports"):
        if getattr(options, name) is not None:
            option = "--knockd" if options.knockd else "--fwknop"
            options.parser.error(f"argument --{name}: {option} takes this from its file")
    files = _listFiles(options)
    texts = [_readText(file) for file in files]
    try:
        return readKnockd(texts[0]) if options.knockd else readFwknop(*texts)
    except BadValue as error:
        raise ConfigError(f"{', '.join(files)}: {error}") from error


def _listFiles(options: Namespace) -> list[str]:
    return [options.knockd] if options.knockd else options.fwknop


def convertForeign(options: Namespace, found: "Foreign", host: Host, keys: tuple[str, ...]) -> Plan:
    """Return doors like those of another program, with new sequences."""
    known = [ports for door in found.doors for ports in door.ports or ()]
    isSshMissing = any(door.ports is None for door in found.doors)
    ssh = host.sshPorts() if isSshMissing else ()
    doors = []
    for foreign in found.doors:
        sequence = makeSequence(options, (*known, *ssh))
        fields: dict[str, Any] = foreign.fields
        ports = ssh if foreign.ports is None else foreign.ports
        doors.append(Door(foreign.name, sequence, ports, authorizedKeys=keys, **fields))
    files = _listFiles(options)
    parseConfig(renderConf(*doors), ", ".join(files))  # or the daemon would refuse it later
    stays = "stays as it is" if len(files) == 1 else "stay as they are"
    lines = "".join(f"  {line}\n" for line in limitLines(found.describe(), "lines", MOST_LINES))
    report = f"From {', '.join(files)}, which {stays}:\n{lines}{_describeHooks(doors)}"
    return Plan(tuple(doors), None, report, "knockd" if options.knockd else "fwknop-server")


def _describeHooks(doors: Sequence[Door]) -> str:
    """Return the commands that were taken over, as they will run: nobody runs them unseen."""
    from pkdoors.config.foreign.sandbox import explainHook
    from pkdoors.host.serviceuser import NAME

    hooks = ""
    for door in doors:
        for key, hook in (("on_open", door.onOpen), ("on_close", door.onClose)):
            if hook:
                hooks += f"  {door.name} {key}: {_shorten(printable(join(hook)))}\n"
                hooks += "".join(f"    -> {printable(line)}\n" for line in explainHook(hook))
    if not hooks:
        return ""
    return (
        "\nThese commands were taken over. Read them before you start the daemon: the service runs "
        f"them as the user {NAME}, not as root, and in its sandbox:\n{hooks}"
    )


def _shorten(text: str) -> str:
    return text if len(text) <= MOST_OF_HOOK else f"{text[:MOST_OF_HOOK]}... (see the file)"


def _readText(file: str) -> str:
    from pkdoors.files.reading import readFile
    from pkdoors.files.trust import findFlaw

    try:
        flaw = findFlaw(file)
        if flaw is not None:
            raise ConfigError(
                f"others can change what {file} runs, because {flaw.why}: run `{flaw.remedy}`, or "
                "use a copy"
            )
        return readFile(file).text("replace")
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"cannot read {file}: {error}") from None

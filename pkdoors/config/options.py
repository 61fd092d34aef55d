"""The command line of C{twistd pkdoors}, and the environment behind it."""

import os.path
import sys
from collections.abc import Iterator, Mapping
from collections.abc import Sequence as ListOf
from dataclasses import replace
from functools import partial
from os import environ
from typing import Any, ClassVar, NoReturn

from twisted.python.usage import Options as TwistedOptions
from twisted.python.usage import UsageError

from pkdoors import __version__
from pkdoors.config.config import ADMIN_SOCKET, CONF_FILE, SEED_FILE, SEED_NAME, Config
from pkdoors.config.file import confPlaces, isThere, readConf
from pkdoors.config.parser import parseConfig
from pkdoors.config.settings import (
    DOOR_SETTINGS,
    Setting,
    parseAdmin,
    parseAt,
    parseFirewall,
    parseInterface,
    parsePath,
)
from pkdoors.errors import BadValue, ConfigError
from pkdoors.model.doors import Door
from pkdoors.util.oneline import printable
from pkdoors.util.output import tell, tellText
from pkdoors.util.quoting import shown


class Options(TwistedOptions):
    """
    @ivar config: what was asked for, after the parsing.
    @ivar file: the configuration file that it is from; empty where there is none.
    """

    synopsis = "[--conf FILE | --magic-seq PORTS --ports PORTS] [options]"
    longdesc = (
        "Keeps ports closed, and opens them for the address that knocks on some UDP ports in "
        "order, for a limited time. KNOCKER_SEQ and KNOCKER_PORTS in the environment count where "
        "--magic-seq and --ports are absent, and all of them before what the file says. A TIME is "
        "45, 45s, 10m, 8h or 1h30m."
    )
    # Without defaults: those are in L{Door} and L{Config}, and a file's values come before them.
    optParameters: ClassVar = [
        [
            *("conf", "c", None),
            f"the configuration file (default: the first of {CONF_FILE}, ~/{SEED_NAME}, "
            f"{SEED_FILE} that is there; the last two are those of port-knocking-doors)",
        ],
        ["magic-seq", "m", None, "the sequence: 5 to 20 UDP ports, 17001,17203,... (a secret)"],
        ["ports", "p", None, "the ports to protect: 22,80,51820/udp,6000-6010/tcp"],
        [
            *("authorized-keys", "k", None),
            "a file like sshd's: then only knocks that its keys sealed open",
        ],
        ["open-for", "t", None, "TIME a knock opens for that asks for none (default: 30s)"],
        ["max-open", None, None, "TIME a knock can ask for at most (default: 1h)"],
        ["firewall", "f", None, "auto, nftables, firewalld or dry-run (default: auto)"],
        ["zone", None, None, "firewalld's zone, instead of the zone of each client"],
        ["admin", None, None, f"path of the admin socket, or off (default: {ADMIN_SOCKET})"],
        ["sessions", None, None, "keep or cut: what happens to live sessions (default: keep)"],
        [
            *("udp-idle", None, None),
            "TIME without a datagram after which a UDP session ends whose door has closed "
            "(default: 3m)",
        ],
        [
            *("udp-max", None, None),
            "TIME for which such a session goes on at most (default: 12h)",
        ],
        [
            *("udp-grace", None, None),
            "TIME a UDP port stays open that is protected for the first time, if the host does "
            "not track connections (default: 30s)",
        ],
        ["knock-timeout", None, None, "TIME in which the whole sequence must come (default: 30s)"],
        ["clock-skew", None, None, "TIME by which a knocker's clock may be wrong (default: 60s)"],
        [
            "penalty",
            None,
            None,
            "TIME a network is ignored after a wrong knock (default: 5s)",
        ],
        [
            *("knock-rate", None, None),
            "datagrams a second that are heard of one source, 0 for all (default: 10000)",
        ],
        ["knock-burst", None, None, "datagrams that are heard of it at once (default: 10000)"],
    ]
    optFlags: ClassVar = [["log-knocks", None, "log every datagram, to find out why a knock fails"]]

    def __init__(
        self,
        environment: Mapping[str, str] = environ,
        places: ListOf[str] | None = None,
    ) -> None:
        super().__init__()
        self._environment = environment
        self._places = confPlaces(environment) if places is None else places
        self._interfaces: list[str] = []
        self._wholes: dict[str, str] = {}
        self.config: Config
        self.file = ""

    def opt_interface(self, address: str) -> None:
        """listen on this local address only; can be repeated (default: all IPv4 and IPv6)"""
        self._interfaces.append(address)

    def opt_help(self) -> None:
        """print this help"""
        tellText(f"{self}\n")
        sys.exit(0)

    def opt_version(self) -> None:
        """print the version of pkdoors"""
        tell(f"pkdoors {__version__.public()}")
        sys.exit(0)

    opt_h = opt_help
    opt_V = opt_version

    def parseOptions(self, options: ListOf[str] | None = None) -> None:
        """
        Read the command line. What is wrong with it is one line: twistd itself would print all its
        usage around it.
        """
        try:
            super().parseOptions(options)
        except UsageError as error:
            self.refuse(f"{error} ({self.hint(error)})")
        except ConfigError as error:
            self.refuse(str(error))

    def refuse(self, line: str) -> NoReturn:
        """End with status 1."""
        raise SystemExit(printable(f"pkdoors: {line}"))

    def hint(self, error: UsageError) -> str:
        """What may help whoever gave a wrong option."""
        hint = "`twistd pkdoors --help` shows all options"
        if "not recognized" in str(error):
            hint += "; twistd's own go before the word pkdoors"
        return hint

    def parseArgs(self, *rest: str) -> None:
        """There is nothing but options."""
        if rest:
            raise UsageError(f"{shown(rest[0])} is no option: lists have commas, and no blanks")

    def postOptions(self) -> None:
        """Check everything and make one value of it."""
        try:
            self.config = self._read()
        except BadValue as error:
            raise UsageError(str(error)) from error

    def again(self) -> Config:
        """
        What was asked for, with what the file says now.

        @raise PkdoorsError: that is not allowed.
        """
        return self._read()

    def _read(self) -> Config:
        given = list(self._given())
        file = self.file = self._file(given)
        config = parseConfig(readConf(file), file) if file else Config(())
        overriding: dict[str, Any] = {}
        if self["firewall"] is not None:
            overriding["firewall"] = parseAt("--firewall", parseFirewall, self["firewall"])
        if self["zone"] is not None:
            overriding["zone"] = self["zone"]
        if self["admin"] is not None:
            overriding["admin"] = parseAt("--admin", parseAdmin, self["admin"])
        if self._interfaces:
            addresses = [parseAt("--interface", parseInterface, each) for each in self._interfaces]
            overriding["interfaces"] = tuple(dict.fromkeys(addresses))
        doors = self._doors(config.doors, given)
        return replace(config, doors=doors, logKnocks=bool(self["log-knocks"]), **overriding)

    def _given(self) -> Iterator[tuple[Setting, str, str]]:
        """What command line and environment say of the door: setting, origin, text."""
        for setting in DOOR_SETTINGS:
            text = self.get(setting.option)
            if text is not None:
                yield setting, f"--{setting.option}", text
            elif setting.variable in self._environment:
                yield setting, setting.variable, self._environment[setting.variable]

    def _file(self, given: list[tuple[Setting, str, str]]) -> str:
        """The configuration file; empty where there is none."""
        if self["conf"] is not None:
            return self._whole(parseAt("--conf", parsePath, self["conf"]))
        if any(setting.variable for setting, _, _ in given):
            return ""
        found = next(filter(isThere, self._places), "")
        if not found:
            raise BadValue(
                "--conf is missing, or --magic-seq and --ports, and there is none of "
                f"{', '.join(self._places)}: `pkdoors init` makes the first"
            )
        return found

    def meantFile(self, arguments: ListOf[str]) -> str:
        """
        The configuration file that is meant, also if the command line is wrong; empty if none is.

        @param arguments: the command line.
        """
        named = self["conf"] or _confOf(arguments)
        if named:
            return self._whole(named)
        isWithout = any(setting.variable for setting, _, _ in self._given())
        if isWithout or any(each.startswith(_WITHOUT_FILE) for each in arguments):
            return ""
        return next(filter(isThere, self._places), self._places[0])

    def _whole(self, path: str) -> str:
        """A path as it was meant at first: a daemon goes to another folder, and reads it again."""
        if path not in self._wholes:
            self._wholes[path] = os.path.abspath(path)
        return self._wholes[path]

    def _doors(
        self, doors: tuple[Door, ...], given: list[tuple[Setting, str, str]]
    ) -> tuple[Door, ...]:
        origins = {setting.field: origin for setting, origin, _ in given}
        if len(doors) > 1:
            if origins:
                raise BadValue(
                    f"{', '.join(origins.values())}: the configuration file has {len(doors)} "
                    "doors, and it is not known which one is meant: change it in the file"
                )
            return doors
        fields: dict[str, Any] = {
            setting.field: parseAt(origin, setting.parse, text) for setting, origin, text in given
        }
        if not doors:
            _checkComplete(origins)
        make = partial(replace, *doors) if doors else partial(Door, "default")
        try:
            if fields.get("authorizedKeys"):
                fields["authorizedKeys"] = self._whole(fields["authorizedKeys"])
            return (make(**fields),)
        except BadValue as error:
            places = {
                "openFor": "--open-for, --max-open",
                "ports": origins.get("ports") or origins.get("sequence", ""),
            }
            raise error.at(places[error.field]) from error


_WITHOUT_FILE = ("-m", "-p", "--magic-seq", "--ports")


def _confOf(arguments: ListOf[str]) -> str:
    """The file that a command line names, which nobody has understood yet; empty for none."""
    following = iter(arguments)
    for each in following:
        name, equals, value = each.partition("=")
        if name in ("-c", "--conf") and not equals:
            return next(following, "")
        if name == "--conf":
            return value
        if each.startswith("-c") and each[2:]:
            return each[2:]
    return ""


def _checkComplete(given: Mapping[str, str]) -> None:
    for setting in DOOR_SETTINGS:
        if setting.variable and setting.field not in given:
            raise BadValue(
                f"--{setting.option} is missing, and {setting.variable} is not in the environment"
            )

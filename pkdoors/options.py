"""The command line of C{twistd pkdoors}, and the environment behind it."""

import os.path
import sys
from collections.abc import Callable, Mapping
from collections.abc import Sequence as ListOf
from ipaddress import ip_address
from os import environ
from typing import ClassVar, NoReturn, TypeVar

from twisted.python.usage import Options as TwistedOptions
from twisted.python.usage import UsageError

from pkdoors import __version__
from pkdoors.config import FIREWALLS, Config
from pkdoors.doors import Door
from pkdoors.durations import parseDuration
from pkdoors.errors import BadValue
from pkdoors.ports import parsePortRanges
from pkdoors.sequence import Sequence

T = TypeVar("T")


class Options(TwistedOptions):
    """
    @ivar config: what was asked for, after the parsing.
    """

    synopsis = "--magic-seq PORTS --ports PORTS [options]"
    longdesc = (
        "Keeps ports closed, and opens them for the address that knocks on some UDP ports in "
        "order, for a limited time. KNOCKER_SEQ and KNOCKER_PORTS in the environment count where "
        "--magic-seq and --ports are absent. A TIME is 45, 45s, 10m, 8h or 1h30m."
    )
    optParameters: ClassVar = [
        ["magic-seq", "m", None, "the sequence: 5 to 20 UDP ports, 17001,17203,... (a secret)"],
        ["ports", "p", None, "the ports to protect: 22,80,51820/udp,6000-6010/tcp"],
        [
            "authorized-keys",
            "k",
            "",
            "a file like sshd's: only knocks sealed by its keys open",
        ],
        ["open-for", "t", "30s", "TIME a knock opens for that asks for none"],
        ["max-open", None, "1h", "TIME a knock can ask for at most"],
        ["firewall", "f", "auto", "auto, nftables, firewalld or dry-run"],
        ["zone", None, "", "firewalld's zone, instead of the zone of each client"],
        ["sessions", None, "keep", "keep or cut: whether live sessions end with the opening"],
        ["knock-timeout", None, "30s", "TIME in which the whole sequence must come"],
        ["clock-skew", None, "60s", "TIME by which a sealed knock's clock may be wrong"],
        ["penalty", None, "5s", "TIME a source is ignored after a wrong knock; 0 for none"],
    ]
    optFlags: ClassVar = [["log-knocks", None, "log every datagram, to find out why a knock fails"]]

    def __init__(self, environment: Mapping[str, str] = environ) -> None:
        super().__init__()
        self._environment = environment
        self._interfaces: list[str] = []
        self.config: Config

    def opt_interface(self, address: str) -> None:
        """listen on this local address only; can be repeated (default: all IPv4 and IPv6)"""
        self._interfaces.append(address)

    def opt_help(self) -> None:
        """print this help"""
        print(self)
        sys.exit(0)

    def opt_version(self) -> None:
        """print the version of pkdoors"""
        print(f"pkdoors {__version__.public()}")
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
            self.refuse(error)

    def refuse(self, error: UsageError) -> NoReturn:
        """End with status 1."""
        hint = "`twistd pkdoors --help` shows all options"
        if "not recognized" in str(error):
            hint += "; twistd's own go before the word pkdoors"
        raise SystemExit(f"pkdoors: {error} ({hint})") from error

    def parseArgs(self, *rest: str) -> None:
        """There is nothing but options."""
        if rest:
            raise UsageError(f"{rest[0]!r} is no option: lists have commas, and no blanks")

    def postOptions(self) -> None:
        """Check everything and make one value of it."""
        try:
            self.config = self._read()
        except BadValue as error:
            raise UsageError(str(error)) from error

    def _read(self) -> Config:
        return Config(
            (self._door(),),
            firewall=self._option("firewall", _firewall),
            zone=self["zone"],
            interfaces=tuple(
                dict.fromkeys(_at("--interface", _interface, each) for each in self._interfaces)
            ),
            logKnocks=bool(self["log-knocks"]),
        )

    def _door(self) -> Door:
        sequence = self._required("magic-seq", "KNOCKER_SEQ", Sequence.parse)
        ports = self._required("ports", "KNOCKER_PORTS", parsePortRanges)
        cut = self._option("sessions", _sessions)
        keys = os.path.abspath(self["authorized-keys"]) if self["authorized-keys"] else ""
        times = {
            "openFor": self._option("open-for", parseDuration),
            "maxOpenFor": self._option("max-open", parseDuration),
            "knockTimeout": self._option("knock-timeout", parseDuration),
            "penalty": self._option("penalty", lambda text: parseDuration(text, least=0)),
            "clockSkew": self._option("clock-skew", lambda text: parseDuration(text, most=3600)),
        }
        try:
            return Door("default", sequence, ports, cutSessions=cut, authorizedKeys=keys, **times)
        except BadValue as error:
            origins = {
                "openFor": "--open-for, --max-open",
                "ports": self._origin("ports", "KNOCKER_PORTS"),
            }
            raise error.at(origins[error.field]) from error

    def _option(self, name: str, parse: Callable[[str], T]) -> T:
        return _at(f"--{name}", parse, self[name])

    def _origin(self, name: str, variable: str) -> str:
        return variable if self[name] is None else f"--{name}"

    def _required(self, name: str, variable: str, parse: Callable[[str], T]) -> T:
        if self[name] is None and variable not in self._environment:
            raise BadValue(f"--{name} is missing, and {variable} is not in the environment")
        text = self._environment[variable] if self[name] is None else self[name]
        return _at(self._origin(name, variable), parse, text)


def _at(where: str, parse: Callable[[str], T], text: str) -> T:
    try:
        return parse(text)
    except BadValue as error:
        raise error.at(where) from error


def _firewall(text: str) -> str:
    if text not in FIREWALLS:
        raise BadValue(f"{text!r} is no firewall: choose {', '.join(FIREWALLS)}")
    return text


def _sessions(text: str) -> bool:
    """Whether sessions are cut."""
    if text not in ("keep", "cut"):
        raise BadValue(
            f"{text!r} is neither keep (live sessions live on when the door closes) "
            "nor cut (they end with it)"
        )
    return text == "cut"


def _interface(text: str) -> str:
    try:
        ip_address(text)
    except ValueError:
        raise BadValue(
            f"{text!r} is not an address: give a local IPv4 or IPv6 address, like 192.0.2.1"
        ) from None
    return text

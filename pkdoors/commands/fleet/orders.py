"""C{pkdoors fleet close}, C{ban}, C{unban} and C{send}: orders to all hosts of a fleet."""

import sys
from argparse import Namespace
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pkdoors.commands.fleet._place import addFleetOptions, orExit, readFleetOf
from pkdoors.commands.fleet._signing import addSigningOptions
from pkdoors.commands.parser import Parser, asType, completeWith
from pkdoors.errors import BadValue, ConfigError, PkdoorsError
from pkdoors.knocks.order import BAN, CLOSE, EVERYBODY, UNBAN, Order, makeOrderNonce
from pkdoors.util.output import complain, tellText

if TYPE_CHECKING:  # they load much
    from pkdoors.config.fleet import FleetConfig

_ABOUT = (
    "All hosts of the fleet obey, this one first; hosts that are down obey when they are back. "
    "An order must be signed by a key in the fleet's file of operators. --print needs neither root "
    "nor a host of the fleet, so the key can stay on your own machine."
)


def addFleetCloseCommand(command: Parser) -> None:
    """Add the options of C{close}."""
    command.describe(
        "It ends openings, and knocks that were made before the order open nothing any more; "
        f"whoever knocks again gets in again. {_ABOUT}"
    )
    address = command.add_argument(
        "address",
        metavar="ADDRESS",
        nargs="?",
        type=asType(_checkClient),
        help="an IPv4 or IPv6 address, a network like 10.0.0.0/16, a name (its addresses are "
        "looked up once), or `me`, the address that your ssh comes from",
    )
    completeWith(address, "listOpenAddresses")
    command.add_argument("--all", action="store_true", help="close for all addresses")
    _addOrderOptions(command, _close)
    command.epilog = "Example: sudo pkdoors fleet close 192.0.2.7 --identity ~/.ssh/operator"


def addFleetBanCommand(command: Parser) -> None:
    """Add the options of C{ban}."""
    command.describe(
        "The key opens no sealed door of any host until somebody lifts the ban, not even on hosts "
        f"that lose the engine. {_ABOUT}"
    )
    _addKey(command)
    _addOrderOptions(command, _ban)
    command.epilog = "Example: pkdoors fleet ban lost.pub --print | sudo pkdoors fleet send -"


def addFleetUnbanCommand(command: Parser) -> None:
    """Add the options of C{unban}."""
    command.describe(_ABOUT)
    _addKey(command)
    _addOrderOptions(command, _unban)
    command.epilog = "Example: sudo pkdoors fleet unban found.pub --identity ~/.ssh/operator"


def addFleetSendCommand(command: Parser) -> None:
    """Add the options of C{send}."""
    command.describe(
        "It gives an order that somebody signed with --print, or with ssh-keygen, to this host and "
        "then to the fleet. An order that the fleet knows already does nothing."
    )
    file = command.add_argument("file", metavar="FILE", help="the file with the order, or -")
    completeWith(file, "listFiles")
    addFleetOptions(command, _send)
    command.epilog = "Example: sudo pkdoors fleet send order.txt"


def _addKey(command: Parser) -> None:
    key = command.add_argument(
        "key",
        metavar="KEY",
        help="a fingerprint (SHA256:...), the file of a public key, or, on a host that lists the "
        "key, its comment",
    )
    completeWith(key, "listFiles")


def _addOrderOptions(command: Parser, run: Any) -> None:
    addSigningOptions(command)
    command.add_argument(
        "--print",
        action="store_true",
        dest="isPrinted",
        help="do not send the order, but print it for `pkdoors fleet send`",
    )
    command.add_argument(
        "--fleet",
        metavar="NAME",
        type=asType(_parseFleet),
        help="with --print: the name of the fleet (default: the name in this host's fleet.toml)",
    )
    addFleetOptions(command, run)


def _parseFleet(text: str) -> str:
    from pkdoors.model.fleetnames import checkFleetName

    return checkFleetName(text)


def _checkClient(text: str) -> str:
    from pkdoors.adminclient.clients import checkClient

    return checkClient(text)


def _close(options: Namespace, environment: Mapping[str, str]) -> None:
    if bool(options.address) == options.all:
        options.parser.error("give either the ADDRESS to close for, or --all")
    found = [EVERYBODY] if options.all else _findAddresses(options, environment)
    _order(CLOSE, found, options, environment)


def _findAddresses(options: Namespace, environment: Mapping[str, str]) -> list[str]:
    """Return the addresses to close for: of a name, all that it has."""
    from pkdoors.adminclient.clients import findClient

    found = orExit(options, lambda: findClient(options.address, environment)).addresses
    if options.isPrinted and len(found) > 1:
        complain(
            options.parser.prog,
            f"{options.address} has {len(found)} addresses, and an order names one: print an "
            f"order for each of them ({', '.join(found)})",
        )
        raise SystemExit(1)
    return found


def _ban(options: Namespace, environment: Mapping[str, str]) -> None:
    _order(BAN, [_findKey(options)], options, environment)


def _unban(options: Namespace, environment: Mapping[str, str]) -> None:
    _order(UNBAN, [_findKey(options)], options, environment)


def _findKey(options: Namespace) -> str:
    from pkdoors.commands.fleet._keys import findFingerprint

    return orExit(options, lambda: findFingerprint(options.key, options))


def _order(
    verb: str, targets: Collection[str], options: Namespace, environment: Mapping[str, str]
) -> None:
    """
    Sign orders, and send or print them.

    @param targets: the address or the key of each.
    """
    from pkdoors.client.keys.orders import writeOrder
    from pkdoors.commands.fleet._giving import give
    from pkdoors.commands.fleet._signing import signOrders, stampNow

    if options.fleet and not options.isPrinted:
        options.parser.error("--fleet needs --print: an order is sent to the fleet of this host")
    fleet, name, operators = None, options.fleet, None
    if not name:
        fleet = orExit(options, lambda: _readFleet(options))
        name = fleet.name
        operators = _listOperators(fleet, options)
    orders = [Order(name, verb, what, stampNow(), makeOrderNonce()) for what in targets]
    signed = orExit(options, lambda: signOrders(orders, options, environment, operators))
    if fleet is not None and verb == BAN:
        _warnOfLast({*targets}, operators or (), fleet, options)
    if options.isPrinted:
        tellText("".join(writeOrder(each.data, each.publicKey) for each in signed))
    else:
        assert fleet is not None
        give([each.data for each in signed], fleet, options)


def _warnOfLast(
    banned: Collection[str],
    operators: Iterable[bytes],
    fleet: "FleetConfig",
    options: Namespace,
) -> None:
    """
    Warn the operator if no other key can give orders. The order still goes out, as a thief may have
    a copy of the key.
    """
    from pkdoors.knocks.wire import fingerprint

    if banned == {fingerprint(each) for each in operators}:
        complain(
            options.parser.prog,
            "this is the key of the only operator: once it is banned, no host obeys an order, not "
            f"even `unban`, until you add another key to {fleet.operators} on every host",
        )


def _readFleet(options: Namespace) -> "FleetConfig":
    """
    Return the configuration of the fleet.

    @raise ConfigError: there is none, or it is wrong. An order that is printed needs none.
    """
    from pkdoors.config.fleetfile import NoFleetFile

    try:
        return readFleetOf(options)
    except NoFleetFile as error:
        if not options.isPrinted:
            raise
        raise ConfigError(f"{error.what}: name the fleet with --fleet NAME") from error


def _listOperators(fleet: "FleetConfig", options: Namespace) -> list[bytes] | None:
    """Return the keys that can give orders; L{None} if nobody needs to know them."""
    from pkdoors.commands.fleet._place import readOperators
    from pkdoors.locks.relayed.orders import listOperators

    try:
        return [key.blob for key in listOperators(readOperators(fleet))]
    except PkdoorsError as error:
        if options.isPrinted:
            return None
        complain(options.parser.prog, str(error))
        raise SystemExit(1) from error


def _send(options: Namespace, environment: Mapping[str, str]) -> None:
    from pkdoors.client.keys.orders import readOrder
    from pkdoors.commands.fleet._giving import give

    data = orExit(options, lambda: readOrder(_read(options.file)))
    give([data], orExit(options, lambda: readFleetOf(options)), options)


def _read(path: str) -> bytes:
    from pkdoors.client.keys.orders import MAX_TEXT
    from pkdoors.files.reading import readFile

    if path == "-":
        return sys.stdin.buffer.read(MAX_TEXT + 1)
    try:
        return readFile(path, MAX_TEXT).data
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadValue(f"cannot read {path}: {reason}") from error

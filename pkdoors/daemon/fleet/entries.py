"""What the fleet's process hands to the daemon, and what the daemon answers. Pure."""

import json
from binascii import Error as NotBase64
from binascii import a2b_base64
from dataclasses import dataclass
from ipaddress import ip_address

from pkdoors.errors import BadValue
from pkdoors.knocks.seal import MAX_CERTIFIED, MAX_SIGNATURE, MAX_STATEMENT
from pkdoors.model.fleetnames import checkFleetHost

MAX_DATA = 2 * (MAX_CERTIFIED + MAX_SIGNATURE + MAX_STATEMENT)
"""Bytes of a seal or an order. Both have narrower limits of their own."""


@dataclass(frozen=True, slots=True)
class RelayedSeal:
    """
    A seal that another host has heard.

    @ivar host: the host from whose stream it comes.
    @ivar source: the address that the knock came from, by that host's word; empty if unknown.
    @ivar seal: the datagram.
    """

    host: str
    source: str
    seal: bytes


@dataclass(frozen=True, slots=True)
class RelayedOrder:
    """
    A sealed order.
    """

    order: bytes


@dataclass(frozen=True, slots=True)
class ClaimAnswer:
    """
    The answer to a claim.

    @ivar number: of the claim.
    @ivar won: whether this host was the first; L{None} if nobody can tell.
    """

    number: int
    won: bool | None


Entry = RelayedSeal | RelayedOrder | ClaimAnswer


def parseEntry(line: bytes) -> Entry:
    """
    Read one line.

    @raise BadValue: it is not an entry.
    """
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadValue(f"the line is not JSON: {error}") from error
    keys = {*fields} if isinstance(fields, dict) else set()
    if keys == {"host", "source", "seal"}:
        return RelayedSeal(
            _readHost(fields["host"]), _readSource(fields["source"]), _readData(fields["seal"])
        )
    if keys == {"order"}:
        return RelayedOrder(_readData(fields["order"]))
    if keys == {"claim", "won"}:
        return ClaimAnswer(_readNumber(fields["claim"]), _readWon(fields["won"]))
    raise BadValue(
        'the line is not an object with "host", "source" and "seal", with "order", or with "claim" '
        'and "won"'
    )


def _readHost(value: object) -> str:
    if not isinstance(value, str):
        raise BadValue("host is not a string")
    return checkFleetHost(value)


def _readSource(value: object) -> str:
    if not isinstance(value, str):
        raise BadValue("source is not a string")
    if not value:
        return ""
    try:
        return str(ip_address(value))
    except ValueError as error:
        raise BadValue(f"source: {value!r:.100} is not an address") from error


def _readData(value: object) -> bytes:
    if not isinstance(value, str) or len(value) > 2 * MAX_DATA:
        raise BadValue("a seal or an order is not a string, or is too long")
    try:
        return a2b_base64(value.encode("ascii"), strict_mode=True)
    except (NotBase64, UnicodeEncodeError) as error:
        raise BadValue(f"a seal or an order is not base64: {error}") from error


def _readNumber(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadValue("claim is not a number")
    return value


def _readWon(value: object) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise BadValue("won is not true, false or null")
    return value

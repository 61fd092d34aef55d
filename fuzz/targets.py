"""
What can be fuzzed: each target gives bytes to a parser, and takes no other error than its own.

Where there are two directions, what was read is written, and read again.
"""

from collections.abc import Callable
from functools import cache
from ipaddress import ip_address

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.conch.ssh.keys import Key

from pkdoors.client.profiles import parseProfiles
from pkdoors.config.parser import parseConfig, parseSeed
from pkdoors.errors import BadValue, ConfigError
from pkdoors.firewall.guard.flows import CONNTRACK, parseFlow, readTracked
from pkdoors.firewall.guard.oldguard import readLivingSessions, readOpenings, readProtected
from pkdoors.firewall.guard.sets import secondsLeft
from pkdoors.firewall.netlink.dump import (
    readChains,
    readCounters,
    readElements,
    readIntervals,
    readRules,
    readSets,
    readTable,
    readVerdicts,
)
from pkdoors.firewall.netlink.messages import NFTABLES, firstError
from pkdoors.firewall.nftables._notifications import Changes
from pkdoors.knocks.knock import makePlainKnock, parsePlainKnock
from pkdoors.knocks.seal import SealError, makeSignedData, parseSealed
from pkdoors.knocks.signatures import ALGORITHMS, isGood, loadKey
from pkdoors.locks.sealed._addresspatterns import AddressPatterns
from pkdoors.locks.sealed.authorizedkeys import parseAuthorizedKeys
from pkdoors.model.doors import Door
from pkdoors.model.ports import parsePortRanges
from pkdoors.model.sequence import Sequence
from pkdoors.util.durations import formatDuration, parseDuration

MAX_INPUT = 4096
"""Bytes that a target is given: twice the longest datagram."""

DOOR = Door("ssh", Sequence((17001, 17203, 17005, 17404, 17002)), parsePortRanges("22"))
STATEMENT = b"pkdoors1 ssh 0 1800000000000 0123456789abcdef 01234567 *\n"


def knock(data: bytes) -> None:
    """The payload of a plain knock."""
    seconds = parsePlainKnock(data)
    if seconds is not None:
        check(parsePlainKnock(makePlainKnock(seconds)) == seconds, f"{seconds} s are other seconds")


def seal(data: bytes) -> None:
    """A sealed knock."""
    try:
        found = parseSealed(data)
    except SealError as error:
        checkSentence(error)
        return
    check(found.statement.encode() == found.text, "the statement has another writing")
    check(found.text + found.signature == data, "something is left over")


def signature(data: bytes) -> None:
    """An SSH signature: only one is good, that which the key made."""
    signed = makeSignedData(STATEMENT, DOOR.sequence)
    for key, good in _signers():
        check(isGood(key, data, signed) == (data == good), f"{data!r} is taken for {good!r}")


@cache
def _signers() -> list[tuple[Key, bytes]]:
    """Keys of a kind that signs in one way only, and what each makes of the statement."""
    keys = [Key(Ed25519PrivateKey.from_private_bytes(bytes([each] * 32))) for each in range(2)]
    signed = makeSignedData(STATEMENT, DOOR.sequence)
    return [(each.public(), each.sign(signed)) for each in keys]


def key(data: bytes) -> None:
    """An SSH public key."""
    try:
        found = loadKey(data)
    except BadValue as error:
        checkSentence(error)
        return
    check(found.blob() == data, "the key has another writing")
    check(found.sshType() in ALGORITHMS, "a key of a kind that is not taken")


def authorizedkeys(data: bytes) -> None:
    """A file of those who may knock."""
    keys, complaints = parseAuthorizedKeys(data.decode(errors="replace"), "keys")
    for complaint in complaints:
        checkSentence(complaint)
    for each in keys:
        str(each)
        each.who.asComment().encode("ascii")
        for source in ("192.0.2.7", "2001:db8::7"):
            checkSentence(each.findRefusal("ssh", source, 1_800_000_000))


def ports(data: bytes) -> None:
    """Protected ports."""
    text = data.decode(errors="replace")
    try:
        found = parsePortRanges(text)
    except BadValue as error:
        checkSentence(error)
        return
    check(parsePortRanges(",".join(map(str, found))) == found, "the ports are other ports")


def sequence(data: bytes) -> None:
    """A sequence."""
    try:
        found = Sequence.parse(data.decode(errors="replace"))
    except BadValue as error:
        checkSentence(error)
        return
    check(Sequence.parse(str(found)) == found, "the sequence is another one")
    found.warnings()


def duration(data: bytes) -> None:
    """A time."""
    try:
        found = parseDuration(data.decode(errors="replace"), least=0)
    except BadValue as error:
        checkSentence(error)
        return
    written = formatDuration(found)
    check(parseDuration(written, least=0) == found, f"{written} is another time")


def addresses(data: bytes) -> None:
    """From where a key may knock."""
    try:
        found = AddressPatterns.parse(data.decode(errors="replace"))
    except BadValue as error:
        checkSentence(error)
        return
    for source in ("192.0.2.7", "2001:db8::7"):
        found.match(source)


def config(data: bytes) -> None:
    """The daemon's file, which may be one of port-knocking-doors."""
    text = data.decode(errors="replace")
    try:
        parseConfig(text, "pkdoors.toml")
    except ConfigError as error:
        checkSentence(error)


def seed(data: bytes) -> None:
    """A file of port-knocking-doors."""
    text = data.decode(errors="replace")
    try:
        parseSeed(text, "port_knocker.toml")
    except ConfigError as error:
        checkSentence(error)


def profiles(data: bytes) -> None:
    """The client's hosts."""
    try:
        parseProfiles(data.decode(errors="replace"))
    except BadValue as error:
        checkSentence(error)


def events(data: bytes) -> None:
    """What the kernel tells of changes to nftables."""
    changes = Changes("pkdoors", 4711)
    for part in (data, data[len(data) // 2 :]):
        check(all(isinstance(name, str) for name in changes.feed(part)), "no name")


def netlink(data: bytes) -> None:
    """What the kernel answers."""
    check(isinstance(firstError(data), int), "no number")


def dump(data: bytes) -> None:
    """What the kernel answers when it is asked for a part of our table."""
    answer = [(NFTABLES << 8, data)]
    readTable(answer)
    names = (*readChains(answer, "pkdoors"), *readSets(answer), *readCounters(answer))
    check(all(isinstance(name, str) for name in names), "no name")
    for first, last in readIntervals(answer):
        check(first >= 0, f"no port: {first} to {last}")
    readRules(answer, "pkdoors")
    readVerdicts(answer)
    for element in readElements(answer):
        secondsLeft(element, 1000.0)


def conntrack(data: bytes) -> None:
    """What the kernel answers when it is asked for a tracked connection."""
    for each in readTracked([(CONNTRACK << 8, data)]):
        check(parseFlow(each.flow.protocol, each.flow.key) == each.flow, "another flow")
        check(0 <= each.wanted <= 65535, "no port")


def oldguard(data: bytes) -> None:
    """What C{nft} lists; whoever reads it takes these errors for a table that is none of ours."""
    listing = data.decode(errors="replace")
    try:
        for opening in readOpenings(listing, [DOOR], 1000.0):
            ip_address(str(opening.source))
            check(1000 < opening.deadline <= 1000 + DOOR.maxOpenFor, "its deadline is too late")
            opening.who.asComment()
        readProtected(listing)
        readLivingSessions(listing)
    except (ValueError, LookupError, TypeError):
        pass


def check(isRight: bool, complaint: str) -> None:
    """See that something is as it has to be."""
    if not isRight:
        raise AssertionError(complaint)


def checkSentence(error: object) -> None:
    """See that the operator gets one line."""
    check("\n" not in str(error), f"more than one line: {error}")


TARGETS: dict[str, Callable[[bytes], None]] = {
    each.__name__: each
    for each in (
        *(knock, seal, signature, key, authorizedkeys, ports, sequence, duration, addresses),
        *(config, seed, profiles, events, netlink, dump, conntrack, oldguard),
    )
}

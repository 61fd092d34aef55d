"""
The targets for fuzzing. Each target gives bytes to a parser, and accepts only the parser's own
errors.

If the format can also be written, the target writes the result, and reads it again.
"""

from collections.abc import Callable
from functools import cache
from hashlib import sha256
from ipaddress import ip_address, ip_network

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.conch.ssh.keys import Key

from pkdoors.client.export.profiletext import addProfile
from pkdoors.client.export.subject import Subject
from pkdoors.client.export.uri import parseUri, renderUri
from pkdoors.client.keys._filesigner import parsePrivateKey
from pkdoors.client.keys._formats import (
    findPublicBlob,
    isEncrypted,
    isPrivate,
    parsePublicBlob,
)
from pkdoors.client.keys._sshsig import parseFileSignature
from pkdoors.client.profiles import Profiles, readProfile
from pkdoors.config.fleetfile import parseFleet, renderFleet
from pkdoors.config.parser import parseConfig, parseSeed
from pkdoors.errors import BadValue, ConfigError
from pkdoors.firewall.earlier.oldguard import readLivingSessions, readOpenings, readProtected
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
from pkdoors.firewall.netlink.flows import CONNTRACK, parseFlow, readTracked
from pkdoors.firewall.netlink.messages import NFTABLES, firstError
from pkdoors.firewall.nftables._notifications import Changes
from pkdoors.firewall.openings.elements import secondsLeft
from pkdoors.host.clientaddress import findUseless
from pkdoors.knocks.certificates import isCertificate, parseCertificate
from pkdoors.knocks.knock import makePlainKnock, parsePlainKnock
from pkdoors.knocks.order import CLOSE, EVERYBODY, OrderError, parseOrder
from pkdoors.knocks.seal import (
    Sealed,
    SealError,
    Statement,
    hintOf,
    makeSignedData,
    packCertificate,
    parseSealed,
)
from pkdoors.knocks.signatures import isGood, isIssued, loadKey
from pkdoors.knocks.wire import ALGORITHMS, checkPublicBlob
from pkdoors.locks.relayed.bans import Bans
from pkdoors.locks.relayed.ordernotes import parseOrderNotes
from pkdoors.locks.relayed.tombstones import Tombstones
from pkdoors.locks.sealed._addresspatterns import AddressPatterns
from pkdoors.locks.sealed.authorizedkeys import AuthorizedKey
from pkdoors.locks.sealed.certified import Authorities
from pkdoors.locks.sealed.keylines import parseAuthorizedKeys
from pkdoors.locks.sealed.notelines import LineWriter, NotesLost
from pkdoors.locks.sealed.replaynotes import NotesWriter, parseNotes
from pkdoors.locks.sealed.revocations import parseRevocations
from pkdoors.model.doors import Door
from pkdoors.model.ports import parsePortRanges
from pkdoors.model.sequence import Sequence
from pkdoors.model.sources import (
    SHORTEST,
    WHOLE,
    cutTo,
    isNetwork,
    lengthOf,
    parseSource,
    readSource,
)
from pkdoors.util.durations import formatDuration, parseDuration

MAX_INPUT = 4096
"""The most bytes for a target: twice the longest datagram."""

DOOR = Door("ssh", Sequence((17001, 17203, 17005, 17404, 17002)), parsePortRanges("22"))
REAL = "275c3ed6cc2f856ad5ea48a61897e0a9dfedd5e577c9a0b2b5b4e04dedf12885"
"""SHA-256 of the only certificate in the corpus that its authority has signed."""
STATEMENT = b"pkdoors1 ssh 0 1800000000000 0123456789abcdef 01234567 *\n"


def knock(data: bytes) -> None:
    """Fuzz the payload of a plain knock."""
    seconds = parsePlainKnock(data)
    if seconds is not None:
        check(parsePlainKnock(makePlainKnock(seconds)) == seconds, f"{seconds} s are other seconds")


def seal(data: bytes) -> None:
    """Fuzz a sealed knock."""
    try:
        found = parseSealed(data)
    except SealError as error:
        checkSentence(error)
        return
    check(found.statement.encode() == found.text, "the statement is encoded differently")
    certified = packCertificate(found.certificate)
    check(found.text + certified + found.signature == data, "something is left over")


def order(data: bytes) -> None:
    """Fuzz an order to a fleet."""
    try:
        found = parseOrder(data)
    except OrderError as error:
        checkSentence(error)
        return
    check(found.order.encode() == found.text, "the text is encoded differently")
    hint = found.hint.encode("ascii")
    check(found.text + hint + found.signature == data, "something is left over")
    if found.order.verb == CLOSE and found.order.what != EVERYBODY:
        check(str(readSource(found.order.what)) == found.order.what, "it has two notations")


def notes(data: bytes) -> None:
    """Fuzz the notes of one daemon to the next. Their lines always have the right checks."""
    texts, writer = data.decode("ascii", errors="replace").split("\n"), LineWriter()
    lines = "".join(writer.line(1_800_000_000, text) for text in texts)
    orders = parseOrderNotes(lines)
    bans = Bans()
    bans.learn(orders.notes)
    check(len(bans) <= len(orders.notes), "there are more bans than notes")
    try:
        found = parseNotes(lines)
    except NotesLost as error:
        checkSentence(error)
        return
    stones, again = Tombstones(), NotesWriter()
    stones.learn(found.notes, 1000.0, 1_800_000_000.0, 60.0, isSameBoot=True)
    written = [again.header(found.time, found.boot, found.inode, found.since)]
    written += again.notes(found.time, found.notes)
    check(parseNotes("".join(written)).notes == found.notes, "the notes are written differently")


def signature(data: bytes) -> None:
    """Fuzz an SSH signature: only the one that the key made is good."""
    signed = makeSignedData(STATEMENT, DOOR.sequence)
    for key, good in _signers():
        check(isGood(key, data, signed) == (data == good), f"{data!r} is taken for {good!r}")


@cache
def _signers() -> list[tuple[Key, bytes]]:
    """Return keys of a kind with only one signature for each message, and their signatures."""
    keys = [Key(Ed25519PrivateKey.from_private_bytes(bytes([byte] * 32))) for byte in range(2)]
    signed = makeSignedData(STATEMENT, DOOR.sequence)
    return [(key.public(), key.sign(signed)) for key in keys]


def key(data: bytes) -> None:
    """Fuzz an SSH public key: the client, without cryptography, accepts what the daemon does."""
    try:
        checkPublicBlob(data)
        hasForm = True
    except BadValue as error:
        checkSentence(error)
        hasForm = False
    try:
        found = loadKey(data)
    except BadValue as error:
        checkSentence(error)
        check(not hasForm or b"nistp" in data, "the client accepts it, the daemon does not")
        return
    check(hasForm, "the daemon accepts it, the client does not")
    check(found.blob() == data, "the key is encoded differently")
    check(found.sshType() in ALGORITHMS, "a key of a kind that is not accepted")


def certificate(data: bytes) -> None:
    """Fuzz an SSH certificate: only the one that the authority signed is real."""
    isCertificate(data)
    try:
        found = parseCertificate(data)
    except BadValue as error:
        checkSentence(error)
        return
    checkSentence(found)
    checkSentence(found.findFlaw(1_800_000_000))
    isReal = sha256(data).hexdigest() == REAL
    check(isIssued(found, _authority()) == isReal, "a forged certificate is real")
    authorities = Authorities()
    line = AuthorizedKey(_authority(), found.authority, isAuthority=True, takesAnyPrincipal=True)
    authorities.lines = {found.authority: [line]}
    nonce = "0123456789abcdef"
    statement = Statement("ssh", 0, 1, nonce, hintOf(found.authority, nonce))
    try:
        authorities.certify(Sealed(statement, b"", b"", data), 1_800_000_000)
    except BadValue as error:
        checkSentence(error)
    else:
        check(isReal, "a forged certificate counts")


@cache
def _authority() -> Key:
    """Return the authority that signed the certificates of the corpus."""
    public: Key = Key(Ed25519PrivateKey.from_private_bytes(bytes(32))).public()
    return public


def keyfile(data: bytes) -> None:
    """Fuzz a file that the user names as a key: it is refused, or its halves agree."""
    if not isPrivate(data):
        try:
            checkPublicBlob(parsePublicBlob(data))
        except BadValue as error:
            checkSentence(error)
        return
    try:
        public = findPublicBlob(data)
        if isEncrypted(data):
            return  # to decrypt it takes long, by intent
        found = parsePrivateKey(data)
    except BadValue as error:
        checkSentence(error)
        return
    checkPublicBlob(found.publicKey)
    check(public in (None, found.publicKey), "the halves are of two keys")


def filesignature(data: bytes) -> None:
    """Fuzz what ssh-keygen writes."""
    try:
        parseFileSignature(data)
    except BadValue as error:
        checkSentence(error)


def revocations(data: bytes) -> None:
    """Fuzz a file of revoked keys."""
    try:
        found = parseRevocations(data)
    except BadValue as error:
        checkSentence(error)
        return
    key = _authority().blob()
    check(found.findRevoked(key) in ("", "key"), "something else is revoked")
    check(len(found) > 0 or not found.findRevoked(key), "nothing is revoked, and yet a key is")


def authorizedkeys(data: bytes) -> None:
    """Fuzz a file of authorized keys."""
    keys, complaints = parseAuthorizedKeys(data.decode(errors="replace"), "keys")
    for complaint in complaints:
        checkSentence(complaint)
    for authorized in keys:
        str(authorized)
        authorized.who.asComment().encode("ascii")
        for source in ("192.0.2.7", "2001:db8::7"):
            checkSentence(authorized.findRefusal("ssh", source, 1_800_000_000))


def ports(data: bytes) -> None:
    """Fuzz a list of protected ports."""
    text = data.decode(errors="replace")
    try:
        found = parsePortRanges(text)
    except BadValue as error:
        checkSentence(error)
        return
    check(parsePortRanges(",".join(map(str, found))) == found, "the ports are other ports")


def sequence(data: bytes) -> None:
    """Fuzz a sequence."""
    try:
        found = Sequence.parse(data.decode(errors="replace"))
    except BadValue as error:
        checkSentence(error)
        return
    check(Sequence.parse(str(found)) == found, "the sequence is another one")
    found.warnings()


def duration(data: bytes) -> None:
    """Fuzz a time."""
    try:
        found = parseDuration(data.decode(errors="replace"), least=0)
    except BadValue as error:
        checkSentence(error)
        return
    written = formatDuration(found)
    check(parseDuration(written, least=0) == found, f"{written} is another time")


def addresses(data: bytes) -> None:
    """Fuzz the addresses from which a key may knock."""
    try:
        found = AddressPatterns.parse(data.decode(errors="replace"))
    except BadValue as error:
        checkSentence(error)
        return
    for source in ("192.0.2.7", "2001:db8::7"):
        found.match(source)
    for network in map(ip_network, ("192.0.2.0/30", "10.0.0.0/30", "2001:db8::/126")):
        if found.covers(network):
            check(all(found.match(str(address)) for address in network), f"not all of {network}")


def source(data: bytes) -> None:
    """Fuzz an address or a network that an operator names."""
    try:
        found = parseSource(data.decode(errors="replace"))
    except BadValue as error:
        checkSentence(error)
        return
    check(readSource(str(found)) == found == parseSource(str(found)), f"{found} is another one")
    check(not isNetwork(found) or lengthOf(found) < WHOLE[found.version], "a network of one")
    check(found.version == 6 or lengthOf(found) >= SHORTEST[4], f"{found} is much of the Internet")
    check(cutTo(found, lengthOf(found)) == found, f"{found} is cut to another one")
    findUseless(found)


def config(data: bytes) -> None:
    """Fuzz the daemon's file, which may be one of port-knocking-doors."""
    text = data.decode(errors="replace")
    try:
        parseConfig(text, "pkdoors.toml")
    except ConfigError as error:
        checkSentence(error)


def fleet(data: bytes) -> None:
    """Fuzz a fleet's file, which is written and read again."""
    text = data.decode(errors="replace")
    try:
        found = parseFleet(text, "fleet.toml")
    except ConfigError as error:
        checkSentence(error)
        return
    check(parseFleet(renderFleet(found), "fleet.toml") == found, "a fleet is another one")


def seed(data: bytes) -> None:
    """Fuzz a file of port-knocking-doors."""
    text = data.decode(errors="replace")
    try:
        parseSeed(text, "port_knocker.toml")
    except ConfigError as error:
        checkSentence(error)


def profiles(data: bytes) -> None:
    """Fuzz the client's file of hosts."""
    try:
        dict(Profiles(data.decode(errors="replace")))
    except BadValue as error:
        checkSentence(error)


def uri(data: bytes) -> None:
    """Fuzz the URI of a profile, and a file that gets it."""
    try:
        name, table = parseUri(data.decode(errors="replace"))
        found = readProfile(name, table)
        written = renderUri(Subject(name, found))
    except BadValue as error:
        checkSentence(error)
        return
    again, table = parseUri(written)
    same = renderUri(Subject(again, readProfile(again, table)))
    check(same == written, f"{written!r} is another profile")
    added = addProfile(_HOSTS, name, found, isReplaced=True)
    check({**Profiles(_HOSTS), name: found} == Profiles(added), "the file has other profiles")


_HOSTS = "# hosts\n[hosts.home]\nwait = 22 # ssh\n# more\n[hosts.'another one']\n"


def events(data: bytes) -> None:
    """Fuzz the kernel's notifications about changes to nftables."""
    changes = Changes("pkdoors", 4711)
    for part in (data, data[len(data) // 2 :]):
        check(all(isinstance(name, str) for name in changes.feed(part)), "no name")


def netlink(data: bytes) -> None:
    """Fuzz an answer of the kernel."""
    check(isinstance(firstError(data), int), "no number")


def dump(data: bytes) -> None:
    """Fuzz the kernel's answer with a part of our table."""
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
    """Fuzz the kernel's answer with a tracked connection."""
    for tracked in readTracked([(CONNTRACK << 8, data)]):
        flow = tracked.flow
        check(parseFlow(flow.protocol, flow.key) == flow, "another flow")
        check(0 <= tracked.wanted <= 65535, "not a port")


def oldguard(data: bytes) -> None:
    """Fuzz the output of C{nft}; its reader takes these errors for a table that is not ours."""
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
    """Check a condition."""
    if not isRight:
        raise AssertionError(complaint)


def checkSentence(error: object) -> None:
    """Check that the operator gets one line."""
    check("\n" not in str(error), f"more than one line: {error}")


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        knock,
        seal,
        order,
        notes,
        signature,
        key,
        certificate,
        keyfile,
        filesignature,
        revocations,
        authorizedkeys,
        ports,
        sequence,
        duration,
        addresses,
        source,
        config,
        fleet,
        seed,
        profiles,
        uri,
        events,
        netlink,
        dump,
        conntrack,
        oldguard,
    )
}

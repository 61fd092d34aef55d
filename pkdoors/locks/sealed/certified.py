"""
Keys that an authority certifies: whether it has, and what its certificates allow. Pure.

The order of the checks keeps strangers from causing work. A stranger can make any certificate up,
and can record real ones, which are sent in the clear. So the authority's signature is checked
before the seal, and each certificate that was found to be real is remembered: a made-up one costs
one check, and a recorded one costs one check, too, that of the seal.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from hashlib import sha256

from pkdoors.errors import BadValue
from pkdoors.knocks.certificates import Certificate, parseCertificate
from pkdoors.knocks.seal import Sealed, hintOf
from pkdoors.knocks.signatureforms import isVerified
from pkdoors.knocks.signatures import isIssued, loadKey
from pkdoors.knocks.wire import fingerprint
from pkdoors.locks.sealed._addresspatterns import AddressPatterns
from pkdoors.locks.sealed.authorizedkeys import AuthorizedKey
from pkdoors.locks.sealed.revocations import Revocations
from pkdoors.model.principal import Principal
from pkdoors.model.sources import Source

MAX_ISSUED = 16_384
"""Certificates that are remembered as real, about 2 MB: more than a company of ten thousand has at
the same time. Everybody who has recorded more can cause one more check for each knock."""

MAX_RECENT = 1024
"""Real certificates that are kept as they were read, about 3 MB, so that a flood with one that
somebody recorded costs hardly more than one without."""

_UNKNOWN = "the authority of its certificate is not known here (cert-authority)"
_SOURCES, _VERIFIED, _COMMAND = b"source-address", b"verify-required", b"force-command"


@dataclass(frozen=True, slots=True)
class CertifiedKey(AuthorizedKey):
    """
    A key that may knock because the authority of a line has certified it. What the line demands
    and what the certificate demands must both hold.

    @ivar key: the certified key.
    @ivar line: the line of its authority.
    @ivar within: the addresses to which the certificate is limited; L{None} for all.
    @ivar mustVerify: whether its security key must verify its user for each knock.
    @ivar flaw: why the certificate cannot be used at all; empty if it can.
    """

    line: AuthorizedKey = field(kw_only=True)
    certificate: Certificate = field(kw_only=True)
    within: AddressPatterns | None = field(kw_only=True)
    mustVerify: bool = field(kw_only=True)
    flaw: str = field(kw_only=True)

    @property
    def authority(self) -> bytes:
        """See L{AuthorizedKey.authority}."""
        return self.line.blob

    @property
    def who(self) -> Principal:
        """The owner of the key, with the name and the number that the certificate has."""
        authority = fingerprint(self.line.blob)
        name = f"{self.certificate}, by {self.line.comment or authority}"
        return Principal(name, fingerprint(self.blob), authority=authority)

    def __str__(self) -> str:
        return str(self.who)

    def findRefusal(self, door: str, source: str, today: float) -> str:
        """See L{AuthorizedKey.findRefusal}."""
        if reason := AuthorizedKey.findRefusal(self, door, source, today):
            return reason
        if reason := self.findFlaw(today):
            return reason
        names = self.certificate.principals
        if not (self.line.takesAnyPrincipal or names & self.line.principals):
            return f"the certificate of {self} has none of the names in principals="
        if self.within is not None and not self.within.match(source):
            return f"the certificate of {self} may not be used from here (source-address)"
        return ""

    def findFlaw(self, today: float) -> str:
        """Return why nobody can use the certificate at a time of day; empty if its owner can."""
        flaw = self.certificate.findFlaw(today) or self.flaw
        return f"the certificate of {self} {flaw}" if flaw else ""

    def mayOpenFor(self, source: Source) -> bool:
        """See L{AuthorizedKey.mayOpenFor}."""
        inside = self.within is None or self.within.covers(source)
        return inside and AuthorizedKey.mayOpenFor(self, source)

    def findRevoked(self, revocations: Revocations) -> str:
        """See L{AuthorizedKey.findRevoked}."""
        return revocations.findRevoked(self.blob, self.certificate)

    def findSealFlaw(self, signature: bytes) -> str:
        """See L{AuthorizedKey.findSealFlaw}."""
        if self.mustVerify and not isVerified(signature):
            return (
                f"the certificate of {self} demands a security key that verifies its user "
                "(verify-required)"
            )
        return ""


class Authorities:
    """
    The authorities whose certificates count.

    @ivar lines: by the public key blob of the authority, its lines in the file.
    """

    def __init__(self) -> None:
        self._lines: Mapping[bytes, Sequence[AuthorizedKey]] = {}
        self._issued = _Issued()
        self._recent: OrderedDict[bytes, tuple[CertifiedKey, ...]] = OrderedDict()

    @property
    def lines(self) -> Mapping[bytes, Sequence[AuthorizedKey]]:
        return self._lines

    @lines.setter
    def lines(self, lines: Mapping[bytes, Sequence[AuthorizedKey]]) -> None:
        self._lines = lines
        self._recent.clear()

    def certify(self, sealed: Sealed, today: float) -> tuple[CertifiedKey, ...]:
        """
        Return the key that the certificate of a knock certifies, for each line of its authority.
        It is real, and can be used now; the seal is not checked.

        @raise BadValue: there is no such key. The message says why, for the log.
        """
        name = sha256(sealed.certificate).digest()
        keys = self._recent.get(name)
        if keys is None:
            keys = self._recent[name] = self._certify(sealed)
            if len(self._recent) > MAX_RECENT:
                self._recent.popitem(last=False)
        else:
            self._recent.move_to_end(name)
            _checkHint(keys[0].authority, sealed)
        if flaw := keys[0].findFlaw(today):
            raise BadValue(flaw)
        return keys

    def _certify(self, sealed: Sealed) -> tuple[CertifiedKey, ...]:
        try:
            certificate = parseCertificate(sealed.certificate)
        except BadValue as error:
            raise BadValue("its certificate is malformed") from error
        lines = self._lines.get(certificate.authority, ())
        if not lines:
            raise BadValue(_UNKNOWN)
        _checkHint(certificate.authority, sealed)
        if not self._issued.has(certificate, lines[0]):
            raise BadValue("its certificate is forged: the authority did not sign it")
        return tuple(_certify(line, certificate) for line in lines)


def _checkHint(authority: bytes, sealed: Sealed) -> None:
    """Check that the sender of a knock means this authority."""
    if hintOf(authority, sealed.statement.nonce) != sealed.statement.hint:
        raise BadValue(_UNKNOWN)


class _Issued:
    """Remembers which certificates their authorities have really signed: that never changes."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, None] = OrderedDict()

    def has(self, certificate: Certificate, authority: AuthorizedKey) -> bool:
        """Return whether an authority has signed a certificate."""
        if certificate.authority != authority.blob:
            return False
        name = sha256(certificate.blob).digest()  # this covers the authority's key
        if name in self._known:
            self._known.move_to_end(name)
            return True
        if not isIssued(certificate, authority.key):
            return False
        self._known[name] = None
        if len(self._known) > MAX_ISSUED:
            self._known.popitem(last=False)
        return True


def _certify(line: AuthorizedKey, certificate: Certificate) -> CertifiedKey:
    """
    Return the key that a certificate certifies, as the line of its authority allows it. The
    certificate must be real.

    @raise BadValue: its key is of a kind that is not accepted.
    """
    own = {each.name: getattr(line, each.name) for each in fields(AuthorizedKey)}
    try:
        key = loadKey(certificate.key)
    except BadValue as error:
        raise error.at("the key of its certificate") from error
    own |= {"key": key, "blob": certificate.key}
    within, mustVerify, flaw = _readOptions(certificate.options)
    return CertifiedKey(
        **own,
        line=line,
        certificate=certificate,
        within=within,
        mustVerify=mustVerify,
        flaw=flaw,
    )


def _readOptions(options: dict[bytes, bytes]) -> tuple[AddressPatterns | None, bool, str]:
    """
    Return the addresses to which critical options limit a certificate, whether its key must verify
    its user, and why it cannot be used.
    """
    flaw, within = "", None
    for name in options:
        if name == _COMMAND:
            flaw = "is for one command only (force-command), and a door cannot keep to that"
        elif name not in (_SOURCES, _VERIFIED):
            shown = name.decode("ascii", errors="replace")[:40]
            flaw = f"has the critical option {shown!r}, which pkdoors does not know"
    if options.get(_VERIFIED):
        flaw = "has a value in its option verify-required"
    if _SOURCES in options:
        try:
            within = AddressPatterns.parseNetworks(options[_SOURCES].decode())
        except (BadValue, UnicodeDecodeError) as error:
            flaw = f"has an invalid source-address: {error}"
    return within, _VERIFIED in options, flaw

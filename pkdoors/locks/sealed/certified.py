"""
Keys that an authority certifies: whether it has, and what its certificates allow. Pure.

The order of the checks keeps strangers from causing work. A stranger can make any certificate up,
and can record real ones, which are sent in the clear. So the authority's signature is checked
before the seal, and each certificate that was found to be real is remembered: a made-up one costs
one check, and a recorded one costs one check, too, that of the seal.
"""

from collections import OrderedDict
from dataclasses import dataclass, field, fields
from hashlib import sha256

from pkdoors.errors import BadValue
from pkdoors.knocks.certificates import Certificate
from pkdoors.knocks.signatures import fingerprint, isVerified, loadKey
from pkdoors.locks.sealed._addresspatterns import AddressPatterns
from pkdoors.locks.sealed.authorizedkeys import AuthorizedKey
from pkdoors.model.principal import Principal
from pkdoors.model.sources import Source

MAX_ISSUED = 16_384
"""Certificates that are remembered as real, about 2 MB: more than a company of ten thousand has at
the same time. Everybody who has recorded more can cause one more check for each knock."""

_SOURCES, _VERIFIED, _COMMAND = b"source-address", b"verify-required", b"force-command"


class Issued:
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
        if not certificate.isIssued(authority.key):
            return False
        self._known[name] = None
        if len(self._known) > MAX_ISSUED:
            self._known.popitem(last=False)
        return True


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
    def who(self) -> Principal:
        """The owner of the key, with the name and the number that the certificate has."""
        by = self.line.comment or fingerprint(self.line.blob)
        return Principal(f"{self.certificate}, by {by}", fingerprint(self.blob))

    def __str__(self) -> str:
        return str(self.who)

    def findRefusal(self, door: str, source: str, today: float) -> str:
        """See L{AuthorizedKey.findRefusal}."""
        if reason := AuthorizedKey.findRefusal(self, door, source, today):
            return reason
        if flaw := self.certificate.findFlaw(today) or self.flaw:
            return f"the certificate of {self} {flaw}"
        if not self._isNamed():
            return f"the certificate of {self} has none of the principals of this line (principals=)"
        if self.within is not None and not self.within.match(source):
            return f"the certificate of {self} may not be used from here (source-address)"
        return ""

    def mayOpenFor(self, source: Source) -> bool:
        """See L{AuthorizedKey.mayOpenFor}."""
        inside = self.within is None or self.within.covers(source)
        return inside and AuthorizedKey.mayOpenFor(self, source)

    def _isNamed(self) -> bool:
        names = self.certificate.principals
        return bool(names if self.line.takesAnyPrincipal else names & self.line.principals)

    def findSealFlaw(self, signature: bytes) -> str:
        """Return what a good seal of this key lacks; empty if nothing."""
        if self.mustVerify and not isVerified(signature):
            return (
                f"the certificate of {self} demands a security key that verifies its user "
                "(verify-required)"
            )
        return ""


def certify(line: AuthorizedKey, certificate: Certificate) -> CertifiedKey:
    """
    Return the key that a certificate certifies, as the line of its authority allows it. The
    certificate must be real.

    @raise BadValue: its key is of a kind that is not accepted.
    """
    own = {each.name: getattr(line, each.name) for each in fields(AuthorizedKey)}
    own |= {"key": loadKey(certificate.key), "blob": certificate.key}
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

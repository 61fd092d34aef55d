"""Tests of L{pkdoors.locks.sealed.certified}: knocks with certificates."""

from typing import Any

from twisted.conch.ssh.common import MP, NS

from pkdoors.knocks import wire
from pkdoors.knocks.seal import hintOf
from pkdoors.knocks.signatures import isGood
from pkdoors.knocks.wire import fingerprint
from pkdoors.locks.lock import Request
from pkdoors.locks.sealed import certified as certifiedModule
from pkdoors.locks.sealed.authorizedkeys import AuthorizedKey
from pkdoors.locks.sealed.revocations import Revocations, parseRevocations
from tests.fakes.doors import PORTS, makeDoor
from tests.lab.sealing import SecurityKey, certificate, makeKey, publicLine, sealed, sealedWith
from tests.locks.sealed.case import (
    ANN,
    ANNA,
    BOB,
    EVE,
    TODAY,
    SealedLockTestCase,
    authorized,
)
from tests.locks.sealed.test_revocations import krl, numbers, section

CA, OTHER, BOBS = makeKey(), makeKey(), makeKey()
CA_BLOB = CA.public().blob()
FINGERPRINT = fingerprint(ANNA.public().blob())
WHO = f"anna@work, serial 7, by company ({FINGERPRINT})"
THERE = "203.0.113.77"
UNKNOWN = "the authority of its certificate is not known here (cert-authority)"
FORGED = "its certificate is forged: the authority did not sign it"
BAD = "its seal is bad: made by another key, or for another sequence"


class CertifiedTestCase(SealedLockTestCase):
    """A test with a lock that opens to everybody whom the company's authority calls staff."""

    def setUp(self) -> None:
        """Allow the authority, and count how many signatures are checked."""
        super().setUp()
        self.allowCA('principals="staff,ops"')
        self.checked = 0

        def count(*args: Any) -> bool:
            self.checked += 1
            return isGood(*args)

        for module in ("pkdoors.knocks.signatures", "pkdoors.locks.sealed.sealjudge"):
            self.patch(__import__(module, fromlist=["isGood"]), "isGood", count)

    def allowCA(self, options: str, *lines: str) -> None:
        """Allow the authority with options, and further lines."""
        self.keys = authorized(f"cert-authority,{options} {publicLine(CA, 'company')}", *lines)

    def certify(self, key: Any = ANNA, authority: Any = CA, **fields: Any) -> bytes:
        """Return a certificate."""
        return certificate(authority, key, **fields)

    def seal(self, made: bytes | None = None, key: Any = ANNA, **fields: Any) -> bytes:
        """Return a knock with a certificate, now."""
        authority = fields.pop("authority", CA_BLOB)
        stamp = TODAY * 1000 - round(1000 * fields.pop("ago", 0))
        made = self.certify(key) if made is None else made
        return sealedWith(made, authority, key, PORTS, **({"stamp": stamp} | fields))

    def assertOpens(self, datagram: bytes, **when: Any) -> None:
        """Assert that a knock opens."""
        self.assertEqual(["-"] * 4 + ["open"], self.knock(datagram, **when))

    def refusal(self, made: bytes, **when: Any) -> str:
        """Return why a knock with a certificate is refused; empty if it is not."""
        outcome = self.knock(self.seal(made), **when)[-1]
        return "" if outcome == "open" else outcome


class OpeningTests(CertifiedTestCase):
    """What opens."""

    def test_opens(self) -> None:
        """A certificate with one of the names opens, and the operator hears whose it is."""
        request = self.request(self.seal())
        assert isinstance(request, Request)
        self.assertEqual((ANN, WHO), (request.source, str(request.who)))
        self.assertEqual(FINGERPRINT, request.who.key)

    def test_kinds(self) -> None:
        """Keys of all kinds knock, and authorities of all kinds certify."""
        touched = SecurityKey()
        self.assertOpens(self.seal(certificate(CA, touched.blob), touched))
        for kind in ("rsa", "ecdsa384"):
            key, authority = makeKey(kind), makeKey(kind)
            line = publicLine(authority)
            self.keys = authorized(f"cert-authority,any-principal {line}")
            blob = authority.public().blob()
            made = self.certify(key, CA if kind == "rsa" else authority)
            if kind == "rsa":  # both together would be too long
                self.allowCA("any-principal")
                blob = CA_BLOB
            self.assertOpens(self.seal(made, key, authority=blob))

    def test_anyPrincipal(self) -> None:
        """With any-principal, every name will do, but there must be one."""
        self.allowCA("any-principal")
        self.assertOpens(self.seal(self.certify(principals=(b"x",))))
        self.assertIn(
            "no principals, so it is for nobody", self.refusal(self.certify(principals=()))
        )

    def test_beside(self) -> None:
        """Keys with lines of their own knock as before."""
        self.allowCA('principals="staff"', publicLine(EVE, "eve"))
        stamp = TODAY * 1000
        self.assertOpens(sealed(EVE, PORTS, stamp=stamp))
        self.assertOpens(self.seal())

    def test_lineOptions(self) -> None:
        """The options of the line hold for all its certificates."""
        self.allowCA('principals="staff",max-open-for="7s",for-others')
        request = self.request(self.seal(bind=THERE))
        assert isinstance(request, Request)
        self.assertEqual((7.0, THERE, ANN), (request.most, request.source, request.who.address))

    def test_prefix(self) -> None:
        """With prefix, certificates open for networks."""
        self.allowCA('principals="staff",prefix')
        self.lock = self.makeLock(makeDoor(authorizedKeys="/keys", grant4=24))
        request = self.request(self.seal())
        assert isinstance(request, Request)
        self.assertEqual("203.0.113.0/24", request.source)

    def test_close(self) -> None:
        """A certificate closes what its key opened."""
        request = self.request(self.seal(close=True))
        assert isinstance(request, Request)
        self.assertTrue(request.close)

    def test_severalLines(self) -> None:
        """An authority can have several lines, and the first one that allows the knock counts."""
        self.allowCA(
            'principals="staff",doors="web",max-open-for="1s"',
            f'cert-authority,principals="anna",max-open-for="9s" {publicLine(CA)}',
        )
        request = self.request(self.seal())
        assert isinstance(request, Request)
        self.assertEqual(9.0, request.most)

    def test_renewed(self) -> None:
        """A new certificate of the same key is the same principal."""
        first, second = (self.request(self.seal(self.certify(serial=n))) for n in (1, 2))
        assert isinstance(first, Request)
        assert isinstance(second, Request)
        self.assertFalse(first.who.isOther(second.who))

    def test_sourceAddress(self) -> None:
        """A certificate that is limited to some networks opens from there, over both families."""
        made = self.certify(options=((b"source-address", b"203.0.113.0/24,2001:db8::7"),))
        self.assertOpens(self.seal(made))
        self.assertOpens(self.seal(made), source=BOB)

    def test_extensions(self) -> None:
        """Extensions are ignored."""
        made = self.certify(extensions=((b"no-touch-required", None), (b"zzz@x", b"\xff")))
        self.assertOpens(self.seal(made))

    def test_verified(self) -> None:
        """A certificate that demands a verified user opens if the security key says so."""
        key = SecurityKey()
        made = certificate(CA, key.blob, options=((b"verify-required", None),))
        self.assertIn("verifies its user (verify-required)", self.knock(self.seal(made, key))[-1])
        self.patch(SecurityKey.sign, "__defaults__", (5, 7))
        self.assertOpens(self.seal(made, key))
        self.assertIn(
            "verify-required", self.refusal(self.certify(options=((b"verify-required", None),)))
        )


class AttackTests(CertifiedTestCase):
    """What does not open, and what it costs."""

    def test_forged(self) -> None:
        """A certificate that another key signed is refused after one check, every time."""
        for count in (1, 2, 3):
            datagram = self.seal(self.certify(EVE, signer=EVE), EVE)
            self.assertRefused(FORGED, datagram)
            self.assertEqual(count, self.checked)

    def test_recorded(self) -> None:
        """A real certificate without its key costs one check a knock after the first."""
        made = self.certify()
        for count in (2, 3, 4):
            self.assertRefused(BAD, self.seal(made, EVE))
            self.assertEqual(count, self.checked)
        self.assertOpens(self.seal(made))

    def test_unknown(self) -> None:
        """A certificate of another authority costs no check; nor if the hint is the known one's."""
        made = self.certify(EVE, OTHER)
        self.assertRefused(UNKNOWN, self.seal(made, EVE))
        self.assertRefused(UNKNOWN, self.seal(made, EVE, authority=OTHER.public().blob()))
        self.assertRefused(UNKNOWN, self.seal(authority=OTHER.public().blob()))
        self.assertEqual(0, self.checked)

    def test_otherHint(self) -> None:
        """A certificate that was seen does not count with the hint of another authority."""
        made = self.certify()
        self.assertOpens(self.seal(made))
        datagram = self.seal(made, authority=OTHER.public().blob())
        self.assertEqual(UNKNOWN, self.knock(datagram)[-1])

    def test_malformed(self) -> None:
        """What is not a certificate costs no check."""
        for made in (b"x" * 100, self.certify() + b"x", self.certify()[:-1]):
            self.assertRefused("its certificate is malformed", self.seal(made))
        self.assertEqual(0, self.checked)

    def test_authorityAsKey(self) -> None:
        """An authority's key by itself opens nothing."""
        self.assertRefused("its key is not known here", sealed(CA, PORTS, stamp=TODAY * 1000))

    def test_keyAsAuthority(self) -> None:
        """A key that may knock certifies nobody."""
        self.keys = authorized(publicLine(CA, "anna"))
        self.assertRefused(UNKNOWN, self.seal())

    def test_withoutCertificate(self) -> None:
        """A certified key opens nothing without its certificate."""
        self.assertRefused("its key is not known here", sealed(ANNA, PORTS, stamp=TODAY * 1000))

    def test_otherCertificate(self) -> None:
        """
        Nobody can put another certificate of the same key into a knock, or take it out.
        """
        weak = self.certify(principals=(b"guest",))
        datagram, strong = self.seal(weak), self.certify()
        self.assertEqual(BAD, self.knock(self._resize(datagram, weak, strong))[-1])
        self.allowCA('principals="guest"', publicLine(ANNA))
        nonce = "0123456789abcdef"
        plain = self.seal(weak, nonce=nonce, hint=hintOf(ANNA.public().blob(), nonce))
        self.assertEqual(BAD, self.knock(self._resize(plain, weak, b""))[-1])

    def _resize(self, datagram: bytes, old: bytes, new: bytes) -> bytes:
        """Replace a certificate and its length."""
        packed = len(new).to_bytes(4) + new if new else b""
        return datagram.replace(len(old).to_bytes(4) + old, packed)

    def test_replayed(self) -> None:
        """A knock counts once, whichever certificate of the key comes with the nonce."""
        datagram = self.seal(nonce="0123456789abcdef")
        self.assertOpens(datagram)
        self.assertEqual("this knock was seen before", self.knock(datagram, at=100.0)[-1])
        again = self.seal(self.certify(serial=8), nonce="0123456789abcdef")
        self.assertEqual("this knock was seen before", self.knock(again, at=100.0)[-1])

    def test_host(self) -> None:
        """Certificates of hosts open nothing."""
        self.assertEqual(
            f"the certificate of {WHO} is not for users, but for a host",
            self.refusal(self.certify(kind=2)),
        )

    def test_validity(self) -> None:
        """A certificate opens within its time, and not a second before or after."""
        made = self.certify(after=TODAY, before=TODAY + 10)
        for ago, reason in ((1, "is not valid before"), (-10, "expired"), (-11, "expired")):
            datagram = self.seal(made, ago=ago)
            self.assertIn(reason, self.knock(datagram, today=TODAY - ago)[-1])
        self.assertOpens(self.seal(made, ago=-9.999), today=TODAY + 9.999)
        self.assertOpens(self.seal(made), today=TODAY)

    def test_expiresWhileItWaits(self) -> None:
        """A knock that waits until its certificate has expired is refused."""
        made = self.certify(before=TODAY + 5)
        self.worked = 0.0
        self.checks._budget.spend(10.0)
        self.assertEqual(["-"] * 5, self.knock(self.seal(made)))
        (result,) = self.checks.work(60.0, TODAY + 5)
        self.assertIn(" expired ", result.reason)  # type: ignore[union-attr]

    def test_clockSteps(self) -> None:
        """The clock of now decides: a step back makes a certificate valid, a step on invalid."""
        made = self.certify(before=TODAY + 5)
        self.assertIn(" expired ", self.knock(self.seal(made, ago=-6), today=TODAY + 6)[-1])
        self.assertOpens(self.seal(made), today=TODAY)
        self.assertIn(" expired ", self.knock(self.seal(made, ago=-7), today=TODAY + 7)[-1])

    def test_principals(self) -> None:
        """Names must be equal, byte for byte."""
        for names in (
            (b"Staff",),
            (b"staff ",),
            (b"staf", b"staff2"),
            (b"*",),
            (b"staff,ops",),
        ):
            reason = self.refusal(self.certify(principals=names))
            self.assertEqual(
                f"the certificate of {WHO} has none of the names in principals=", reason
            )

    def test_criticalOptions(self) -> None:
        """An option that cannot be kept refuses the certificate."""
        for options, reason in {
            ((b"force-command", b"/bin/true"),): "is for one command only (force-command)",
            ((b"zoo@example.com", None),): "critical option 'zoo@example.com'",
            ((b"Source-Address", b"0.0.0.0/0"),): "critical option 'Source-Address'",
            ((b"permit-pty", None),): "critical option 'permit-pty'",
            ((b"verify-required", b"no"),): "has a value in its option verify-required",
            ((b"source-address", None),): "invalid source-address",
            ((b"source-address", b""),): "invalid source-address",
            ((b"source-address", b"203.0.113.9,"),): "invalid source-address",
            ((b"source-address", b"203.0.113.9/24"),): "invalid source-address",
            ((b"source-address", b"203.0.113.*"),): "invalid source-address",
            ((b"source-address", b"!10.0.0.0/8,203.0.113.9"),): "invalid source-address",
            ((b"source-address", b"203.0.113.0/255.255.255.0"),): "invalid source-address",
            ((b"source-address", b"\xff"),): "invalid source-address",
            ((b"", None),): "critical option ''",
        }.items():
            self.assertIn(reason, self.refusal(self.certify(options=options)))

    def test_sourceAddress(self) -> None:
        """A certificate for other networks opens nothing here, and nothing for others there."""
        self.allowCA('principals="staff",for-others')
        elsewhere = self.certify(options=((b"source-address", b"198.51.100.0/24"),))
        self.assertIn("(source-address)", self.refusal(elsewhere))
        here = self.certify(options=((b"source-address", ANN.encode()),))
        outcome = self.knock(self.seal(here, bind="198.51.100.7"))[-1]
        self.assertIn("may not open for 198.51.100.7", outcome)
        self.assertOpens(self.seal(here))

    def test_sourceAndPrefix(self) -> None:
        """A certificate for one address does not open for a network around it."""
        self.allowCA('principals="staff",prefix')
        self.lock = self.makeLock(makeDoor(authorizedKeys="/keys", grant4=24))
        here = self.certify(options=((b"source-address", ANN.encode()),))
        self.assertIn("may not open for 203.0.113.0/24", self.refusal(here))

    def test_lineOptions(self) -> None:
        """from=, expiry-time= and doors= of the line refuse its certificates, too."""
        for options, reason in {
            'from="198.51.100.0/24"': "may not knock from here (from=)",
            'expiry-time="20200101"': "expired 2020-01-01",
            'doors="web"': "is not for this door",
        }.items():
            self.allowCA(f'principals="staff",{options}')
            self.assertIn(reason, self.refusal(self.certify()))

    def test_notForOthers(self) -> None:
        """Without for-others, a certificate opens for its sender alone."""
        outcome = self.knock(self.seal(bind=THERE))[-1]
        self.assertEqual(f"it is bound to {THERE}, but comes from elsewhere", outcome)

    def test_untouched(self) -> None:
        """An extension cannot make up for a security key that was not touched."""
        key = SecurityKey()
        made = certificate(CA, key.blob, extensions=((b"no-touch-required", None),))
        self.patch(SecurityKey.sign, "__defaults__", (0, 7))
        self.assertIn("not touched", self.knock(self.seal(made, key))[-1])

    def test_weakKey(self) -> None:
        """A key that may not knock by itself may not with a certificate either."""
        weak = makeKey("rsa1024")
        self.patch(wire, "MIN_RSA_BITS", 1024)
        datagram = self.seal(key=weak)
        self.patch(wire, "MIN_RSA_BITS", 2048)
        self.assertNotEqual("open", self.knock(datagram)[-1])

    def test_slowKey(self) -> None:
        """A key whose owner made it slow to check is refused, though an authority signed it."""
        blob = NS(b"ssh-rsa") + MP(2**1000 + 1) + MP(makeKey("rsa").public().data()["n"])
        made = certificate(CA, blob)
        datagram = sealedWith(made, CA_BLOB, ANNA, PORTS, stamp=TODAY * 1000)
        self.assertIn("exponent", self.knock(datagram)[-1])
        self.assertEqual(1, self.checked)

    def test_giant(self) -> None:
        """A certificate that does not fit into a packet is refused before it is read."""
        made = self.certify(principals=(b"staff", b"x" * 800))
        self.assertIn("bytes, 1232 are allowed", self.knock(self.seal(made))[-1])
        self.assertEqual(0, self.looks)

    def test_removed(self) -> None:
        """A line that is gone lets nobody in, though its certificates were seen."""
        made = self.certify()
        self.assertOpens(self.seal(made))
        self.allowCA('principals="others"')
        self.assertIn("none of the names", self.refusal(made))
        self.allowCA('principals="staff"')
        self.assertOpens(self.seal(made))
        self.keys = []
        self.assertEqual(UNKNOWN, self.refusal(made))

    def test_revoked(self) -> None:
        """A revoked key, certificate or authority opens nothing, but only its owner learns it."""
        line = publicLine(ANNA, "anna").encode()
        numbered = krl(section(1, NS(CA_BLOB), NS(b""), section(0x20, numbers(7))))
        for data, key, what in (
            (line, ANNA, f"the key of {WHO} is revoked"),
            (publicLine(CA, "").encode(), ANNA, f"the authority of {WHO} is revoked"),
            (numbered, ANNA, f"the certificate of {WHO} is revoked"),
            (line, EVE, BAD),
        ):
            revoked = parseRevocations(data)

            def find(key: AuthorizedKey, revoked: Revocations = revoked) -> str:
                found = key.findRevoked(revoked)
                return f"the {found} of {key} is revoked" if found else ""

            self.lock.judge.findRevoked = find
            self.assertRefused(what, self.seal(self.certify(), key))
        self.assertOpens(self.seal(self.certify(BOBS), BOBS))

    def test_otherDoor(self) -> None:
        """A knock for one door is worth nothing at another."""
        self.assertIn("it is for a door 'web'", self.knock(self.seal(door="web"))[-1])

    def test_remembered(self) -> None:
        """So many real certificates are remembered; a forged one never is."""
        self.patch(certifiedModule, "MAX_ISSUED", 2)
        self.patch(certifiedModule, "MAX_RECENT", 1)
        made = [self.certify(serial=number) for number in range(3)]
        for each in [*made, made[2], made[1]]:
            self.assertOpens(self.seal(each))
        self.assertEqual(3 + 5, self.checked)
        self.assertOpens(self.seal(made[0]))
        self.assertEqual(3 + 5 + 2, self.checked)

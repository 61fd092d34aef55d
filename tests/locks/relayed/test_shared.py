"""Tests of L{pkdoors.locks.sealed.sealedlock}: what a host of a fleet passes on."""

from hypothesis import given
from hypothesis import strategies as st

from pkdoors.knocks.seal import Sealed, SealError, packSealed, parseSealed
from pkdoors.locks.lock import Request
from pkdoors.locks.relayed import judged as judgedModule
from pkdoors.locks.relayed.judged import JudgedSeals
from tests.fakes.doors import PORTS
from tests.lab.properties import PROPERTY
from tests.lab.sealing import certificate, makeKey, publicLine, sealedWith
from tests.locks.relayed.case import FleetTestCase, bound
from tests.locks.sealed.case import ANN, ANNA, TODAY, WHO, authorized, seal


class SharedTests(FleetTestCase):
    """
    The requests of seals that came over UDP at a door of the fleet.
    """

    def ask(self, datagram: bytes) -> Request:
        """Return the request of a knock."""
        request = self.request(datagram)
        assert isinstance(request, Request), request
        return request

    def test_bound(self) -> None:
        """A request has its seal, byte by byte, and the time of its stamp; nobody claims it."""
        datagram = bound(ago=5, seconds=60)
        expected = Request(self.lock.door, ANN, 60, who=WHO, since=TODAY - 5.0, seal=datagram)
        self.assertEqual(expected, self.ask(datagram))

    def test_certificate(self) -> None:
        """So has one with a certificate."""
        authority = makeKey()
        self.keys = authorized(f"cert-authority,any-principal {publicLine(authority, 'ca')}")
        blob = authority.public().blob()
        fields = {"bind": ANN, "stamp": TODAY * 1000}
        datagram = sealedWith(certificate(authority, ANNA), blob, ANNA, PORTS, **fields)
        self.assertEqual(datagram, self.ask(datagram).seal)

    def test_unbound(self) -> None:
        """One that names no address must be claimed, on each host under the same name."""
        datagram = seal()
        claim = self.ask(datagram).claim
        self.assertRegex(claim, "^[0-9a-f]{64}$")
        self.setUp()
        self.assertEqual(claim, self.ask(datagram).claim)
        self.assertNotEqual(claim, self.ask(seal()).claim)

    def test_otherSignature(self) -> None:
        """Another good signature of the same statement needs the same claim."""
        key = makeKey("ecdsa256")
        self.keys = authorized(publicLine(key, "anna"))
        nonce = "0123456789abcdef"
        claims = []
        for _ in range(2):
            self.setDoor()
            claims.append(self.ask(seal(key=key, nonce=nonce)).claim)
        self.assertEqual(claims[0], claims[1])

    def test_close(self) -> None:
        """One that asks to close is passed on, and is claimed by nobody."""
        for make in (bound, seal):
            datagram = make(close=True)
            request = self.ask(datagram)
            self.assertEqual((datagram, ""), (request.seal, request.claim))

    def test_ownDoor(self) -> None:
        """At a door that is not one of the fleet, nothing is passed on."""
        self.setDoor(fleet=False)
        self.assertEqual(Request(self.lock.door, ANN, 0, who=WHO), self.ask(seal()))

    @PROPERTY
    @given(st.binary(max_size=1100), st.binary(max_size=1100))
    def test_pack(self, certified: bytes, signature: bytes) -> None:
        """A seal that was taken apart has the same bytes when it is put together."""
        text = bound()[: bound().index(b"\n") + 1]
        for datagram in (
            text + signature,
            packSealed(Sealed(parseSealed(bound()).statement, text, signature, certified)),
        ):
            try:
                found = parseSealed(datagram)
            except SealError:
                continue
            self.assertEqual(datagram, packSealed(found))


class JudgedTests(FleetTestCase):
    """
    The bound of what is remembered of seals.
    """

    def test_bound(self) -> None:
        """Of too many, the one that was judged first is forgotten."""
        self.patch(judgedModule, "MAX_JUDGED", 3)
        seals = JudgedSeals()
        found = [seals.hear(name, at) for at, name in enumerate(("a", "b", "c", "a", "d", "b"))]
        self.assertEqual([None, None, None, 0, None, 1], found)
        self.assertEqual((3, 9.0), (len(seals), seals.limit("a", 9.0)))
        self.assertIsNone(seals.hear("a", 7.0))

    def test_limit(self) -> None:
        """An end never moves to a later time."""
        seals = JudgedSeals()
        seals.hear("a", 1.0)
        self.assertEqual([9, 5, 5], [seals.limit("a", end) for end in (9, 5, 7)])

"""Tests of L{pkdoors.locks.relayed.relayedlock}: what a relayed seal opens, and until when."""

from hypothesis import given
from hypothesis import strategies as st

from pkdoors.knocks.seal import hintOf, parseSealed
from pkdoors.locks.lock import Refusal, Request
from pkdoors.locks.relayed.relayedlock import NO_HOST, NOWHERE
from tests.fakes.doors import PORTS
from tests.lab.properties import SLOW
from tests.lab.sealing import certificate as certify
from tests.lab.sealing import makeKey, publicLine, sealedWith
from tests.locks.relayed.case import FAR, GATE, STOLEN, WEB, FleetTestCase, bound, statementOf
from tests.locks.sealed.case import ANN, ANNA, BOB, EVE, NAME, TODAY, WHO, authorized, forged, seal

SEEN = "this knock was seen before"
ONCE = "this knock was seen before, and it opens once"
BAD = "its seal is bad: made by another key, or for another sequence"
UNKNOWN = "its key is not known here"


class OpenTests(FleetTestCase):
    """
    What opens, and until when.
    """

    def test_request(self) -> None:
        """A relayed seal gives the same request as over UDP, with an end and a host."""
        datagram = bound(seconds=60, ago=20)
        expected = Request(
            self.lock.door,
            ANN,
            60,
            who=WHO,
            until=1040.0,
            since=TODAY - 20.0,
            via=GATE,
        )
        self.assertEqual(expected, self.judge(datagram))

    def test_own(self) -> None:
        """A seal that this host has heard itself, and hears of again, names no other host."""
        request = self.judge(bound(), origin=WEB)
        assert isinstance(request, Request)
        self.assertEqual("", request.via)

    def test_time(self) -> None:
        """The time runs from the stamp, and is at most what door and key allow."""
        self.assertOpens(300, bound())
        self.assertOpens(200, bound(ago=100))
        self.assertOpens(60, bound(seconds=60))
        self.assertOpens(3600, bound(seconds=9999))
        self.assertOpens(3000, bound(seconds=9999, ago=600))
        self.allow('max-open-for="2m"')
        self.assertOpens(120, bound())
        self.assertOpens(20, bound(seconds=9999, ago=100))

    def test_over(self) -> None:
        """When the time is over, nothing opens, and nobody hears of it."""
        for number, datagram in enumerate((bound(ago=300), bound(seconds=30, ago=31)), 1):
            self.assertEqual("-", self.relay(datagram))
            self.assertEqual(number, self.relayed.over)
        self.allow('max-open-for="2m"')
        self.assertSilent("-", bound(ago=121))
        self.assertEqual(5, self.relayed.over)

    def test_ahead(self) -> None:
        """A stamp may be a minute ahead; the time then runs from now."""
        self.assertOpens(300, bound(ago=-60))
        self.assertIn("its time is 1m1s ahead of this host's", self.relay(bound(ago=-61)))

    def test_aheadLater(self) -> None:
        """A seal that came too early opens when its time has come."""
        datagram = bound(ago=-100)
        self.assertIn("1m40s ahead", self.relay(datagram))
        self.wait(40)
        self.assertOpens(300, datagram)

    def test_again(self) -> None:
        """However often it comes, the end is the same."""
        datagram = bound()
        for wait in (0, 0, 7, 93, 150):
            self.wait(wait)
            self.assertOpens(1300 - self.now, datagram)
        self.wait(50)
        self.assertSilent("-", datagram)

    def test_anyOrigin(self) -> None:
        """Where it comes from does not matter, as it names its address."""
        datagram = bound()
        for origin in (GATE, STOLEN, WEB, "host/../x"):
            for source in ("", FAR, "nonsense"):
                self.assertOpens(300, datagram, origin=origin, source=source)

    def test_network(self) -> None:
        """A key with prefix opens for its network, at a door that allows that."""
        self.setDoor(grant4=24)
        self.allow("prefix")
        self.assertEqual("203.0.113.0/24 300", self.relay(bound()))

    def test_forOthers(self) -> None:
        """A key for others opens for the address that it names."""
        self.allow("for-others")
        self.assertEqual(f"{BOB} 300", self.relay(bound(BOB)))

    def test_certificate(self) -> None:
        """So does a key with a certificate, until that expires."""
        authority = makeKey()
        line = publicLine(authority, "ca")
        self.keys = authorized(f'cert-authority,principals="anna" {line}')
        blob = authority.public().blob()
        certified = certify(authority, ANNA, before=TODAY + 50)
        datagram = sealedWith(certified, blob, ANNA, PORTS, bind=ANN, stamp=TODAY * 1000)
        self.assertOpens(300, datagram)
        self.wait(50)
        self.assertIn("expired", self.relay(datagram))

    def test_manyKeys(self) -> None:
        """The key is found among very many, though its nonce has no tag."""
        others = [line for key in range(300) if (line := publicLine(makeKey(), str(key)))]
        self.keys = authorized(*others, publicLine(ANNA, "anna"))
        self.assertOpens(300, bound())
        self.assertEqual(UNKNOWN, self.relay(bound(key=EVE)))

    def test_unbound(self) -> None:
        """If a trusted host says where a seal came from, that is its address."""
        self.use(GATE)
        self.assertOpens(300, seal(), source=ANN)
        self.assertEqual(f"{BOB} 300", self.relay(seal(), source=BOB))


class AttackTests(FleetTestCase):
    """
    What opens nothing: whatever a stolen host, the engine or a key's owner may send.
    """

    def test_unbound(self) -> None:
        """By default no host's word counts for an address; nor does that of a host not in trust."""
        for trust in ((), (GATE,)):
            self.use(*trust)
            reason = f"it names no address, and trust does not list {STOLEN}"
            self.assertSilent(reason, seal(), origin=STOLEN, source=FAR)

    def test_unboundOwn(self) -> None:
        """This host does not trust itself, either, unless it is in trust."""
        reason = f"it names no address, and trust does not list {WEB}"
        self.assertEqual(reason, self.relay(seal(), origin=WEB, source=ANN))

    def test_unboundOwnTrusted(self) -> None:
        """In trust or not, what this host has not heard does not come from it."""
        self.use(WEB)
        datagram = seal()
        reason = "it names no address, and this host has not heard it"
        self.assertEqual(reason, self.relay(datagram, origin=WEB, source=FAR))
        self.assertSilent("-", datagram, origin=WEB, source=FAR)

    def test_unboundAgain(self) -> None:
        """A trusted host's word counts once: a recorded seal never opens for a second address."""
        self.use(GATE)
        datagram = seal()
        self.assertOpens(300, datagram, source=ANN)
        for source in (FAR, ANN):
            self.assertEqual(ONCE, self.relay(datagram, source=source))

    def test_unboundBurnt(self) -> None:
        """A seal that an untrusted host has passed on is known from then on."""
        self.use(GATE)
        datagram = seal()
        self.relay(datagram, origin=STOLEN, source=FAR)
        self.assertEqual(ONCE, self.relay(datagram, source=FAR))

    def test_unboundSource(self) -> None:
        """The word must be an address that a client can have."""
        self.use(GATE)
        for source in ("", "*", "nonsense", "203.0.113.09", "::ffff:203.0.113.9", "10.0.0.0/8"):
            reason = "it names no address, and came without one"
            self.assertEqual(reason, self.relay(seal(), source=source))
        for source in ("127.0.0.1", "::1", "224.0.0.1", "255.255.255.255", "0.0.0.0", "ff02::1"):
            self.assertIn("not the address of one client", self.relay(seal(), source=source))

    def test_boundUseless(self) -> None:
        """Nor does a seal open for an address that no client has, whoever made it."""
        self.allow("for-others")
        for bind in ("127.0.0.1", "::1", "224.0.0.1", "255.255.255.255", "0.0.0.0", "ff02::1"):
            self.assertIn("not the address of one client", self.relay(bound(bind)))

    def test_otherAddress(self) -> None:
        """A seal with another address in its place is worthless."""
        datagram = bound().replace(ANN.encode(), FAR.encode())
        self.assertSilent(BAD, datagram)
        self.assertSilent(BAD, seal().replace(b" *\n", b" %b\n" % FAR.encode()))

    def test_changed(self) -> None:
        """So is one with another time or door."""
        stamp = str(TODAY * 1000).encode()
        self.assertSilent(BAD, bound().replace(stamp, str(TODAY * 1000 + 1).encode()))
        self.assertSilent(BAD, bound().replace(b" 0 ", b" 9 "))
        self.assertSilent(BAD, bound(close=True).replace(b" close ", b" 0 "))
        self.assertSilent(BAD, bound(door="other").replace(b"other", b"default"))

    def test_sequence(self) -> None:
        """A seal for another sequence is worthless, as for this host alone."""
        self.assertSilent(BAD, bound(sequence=(*PORTS[:-1], PORTS[-1] + 1)))

    def test_forged(self) -> None:
        """So is one by somebody else, with a known key's hint or an own one."""
        self.assertSilent(UNKNOWN, bound(key=EVE))
        self.assertSilent(BAD, forged())
        nonce = "0" * 16
        hint = hintOf(ANNA.public().blob(), nonce)
        self.assertSilent(BAD, bound(key=EVE, nonce=nonce, hint=hint))

    def test_malformed(self) -> None:
        """So is one whose signature is malformed, or missing, or too long."""
        text = statementOf(bound())
        wrong = "its seal is bad: malformed, or made by a security key that was not touched"
        self.assertSilent(wrong, text + b"x")
        self.assertSilent("its signature has 0 bytes instead of 1 to 1100", text)
        self.assertSilent("its signature has 1101 bytes instead of 1 to 1100", text + b"x" * 1101)
        self.assertSilent("its statement is malformed", text[:-2] + b" \n")
        result = self.judge(text)
        assert isinstance(result, Refusal)
        self.assertEqual(NOWHERE, result.source)

    def test_otherDoor(self) -> None:
        """A seal for a door that this host lacks, or that is not the fleet's, is nobody's news."""
        self.assertSilent("-", bound(door="other"))
        self.assertSilent("-", b"junk")
        self.assertSilent("-", b"")
        self.lock = self.makeLock(self.lock.door)
        self.setDoor(fleet=False)
        self.assertSilent("-", bound())

    def test_from(self) -> None:
        """The patterns of a key's line are about the address that the seal names."""
        self.allow('from="198.51.100.0/24"')
        reason = f"the key of {NAME} may not knock from here (from=)"
        self.assertSilent(reason, bound(), source=FAR)
        self.assertEqual(f"{FAR} 300", self.relay(bound(FAR), source=ANN))

    def test_line(self) -> None:
        """A line that has expired, or is for other doors, allows nothing."""
        self.allow('expiry-time="20200101"')
        self.assertIn("expired", self.relay(bound()))
        self.allow('doors="other"')
        self.assertIn("is not for this door", self.relay(bound()))

    def test_expiresMeanwhile(self) -> None:
        """A seal of a key that has expired since opens nothing any more."""
        datagram = bound()
        self.allow('expiry-time="20270115080050Z"')
        self.assertOpens(300, datagram)
        self.wait(60)
        self.assertIn("expired", self.relay(datagram))

    def test_revoked(self) -> None:
        """Nor does one of a key that was revoked, or removed."""
        datagram = bound()
        self.assertOpens(300, datagram)
        self.lock.judge.findRevoked = lambda key: "it is revoked"
        self.assertSilent("it is revoked", datagram)
        self.lock.judge.findRevoked = lambda key: ""
        self.keys = []
        self.assertSilent(UNKNOWN, datagram)

    def test_once(self) -> None:
        """At a door for one connection, a seal opens once, whichever way it comes first."""
        self.setDoor(once=True)
        relayed, heard = bound(), bound()
        self.assertOpens(300, relayed)
        self.assertSilent(ONCE, relayed)
        self.assertEqual(SEEN, self.udp(relayed))
        self.assertEqual("open", self.udp(heard))
        self.assertSilent(ONCE, heard)
        self.assertSilent("-", heard, origin=WEB)

    def test_onceForgotten(self) -> None:
        """So it is if this host has heard so many that it does not remember this one."""
        self.setDoor(once=True)
        datagram = bound(ago=10)
        self.assertOpens(290, datagram)
        blob = ANNA.public().blob()
        for number in range(4097):
            self.seen.add(blob, f"{number:016x}", TODAY * 1000)
        self.assertTrue(self.seen.isForgotten(blob, TODAY * 1000 - 10_000))
        self.assertSilent(ONCE, datagram)

    def test_thenUdp(self) -> None:
        """Whatever becomes of a relayed seal, over UDP it is a copy."""
        self.use(GATE)
        for datagram, how in (
            (bound(), {}),
            (seal(), {"source": ANN}),
            (seal(), {"source": ANN, "origin": STOLEN}),
            (bound(FAR), {}),
            (bound("127.0.0.1"), {}),
            (bound(seconds=1, ago=10), {}),
            (bound(ago=-70), {}),
        ):
            self.relay(datagram, **how)
            nonce = parseSealed(datagram).statement.nonce
            self.assertTrue(self.seen.has(ANNA.public().blob(), nonce))
            self.assertNotEqual("open", self.udp(datagram, FAR if b"198" in datagram else ANN))
        datagram = bound()
        self.relay(datagram)
        self.assertEqual(SEEN, self.udp(datagram))

    def test_thenUdpRevoked(self) -> None:
        """So it is if its key was revoked at that moment."""
        self.lock.judge.findRevoked = lambda key: "it is revoked"
        datagram = bound()
        self.relay(datagram)
        self.lock.judge.findRevoked = lambda key: ""
        self.assertEqual(SEEN, self.udp(datagram))

    def test_forgedIsNotSeen(self) -> None:
        """A forgery with the nonce of a real seal does not take its place."""
        nonce = "0" * 16
        hint = hintOf(ANNA.public().blob(), nonce)
        self.relay(bound(key=EVE, nonce=nonce, hint=hint))
        self.assertEqual("open", self.udp(bound(nonce=nonce)))

    def test_notes(self) -> None:
        """A seal is noted once, however often it comes: a flood of copies fills no disk."""
        datagram = bound()
        for _ in range(5):
            self.relay(datagram)
        self.assertEqual(1, len(self.notes))

    def test_origin(self) -> None:
        """The name of a host that is not one never reaches the log."""
        for origin in ("", "web1\nforged line", "x" * 64, "../etc", "WEB1"):
            result = self.judge(forged(), origin=origin)
            assert isinstance(result, Refusal)
            self.assertEqual(f"{BAD}, relayed by {NO_HOST}", result.reason)
            self.use(GATE)
            result = self.judge(seal(), origin=origin, source=ANN)
            assert isinstance(result, Refusal)
            self.assertNotIn("forged line", result.reason)

    @SLOW
    @given(st.binary(max_size=200), st.integers(0, 400), st.text(max_size=20), st.text(max_size=20))
    def test_anything(self, data: bytes, at: int, origin: str, source: str) -> None:
        """Nothing is raised, and nothing opens, whatever the bytes."""
        real = bound()
        for datagram in (data, b"pkdoors1 default " + data, real[:at] + data + real[at:]):
            if datagram != real:
                self.assertNotIsInstance(self.judge(datagram, origin, source), Request)


class ClockTests(FleetTestCase):
    """
    What happens if somebody sets this host's clock.
    """

    def test_setBack(self) -> None:
        """A seal that was judged once ends when it would have ended."""
        datagram = bound()
        self.assertOpens(300, datagram)
        self.wait(200)
        self.today -= 190
        self.assertOpens(100, datagram)
        self.wait(100)
        self.assertSilent("-", datagram)

    def test_setBackAfterUdp(self) -> None:
        """So does one that came over UDP."""
        datagram = bound()
        self.assertEqual("open", self.udp(datagram))
        self.wait(300)
        self.today -= 300
        self.assertSilent("-", datagram)

    def test_setForward(self) -> None:
        """If the clock is ahead, less is left; when it is right again, no more than before."""
        datagram = bound()
        self.today += 100
        self.assertOpens(200, datagram)
        self.today -= 100
        self.assertOpens(200, datagram)

    def test_setFarForward(self) -> None:
        """A seal that was over by a wrong clock opens by the right one."""
        datagram = bound()
        self.today += 1e6
        self.assertSilent("-", datagram)
        self.today -= 1e6
        self.assertOpens(300, datagram)

    @SLOW
    @given(
        st.lists(
            st.tuples(st.floats(0, 400), st.floats(-500, 500), st.sampled_from([GATE, "udp"])),
            max_size=12,
        ),
        st.integers(0, 400),
        st.floats(-60, 300),
    )
    def test_neverLater(
        self, steps: list[tuple[float, float, str]], seconds: int, ago: float
    ) -> None:
        """
        Whatever happens to the clock, and however a seal comes: its end never moves to a later
        time, and is never later than the time asked for after now.
        """
        self.setUp()
        datagram = bound(seconds=seconds, ago=ago)
        most, end = (seconds or 300), float("inf")
        for wait, jump, how in steps:
            self.wait(wait)
            self.today += jump
            if how == "udp":
                if self.udp(datagram) == "open":
                    end = min(end, self.now + most)
                continue
            result = self.judge(datagram)
            if isinstance(result, Request):
                self.assertLessEqual(result.until, min(end, self.now + most) + 1e-6)
                self.assertGreater(result.until, self.now)
                end = result.until

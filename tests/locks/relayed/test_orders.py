"""Tests of L{pkdoors.locks.relayed.orders} and L{pkdoors.locks.relayed.bans}."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import permutations
from math import inf

from hypothesis import given
from hypothesis import strategies as st

from pkdoors.knocks.order import makeOrderData, packOrder, parseOrder
from pkdoors.knocks.seal import frameMessage
from pkdoors.knocks.wire import fingerprint
from pkdoors.locks.lock import Request
from pkdoors.locks.relayed import bans as bansModule
from pkdoors.locks.relayed import orders as ordersModule
from pkdoors.locks.relayed.bans import BanNote, Bans, OrderNote
from pkdoors.locks.relayed.orders import (
    DONE,
    LATER,
    MAX_OPERATORS,
    NOTHING,
    REFUSED,
    OrderJudge,
    Verdict,
    findOperatorFlaw,
    listOperators,
)
from pkdoors.model.doors import Opening
from pkdoors.model.principal import Principal
from pkdoors.model.sources import readSource
from tests.fakes.doors import PORTS, makeDoor
from tests.lab.properties import PROPERTY, SLOW
from tests.lab.sealing import certificate, makeKey, publicLine, sealedWith
from tests.locks.relayed.case import FAR, OLGA, OTTO, FleetTestCase, bound, ordered
from tests.locks.sealed.case import ANN, ANNA, BOB, EVE, NAME, TODAY, WHO, authorized

KEY = WHO.key
OLGAS, OTTOS = (fingerprint(key.public().blob()) for key in (OLGA, OTTO))
CLOSED = "somebody has closed the door since this knock was made: knock again"
BANNED = f"the key of {NAME} is banned in the whole fleet"
UNSIGNED = "no operator of the fleet has signed it"


class OrderTestCase(FleetTestCase):
    """
    A host with two operators, Olga and Otto.
    """

    def give(self, verb: str, what: str, **how: object) -> str:
        """Give an order, and return what becomes of it."""
        return self.told(self.order(ordered(verb, what, **how)))  # type: ignore[arg-type]

    def told(self, verdict: Verdict) -> str:
        """Return a verdict in words."""
        return f"{verdict.result} {verdict.reason}".strip()

    def isBanned(self, key: str = KEY) -> bool:
        """Return whether a key is banned."""
        return bool(self.memory.bans.findBan(key))

    def assertNothing(self, result: str, data: bytes) -> None:
        """Assert that an order changes nothing, however often it comes."""
        before = self.memory.bans.makeNotes(), len(self.memory.tombstones)
        for _ in range(3):
            verdict = self.order(data)
            self.assertEqual(result, self.told(verdict))
            self.assertEqual([], ended(verdict, OPENINGS))
        self.assertEqual(before, (self.memory.bans.makeNotes(), len(self.memory.tombstones)))


def opening(source: str, key: str = KEY) -> Opening:
    """Return an opening for a source, by a key."""
    return Opening(makeDoor(), readSource(source), 30.0, Principal("anna", key))


def ended(verdict: Verdict, openings: Iterable[Opening]) -> list[str]:
    """Return for whom a verdict ends openings."""
    return [str(each.source) for each in openings if verdict.matches(each)]


OPENINGS = [
    opening(ANN),
    opening(ANN, OLGAS),
    opening(FAR, ""),
    opening("203.0.113.0/24"),
    opening(BOB),
    opening("2001:db8::/64", OLGAS),
]


class CloseTests(OrderTestCase):
    """
    Orders to close.
    """

    def test_verdict(self) -> None:
        """It ends what began before its stamp, and names who gave it."""
        verdict = self.order(ordered("close", ANN, ago=10))
        self.assertEqual((DONE, "", TODAY - 10.0), (verdict.result, verdict.reason, verdict.before))
        self.assertEqual(f"olga ({OLGAS})", str(verdict.who))
        assert verdict.order is not None
        self.assertEqual(("close", ANN), verdict.order[1:3])

    def test_matches(self) -> None:
        """It ends whatever lets an address in; a network's, whatever is in it; or everything."""
        for what, found in (
            (ANN, [ANN, ANN, "203.0.113.0/24"]),
            (FAR, [FAR]),
            ("192.0.2.1", []),
            ("203.0.113.128/25", ["203.0.113.0/24"]),
            ("203.0.0.0/16", [ANN, ANN, "203.0.113.0/24"]),
            ("2001:db8::/32", [BOB, "2001:db8::/64"]),
            ("*", [str(each.source) for each in OPENINGS]),
        ):
            self.assertEqual(found, ended(self.order(ordered("close", what)), OPENINGS))

    def test_tombstone(self) -> None:
        """What was sealed before opens nothing any more, whichever way it comes."""
        self.give("close", ANN, ago=5)
        self.assertSilent(CLOSED, bound(ago=5))
        self.assertEqual(CLOSED, self.udp(bound(ago=6)))
        self.assertOpens(296, bound(ago=4))
        self.allow("for-others")
        self.assertEqual(f"{FAR} 290", self.relay(bound(FAR, ago=10)))
        self.give("close", "*", ago=5)
        self.assertEqual(CLOSED, self.relay(bound(FAR, ago=10)))

    def test_again(self) -> None:
        """The same order does nothing a second time, and nobody needs to hear of it."""
        data = ordered("close", "*")
        self.assertEqual(DONE, self.told(self.order(data)))
        self.assertNothing(NOTHING, data)

    def test_old(self) -> None:
        """
        An old order that arrives late, or after this host has forgotten it, ends nothing that is
        newer.
        """
        verdict = self.order(ordered("close", "*", ago=1e6))
        self.assertEqual((DONE, TODAY - 1e6), (verdict.result, verdict.before))
        self.assertOpens(300, bound())

    def test_memoryFull(self) -> None:
        """So does one that has given way in a full table."""
        self.patch(bansModule, "MAX_ORDERS", 3)
        data = ordered("close", ANN, ago=100)
        verdicts = [self.order(data)]
        for _ in range(5):
            self.order(ordered("close", FAR))
        verdicts.append(self.order(data))
        self.assertEqual(verdicts[0], verdicts[1])
        self.assertOpens(300, bound())


class BanTests(OrderTestCase):
    """
    Orders to ban a key, and to take that back.
    """

    def test_ban(self) -> None:
        """A banned key opens nothing: relayed, over UDP, at a door of the fleet or another one."""
        datagram = bound()
        self.assertOpens(300, datagram)
        verdict = self.order(ordered("ban", KEY))
        self.assertEqual((DONE, inf), (verdict.result, verdict.before))
        self.assertSilent(BANNED, datagram)
        self.assertSilent(BANNED, bound(ago=-1))
        self.assertEqual(BANNED, self.udp(bound(ago=-1)))
        self.setDoor(fleet=False)
        self.assertEqual(BANNED, self.udp(bound(ago=-1)))

    def test_closeOfBanned(self) -> None:
        """Nor does it close anything."""
        self.give("ban", KEY)
        self.assertSilent(BANNED, bound(close=True))

    def test_matches(self) -> None:
        """A ban ends all that the key has opened, whenever; the end of a ban ends nothing."""
        verdict = self.order(ordered("ban", KEY))
        self.assertEqual([ANN, "203.0.113.0/24", BOB], ended(verdict, OPENINGS))
        self.assertEqual([], ended(self.order(ordered("unban", KEY, ago=-1)), OPENINGS))

    def test_unban(self) -> None:
        """A newer order takes the ban back."""
        self.give("ban", KEY, ago=10)
        self.assertEqual("done", self.give("unban", KEY, ago=9))
        self.assertOpens(300, bound())

    def test_replayed(self) -> None:
        """The newest order counts, in whatever order they come, and however often."""
        orders = [
            ordered("ban", KEY, ago=10),
            ordered("unban", KEY, ago=8),
            ordered("ban", KEY, ago=6),
        ]
        for some in permutations(orders):
            self.setUp()
            for data in some + some:
                self.order(data)
            self.assertTrue(self.isBanned())

    def test_olderOne(self) -> None:
        """An order that is older than the newest says so once, and does nothing."""
        self.give("unban", KEY, ago=5)
        data = ordered("ban", KEY, ago=10)
        verdict = self.order(data)
        self.assertEqual(f"nothing a newer order about {KEY} is known", self.told(verdict))
        self.assertEqual([], ended(verdict, OPENINGS))
        self.assertNothing(NOTHING, data)
        self.assertFalse(self.isBanned())

    def test_sameStamp(self) -> None:
        """Of two orders of the same moment, the ban counts."""
        for verbs in (("ban", "unban"), ("unban", "ban")):
            self.setUp()
            for verb in verbs:
                self.give(verb, KEY)
            self.assertTrue(self.isBanned())

    def test_authority(self) -> None:
        """The ban of an authority is one of all keys that it certifies."""
        authority = makeKey()
        self.keys = authorized(f"cert-authority,any-principal {publicLine(authority, 'ca')}")
        blob = authority.public().blob()

        def make() -> bytes:
            certified = certificate(authority, ANNA)
            fields = {"bind": ANN, "stamp": TODAY * 1000}
            return sealedWith(certified, blob, ANNA, PORTS, **fields)

        def knock() -> str:
            return self.relay(make())

        self.assertEqual(f"{ANN} 300", knock())
        request = self.judge(make())
        assert isinstance(request, Request)
        opening = Opening(request.door, readSource(ANN), 0.0, request.who)
        ban = self.order(ordered("ban", fingerprint(blob), ago=1))
        self.assertTrue(ban.matches(opening))
        self.assertFalse(ban.matches(replace(opening, who=WHO)))
        self.assertIn("is banned in the whole fleet", knock())
        self.give("unban", fingerprint(blob))
        self.assertEqual(f"{ANN} 300", knock())
        self.give("ban", KEY)
        self.assertIn("is banned in the whole fleet", knock())

    def test_full(self) -> None:
        """A full table never loses a ban, but takes no more; ends of bans give way."""
        self.patch(bansModule, "MAX_BANS", 3)
        keys = [f"SHA256:{number:042}A" for number in range(9)]
        self.give("unban", keys[0], ago=5)
        self.give("unban", keys[1], ago=4)
        for key in keys[2:5]:
            self.assertEqual("done", self.give("ban", key))
        self.assertIn("3 keys are banned already, the maximum", self.give("ban", keys[5]))
        self.assertEqual([True] * 3, [self.isBanned(key) for key in keys[2:5]])
        self.assertEqual("done", self.give("unban", keys[2], ago=-1))
        self.assertEqual("done", self.give("ban", keys[5]))
        self.assertEqual([False, True, True], [self.isBanned(keys[at]) for at in (2, 3, 5)])

    def test_fullRefusedAgain(self) -> None:
        """An order that found no room counts as soon as there is some."""
        self.patch(bansModule, "MAX_BANS", 1)
        self.give("ban", OTTOS, ago=5)
        data = ordered("ban", KEY)
        self.assertEqual(REFUSED, self.order(data).result)
        self.give("unban", OTTOS)
        self.assertEqual(DONE, self.order(data).result)

    @PROPERTY
    @given(
        st.lists(
            st.tuples(st.sampled_from(["ban", "unban"]), st.integers(1, 9)), min_size=1, max_size=8
        ),
        st.randoms(),
        st.booleans(),
    )
    def test_model(self, orders: list[tuple[str, int]], random: object, isRestarted: bool) -> None:
        """In whatever order and number orders come, the result is that of the newest."""
        bans = Bans()
        sealed = [
            parseOrder(b"pkdoors-order1 f %b %b %d 0123456789abcdef\n01234567x" % text)
            for text in ((verb.encode(), KEY.encode(), stamp) for verb, stamp in orders)
        ]
        again = sealed * 2
        random.shuffle(again)  # type: ignore[attr-defined]
        for each in again:
            bans.accept(each)
        if isRestarted:
            after = Bans()
            after.learn(bans.makeNotes())
            bans = after
        newest = max(stamp for _, stamp in orders)
        self.assertEqual(newest if ("ban", newest) in orders else 0, bans.findBan(KEY))
        self.assertTrue(all(map(bans.hasSeen, sealed)))


class SignatureTests(OrderTestCase):
    """
    Who can give orders.
    """

    def test_operators(self) -> None:
        """Each operator can, with a key of any kind."""
        self.assertEqual("done", self.give("close", "*", key=OTTO))
        for kind in ("rsa", "ecdsa256", "ecdsa384", "ecdsa521"):
            key = makeKey(kind)
            self.operators = authorized(publicLine(OLGA, "olga"), publicLine(key, "kind"))
            self.assertEqual("done", self.give("close", "*", key=key))

    def test_user(self) -> None:
        """A key that may knock gives no orders, nor does anybody else's."""
        for key in (ANNA, EVE, makeKey("rsa")):
            for verb, what in (("close", "*"), ("ban", OLGAS), ("unban", KEY)):
                self.assertNothing(f"refused {UNSIGNED}", ordered(verb, what, key=key))

    def test_noOperators(self) -> None:
        """Without operators there are no orders."""
        self.operators = []
        self.assertNothing(f"refused {UNSIGNED}", ordered("close", "*"))

    def test_removed(self) -> None:
        """An operator whose key was removed gives no more orders; the earlier ones count on."""
        self.give("ban", KEY)
        self.operators = self.operators[1:]
        self.assertNothing(f"refused {UNSIGNED}", ordered("unban", KEY, ago=-1))
        self.assertTrue(self.isBanned())

    def test_otherFleet(self) -> None:
        """An order to another fleet is worthless here."""
        data = ordered("close", "*", fleet="test")
        self.assertNothing("refused it is for the fleet 'test'", data)

    def test_changed(self) -> None:
        """An order of which anything was changed is one that nobody has signed."""
        data = ordered("ban", KEY)
        for old, new in (
            (b"ban", b"unban"),
            (KEY.encode(), OTTOS.encode()),
            (str(TODAY * 1000).encode(), str(TODAY * 1000 + 1).encode()),
        ):
            self.assertNothing(f"refused {UNSIGNED}", data.replace(old, new))
        other = ordered("ban", KEY, fleet="test").replace(b" test ", b" prod ")
        self.assertNothing(f"refused {UNSIGNED}", other)
        data = ordered("close", ANN)
        self.assertNothing(f"refused {UNSIGNED}", data.replace(ANN.encode(), b"*"))

    def test_otherNamespace(self) -> None:
        """A signature for something else gives no order: a knock, a file, or the bare text."""
        text = ordered("close", "*").partition(b"\n")[0] + b"\n"
        for data in (frameMessage(text), frameMessage(text, b"file"), text):
            self.assertNothing(
                f"refused {UNSIGNED}",
                packOrder(
                    text,
                    OLGA.public().blob(),
                    OLGA.sign(data, OLGA.supportedSignatureAlgorithms()[0]),
                ),
            )

    def test_oneCheck(self) -> None:
        """However many operators there are, a forged order costs one check; a false hint, none."""
        keys = [makeKey() for _ in range(MAX_OPERATORS - 2)]
        self.operators += authorized(*(publicLine(key, "other") for key in keys))
        checked: list[object] = []

        def check(key: object, *_: object) -> bool:
            checked.append(key)
            return False

        self.patch(ordersModule, "isGood", check)
        self.assertNothing(f"refused {UNSIGNED}", ordered("close", "*", key=makeKey()))
        self.assertEqual(0, len(checked))
        self.assertNothing(f"refused {UNSIGNED}", ordered("close", "*", key=makeKey(), hintOf=OLGA))
        self.assertEqual(3, len(checked), "one for each of three tries")

    def test_orderIsNoKnock(self) -> None:
        """An order opens nothing, and a knock closes nothing, even if Olga may knock."""
        self.keys = [*self.keys, *authorized(publicLine(OLGA, "olga"))]
        knock = bound(key=OLGA)
        self.assertNothing("refused its text is malformed", knock)
        self.assertSilent("-", ordered("close", "*"))
        text, signature = ordered("close", "*").split(b"\n", 1)
        statement = knock.split(b"\n", 1)[0]
        self.assertIn("its seal is bad", self.relay(statement + b"\n" + signature[8:]))
        self.assertEqual(makeOrderData(text), makeOrderData(text))

    def test_malformed(self) -> None:
        """Whatever is malformed is refused."""
        data = ordered("close", "*")
        self.assertNothing("refused its text is malformed", b"")
        self.assertNothing("refused its text is malformed", data[1:])
        self.assertNothing(f"refused {UNSIGNED}", data + b"x")
        self.assertNothing(f"refused {UNSIGNED}", data[:-1])

    def test_bad(self) -> None:
        """So is a good text with a signature that somebody has changed."""
        data = bytearray(ordered("close", "*"))
        data[-1] ^= 1
        self.assertNothing(f"refused {UNSIGNED}", bytes(data))

    def test_forgedFirst(self) -> None:
        """A forgery does not take the place of the real order with the same text."""
        data = ordered("close", "*", nonce="0" * 16)
        self.order(data[:-1] + bytes([data[-1] ^ 1]))
        self.order(ordered("close", "*", nonce="0" * 16, key=EVE))
        self.assertEqual(DONE, self.order(data).result)

    def test_otherSignature(self) -> None:
        """The same text with another good signature is the same order."""
        key = makeKey("ecdsa256")
        self.operators = authorized(publicLine(key, "olga"))
        for expected in (DONE, NOTHING):
            data = ordered("close", "*", nonce="0" * 16, key=key)
            self.assertEqual(expected, self.order(data).result)

    @SLOW
    @given(st.binary(max_size=300))
    def test_anything(self, data: bytes) -> None:
        """Nothing is raised, and nothing changes, whatever the bytes."""
        real = ordered("close", "*")
        for each in (data, real[:40] + data, real + data if data else b""):
            self.assertEqual(REFUSED, self.order(each).result)
        self.assertEqual(0, len(self.memory.tombstones))


class LimitTests(OrderTestCase):
    """
    What limits an operator: the time, the line of the key, and other operators.
    """

    def test_ahead(self) -> None:
        """An order that is more than a minute ahead waits for its time."""
        data = ordered("ban", KEY, ago=-61)
        self.assertNothing(
            "later its time is 1m1s ahead of this host's, at most 1m is allowed: this host's clock "
            "is behind, or the operator's is ahead",
            data,
        )
        self.wait(1)
        self.assertEqual(DONE, self.order(data).result)
        self.assertIn("more than a day", self.give("close", "*", ago=-1e6))

    def test_clockBehind(self) -> None:
        """If this host's clock is behind, no order is lost: it counts when the clock is right."""
        data = ordered("ban", KEY, ago=3600)
        self.today -= 1e6
        self.assertEqual(LATER, self.order(data).result)
        self.today += 1e6
        self.assertEqual(DONE, self.order(data).result)

    def test_clockAhead(self) -> None:
        """If it is ahead, orders count all the same."""
        self.today += 1e7
        self.assertEqual("done", self.give("ban", KEY))

    def test_expired(self) -> None:
        """A key that has expired gives no orders any more."""
        self.expire(10)
        reason = f"refused the key of olga ({OLGAS}) expired 2027-01-15 07:59"
        for verb, what in (("close", "*"), ("ban", KEY), ("unban", KEY)):
            self.assertNothing(reason, ordered(verb, what))

    def test_expiredSince(self) -> None:
        """
        An order from before, which this host hears late, counts if it closes. It does not if it
        takes a ban back, since the owner of the key can write any time into it.
        """
        self.give("ban", KEY, key=OTTO, ago=30)
        self.expire(10)
        self.assertIn("expired", self.give("unban", KEY, ago=20))
        self.assertTrue(self.isBanned())
        self.assertEqual("done", self.give("close", "*", ago=20))
        self.assertEqual("done", self.give("ban", OTTOS, ago=20))

    def expire(self, ago: int) -> None:
        """Let Olga's key expire so many seconds before now."""
        seconds = 60 - ago
        line = f'expiry-time="202701150759{seconds}Z" {publicLine(OLGA, "olga")}'
        self.operators = authorized(line, publicLine(OTTO, "otto"))

    def test_banned(self) -> None:
        """
        An operator whose key is banned gives no more orders, and cannot take the ban back, whatever
        time is in the order. So whoever has stolen it cannot undo its revocation.
        """
        reason = f"refused the key of olga ({OLGAS}) is banned in the whole fleet"
        reason += ": sign with the key of another operator"
        self.give("ban", KEY, key=OTTO, ago=60)
        self.give("ban", OLGAS, key=OTTO, ago=10)
        for ago in (50, 10, 5, 0, -30):
            for key in (OLGAS, KEY):
                self.assertNothing(reason, ordered("unban", key, ago=ago))
        for verb, what in (("close", "*"), ("ban", OTTOS)):
            self.assertNothing(reason, ordered(verb, what, ago=10))
        self.assertTrue(self.isBanned(OLGAS) and self.isBanned(KEY))

    def test_bannedSince(self) -> None:
        """What it closed and banned before counts, also if this host hears of it late."""
        self.give("ban", OLGAS, key=OTTO, ago=10)
        self.assertEqual("done", self.give("ban", KEY, ago=11))
        self.assertTrue(self.isBanned())

    def test_banOfOneself(self) -> None:
        """An operator can ban the own key; only another one can take that back."""
        self.give("ban", OLGAS, ago=5)
        self.assertIn("banned", self.give("unban", OLGAS))
        self.assertEqual("done", self.give("unban", OLGAS, key=OTTO))
        self.assertEqual("done", self.give("close", "*"))

    def test_lines(self) -> None:
        """A line with an option that an order cannot keep to gives no right."""
        line = publicLine(OLGA, "olga")
        for option in (
            'from="10.0.0.0/8"',
            'doors="ssh"',
            'max-open-for="1m"',
            "prefix",
            "for-others",
            "cert-authority,any-principal",
        ):
            self.operators = authorized(f"{option} {line}")
            self.assertNothing(f"refused {UNSIGNED}", ordered("close", "*"))
            name = option.partition("=")[0].partition(",")[0]
            self.assertIn(name, findOperatorFlaw(self.operators[0]))
        self.operators = authorized(f'expiry-time="20990101" {line}')
        self.assertEqual("", findOperatorFlaw(self.operators[0]))
        self.assertEqual("done", self.give("close", "*"))

    def test_twoLines(self) -> None:
        """A key on two lines may give an order if one of them allows it."""
        line = publicLine(OLGA, "olga")
        self.operators = authorized(f'expiry-time="20200101" {line}', f"prefix {line}", line)
        self.assertEqual("done", self.give("close", "*"))
        self.operators = self.operators[:2]
        self.assertIn("expired", self.give("close", "*"))

    def test_most(self) -> None:
        """Only the first keys count, so a forged order costs few checks."""
        self.patch(ordersModule, "MAX_OPERATORS", 2)
        keys = authorized(*(publicLine(key, "x") for key in (EVE, ANNA, OLGA)))
        self.assertEqual(keys[:2], listOperators(keys))


class NoteTests(OrderTestCase):
    """
    What an order leaves to the next daemon.
    """

    def setUp(self) -> None:
        """Write down what is noted, and whether it counts by then."""
        super().setUp()
        self.noted: list[OrderNote] = []
        self.counts: list[bool] = []
        bans = Bans(self.note)
        self.memory = type(self.memory)(bans=bans)
        self.orders = OrderJudge("prod", lambda: self.operators, self.memory)

    def note(self, note: OrderNote) -> None:
        """Take a note."""
        self.noted.append(note)
        self.counts.append(self.isBanned())

    def test_noteFirst(self) -> None:
        """An order is noted before it counts, with what it changes."""
        data = ordered("ban", KEY)
        self.order(data)
        digest = parseOrder(data).digest
        self.assertEqual([OrderNote(digest, BanNote(KEY, True, TODAY * 1000))], self.noted)
        self.assertEqual([False], self.counts)

    def test_close(self) -> None:
        """One that closes leaves its name; its tombstone is in other notes, before."""
        self.give("close", "*")
        self.assertEqual([None], [note.ban for note in self.noted])

    def test_refused(self) -> None:
        """One that does not count leaves no note, so nobody fills a disk with forgeries."""
        self.give("ban", KEY, key=EVE)
        self.give("ban", KEY, ago=-100)
        data = ordered("ban", KEY)
        self.order(data)
        self.order(data)
        self.assertEqual(1, len(self.noted))

    def test_restart(self) -> None:
        """The next daemon knows bans, their ends, and which orders were seen."""
        orders = [ordered("ban", KEY, ago=9), ordered("unban", OTTOS, ago=8), ordered("close", "*")]
        for data in orders:
            self.order(data)
        notes = self.memory.bans.makeNotes()
        self.memory = type(self.memory)()
        self.memory.bans.learn(notes)
        self.orders = OrderJudge("prod", lambda: self.operators, self.memory)
        for data in orders:
            self.assertNothing(NOTHING, data)
        self.assertSilent(BANNED, bound())
        self.assertIn("newer", self.give("ban", OTTOS, ago=9))

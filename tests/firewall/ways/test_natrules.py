"""
Tests of L{pkdoors.firewall.ways.natrules}, L{pkdoors.firewall.ways._natcases} and
L{pkdoors.firewall.ways._xtables}.
"""

import random
import struct
from collections.abc import Mapping

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.netlink.dump import Answer
from pkdoors.firewall.netlink.messages import attribute, parseAttributes, text
from pkdoors.firewall.ways import natrules
from pkdoors.firewall.ways._directways import findWays
from pkdoors.firewall.ways._natcases import Span
from pkdoors.firewall.ways._natexpressions import readExpressions
from pkdoors.firewall.ways._xtables import readTarget
from pkdoors.firewall.ways.forwards import Forward, Forwards, NftName
from pkdoors.firewall.ways.natrules import readForwards
from pkdoors.model.ports import PortRange
from tests.lab.properties import ordinarily
from tests.recorded.natrecording import RECORDINGS, Recording

EVERYTHING = """
tcp 0-0 10.0.0.9
tcp 0-0 10.0.2.7-10.0.2.8 70-71
tcp 0-21 10.0.0.11
tcp 0-65535 10.0.0.12
tcp 0-65535 10.0.0.21
tcp 0-65535 10.0.1.0-10.0.1.3
tcp 0-65535 10.0.2.6
tcp 0-65535 10.0.2.9
tcp 0-65535 10.0.3.0-10.0.3.3
tcp 0-65535 fd00::4:5
tcp 1000-1000 10.0.0.2 100-100
tcp 1001-1001 10.0.0.3 101-101
tcp 18080-18080 10.0.2.2 80-80
tcp 18080-18080 fd00::4:2 80-80
tcp 18081-18081 10.0.2.3
tcp 18090-18095 10.0.2.3
tcp 18100-18110 10.0.2.4 8100-8110 from 18100
tcp 2000-2010 10.0.0.4
tcp 2020-2020 10.0.0.5
tcp 23-65535 10.0.0.11
tcp 3000-3000 10.0.0.6 30-30
tcp 443-443 10.0.0.22 8443-8443
tcp 443-443 fd00::22 8443-8443
tcp 5000-5010 10.0.0.7 70-70
tcp 5020-5020 10.0.0.7 70-70
tcp 6000-6000 10.0.0.8 9000-9003
tcp 60001-65535 10.0.0.9
tcp 60001-65535 10.0.2.7-10.0.2.8 70-71
tcp 6002-6004 10.0.0.8 9000-9003
tcp 65000-65535 10.0.0.10
tcp 7000-7000 10.0.0.13
tcp 7001-7001 10.0.0.14
tcp 7002-7003 10.0.0.14
tcp 7011-7011 10.0.0.15 7111-7111
tcp 7020-7020 10.0.0.16
tcp 7020-7020 10.0.0.17
tcp 7040-7040 10.0.0.19
tcp 7060-7060 10.0.0.20
tcp 80-80 fd00::2 8080-8080
tcp 8080-8080 10.0.0.2 80-80
udp 0-18199 10.0.2.5 200-200
udp 0-65535 10.0.0.12
udp 0-65535 10.0.1.0-10.0.1.3
udp 0-65535 10.0.2.6
udp 0-65535 fd00::4:5
udp 18100-18110 fd00::4:4 8100-8110 from 18100
udp 18201-65535 10.0.2.5 200-200
udp 53-53 10.0.0.2
udp 7000-7000 10.0.0.13
udp 81-81 fd00::3
""".strip().splitlines()
"""
The forwards by the rules of L{tests.recorded.natrecording}. A condition that is neither protocol
nor a plain port counts as true.
"""

ADDRESS4 = bytes([10, 0, 0, 9])
ADDRESS6 = bytes([0xFD, *bytes(14), 9])
TCP, UDP = 6, 17


Recorded = Mapping[bytes, list[tuple[int, bytes]]]


def spelled(forward: Forward) -> str:
    """Return a forward as a line."""
    target = forward.target
    words = [forward.protocol, f"{forward.first}-{forward.last}", str(target.first)]
    if target.last != target.first:
        words[-1] += f"-{target.last}"
    if target.ports is not None:
        words.append("{}-{}".format(*target.ports))
    if target.base is not None:
        words.append(f"from {target.base}")
    return " ".join(words)


def packNumber(value: int) -> bytes:
    """Return a number as nftables has it."""
    return struct.pack("!I", value)


def expression(name: str, **parts: bytes) -> bytes:
    """Return an expression of a rule: its attributes by number, C{_1} and so on."""
    body = b"".join(attribute(int(kind[1:]), content) for kind, content in parts.items())
    return attribute(1, text(1, name) + attribute(2, body))


def rule(*expressions: bytes) -> bytes:
    """Return a rule."""
    return attribute(4, b"".join(expressions))


def isProtocol(protocol: int) -> bytes:
    """Return the condition that the protocol is TCP, for example."""
    value = attribute(1, bytes([protocol]))
    return expression("meta", _1=packNumber(1), _2=packNumber(16)) + expression(
        "cmp", _1=packNumber(1), _2=packNumber(0), _3=value
    )


def match(name: str, revision: int, info: bytes) -> bytes:
    """Return a match of iptables."""
    return expression("match", _1=name.encode() + b"\0", _2=packNumber(revision), _3=info)


def target(revision: int, info: bytes, name: str = "DNAT") -> bytes:
    """Return a target of iptables."""
    return expression("target", _1=name.encode() + b"\0", _2=packNumber(revision), _3=info)


def target4(ports: int = 0) -> bytes:
    """Return the target 10.0.0.9 in the first revision, with a port or without."""
    flags = 1 | (2 if ports else 0)
    info = struct.pack("=II4s4s", 1, flags, ADDRESS4, ADDRESS4) + struct.pack("!HH", ports, ports)
    return target(0, info)


class FakeRules:
    """
    A kernel that has one table with one chain for DNAT.

    @ivar asked: the kinds of questions.
    """

    def __init__(self, *rules: bytes, family: int = 2) -> None:
        self._rules = rules
        self._family = family
        self.asked: list[int] = []

    def ask(self, question: bytes) -> Answer:
        """Answer a question."""
        kind = question[4]
        self.asked.append(kind)
        if question[16] != self._family or kind not in (4, 7):
            return []
        if kind == 7:
            return [(6, rule) for rule in self._rules]
        hook = attribute(4, attribute(1, packNumber(0)))
        return [(3, text(1, "nat") + text(3, "first") + hook + text(7, "nat"))]

    def found(self) -> list[str]:
        """Return the forwards."""
        return sorted(map(spelled, readForwards(self.ask).found))


class RecordedTests(SynchronousTestCase):
    """
    Answers of real kernels.
    """

    def test_everything(self) -> None:
        """All kinds of rules are read, as both generations of the tools write them."""
        self.assertEqual(
            ["natrules-1.0.6.json", "natrules-1.1.3.json"], [path.name for path in RECORDINGS]
        )
        for file in RECORDINGS:
            forwards = readForwards(Recording(file).ask)
            self.assertEqual(EVERYTHING, sorted(map(spelled, forwards.found)), file.name)
            self.assertFalse(forwards.isCut)

    def test_whatLeadsThere(self) -> None:
        """Tables and sets that lead to forwards are reported; a list of addresses is not."""
        for file in RECORDINGS:
            forwards = readForwards(Recording(file).ask)
            tables = {NftName(2, "nat"), NftName(10, "nat"), NftName(1, "other")}
            self.assertEqual(tables, forwards.tables)
            named = {name for name in forwards.sets if not name.name.startswith("__")}
            sets = {NftName(2, "nat", name) for name in ("ports", "ranges", "verdicts", "several")}
            self.assertEqual(sets, named)

    def test_garbage(self) -> None:
        """Whatever the kernel answers, nothing is raised."""
        source = random.Random(7)
        for file in RECORDINGS:
            recording = Recording(file)
            for _ in range(ordinarily(3, 40)):

                def ask(question: bytes, answers: Recorded = recording.answers) -> Answer:
                    return broken(answers.get(question, []), source)

                forwards = readForwards(ask)
                findWays(forwards.found, [PortRange("tcp", 1, 65535)])

    def test_tooManyRules(self) -> None:
        """If there are too many rules, some are not read, and that is reported."""
        self.patch(natrules, "MOST_RULES", 12)
        forwards = readForwards(Recording(RECORDINGS[0]).ask)
        self.assertTrue(forwards.isCut)
        self.assertTrue(0 < len(forwards.found) < len(EVERYTHING))

    def test_tooManySteps(self) -> None:
        """The number of rules that are walked through is limited, however the chains are linked."""
        self.patch(natrules, "MOST_STEPS", 12)
        self.assertTrue(readForwards(Recording(RECORDINGS[0]).ask).isCut)

    def test_tooManyCases(self) -> None:
        """A map cannot make more cases than the limit."""
        self.patch(natrules, "MOST_CASES", 1)
        self.assertTrue(readForwards(Recording(RECORDINGS[0]).ask).isCut)


class XtablesTests(SynchronousTestCase):
    """
    Matches and targets of iptables that the recordings do not have.
    """

    def test_ports(self) -> None:
        """The match C{tcp} is for TCP, C{udp} for UDP, and either can be inverted."""
        tcp = struct.pack("=4H4B", 0, 65535, 80, 90, 0, 0, 0, 0)
        udp = struct.pack("=4HB", 0, 65535, 53, 53, 0)
        rules = FakeRules(
            rule(match("tcp", 0, tcp), target4(8)), rule(match("udp", 0, udp), target4())
        )
        self.assertEqual(["tcp 80-90 10.0.0.9 8-8", "udp 53-53 10.0.0.9"], rules.found())
        tcp, udp = tcp[:-1] + b"\2", udp[:-1] + b"\2"
        rules = FakeRules(
            rule(match("tcp", 0, tcp), target4()), rule(match("udp", 0, udp), target4())
        )
        wanted = ["tcp 0-79 10.0.0.9", "tcp 91-65535 10.0.0.9"]
        wanted += ["udp 0-52 10.0.0.9", "udp 54-65535 10.0.0.9"]
        self.assertEqual(wanted, rules.found())

    def test_multiport(self) -> None:
        """The first revision has neither ranges nor inversion; source ports are ignored."""
        ports = struct.pack("=BB15H", 1, 2, 80, 443, *(13 * [0]))
        rules = FakeRules(rule(isProtocol(TCP), match("multiport", 0, ports), target4()))
        self.assertEqual(["tcp 443-443 10.0.0.9", "tcp 80-80 10.0.0.9"], rules.found())
        for kind in (b"\0", b"\2"):
            rules = FakeRules(
                rule(isProtocol(UDP), match("multiport", 0, kind + ports[1:]), target4())
            )
            self.assertEqual(["udp 0-65535 10.0.0.9"], rules.found())

    def test_otherMatch(self) -> None:
        """Any other match counts as true, whatever is in it."""
        ports = struct.pack("=BB15H", 1, 2, 80, 443, *(13 * [0]))
        rules = FakeRules(rule(isProtocol(UDP), match("conntrack", 0, ports), target4()))
        self.assertEqual(["udp 0-65535 10.0.0.9"], rules.found())

    def test_revisions(self) -> None:
        """All three revisions of the target are read, for both families."""
        for family, address in ((2, ADDRESS4.ljust(16, b"\0")), (10, ADDRESS6)):
            for revision, more in ((1, b""), (2, struct.pack("!H", 100) + bytes(2))):
                info = struct.pack("=I16s16s", 3 | 0x20, address, address)
                info += struct.pack("!HH", 80, 90) + more
                found = FakeRules(
                    rule(isProtocol(TCP), target(revision, info)),
                    family=family,
                ).found()
                base = " from 100" if revision == 2 else ""
                shown = "10.0.0.9" if family == 2 else "fd00::9"
                self.assertEqual([f"tcp 0-65535 {shown} 80-90{base}"], found)
        self.assertEqual(
            ["tcp 0-65535 10.0.0.9 80-80"], FakeRules(rule(isProtocol(TCP), target4(80))).found()
        )

    def test_noTarget(self) -> None:
        """Another target, one without an address, and one that is too short forward nowhere."""
        whole: Mapping[int, bytes] = parseAttributes(parseAttributes(target4()[4:])[2])
        self.assertIsNotNone(readTarget(2, whole))
        for wrong in ({**whole, 1: b"REDIRECT\0"}, {**whole, 3: whole[3][:-1]}):
            self.assertIsNone(readTarget(2, wrong))
        self.assertIsNone(readTarget(2, {**whole, 3: bytes(len(whole[3]))}))
        self.assertIsNone(readTarget(10, whole))


class ChainTests(SynchronousTestCase):
    """
    The questions that the kernel is asked.
    """

    def test_nothing(self) -> None:
        """If nothing is forwarded, the kernel is only asked for chains."""
        rules = FakeRules(family=99)
        self.assertEqual(Forwards(), readForwards(rules.ask))
        self.assertEqual([4, 4, 4], rules.asked)

    def test_loop(self) -> None:
        """Chains that lead to each other, which the kernel does not allow, end nevertheless."""
        verdict = attribute(2, attribute(1, packNumber(0xFFFFFFFD)) + text(2, "first"))
        loop = rule(expression("immediate", _1=packNumber(0), _2=verdict))
        self.assertEqual(
            ["tcp 0-65535 10.0.0.9", "udp 0-65535 10.0.0.9"],
            FakeRules(loop, rule(target4())).found(),
        )

    def test_chains(self) -> None:
        """A jump and a goto lead to another chain, each once; there may be too many rules."""
        for code in (0xFFFFFFFD, 0xFFFFFFFC):
            verdict = attribute(2, attribute(1, packNumber(code)) + text(2, "second"))
            jump = rule(expression("immediate", _1=packNumber(0), _2=verdict))
            rules = FakeRules(jump, jump)
            self.assertFalse(readForwards(rules.ask).isCut)
            self.assertEqual(2, rules.asked.count(7))
            patch = self.patch(natrules, "MOST_RULES", 2)
            rules = FakeRules(jump, jump)
            self.assertTrue(readForwards(rules.ask).isCut)
            self.assertEqual(1, rules.asked.count(7))
            patch.restore()

    def test_bounds(self) -> None:
        """No more is read or found than the limits allow."""
        some = [rule(isProtocol(TCP), target4(port)) for port in range(1, 11)]
        for name in ("MOST_RULES", "MOST_FORWARDS"):
            patch = self.patch(natrules, name, 3)
            forwards = readForwards(FakeRules(*some).ask)
            self.assertEqual((True, 3), (forwards.isCut, len(forwards.found)))
            patch.restore()

    def test_pauses(self) -> None:
        """After some rules the reader pauses."""
        work = natrules.readForwardsInTurns(FakeRules(*[rule(target4())] * 250).ask)
        self.assertEqual(500 // natrules.RULES_PER_TURN, len(list(work)))

    def test_source(self) -> None:
        """A rule that changes the source forwards nothing."""
        address = expression("immediate", _1=packNumber(1), _2=attribute(1, ADDRESS4))
        for kind, count in ((0, 0), (1, 1)):
            nat = expression("nat", _1=packNumber(kind), _2=packNumber(2), _3=packNumber(1))
            self.assertEqual(count, len(FakeRules(rule(isProtocol(TCP), address, nat)).found()))

    def test_notInSet(self) -> None:
        """With an inverted set, its elements are not forwarded, and everything else is."""
        load = expression(
            "payload", _1=packNumber(1), _2=packNumber(2), _3=packNumber(2), _4=packNumber(2)
        )
        self.patch(natrules._Reader, "_setFlags", lambda self, place: {5: packNumber(2)})
        self.patch(
            natrules._Reader,
            "_spansOf",
            lambda self, place: [Span(b"\0\x50", b"\0\x50"), Span(b"\1\xbb", b"\1\xbc")],
        )
        for flags, expected in (
            (0, ["443-444", "80-80"]),
            (1, ["0-79", "445-65535", "81-442"]),
        ):
            lookup = expression("lookup", _1=b"s\0", _2=packNumber(1), _5=packNumber(flags))
            found = FakeRules(rule(isProtocol(TCP), load, lookup, target4())).found()
            self.assertEqual([f"tcp {ports} 10.0.0.9" for ports in expected], found)

    def test_concatenation(self) -> None:
        """In a range of several fields, each field is compared by itself."""
        load = expression(
            "payload", _1=packNumber(8), _2=packNumber(1), _3=packNumber(16), _4=packNumber(4)
        )
        load += expression(
            "payload", _1=packNumber(9), _2=packNumber(2), _3=packNumber(2), _4=packNumber(2)
        )
        flags = {3: packNumber(0x80), 5: packNumber(8)}
        self.patch(natrules._Reader, "_setFlags", lambda self, place: flags)
        span = Span(bytes([10, 0, 0, 0, 0, 80, 0, 0]), bytes([10, 0, 0, 9, 0, 81, 0, 0]))
        self.patch(natrules._Reader, "_spansOf", lambda self, place: [span])
        lookup = expression("lookup", _1=b"s\0", _2=packNumber(8))
        found = FakeRules(rule(isProtocol(TCP), load, lookup, target4())).found()
        self.assertEqual(["tcp 80-81 10.0.0.9"], found)

    def test_computedPort(self) -> None:
        """A port that a rule computes may be any; an address that it computes is unknown."""
        address = expression("immediate", _1=packNumber(1), _2=attribute(1, ADDRESS4))
        nat = expression(
            "nat", _1=packNumber(1), _2=packNumber(2), _3=packNumber(1), _5=packNumber(2)
        )
        port = expression("numgen", _1=packNumber(2))
        self.assertEqual(
            ["tcp 0-65535 10.0.0.9 1-65535"],
            FakeRules(rule(isProtocol(TCP), address, port, nat)).found(),
        )
        self.assertEqual([], FakeRules(rule(expression("numgen", _1=packNumber(1)), nat)).found())

    def test_expressions(self) -> None:
        """A rule's expressions are read in order, with their attributes."""
        found = readExpressions(rule(expression("meta", _1=packNumber(1)), expression("counter")))
        self.assertEqual([("meta", {1: packNumber(1)}), ("counter", {})], found)


def broken(answer: list[tuple[int, bytes]], source: random.Random) -> Answer:
    """Return an answer in which some bytes are wrong."""
    for kind, body in answer:
        wrong = bytearray(body)
        for _ in range(source.randrange(4)):
            wrong[source.randrange(len(wrong))] = source.randrange(256)
        yield kind, bytes(wrong[: source.choice((len(wrong), source.randrange(len(wrong) + 1)))])

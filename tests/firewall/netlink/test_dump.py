"""
Tests of L{pkdoors.firewall.netlink.dump}, with answers of the kernel; see
L{tests.recorded.recording}.
"""

import json
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.guard._rules import BASE_CHAINS, rulesFor
from pkdoors.firewall.guard.guard import Guard
from pkdoors.firewall.guard.openingkeys import lookupKeys, openingKey
from pkdoors.firewall.guard.sets import FORMAT, MAPS, originNote, setsFor
from pkdoors.firewall.netlink.dump import (
    askChains,
    askCounters,
    askElements,
    askRules,
    askSets,
    askTable,
    readChains,
    readCounters,
    readElements,
    readIntervals,
    readRules,
    readSets,
    readTable,
    readVerdicts,
)
from pkdoors.firewall.netlink.messages import OWNED, Element
from pkdoors.model.principal import OPERATOR
from tests import ROOT
from tests.fakes.netlink import readAttributes
from tests.lab.garbage import spoiled
from tests.lab.properties import PROPERTY
from tests.recorded.recording import DOORS, FLOWS, OPENINGS, ORIGIN

VERSIONS = ("1.0.6", "1.1.3")
PARSERS: tuple[Callable[[Any], object], ...] = (
    readTable,
    readSets,
    readCounters,
    readElements,
    readVerdicts,
    readIntervals,
    lambda answer: readChains(answer, "pkdoors"),
    lambda answer: readRules(answer, "pkdoors"),
)


def recorded(version: str) -> dict[str, list[tuple[int, bytes]]]:
    """The kernel's answer to each question, with one version of nft."""
    text = (ROOT / "tests/recorded" / f"nft-{version}.json").read_text()
    return {
        name: [(kind, bytes.fromhex(body)) for kind, body in answer]
        for name, answer in json.loads(text).items()
    }


class RecordedTests(SynchronousTestCase):
    """
    A guard of two doors, with openings, flows and a grace.
    """

    def test_table(self) -> None:
        """The table, its owner and its handle are read."""
        plain, owned = (readTable(recorded(version)["table"]) for version in VERSIONS)
        assert plain is not None and owned is not None
        self.assertEqual((0, 0), (plain.flags, plain.owner))
        self.assertEqual(OWNED, owned.flags)
        self.assertTrue(owned.owner and plain.handle and owned.handle)
        self.assertIsNone(readTable([]))

    def test_names(self) -> None:
        """Chains, sets with their timeouts, and counters are those of the guard."""
        rules = list(rulesFor(DOORS))
        sets = {
            name: round(1000 * definition.timeout) for name, definition in setsFor(DOORS).items()
        }
        for version in VERSIONS:
            found = recorded(version)
            chains = [rule.partition(" ")[0] for rule in rules]
            self.assertEqual({*chains, *BASE_CHAINS}, readChains(found["chains"], "pkdoors"))
            self.assertEqual({**dict.fromkeys(MAPS, 0), **sets}, readSets(found["sets"]))
            self.assertEqual({"KnocksDropped": 0}, readCounters(found["counters"]))

    def test_rules(self) -> None:
        """Each rule is read with its chain, in order, and with a handle of its own."""
        for version in VERSIONS:
            found = readRules(recorded(version)["rules"], "pkdoors")
            self.assertEqual(len(found), len({handle for _, handle in found}))
            for chain in {chain for chain, _ in found}:
                expected = [rule for rule in rulesFor(DOORS) if rule.partition(" ")[0] == chain]
                handles = [handle for of, handle in found if of == chain]
                self.assertEqual((len(expected), sorted(handles)), (len(handles), handles))

    def test_otherTables(self) -> None:
        """Chains and rules of other tables do not count."""
        found = recorded(VERSIONS[0])
        self.assertEqual(set(), readChains(found["chains"], "pkdoors2"))
        self.assertEqual([], readRules(found["rules"], "pkdoors2"))

    def test_intervals(self) -> None:
        """Ports are read as ranges, up to the highest port."""
        for version in VERSIONS:
            found = recorded(version)
            self.assertEqual([(6000, 6010)], [*readIntervals(found["tcp_ranges"])])
            self.assertEqual({}, readIntervals(found["tcp_ranges"][:0]))
            (single,) = readElements(found["tcp_ports"])
            self.assertEqual((22).to_bytes(2), single.key)
            last = {element.key for element in readElements(found["udp_ports"])}
            self.assertEqual({n.to_bytes(2) for n in (51820, 65535)}, last)
            spans = readIntervals(found["tcp_spans"])
            self.assertEqual([(6000, 6007)], [*spans])
            self.assertTrue(all(chain.startswith("tcp_") for chain in spans.values()))

    def test_openings(self) -> None:
        """Openings are read with times and comments."""
        for version in VERSIONS:
            found = readElements(recorded(version)["openings4"])
            self.assertEqual(
                {
                    openingKey(OPENINGS[0])[1]: (30_000, "until=530 SHA256:abc anna@laptop"),
                    openingKey(OPENINGS[1])[1]: (600_000, "until=1100"),
                },
                {element.key: (element.timeout, element.comment) for element in found},
            )
            for element in found:
                self.assertTrue(0 < element.expires <= element.timeout, element)
            (other,) = readElements(recorded(version)["openings6"])
            self.assertEqual(f"until=560 {OPERATOR}", other.comment)
            looked = readElements(recorded(version)["tcp_open4"])
            keys = {
                key
                for opening in OPENINGS[:2]
                for name, key in lookupKeys(opening)
                if name == "tcp_open4"
            }
            self.assertEqual(keys, {element.key for element in looked})
            name = "udp_open4_180000ms_43200000ms"
            self.assertEqual([], readElements(recorded(version)[name]))

    def test_flows(self) -> None:
        """Flows have the set's timeout, and what they have left of it."""
        for version in VERSIONS:
            for name, flows in FLOWS.items():
                (found,) = readElements(recorded(version)[name])
                ((key, left),) = flows.items()
                self.assertEqual((key, 0, ""), (found.key, found.timeout, found.comment))
                self.assertTrue(left - 1 < found.expires / 1000 <= left, found)

    def test_about(self) -> None:
        """The guard's notes about itself are read."""
        for version in VERSIONS:
            found = recorded(version)
            table = readTable(found["table"])
            assert table is not None
            origin = originNote(f"{ORIGIN} {table.handle}")
            self.assertEqual(
                {FORMAT, origin},
                {element.comment for element in readElements(found["about"])},
            )

    def test_verdicts(self) -> None:
        """The verdicts of ports do not depend on the kernel's order, but on each verdict."""
        answer = recorded(VERSIONS[0])["tcp_doors"]
        before = readVerdicts(answer)
        (element, *others) = readElements(answer)
        name = element.chain.encode()
        self.assertEqual(1 + len(others), sum(b"tcp_" in verdict for verdict in before))
        (kind, body), *_ = answer
        changed = [(kind, body.replace(name, b"let_in".ljust(len(name), b"\0")))]
        self.assertNotEqual(before, readVerdicts(changed))
        self.assertIn("let_in", set(readIntervals(changed).values()))
        accepted = [(kind, body.replace(b"\xff\xff\xff\xfd", b"\0\0\0\1"))]
        self.assertEqual({""}, set(readIntervals(accepted).values()))

    def test_garbage(self) -> None:
        """Whatever the answer, nothing is raised."""
        for name, answer in recorded(VERSIONS[1]).items():
            for kind, body in answer[:3]:
                for broken in spoiled(body, 40):
                    for parse in PARSERS:
                        with self.subTest(name):
                            parse([(kind, broken)])


class AskTests(SynchronousTestCase):
    """
    The questions.
    """

    def test_questions(self) -> None:
        """Each question names our table; all but the first ask for a dump."""
        for question, kind, flags, more in (
            (askTable("t"), 1, 0x1, {}),
            (askChains("t"), 4, 0x301, {}),
            (askRules("t"), 7, 0x301, {}),
            (askSets("t"), 10, 0x301, {}),
            (askElements("t", "s"), 13, 0x301, {2: b"s\0"}),
            (askCounters("t"), 19, 0x301, {}),
        ):
            length = int.from_bytes(question[:4], "little")
            self.assertEqual(len(question), length)
            self.assertEqual(10 << 8 | kind, int.from_bytes(question[4:6], "little"))
            self.assertEqual(flags, int.from_bytes(question[6:8], "little"))
            self.assertEqual(b"\1\0\0\0", question[16:20])  # the family inet
            self.assertEqual({1: b"t\0", **more}, readAttributes(question[20:]))

    def test_bytes(self) -> None:
        """Random bytes never raise, and never count as anything."""

        @PROPERTY
        @given(st.lists(st.tuples(st.integers(0, 65535), st.binary(max_size=200))))
        def check(answer: list[tuple[int, bytes]]) -> None:
            for parse in PARSERS:
                parse(answer)
            for element in readElements(answer):
                self.assertIsInstance(element, Element)

        check()

    def test_recordingIsOfTheGuard(self) -> None:
        """The recorded doors make a valid guard today."""
        self.assertIn("tcp_open4", Guard(DOORS).layout.commands("pkdoors"))

"""Tests of L{pkdoors.admin.operations.Operations.close}."""

from ipaddress import ip_address
from typing import Any

from pkdoors.doorkeeper.control import CLOSE_PATIENCE
from pkdoors.errors import BadValue, NotFound
from pkdoors.locks.lock import Request
from pkdoors.model.principal import Principal
from tests.admin.daemoncase import ANN, BOB, NO, SSH, WEB, OperationsTestCase


class CloseTests(OperationsTestCase):
    """Tests of L{Operations.close}."""

    def setUp(self) -> None:
        """Make three openings."""
        super().setUp()
        for door, source in ((SSH, ANN), (SSH, BOB), (WEB, ANN)):
            self.keeper.request(Request(door, source, 0, who=Principal("anna", "SHA256:x")))

    def close(self, door: str = "", source: str = "") -> list[tuple[str, str]]:
        """Close, and return the openings that were closed."""
        answer = self.do(self.operations.close(door, source))
        self.assertEqual([], answer["closing"])
        self.assertNobodyWaits()
        self.assertEqual(self.guard.doorsOpen(), self.outer.doorsOpen())
        return self.names(answer["closed"])

    def test_all(self) -> None:
        """All openings can be closed."""
        self.assertEqual(3, len(self.close()))
        self.assertEqual({}, self.guard.doorsOpen())
        self.reactor.advance(0)
        self.assertEqual([], self.reactor.getDelayedCalls())

    def test_door(self) -> None:
        """All openings of one door can be closed."""
        self.assertEqual([("ssh", ANN), ("ssh", BOB)], self.close("ssh"))
        self.assertEqual([("web", ANN)], list(self.guard.doorsOpen()))

    def test_source(self) -> None:
        """All openings for one address can be closed."""
        self.assertEqual([("ssh", ANN), ("web", ANN)], self.close(source="::ffff:192.0.2.7"))
        self.assertEqual([("ssh", BOB)], list(self.guard.doorsOpen()))

    def test_both(self) -> None:
        """A single opening can be closed."""
        self.assertEqual([("web", ANN)], self.close("web", ANN))
        self.assertEqual([("ssh", ANN), ("ssh", BOB)], list(self.guard.doorsOpen()))

    def test_logged(self) -> None:
        """The log has who closed it."""
        self.close("web", ANN)
        self.assertEqual(
            f"closed door web (443/tcp) for {ANN}, at the request of the operator",
            self.log.lines()[-1],
        )

    def test_nothing(self) -> None:
        """If nothing is open, closing all is not an error, but closing for an address is."""
        self.close()
        self.assertEqual([], self.close())
        self.assertEqual([], self.close("web"))
        self.assertEqual(
            f"nothing is open for {BOB}", self.refused(self.operations.close("", BOB), NotFound)
        )
        self.assertEqual(
            f"door web: nothing is open for {BOB}",
            self.refused(self.operations.close("web", BOB), NotFound),
        )

    def test_noDoor(self) -> None:
        """An unknown door, or a bad address, closes nothing."""
        self.refused(self.operations.close("shh"), NotFound)
        self.refused(self.operations.close("ssh", "ann"), BadValue)
        self.assertEqual(3, len(self.guard.doorsOpen()))

    def progress(self, closing: dict[str, Any]) -> tuple[bool, str]:
        """Return whether the guard has closed an opening, and what was refused."""
        return closing["shut"], closing["trouble"]

    def test_hangs(self) -> None:
        """
        If firewalld hangs, the guard has closed when the answer comes. The answer says so, and that
        firewalld has not.
        """
        self.outer.holding = True
        done = self.begin(self.operations.close("ssh"))
        self.assertEqual([("web", ANN)], list(self.guard.doorsOpen()))
        self.outer.answer()
        self.reactor.advance(CLOSE_PATIENCE)
        answer = self.successResultOf(done)
        self.assertEqual([("ssh", ANN)], self.names(answer["closed"]))
        self.assertEqual([("ssh", BOB)], self.names(answer["closing"]))
        self.assertEqual((True, ""), self.progress(answer["closing"][0]))
        self.assertNobodyWaits()
        self.outer.answer()
        self.assertEqual([("web", ANN)], list(self.outer.doorsOpen()))

    def test_refuses(self) -> None:
        """The same holds if firewalld refuses; the daemon keeps trying."""
        self.outer.failures = [NO]
        done = self.begin(self.operations.close("web"))
        self.assertEqual({"ssh"}, {door for door, _ in self.guard.doorsOpen()})
        self.reactor.advance(1)
        self.assertEqual([("web", ANN)], self.names(self.successResultOf(done)["closed"]))
        self.assertEqual({"ssh"}, {door for door, _ in self.outer.doorsOpen()})

    def test_refusesLonger(self) -> None:
        """The answer has what firewalld refuses, though the guard has closed."""
        self.outer.failures = [NO, NO]
        done = self.begin(self.operations.close("web"))
        self.reactor.advance(1)
        self.reactor.advance(CLOSE_PATIENCE - 1)
        (closing,) = self.successResultOf(done)["closing"]
        self.assertEqual((True, "cannot close: no privilege"), self.progress(closing))
        self.reactor.advance(2)
        self.assertEqual({"ssh"}, {door for door, _ in self.outer.doorsOpen()})

    def test_guardRefuses(self) -> None:
        """If the guard refuses, nothing is shut, whatever firewalld answers."""
        for holding, trouble in ((False, "cannot close: no privilege"), (True, "")):
            self.guard.failures = [NO, NO]
            self.outer.holding = holding
            done = self.begin(self.operations.close("ssh", BOB if holding else ANN))
            self.reactor.pump([1, CLOSE_PATIENCE - 1])
            (closing,) = self.successResultOf(done)["closing"]
            self.assertEqual((False, trouble), self.progress(closing))

    def test_openedAgain(self) -> None:
        """A door that opens again while firewalld hangs is not shut any more."""
        self.outer.holding = True
        done = self.begin(self.operations.close("web"))
        self.keeper.request(Request(WEB, ANN, 0))
        self.outer.answer()
        self.assertEqual([("web", ANN)], self.names(self.successResultOf(done)["closed"]))
        self.assertIn(("web", ANN), self.guard.doorsOpen())
        self.assertFalse(self.stack.isInnermostClosed("web", ip_address(ANN)))

    def test_whileItOpens(self) -> None:
        """The guard closes at once what firewalld is still opening."""
        self.outer.holding = True
        self.keeper.request(Request(WEB, BOB, 0))
        done = self.begin(self.operations.close("", BOB))
        self.assertNotIn(("web", BOB), self.guard.doorsOpen())
        self.assertTrue(self.stack.isInnermostClosed("web", ip_address(BOB)))
        self.outer.answerAll()
        self.assertFalse(self.stack.isInnermostClosed("web", ip_address(BOB)))
        self.assertEqual(2, len(self.successResultOf(done)["closed"]))
        self.assertNotIn(("web", BOB), self.outer.doorsOpen())

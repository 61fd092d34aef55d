"""Tests of the lesser socket, as a user of its group, with a real daemon and firewall."""

import json
import signal
import stat
import time
from typing import Any

from tests.lab.case import PORT, SEQUENCE
from tests.lab.fleet.lesser import (
    ADMIN,
    FOLDER,
    LESSER,
    MEMBER,
    OUTSIDER,
    Follower,
    LesserTestCase,
)
from tests.lab.hosts import CLIENT4, STRANGER4, eventually
from tests.lab.sealing import makeKey, sealed


class RightsTests(LesserTestCase):
    """
    Who can use the socket, and for what.
    """

    def setUp(self) -> None:
        """Start a daemon."""
        super().setUp()
        self.startDaemon()

    def test_group(self) -> None:
        """
        The group's members can use it, and nobody else who is not root. They can neither use the
        operator's socket, nor list or change the folder.
        """
        with self.server.inside():
            modes = [stat.S_IMODE(path.stat().st_mode) for path in (LESSER, FOLDER)]
        self.assertEqual([0o660, 0o710], modes)
        self.assertEqual(200, self.curl("GET", "/status")[0])
        self.assertEqual(0, self.curl("GET", "/status", who=OUTSIDER)[0])
        for command in (
            ("curl", "-sS", "--unix-socket", str(ADMIN), "http://pkdoors/status"),
            ("ls", str(FOLDER)),
            ("rm", str(LESSER)),
            ("touch", f"{FOLDER}/file"),
            ("chmod", "666", str(LESSER)),
            ("ln", "-s", "/", f"{FOLDER}/link"),
        ):
            status, output = self.server.status(*MEMBER, *command)
            self.assertNotEqual(0, status, command)
            self.assertNotIn('"version"', output)

    def test_paths(self) -> None:
        """
        It can read who is in. It can open, close and reload nothing: there is no such path, and no
        such method.
        """
        self.assertEqual(["opened"], self.relay(self.seal()))
        (opening,) = json.loads(self.curl("GET", "/status")[1])["openings"]
        self.assertEqual(("anna", "gate1"), (opening["user"], opening["via"]))
        body = json.dumps({"source": STRANGER4, "door": "default"})
        for method, path, sent in (
            ("POST", "/openings", body),
            ("GET", "/openings", ""),
            ("DELETE", "/openings", ""),
            ("DELETE", f"/openings/{CLIENT4}", ""),
            ("POST", "/reload", ""),
            ("GET", "/metrics", ""),
            ("GET", "/seals/../openings", ""),
        ):
            code, answer = self.curl(method, path, sent)
            self.assertEqual((404, True), (code, "there is no" in answer), path)
        for method, path in (
            ("DELETE", "/seals"),
            ("PUT", "/seals"),
            ("DELETE", "/status"),
            ("POST", "/status"),
            ("POST", "/events"),
        ):
            self.assertEqual(405, self.curl(method, path)[0], path)
        self.assertTrue(self.isOpen())
        self.assertFalse(self.stranger.reaches(PORT))

    def test_garbage(self) -> None:
        """Whatever it hands in, the daemon answers, opens nothing, and goes on."""
        for body in ("7", "{", '{"host": "x"}', "\\xff", "[" * 10_000, '{"order": "AA=="}'):
            code, answer = self.curl("POST", "/seals", body)
            self.assertEqual((200, "refused"), (code, json.loads(answer)["result"]))
        self.assertEqual(0, self.server.status("test", "-S", str(LESSER))[0])
        large = self.folder / "large"
        large.write_bytes(b"x" * 300_000)
        self.folder.chmod(0o755)
        self.assertEqual(413, self.curl("POST", "/seals", f"@{large}")[0])
        self.assertEqual(["opened"], self.relay(self.seal()))


class SealTests(LesserTestCase):
    """
    What relayed seals do.
    """

    def test_opens(self) -> None:
        """A relayed seal opens in the kernel for its address alone, for the time that is left."""
        daemon = self.startDaemon()
        self.assertFalse(self.isOpen())
        datagram = self.seal(ago=50)
        began = time.monotonic()
        self.assertEqual(["opened", "nothing"], self.relay(datagram, datagram))
        self.assertTrue(self.client.comesToReach(PORT))
        self.assertFalse(self.stranger.reaches(PORT))
        self.assertTrue(daemon.says(", via gate1"))
        self.assertEqual(["nothing"], self.relay(datagram))
        self.assertTrue(eventually(lambda: not self.isOpen(), 20))
        self.assertTrue(9 < time.monotonic() - began < 20)
        self.assertEqual(["over"], self.relay(datagram))

    def test_nothing(self) -> None:
        """What must not open does not open, and has one line each."""
        daemon = self.startDaemon()
        stranger = sealed(makeKey(), SEQUENCE, bind=CLIENT4)
        other = sealed(self.key, SEQUENCE[::-1], bind=CLIENT4)
        for datagram in (stranger, other, self.seal("*"), self.seal(ago=-600), self.seal()[:-1]):
            self.assertEqual(["refused"], self.relay(datagram, source=CLIENT4))
            time.sleep(1)  # one line for a source in a second
        self.assertEqual(["over"], self.relay(self.seal(ago=3600)))
        self.assertFalse(self.isOpen())
        self.assertEqual(5, daemon.log().count(", relayed by gate1"), daemon.log())

    def test_orders(self) -> None:
        """An order ends what is open, and what was sealed before opens nothing, over UDP either."""
        daemon = self.startDaemon()
        datagram, late = self.seal(), self.seal()
        self.assertEqual(["opened"], self.relay(datagram))
        self.assertTrue(self.client.comesToReach(PORT))
        close = self.order("close", CLIENT4)
        self.assertEqual("done", self.post(close)[0]["result"])
        self.assertTrue(self.isShut())
        self.assertTrue(daemon.says(", by order of olga"))
        self.assertEqual(["refused"], self.relay(datagram))
        self.client.send(SEQUENCE, late)
        self.assertTrue(daemon.says("somebody has closed the door"))
        self.assertEqual(["opened"], self.relay(self.seal()))
        self.assertEqual("nothing", self.post(close)[0]["result"])
        self.assertTrue(self.client.comesToReach(PORT))
        self.assertEqual("done", self.post(self.order("ban", self.fingerprint()))[0]["result"])
        self.assertTrue(self.isShut())
        self.client.send(SEQUENCE, self.seal())
        self.assertTrue(daemon.says("is banned in the whole fleet"))

    def test_operator(self) -> None:
        """What the operator of the host closes does not come back by what was sealed before."""
        self.startDaemon()
        datagram = self.seal()
        self.relay(datagram)
        self.operate("/openings", "-X", "DELETE")
        self.assertTrue(self.isShut())
        self.assertEqual(["refused"], self.relay(datagram))
        time.sleep(0.01)
        self.assertEqual(["opened"], self.relay(self.seal()))


class HeardTestCase(LesserTestCase):
    """
    Knocks over UDP, and a follower.
    """

    def follow(self) -> Follower:
        """Follow the seals."""
        follower = Follower(self.server)
        self.addCleanup(follower.close)
        return follower

    def knock(self, **fields: Any) -> bytes:
        """Let the client knock."""
        datagram = self.seal(**fields)
        self.client.send(SEQUENCE, datagram)
        return datagram


class HeardTests(HeardTestCase):
    """
    What the daemon gives to the fleet's process.
    """

    def test_seals(self) -> None:
        """
        Each seal that opened is sent as it was, and what nobody took waits. A new follower takes
        over, and first gets what was sent lately.
        """
        self.startDaemon()
        first = self.knock()
        self.assertTrue(self.client.comesToReach(PORT))
        follower = self.follow()
        self.assertEqual(first, follower.nextSeal())
        self.assertEqual(self.knock(), follower.nextSeal())
        second = self.knock(close=True)
        self.assertEqual(second, follower.nextSeal())
        self.assertTrue(self.isShut())
        other = self.follow()
        self.assertTrue(follower.isEnded())
        while other.nextSeal() != second:
            pass
        self.assertEqual(self.knock(), other.nextSeal())

    def test_claims(self) -> None:
        """
        A seal that names no address waits for the answer, and does not leave the host. If another
        host was first, it opens nothing.
        """
        daemon = self.startDaemon()
        follower = self.follow()
        self.knock(bind="*")
        _, claim = follower.next()
        self.post({"claim": claim["id"], "won": False})
        self.assertTrue(daemon.says("another host of the fleet has opened for this knock"))
        self.knock(bind="*")
        kind, claim = follower.next()
        self.assertEqual(("claim", False), (kind, self.isOpen()))
        self.post({"claim": claim["id"], "won": True})
        self.assertTrue(self.client.comesToReach(PORT))
        bound = self.knock()
        self.assertEqual(bound, follower.nextSeal())

    def test_alone(self) -> None:
        """Without an answer, it opens after a second at the latest; without a follower at once."""
        daemon = self.startDaemon()
        self.knock(bind="*")
        self.assertTrue(self.client.comesToReach(PORT))
        self.assertTrue(daemon.says("though the fleet does not answer"))
        self.knock(close=True)
        self.assertTrue(self.isShut())
        self.follow()
        began = time.monotonic()
        self.knock(bind="*")
        self.assertTrue(self.client.comesToReach(PORT))
        self.assertGreater(time.monotonic() - began, 0.9)


class RefuseTests(HeardTestCase):
    """
    A host that refuses what it cannot claim.
    """

    whenAlone = "refuse"

    def test_alone(self) -> None:
        """If nobody answers, a seal that names no address opens nothing; one that does, opens."""
        daemon = self.startDaemon()
        self.knock(bind="*")
        self.assertTrue(daemon.says("bind it to an address (--bind)"))
        self.assertFalse(self.isOpen())
        self.knock()
        self.assertTrue(self.client.comesToReach(PORT))


class LifeTests(LesserTestCase):
    """
    When there is a socket.
    """

    def isThere(self) -> bool:
        """Return whether there is one."""
        return self.server.status("test", "-S", str(LESSER))[0] == 0

    def test_reload(self) -> None:
        """It comes with the first door of a fleet, and goes with the last."""
        self.writeAll(isFleet=False)
        self.startDaemon()
        self.assertFalse(self.isThere())
        for isFleet in (True, False, True):
            self.writeAll(isFleet)
            self.operate("/reload", "-X", "POST")
            self.assertEqual(isFleet, self.isThere())
        self.assertEqual(["opened"], self.relay(self.seal()))

    def test_killed(self) -> None:
        """The next daemon replaces the socket of one that was killed; one that ends removes it."""
        daemon = self.startDaemon()
        daemon.stop(signal.SIGKILL)
        self.assertTrue(self.isThere())
        daemon = self.startDaemon()
        self.assertEqual(["opened"], self.relay(self.seal()))
        daemon.stop()
        self.assertFalse(self.isThere())

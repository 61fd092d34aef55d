"""A fleet with a real engine, TLS and users: one knock, many hosts."""

from pkdoors.knocks.wire import fingerprint
from tests.lab.fleet.case import FleetTestCase
from tests.lab.fleet.fleet import CLIENT, STRANGER
from tests.lab.sealing import makeKey, publicLine


class FleetTests(FleetTestCase):
    """
    A gateway and three inner hosts.
    """

    names = ("edge1", "web1", "web2", "web3")

    def test_oneKnock(self) -> None:
        """
        One knock at the gateway opens all hosts for its sender, to the same second, though the
        inner ones listen on no UDP port; a sealed close closes all. The processes are small.
        """
        edge1, *inner = self.members.values()
        edge1.knock(self.client, self.fleet.seal())
        self.assertOpen(*self.names)
        self.assertShut(*self.names, client=self.stranger)
        ends = [self.fleet.untils(name)[self.lan.address(CLIENT)] for name in self.names]
        self.assertLess(max(ends[1:]) - min(ends[1:]), 0.1)
        # The gateway's counts from when it heard the knock, the others' from the knock's stamp.
        self.assertTrue(-0.1 < ends[0] - ends[1] < 10, ends)
        for member in inner:
            self.assertEqual("", member.host.run("ss", "-Hlun").strip())
            self.assertNotIn("17203", member.host.run("nft", "list", "ruleset"))
            self.assertTrue(member.daemon.says("by anna@laptop (SHA256:"))
            self.assertIn("edge1", member.daemon.log())
        edge1.knock(self.client, self.fleet.seal(close=True))
        for member in (edge1, *inner):
            self.assertTrue(member.comesToBeShutFor(self.client), self.fleet.logs())
            self.assertLess(member.memory(), 60)

    def test_orders(self) -> None:
        """
        An operator closes everywhere; a banned key opens nothing anywhere, and what it opened is
        closed; an emptied engine and a restart lift no ban, but the operator does.
        """
        other = makeKey()
        self.fleet.keys.write_text(publicLine(self.fleet.key) + publicLine(other, "bob@desk"))
        edge1, web1 = self.members["edge1"], self.members["web1"]
        edge1.knock(self.client, self.fleet.seal())
        edge1.knock(self.stranger, self.fleet.seal(STRANGER, key=other))
        self.assertOpen(*self.names)
        self.assertOpen(*self.names, client=self.stranger)
        self.fleet.command("edge1", "close", self.lan.address(CLIENT))
        for name in self.names:
            self.assertTrue(self.fleet.comesToBeShut(name), self.fleet.logs())
            self.assertTrue(self.fleet.isOpen(name, STRANGER))
        lost = fingerprint(other.public().blob())
        self.fleet.command("edge1", "ban", lost)
        for name in self.names:
            self.assertTrue(self.fleet.comesToBeShut(name, STRANGER), self.fleet.logs())
        edge1.knock(self.client, self.fleet.seal())
        edge1.knock(self.stranger, self.fleet.seal(STRANGER, key=other))
        self.assertOpen(*self.names)
        self.assertShut(*self.names, client=self.stranger)
        with self.engine.client() as asking:
            asking.ask("FLUSHALL")
        web1.daemon.stop()
        web1.startDaemon()
        self.fleet.publish(
            "edge1", self.fleet.seal(STRANGER, key=other), self.lan.address(STRANGER)
        )
        self.assertTrue(web1.daemon.says("banned"), self.fleet.logs())
        self.assertShut("web1", client=self.stranger)
        self.fleet.command("edge1", "unban", lost)
        edge1.knock(self.stranger, self.fleet.seal(STRANGER, key=other))
        self.assertOpen(*self.names, client=self.stranger)

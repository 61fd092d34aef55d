"""Openings for one connection: what the daemon makes of them, beside other doors and firewalls."""

import signal

from tests.lab.case import KNOCKS, PORT, SshTestCase
from tests.lab.controlled import SHARING, WEB, door
from tests.lab.flows import Session
from tests.lab.hosts import BIN, CLIENT4, CLIENT6, SERVER4, eventually
from tests.lab.once import ONCE, WAYS, OnceTestCase

CONTAINER4, CONTAINER6 = "10.9.3.2", "fd09:3::2"
INNER = 80
"""The container's port behind the protected one."""
PKDOORS = str(BIN / "pkdoors")


class DaemonTests(OnceTestCase):
    """The daemon's view, and changes by others."""

    def test_shown(self) -> None:
        """A used opening is shown as used everywhere, told once, and gone when its time is over."""
        daemon = self.controlled(ONCE)
        following = self.follow()
        self.open(CLIENT4, seconds=6)
        self.session()
        self.assertTrue(self.becomesUsed())
        command = (PKDOORS, "status", "--admin", str(self.socket))
        self.assertRegex(self.server.run(*command), rf"(?m)^ssh +{CLIENT4} +used +the operator$")
        metrics = self.curl("/metrics")[1]
        self.assertIn('pkdoors_used_openings{door="ssh"} 1.0', metrics)
        self.assertIn('pkdoors_open_now{door="ssh"} 0.0', metrics)
        self.assertIn('pkdoors_events_total{event="used"} 1.0', metrics)
        self.assertTrue(eventually(lambda: not self.states()))
        kinds = [each["event"] for each in self.told(following)]
        self.assertEqual(["opened", "used"], kinds)
        self.assertIn(f"door ssh ({PORT}/tcp) for {CLIENT4} is used up", daemon.log())

    def test_again(self) -> None:
        """Each knock earns one more connection, also while the door is open."""
        self.controlled(ONCE)
        for number in range(3):
            self.open(CLIENT4)
            if number:
                self.open(CLIENT4)
            self.assertTrue(self.session().carries())
            self.assertFalse(self.reaches())

    def test_flushed(self) -> None:
        """After a flush nobody gets an opening back, used or not; a session goes on."""
        daemon = self.controlled(ONCE)
        for source, _ in WAYS:
            self.open(source)
        session = self.session()
        self.assertTrue(self.becomesUsed())
        self.disturb(daemon, "flush ruleset")
        self.assertFalse(self.reaches())
        if self.isOwned():
            self.assertTrue(self.session(*WAYS[1]).carries())
        else:
            self.assertFalse(self.reaches(*WAYS[1]))
            self.assertTrue(daemon.says("nobody knows whether it was used"))
        self.assertTrue(session.carries())

    def test_unmarked(self) -> None:
        """Who takes a mark out of the kernel gives nothing back for long."""
        daemon = self.controlled(ONCE)
        self.open(CLIENT4)
        self.session()
        self.disturb(daemon, "flush set inet pkdoors ssh_used4")
        self.assertFalse(self.reaches())

    def test_reload(self) -> None:
        """
        A reload keeps what is not used; openings for one connection never become openings for
        many, and openings for many become openings for one.
        """
        self.controlled(ONCE)
        for source, _ in WAYS:
            self.open(source)
        used = self.session()
        self.write(door("ssh", more='uses = "once"\nmax_open_for = "30m"'))
        self.reload()
        self.assertFalse(self.reaches())
        self.write(door("ssh"))
        self.reload()
        self.assertFalse(self.reaches() or self.reaches(*WAYS[1]))
        for source, _ in WAYS:
            self.open(source)
        many = self.session()
        self.write(ONCE)
        self.reload()
        for way in WAYS:
            self.assertTrue(self.session(*way).carries())
            self.assertFalse(self.reaches(*way))
        self.assertTrue(used.carries() and many.carries())

    def test_reloadKeeps(self) -> None:
        """An opening that was not used is there after a reload, for one connection."""
        self.controlled(ONCE)
        self.open(CLIENT4)
        self.write(door("ssh", more='uses = "once"\nmax_open_for = "30m"'))
        self.reload()
        self.assertTrue(self.session().carries())
        self.assertFalse(self.reaches())

    def test_networks(self) -> None:
        """An opening for a network lets in one connection of anybody in it."""
        self.controlled(ONCE)
        self.open(CLIENT6)
        session = self.session(*WAYS[1])
        self.open(CLIENT4.rpartition(".")[0] + ".0/24")
        self.assertTrue(self.session().carries())
        self.assertFalse(self.reaches())
        self.assertTrue(session.carries())
        self.assertTrue(self.becomesUsed(CLIENT4.rpartition(".")[0] + ".0/24"))

    def test_staleMark(self) -> None:
        """A mark that a dead daemon left does not spoil the next opening."""
        daemon = self.controlled(ONCE)
        self.open(CLIENT4, seconds=3)
        daemon.stop(signal.SIGKILL)
        self.session()
        listing = ("nft", "list", "set", "inet", "pkdoors", "ssh_once4")
        self.assertTrue(eventually(lambda: CLIENT4 not in self.server.run(*listing)))
        self.controlled(ONCE)
        self.assertFalse(self.reaches())
        self.open(CLIENT4)
        self.assertTrue(self.session().carries())
        self.assertFalse(self.reaches())

    def test_saved(self) -> None:
        """A saved ruleset can be loaded, with what is open and used; and check likes the guard."""
        self.controlled(ONCE)
        for way in WAYS:
            self.open(way[0])
        self.session()
        file = self.folder / "saved.nft"
        file.write_text(self.server.run("nft", "list", "ruleset"))
        self.stranger.run("nft", "-f", str(file))
        command = (PKDOORS, "check", "-c", str(self.file), "--admin", str(self.socket))
        _, output = self.server.status(*command)
        self.assertRegex(output, r"(?i)guard")
        self.assertNotIn("ERROR", output)

    def test_killed(self) -> None:
        """Daemons that are killed again and again give nothing away."""
        daemon = self.controlled(ONCE)
        for source, _ in WAYS:
            self.open(source)
        session = self.session()
        for _ in range(3):
            daemon.stop(signal.SIGKILL)
            daemon = self.controlled(ONCE)
            self.assertFalse(self.reaches())
        self.assertTrue(self.session(*WAYS[1]).carries())
        self.assertFalse(self.reaches(*WAYS[1]))
        self.assertTrue(session.carries())


class ManyDoorsTests(OnceTestCase):
    """More doors for one connection at one port than packets are looked up in one by one."""

    COUNT = 40
    NAMES = ("ssh", "d7", "d31")
    """Some of them, whose hashes begin with different digits."""

    def doors(self, count: int = COUNT) -> list[str]:
        """Return so many of them."""
        sequences = [tuple(range(first, first + 6)) for first in range(30000, 30000 + 6 * count, 6)]
        return [
            ONCE,
            *(door(f"d{n}", each, more='uses = "once"') for n, each in enumerate(sequences)),
        ]

    def usesUp(self, *names: str) -> None:
        """Check that the client can begin just one connection for each of these doors."""
        for way in WAYS:
            sessions = [self.session(*way) for _ in names]
            self.assertFalse(self.reaches(*way))
            self.assertTrue(all(session.carries() for session in sessions))

    def openBoth(self, *names: str) -> None:
        """Open some doors for both of the client's addresses."""
        for name in names:
            for source, _ in WAYS:
                self.open(source, name)

    def test_each(self) -> None:
        """Each opening is for one connection, whichever of the doors it is for."""
        self.controlled(*self.doors())
        for name in self.NAMES:
            self.openBoth(name)
            self.usesUp(name)
        self.openBoth(*self.NAMES)
        self.assertFalse(self.stranger.reaches(PORT))
        self.usesUp(*self.NAMES)

    def test_reload(self) -> None:
        """When few doors become many, and many few, openings stay, and are for one connection."""
        self.controlled(*self.doors(8))
        self.openBoth("ssh", "d7")
        for count in (self.COUNT, 8):
            self.write(*self.doors(count))
            self.reload()
        self.usesUp("ssh", "d7")
        self.openBoth("d7")
        self.write(*self.doors(self.COUNT))
        self.reload()
        self.usesUp("d7")

    def test_takenOver(self) -> None:
        """The next daemon takes over what a dead one left: openings, and that some are used."""
        daemon = self.controlled(*self.doors())
        self.openBoth("d7", "d31")
        for way in WAYS:
            self.session(*way)
        daemon.stop(signal.SIGKILL)
        self.controlled(*self.doors())
        for way in WAYS:
            self.assertTrue(self.session(*way).carries())
            self.assertFalse(self.reaches(*way))

    def test_closed(self) -> None:
        """Closing one of a client's openings leaves the others alone."""
        self.controlled(*self.doors())
        self.openBoth("d7", "d31")
        for source, _ in WAYS:
            self.ask(f"/openings/{source}?door=d7", "-X", "DELETE")
        self.usesUp("d31")


class SharingTests(OnceTestCase):
    """Several doors on one port."""

    def test_ordinary(self) -> None:
        """A client with both kinds of openings uses the ordinary one, and keeps the single one."""
        self.controlled(ONCE, door("more", SHARING))
        self.open(CLIENT4)
        self.open(CLIENT4, "more")
        for _ in range(3):
            self.assertTrue(self.session().carries())
        self.assertEqual((True, False), self.states()["ssh", CLIENT4])
        self.ask(f"/openings/{CLIENT4}?door=more", "-X", "DELETE")
        self.assertTrue(self.session().carries())
        self.assertFalse(self.reaches())

    def test_onlyOne(self) -> None:
        """A client with one of them has just that."""
        self.controlled(ONCE, door("more", SHARING))
        self.open(CLIENT4)
        self.open(CLIENT6, "more")
        self.assertTrue(self.session().carries())
        self.assertFalse(self.reaches())
        for _ in range(2):
            self.assertTrue(self.session(*WAYS[1]).carries())

    def test_two(self) -> None:
        """Two doors for one connection each let in two."""
        self.controlled(ONCE, door("more", SHARING, more='uses = "once"'))
        self.open(CLIENT4)
        self.open(CLIENT4, "more")
        self.assertTrue(self.session().carries())
        self.assertTrue(self.session().carries())
        self.assertFalse(self.reaches())
        self.assertTrue(self.becomesUsed() and self.becomesUsed(name="more"))

    def test_ports(self) -> None:
        """An opening is for one connection to any of its ports."""
        text = ONCE.replace(f"[{PORT}]", f"[{PORT}, {WEB}]")
        self.controlled(text)
        self.open(CLIENT4)
        self.assertTrue(self.session(port=WEB).carries())
        self.assertFalse(self.reaches() or self.client.reaches(WEB))

    def test_trusted(self) -> None:
        """A trusted client uses nothing up."""
        self.controlled(door("ssh", more=f'uses = "once"\ntrusted = ["{CLIENT4}"]'))
        self.open(CLIENT4)
        self.open(CLIENT6)
        for _ in range(2):
            self.assertTrue(self.session().carries())
        self.assertEqual((True, False), self.states()["ssh", CLIENT4])
        self.assertTrue(self.session(*WAYS[1]).carries())
        self.assertFalse(self.reaches(*WAYS[1]))


class WaysTests(OnceTestCase):
    """Ways through the host: published ports, and containers' own addresses."""

    def setUp(self) -> None:
        """Publish the container's port as the protected one."""
        super().setUp()
        self.container = self.network.add("container", 3)
        self.listeners[INNER] = self.container.serve(INNER)
        self.server.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        for family, container in (("ip", CONTAINER4), ("ip6", f"[{CONTAINER6}]")):
            chain = "{ type nat hook prerouting priority dstnat; }"
            rule = f"fib daddr type local tcp dport {PORT} dnat to {container}:{INNER}"
            for line in ("table", "chain", "rule"):
                rest = {"table": "", "chain": f" before {chain}", "rule": f" before {rule}"}[line]
                self.server.run("nft", f"add {line} {family} nat{rest}")

    def through(self, source: str, target: str, port: int) -> Session:
        """Begin a session that the container accepts."""
        flow = self.flow(source, target, port)
        session = Session.begin(self.client, self.listeners[INNER], flow)
        self.addCleanup(session.close)
        return session

    def test_published(self) -> None:
        """A published port lets in one connection."""
        self.controlled(ONCE)
        for source, target in WAYS:
            self.open(source)
            session = self.through(source, target, PORT)
            self.assertTrue(session.carries())
            self.assertFalse(self.reaches(source, target))
            self.assertTrue(self.becomesUsed(source))
            self.assertTrue(session.carries())

    def test_direct(self) -> None:
        """So does the container's own address; both ways together let in one."""
        self.controlled(ONCE)
        for (source, target), container in zip(WAYS, (CONTAINER4, CONTAINER6), strict=True):
            self.assertFalse(self.client.reaches(INNER, container, source))
            self.open(source)
            session = self.through(source, container, INNER)
            self.assertTrue(session.carries())
            self.assertFalse(self.reaches(source, target))
            self.assertFalse(self.client.reaches(INNER, container, source))


class FirewalldTests(OnceTestCase):
    """With firewalld before the guard."""

    firewall = "firewalld"

    def test_first(self) -> None:
        """It lets the one connection through, and what is used is closed there, too."""
        self.controlled(ONCE)
        for way in WAYS:
            self.open(way[0])
            session = self.session(*way)
            self.assertTrue(session.carries())
            self.assertFalse(self.reaches(*way))
            self.assertTrue(self.becomesUsed(way[0]))
            rules = ("firewall-cmd", "--zone=public", "--list-rich-rules")
            self.assertTrue(eventually(lambda: way[0] not in self.server.run(*rules)))  # noqa: B023
            self.assertTrue(session.carries())

    def test_reloaded(self) -> None:
        """A reload of firewalld gives back nothing that was used, and takes nothing else."""
        daemon = self.controlled(ONCE)
        for source, _ in WAYS:
            self.open(source)
        session = self.session()
        self.assertTrue(self.becomesUsed())
        self.server.run("firewall-cmd", "--reload")
        self.assertTrue(daemon.says("restored the rules of pkdoors in firewalld"), daemon.log())
        self.assertFalse(self.reaches())
        self.assertTrue(self.session(*WAYS[1]).carries())
        self.assertTrue(session.carries())


class ConnectTests(SshTestCase):
    """The client's commands."""

    def setUp(self) -> None:
        """Start sshd, the daemon, and write a profile."""
        super().setUp()
        self.sshd()
        self.running = self.daemon("--uses", "once", ports="22")
        hosts = self.folder / "config" / "pkdoors" / "hosts.toml"
        hosts.parent.mkdir(parents=True)
        hosts.touch(0o600)
        lines = (f'address = "{SERVER4}"', f"sequence = [{KNOCKS}]", 'uses = "once"')
        hosts.write_text("\n".join(("[hosts.home]", *lines, "")))
        self.client.environment["XDG_CONFIG_HOME"] = str(hosts.parents[1])

    def throughTheDoor(self) -> tuple[int, str]:
        """Run ssh with connect as its proxy."""
        proxy = f"ProxyCommand={PKDOORS} connect home 22"
        return self.client.status(
            "ssh", *self.sshOptions(), "-o", proxy, f"root@{SERVER4}", "echo hello from inside"
        )

    def test_connect(self) -> None:
        """connect makes one connection, which ssh gets; each time with a knock of its own."""
        for number in range(1, 4):
            status, output = self.throughTheDoor()
            self.assertEqual((0, True), (status, "hello from inside" in output), output)
            self.assertTrue(eventually(lambda: self.running.log().count("is used up") == number))  # noqa: B023
        self.assertNotIn("Connection closed by", self.running.log())

    def test_afterKnock(self) -> None:
        """After a knock, connect uses the opening that is there."""
        self.client.run(PKDOORS, "knock", "home")
        self.assertTrue(self.running.says("opened door"))
        status, output = self.throughTheDoor()
        self.assertEqual((0, True), (status, "hello from inside" in output), output)
        self.assertEqual(1, self.running.log().count("opened door"))

    def test_wait(self) -> None:
        """knock does not wait if it knows that this would use the opening up."""
        status, output = self.client.status(PKDOORS, "knock", "home", "--wait", "22")
        self.assertEqual(2, status)
        self.assertIn("uses up an opening for one connection", output)
        self.assertNotIn("opened door", self.running.log())

    def test_ssh(self) -> None:
        """ssh alone gets in once after a knock."""
        self.client.run(PKDOORS, "knock", "home")
        self.assertTrue(self.running.says("opened door"))
        self.assertEqual(0, self.ssh("true")[0])
        self.assertTrue(self.isShut())

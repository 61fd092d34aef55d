"""
The guard stands in every way that leads to a protected port, not only in the direct one.

A container is another host behind the server; its ports are published with the rules that Docker
writes, which are either nft's own or those of C{iptables-nft}.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

from tests.lab.case import PORT
from tests.lab.conntrack import Flow
from tests.lab.controlled import SSH, WEB_SEQUENCE, ControlledTestCase, door
from tests.lab.echoing import DatagramEchoServer, DatagramFlow
from tests.lab.flows import Session, begun, drain
from tests.lab.hosts import (
    CLIENT4,
    CLIENT6,
    PATIENCE,
    REFUSAL,
    SERVER4,
    SERVER6,
    STRANGER4,
    STRANGER6,
    Daemon,
    Host,
    eventually,
)
from tests.lab.segments import ACK, SYN, send

CONTAINER4, CONTAINER6 = "10.9.3.2", "fd09:3::2"
PUBLISHED, INNER = 8080, 80
"""A protected port of the server, and the container's port behind it."""
SAME = 8443
"""A protected port that is the same in the container."""
FREE, INNER_FREE = 8082, 82
"""The same as the first, but not protected."""
NEIGHBOUR4, NEIGHBOUR6 = "10.9.3.3", "fd09:3::3"
"""Addresses on the container's network."""
NO_DAD = ((), ("nodad",))
NOT_PUBLISHED = 83
"""A port of the container."""
REDIRECTED, ELSEWHERE = 4444, 5555
"""
A port that is redirected to the protected one, and one to which the protected one is redirected.
"""
LOCAL4, LOCAL6 = "198.51.100.7", "fd09:77::7"
"""Addresses of the server's that are in a routing table of their own."""
SOURCES = ((CLIENT4, CLIENT6), (STRANGER4, STRANGER6))
"""The client's addresses and the stranger's."""
FLOATING4 = "203.0.113.7"
"""An address to which the server has no route."""
MANY = (30000, 31500)
"""Protected ports, from the first to the last."""
Way = tuple[str, int, int]
"""An address and a port that clients use, and the port of the service behind it."""
PAIRS = ((PUBLISHED, INNER), (SAME, SAME), (FREE, INNER_FREE))


class _WaysCase(ControlledTestCase):
    """A container behind the server."""

    def setUp(self) -> None:
        """Have it run services."""
        super().setUp()
        self.container = self.network.add("container", 3)
        self.listeners.update(
            (port, self.container.serve(port)) for port in (INNER, SAME, INNER_FREE, NOT_PUBLISHED)
        )
        self.server.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        self._ports = count(20001)

    def doors(self) -> tuple[str, ...]:
        """Return doors to the published ports, and the usual one."""
        ports = f"ports = [{PUBLISHED}, {SAME}]"
        return SSH, door("web", WEB_SEQUENCE, PUBLISHED).replace(f"ports = [{PUBLISHED}]", ports)

    def controlled(self, *doors: str, more: str = "") -> Daemon:
        """Start the daemon, which must never complain about a way."""
        daemon = super().controlled(*doors, more=more)
        self.addCleanup(lambda: self.assertNotIn("cannot be guarded", daemon.log()))
        return daemon

    def letIn(self) -> None:
        """Open all doors for the client."""
        for source in (CLIENT4, CLIENT6):
            for name in ("ssh", "web"):
                self.open(source, name)

    def session(self, target: str, port: int, inner: int) -> Session:
        """Begin a session of the client's, which the listener at another port accepts."""
        source = CLIENT6 if ":" in target else CLIENT4
        flow = Flow(source, next(self._ports), target, port)
        session = Session.begin(self.client, self.listeners[inner], flow)
        self.addCleanup(session.close)
        return session

    def guard(self, *ways: Way) -> None:
        """Start the daemon; before that everybody gets in on these ways."""
        self.assertReached(ways)
        self.controlled(*self.doors())
        self.assertGuarded(*ways)

    def assertReached(self, ways: Sequence[Way]) -> None:
        """Check that, after a while, the stranger gets in on all these ways."""
        eventually(lambda: len(self.reached(self.stranger, ways)) == len(ways))
        wanted = [(target, port) for target, port, _ in ways]
        self.assertEqual(self.reached(self.stranger, ways), wanted)

    def assertGuarded(self, *ways: Way) -> None:
        """
        Check that on each way the stranger is out, the client is in while the door is open, and its
        session goes on after the door has closed, while new connections are out.
        """
        self.assertEqual(self.reached(self.stranger, ways), [])
        self.assertEqual(self.reached(self.client, ways), [])
        self.letIn()
        sessions = [self.session(*way) for way in ways]
        self.assertEqual(self.reached(self.stranger, ways), [])
        self.ask("/openings", "-X", "DELETE")
        self.assertTrue(eventually(lambda: not self.reached(self.client, ways)))
        dead = [each.flow for each in sessions if not each.carries()]
        self.assertEqual(dead, [])

    def reached(self, host: Host, ways: Sequence[Way]) -> list[tuple[str, int]]:
        """Return the ways on which a host gets in."""
        for each in self.listeners.values():
            drain(each)
        source4, source6 = SOURCES[host is self.stranger]
        flows = (
            Flow(source6 if ":" in target else source4, 0, target, port) for target, port, _ in ways
        )
        connected = {(each.target, each.port) for each in begun(host, flows, REFUSAL)}
        return [(target, port) for target, port, _ in ways if (target, port) in connected]

    def assertFree(self) -> None:
        """A port that is not protected is open to everybody."""
        free = (
            (SERVER4, FREE, INNER_FREE),
            (CONTAINER4, INNER_FREE, INNER_FREE),
            (CONTAINER4, NOT_PUBLISHED, NOT_PUBLISHED),
            (SERVER6, FREE, INNER_FREE),
            (CONTAINER6, INNER_FREE, INNER_FREE),
            (CONTAINER6, NOT_PUBLISHED, NOT_PUBLISHED),
        )
        wanted = [(target, port) for target, port, _ in free]
        self.assertEqual(self.reached(self.stranger, free), wanted)


class ContainerTests(_WaysCase):
    """Published ports, with nft's own rules."""

    published = (
        (SERVER4, PUBLISHED, INNER),
        (SERVER4, SAME, SAME),
        (SERVER6, PUBLISHED, INNER),
        (SERVER6, SAME, SAME),
    )
    direct = (
        (CONTAINER4, INNER, INNER),
        (CONTAINER4, SAME, SAME),
        (CONTAINER6, INNER, INNER),
        (CONTAINER6, SAME, SAME),
    )

    def publish(self) -> None:
        """Publish the container's ports, as Docker does with nft."""
        for family, container in (("ip", CONTAINER4), ("ip6", f"[{CONTAINER6}]")):
            rules = "".join(
                f'iifname != "container" tcp dport {port} counter dnat to {container}:{inner}\n'
                for port, inner in PAIRS
            )
            self.server.run(
                "nft",
                f"table {family} nat {{\nchain DOCKER {{\n{rules}}}\n"
                "chain PREROUTING { type nat hook prerouting priority dstnat; policy accept; "
                "fib daddr type local counter jump DOCKER; }\n}",
            )

    def test_published(self) -> None:
        """The published port is guarded."""
        self.publish()
        self.guard(*self.published)
        self.assertFree()

    def test_direct(self) -> None:
        """The container's own address is guarded: a neighbour can have a route to it."""
        self.publish()
        self.guard(*self.direct)
        self.assertFree()

    def test_trusted(self) -> None:
        """Trusted clients get in on all ways, and nobody else; on a port that is reached in another
        way, too, trust is for the door's ports alone."""
        self.publish()
        trusted = 'trusted = ["stranger", "10.9.2.0/24", "fd09:2::/64"]\n'
        ssh, web = self.doors()
        self.controlled(ssh, web + trusted)
        ways = (*self.direct, *self.published)
        self.assertReached(ways)
        self.assertEqual([], self.reached(self.client, ways))
        self.assertFalse(self.stranger.reaches(PORT))
        sessions = [self.strangersSession(*way) for way in ways]
        for what in ('"stranger"', '"10.9.2.0/24", "fd09:2::/64"'):
            self.write(ssh, f"{web}trusted = [{what}]\n")
            self.reload()
            self.assertReached(ways)
        self.write(ssh, web)
        self.reload()
        self.assertEqual([], self.reached(self.stranger, ways))
        self.assertEqual([], [each.flow for each in sessions if not each.carries()])

    def test_later(self) -> None:
        """A container that starts while the daemon runs is guarded."""
        self.controlled(*self.doors())
        self.assertReached(self.direct)
        self.publish()
        ways = (*self.direct, *self.published)
        self.assertTrue(eventually(lambda: not self.reached(self.stranger, ways)))
        self.assertGuarded(*ways)
        self.assertFree()

    def unpublish(self) -> None:
        """Publish nothing any more."""
        for family in ("ip", "ip6"):
            self.server.run("nft", "delete", "table", family, "nat")

    def test_removed(self) -> None:
        """A container that is gone leaves nothing behind; one that comes back is guarded."""
        self.publish()
        self.guard(*self.direct)
        self.unpublish()
        self.assertReached(self.direct)
        self.publish()
        self.assertTrue(eventually(lambda: not self.reached(self.stranger, self.direct)))

    def test_flushed(self) -> None:
        """After a flush of everything, the ports that are published then count."""
        self.publish()
        self.guard(*self.direct)
        self.server.run("nft", "flush", "ruleset")
        self.assertReached(self.direct)
        self.publish()
        ways = (*self.direct, *self.published)
        self.assertTrue(eventually(lambda: not self.reached(self.stranger, ways)))
        self.assertGuarded(*ways)

    def test_reload(self) -> None:
        """
        A port that a reload protects is guarded on all ways, and one that it gives up is not;
        clients that are connected directly then are spared.
        """
        self.publish()
        self.controlled(SSH, door("web", WEB_SEQUENCE, PUBLISHED))
        other = [way for way in self.direct if way[1] == SAME]
        self.assertReached(other)
        spared = [self.strangersSession(*way) for way in other]
        self.write(*self.doors())
        self.reload()
        self.assertEqual(self.reached(self.stranger, self.direct), [])
        self.assertTrue(all(each.carries() for each in spared))
        self.write(SSH)
        self.reload()
        self.assertReached(self.direct)

    def test_alive(self) -> None:
        """
        A client that is connected directly at the first start is spared; it cannot connect again.
        """
        self.publish()
        self.assertReached(self.direct)
        sessions = [self.strangersSession(*way) for way in self.direct]
        self.assertTrue(all(each.carries() for each in sessions))
        self.controlled(*self.doors())
        self.assertEqual([each.flow for each in sessions if not each.carries()], [])
        for each in sessions:
            each.vanish()
        self.assertEqual(begun(self.stranger, [each.flow for each in sessions]), [])

    def strangersSession(self, target: str, port: int, inner: int) -> Session:
        """Begin a session of the stranger's."""
        source = STRANGER6 if ":" in target else STRANGER4
        for _ in range(2):
            drain(self.listeners[inner])
        flow = Flow(source, next(self._ports), target, port)
        session = Session.begin(self.stranger, self.listeners[inner], flow)
        self.addCleanup(session.close)
        return session

    def test_fromInside(self) -> None:
        """A connection that a container begins from a published port is answered; over UDP, too."""
        self.publish()
        self.guard(*self.direct)
        self.listeners[SAME].close()
        elsewhere = self.stranger.serve(ELSEWHERE)
        for source, target in ((CONTAINER4, STRANGER4), (CONTAINER6, STRANGER6)):
            flow = Flow(source, SAME, target, ELSEWHERE)
            session = Session.begin(self.container, elsewhere, flow)
            self.addCleanup(session.close)
            self.assertTrue(session.carries())

    def test_spoofed(self) -> None:
        """A stranger who forges packets of a container opens no way to it."""
        self.publish()
        self.guard(*self.direct)
        for name in ("all", "stranger"):
            self.server.run("sysctl", "-qw", f"net.ipv4.conf.{name}.rp_filter=0")
        counters = " ".join(f"tcp dport {port} counter;" for port in (INNER, INNER_FREE))
        chain = "type filter hook input priority 0; policy accept;"
        self.container.run("nft", f"table inet count {{ chain input {{ {chain} {counters} }}; }}")
        pairs = ((CONTAINER4, CLIENT4), (CONTAINER6, CLIENT6))
        for inside, _ in pairs:
            more = ("nodad",) if ":" in inside else ()
            self.stranger.run("ip", "address", "add", inside, "dev", "lo", *more)
        beginnings = [(Flow(inside, INNER, client, ELSEWHERE), SYN) for inside, client in pairs]
        send(self.stranger, beginnings)
        answers = [Flow(client, ELSEWHERE, inside, INNER) for inside, client in pairs]
        send(self.client, [(each, ACK) for each in answers])
        # Later packets arrive, so these would have arrived, too.
        send(self.client, [(replace(each, port=INNER_FREE), ACK) for each in answers])
        self.assertTrue(eventually(lambda: self.counted(INNER_FREE) == len(pairs)))
        self.assertEqual(self.counted(INNER), 0)

    def counted(self, port: int) -> int:
        """Return how many packets to a port the container got."""
        rules = self.container.run("nft", "list", "table", "inet", "count")
        return int(rules.partition(f"dport {port} counter packets ")[2].split()[0])

    def test_bridged(self) -> None:
        """
        A host on one bridge with the container needs no door, even if the firewall sees the
        bridge's packets, as with Kubernetes.
        """
        self.publish()
        neighbour = self.network.add("neighbour", 4)
        run = self.server.run
        run("ip", "link", "add", "bridge", "type", "bridge")
        for device in ("container", "neighbour"):
            run("ip", "address", "flush", "dev", device)
            run("ip", "link", "set", device, "master", "bridge")
        for address in ("10.9.3.1/24", "fd09:3::1/64"):
            run("ip", "address", "add", address, "dev", "bridge", *NO_DAD[":" in address])
        for address in (NEIGHBOUR4, NEIGHBOUR6):
            size = "/64" if ":" in address else "/24"
            neighbour.run(
                *f"ip address add {address}{size} dev server".split(),
                *NO_DAD[":" in address],
            )
        run("ip", "link", "set", "bridge", "up")
        for name in ("iptables", "ip6tables"):
            run("sysctl", "-qw", f"net.bridge.bridge-nf-call-{name}=1")
        self.guard(*self.direct)
        for target, port, _ in self.direct:
            self.assertTrue(neighbour.comesToReach(port, target), (target, port))


class IptablesContainerTests(ContainerTests):
    """Published ports, with the rules of C{iptables-nft}."""

    def publish(self) -> None:
        """Publish the container's ports, as Docker does with iptables."""
        for command, container in (
            ("iptables-nft", CONTAINER4),
            ("ip6tables-nft", f"[{CONTAINER6}]"),
        ):
            nat = (command, "-w", "-t", "nat")
            self.server.run(*nat, "-N", "DOCKER")
            local = ("-m", "addrtype", "--dst-type", "LOCAL", "-j", "DOCKER")
            self.server.run(*nat, "-A", "PREROUTING", *local)
            self._publishIn(nat, container)

    def unpublish(self) -> None:
        """Publish nothing any more, as Docker does when containers end."""
        for command in ("iptables-nft", "ip6tables-nft"):
            self.server.run(command, "-w", "-t", "nat", "-F")
            self.server.run(command, "-w", "-t", "nat", "-X")

    def _publishIn(self, nat: tuple[str, ...], container: str) -> None:
        rule = (*nat, "-A", "DOCKER", "!", "-i", "container", "-p", "tcp", "-m", "tcp")
        for port, inner in PAIRS:
            target = ("-j", "DNAT", "--to-destination", f"{container}:{inner}")
            self.server.run(*rule, "--dport", str(port), *target)


class HereTests(_WaysCase):
    """Other ways."""

    def nat(self, for4: str, for6: str = "") -> None:
        """Add rules that change where packets go."""
        for family, rules in (("ip", for4), ("ip6", for6)):
            self.server.run(
                "nft",
                f"table {family} nat {{ chain PREROUTING {{ type nat hook prerouting "
                f"priority dstnat; policy accept;\n{rules}\n}}; }}",
            )

    def test_redirectedTo(self) -> None:
        """A port that is redirected to a protected one is guarded."""
        redirect = f"tcp dport {REDIRECTED} redirect to :{PORT}"
        self.nat(redirect, redirect)
        self.guard((SERVER4, REDIRECTED, PORT), (SERVER6, REDIRECTED, PORT))

    def test_redirectedFrom(self) -> None:
        """A protected port that is redirected to another is guarded."""
        self.listeners[ELSEWHERE] = self.server.serve(ELSEWHERE)
        redirect = f"tcp dport {PORT} redirect to :{ELSEWHERE}"
        self.nat(redirect, redirect)
        self.guard((SERVER4, PORT, ELSEWHERE), (SERVER6, PORT, ELSEWHERE))
        self.assertTrue(self.stranger.reaches(ELSEWHERE))

    def useTable(self, name: str) -> None:
        """Have networks whose addresses are all local, by this routing table."""
        for family, network in (("-4", "198.51.100.0/24"), ("-6", "fd09:77::/64")):
            route = ("route", "add", "local", network, "dev", "lo", "table", name)
            self.server.run("ip", family, *route)
            if name != "local":
                self.server.run("ip", family, "rule", "add", "to", network, "lookup", name)

    def test_wholeNetwork(self) -> None:
        """An address in a network that is local as a whole is guarded."""
        self.useTable("local")
        self.guard((LOCAL4, PORT, PORT), (LOCAL6, PORT, PORT))

    def test_otherTable(self) -> None:
        """An address that is local only by a routing table of its own is guarded."""
        self.useTable("77")
        self.guard((LOCAL6, PORT, PORT))  # over IPv4 such an address does not answer

    def test_otherTableForwarded(self) -> None:
        """Such an address is guarded when it is forwarded to a container and to this host."""
        self.useTable("77")
        self.nat(
            f"ip daddr {LOCAL4} tcp dport {PUBLISHED} dnat to {CONTAINER4}:{INNER}\n"
            f"ip daddr {LOCAL4} tcp dport {PORT} dnat to {SERVER4}",
            f"ip6 daddr {LOCAL6} tcp dport {PUBLISHED} dnat to [{CONTAINER6}]:{INNER}\n"
            f"ip6 daddr {LOCAL6} tcp dport {PORT} dnat to {SERVER6}",
        )
        self.guard(
            (LOCAL4, PUBLISHED, INNER),
            (LOCAL4, PORT, PORT),
            (LOCAL6, PUBLISHED, INNER),
            (LOCAL6, PORT, PORT),
        )

    def test_floating(self) -> None:
        """An address to which the host has no route is guarded when it is forwarded to both."""
        self.nat(
            f"ip daddr {FLOATING4} tcp dport {PORT} dnat to {SERVER4}\n"
            f"ip daddr {FLOATING4} tcp dport {PUBLISHED} dnat to {CONTAINER4}:{INNER}",
        )
        self.guard((FLOATING4, PORT, PORT), (FLOATING4, PUBLISHED, INNER))

    def test_wholeAddress(self) -> None:
        """
        An address that is forwarded as a whole is guarded: the container has each protected port.
        """
        self.nat(f"ip daddr {FLOATING4} dnat to {CONTAINER4}")
        self.guard((FLOATING4, SAME, SAME), (CONTAINER4, SAME, SAME))
        open_ = ((CONTAINER4, INNER, INNER), (CONTAINER4, NOT_PUBLISHED, NOT_PUBLISHED))
        self.assertReached(open_)

    def test_many(self) -> None:
        """
        If there are more ways than come with the guard itself, the later ones are guarded, too.
        """
        self.listeners[MANY[1]] = self.container.serve(MANY[1])
        self.nat(f"ip daddr {FLOATING4} dnat to {CONTAINER4}")
        many = door("many", WEB_SEQUENCE).replace(str([PORT]), '["{}-{}"]'.format(*MANY))
        self.controlled(many)
        last = ((CONTAINER4, MANY[1], MANY[1]),)
        for _ in range(2):
            self.assertEqual(self.reached(self.stranger, last), [])
            self.open(CLIENT4, "many")
            self.assertEqual(len(self.reached(self.client, last)), 1)
            self.ask("/openings", "-X", "DELETE")
            self.write(SSH, many)
            self.reload()
        self.write(SSH)
        self.reload()
        self.assertReached(last)

    def test_map(self) -> None:
        """Ports that a map forwards are guarded, even if they are added to it later."""
        self.server.run(
            "nft",
            f"table ip nat {{ map published {{ type inet_service : ipv4_addr . inet_service; "
            f"elements = {{ {PUBLISHED} : {CONTAINER4} . {INNER} }} }}; chain first {{ "
            "type nat hook prerouting priority dstnat; dnat to tcp dport map @published; }; }",
        )
        self.guard((CONTAINER4, INNER, INNER))
        later = ((CONTAINER4, SAME, SAME),)
        self.assertReached(later)
        element = f"{{ {SAME} : {CONTAINER4} . {SAME} }}"
        self.server.run("nft", "add", "element", "ip", "nat", "published", element)
        self.assertTrue(eventually(lambda: not self.reached(self.stranger, later)))

    def test_range(self) -> None:
        """With a range of ports, the kernel takes any port of the range, and all are guarded."""
        self.nat(f"tcp dport {SAME - 1}-{SAME + 1} dnat to {CONTAINER4}:{INNER}-{INNER_FREE}")
        self.guard((CONTAINER4, INNER, INNER), (CONTAINER4, INNER_FREE, INNER_FREE))
        self.assertReached(((CONTAINER4, NOT_PUBLISHED, NOT_PUBLISHED),))

    def test_rangeByOffset(self) -> None:
        """With C{iptables}, each port of a range can have its own port behind it."""
        self.server.run(
            *"iptables-nft -w -t nat -A PREROUTING -p tcp".split(),
            *f"--dport {SAME - INNER}:{SAME + 10} -j DNAT".split(),
            "--to-destination",
            f"{CONTAINER4}:{INNER - 10}-{INNER + 10}/{SAME - 10}",
        )
        self.guard((SERVER4, SAME, INNER), (CONTAINER4, INNER, INNER))
        self.assertReached(((CONTAINER4, INNER_FREE, INNER_FREE),))

    def test_slow(self) -> None:
        """Many rules of others, which change all the time, do not keep the daemon from its work."""
        rules = "\n".join(f"add rule ip busy some tcp dport {port} accept" for port in range(4000))
        self.server.run(
            "nft",
            "add table ip busy; add chain ip busy first { type nat hook prerouting priority 0; }; "
            "add chain ip busy some; add rule ip busy first tcp dport 1-65535 jump some",
        )
        file = self.folder / "busy.nft"
        file.write_text(rules)
        self.server.run("nft", "-f", str(file))
        daemon = self.controlled(*self.doors())
        before = self.processorSeconds(daemon)
        began = time.monotonic()
        while time.monotonic() < began + 6:
            self.server.run("nft", "add rule ip busy some tcp dport 1 accept")
        took = self.processorSeconds(daemon) - before
        self.assertLess(took, 0.3 * (time.monotonic() - began))
        self.nat(f"tcp dport {SAME} dnat to {CONTAINER4}")
        self.assertTrue(
            eventually(lambda: not self.reached(self.stranger, ((CONTAINER4, SAME, SAME),)))
        )

    def processorSeconds(self, daemon: Daemon) -> float:
        """Return the processor time that a daemon has used."""
        fields = (
            Path(f"/proc/{daemon.process.popen.pid}/stat").read_text().rpartition(")")[2].split()
        )
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class DatagramTests(_WaysCase):
    """UDP to a container."""

    def setUp(self) -> None:
        """Publish a port, and have the container answer there."""
        super().setUp()
        for family, inside in (("ip", CONTAINER4), ("ip6", f"[{CONTAINER6}]")):
            self.server.run(
                "nft",
                f"table {family} nat {{ chain first {{ type nat hook prerouting priority dstnat; "
                f"udp dport {PUBLISHED} dnat to {inside}:{INNER}; }}; }}",
            )

    def doors(self) -> tuple[str, ...]:
        """Return a door to that port."""
        web = door("web", WEB_SEQUENCE, PUBLISHED)
        return SSH, web.replace(f"ports = [{PUBLISHED}]", f'ports = ["{PUBLISHED}/udp"]')

    def test_direct(self) -> None:
        """The container's own address is behind the door, and its other ports are free."""
        steady = [DatagramFlow(self.stranger, INNER, each) for each in (CONTAINER4, CONTAINER6)]
        strange = [DatagramFlow(self.stranger, INNER, each) for each in (CONTAINER4, CONTAINER6)]
        known = [DatagramFlow(self.client, INNER, each) for each in (CONTAINER4, CONTAINER6)]
        for each in (*steady, *strange, *known):
            self.addCleanup(each.close)
        with DatagramEchoServer(self.container, INNER, (CONTAINER4, CONTAINER6)):
            for each in steady:
                self.assertTrue(each.isAnswered(PATIENCE))
            self.controlled(*self.doors())
            self.assertEqual([each.isAnswered() for each in (*strange, *known)], 4 * [False])
            for each in steady:  # he was there before the guard
                self.assertTrue(each.isAnswered(PATIENCE))
            for source in (CLIENT4, CLIENT6):
                self.open(source, "web")
            for each in known:
                self.assertTrue(each.isAnswered(PATIENCE))
            self.assertEqual([each.isAnswered() for each in strange], 2 * [False])

    def test_fromInside(self) -> None:
        """A question that the container asks from that port is answered."""
        self.controlled(*self.doors())
        with DatagramEchoServer(self.stranger, ELSEWHERE, (STRANGER4, STRANGER6)):
            for source, target in ((CONTAINER4, STRANGER4), (CONTAINER6, STRANGER6)):
                asking = DatagramFlow(self.container, ELSEWHERE, target, (source, INNER))
                self.addCleanup(asking.close)
                self.assertTrue(asking.isAnswered(PATIENCE))

"""
The guard stands in every way that leads to a protected port, not only in the straight one.

A container is another host behind the server; its ports are published with the rules that Docker
writes, which are either nft's own or those of C{iptables-nft}.
"""

from collections.abc import Sequence
from itertools import count

from tests.real.case import PORT
from tests.real.conntrack import Flow
from tests.real.flows import Session, begun, drain
from tests.real.hosts import (
    CLIENT4,
    CLIENT6,
    PATIENCE,
    REFUSAL,
    SERVER4,
    SERVER6,
    STRANGER4,
    STRANGER6,
    Host,
    eventually,
)
from tests.real.steered import SSH, WEB_SEQUENCE, SteeredTestCase, door

CONTAINER4, CONTAINER6 = "10.9.3.2", "fd09:3::2"
PUBLISHED, INNER = 8080, 80
"""A protected port of the server, and the container's port behind it."""
SAME = 8443
"""A protected port that is the same in the container."""
FREE, INNER_FREE = 8082, 82
"""The same as the first, not protected."""
NOT_PUBLISHED = 83
"""A port of the container."""
REDIRECTED, ELSEWHERE = 4444, 5555
"""A port that is redirected to the protected one, and one where the protected one is redirected."""
LOCAL4, LOCAL6 = "198.51.100.7", "fd09:77::7"
"""Addresses of the server's that are in a routing table of their own."""
SOURCES = ((CLIENT4, CLIENT6), (STRANGER4, STRANGER6))
"""The client's addresses and the stranger's."""
FLOATING4 = "203.0.113.7"
"""An address that the server has no route for."""
Way = tuple[str, int, int]
"""An address and a port that clients use, and the port of the service behind it."""
PAIRS = ((PUBLISHED, INNER), (SAME, SAME), (FREE, INNER_FREE))


class _WaysCase(SteeredTestCase):
    """With a container."""

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
        """Doors to the published ports, and the usual one."""
        ports = f"ports = [{PUBLISHED}, {SAME}]"
        return SSH, door("web", WEB_SEQUENCE, PUBLISHED).replace(f"ports = [{PUBLISHED}]", ports)

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
        self.steered(*self.doors())
        self.assertGuarded(*ways)

    def assertReached(self, ways: Sequence[Way]) -> None:
        """The stranger comes to get in on all these ways."""
        eventually(lambda: len(self.reached(self.stranger, ways)) == len(ways))
        wanted = [(target, port) for target, port, _ in ways]
        self.assertEqual(self.reached(self.stranger, ways), wanted)

    def assertGuarded(self, *ways: Way) -> None:
        """
        The stranger is out on each way, the client is in while the door is open, and his session
        lives on when it has closed; what begins then is out.
        """
        self.assertEqual(self.reached(self.stranger, ways), [])
        self.assertEqual(self.reached(self.client, ways), [])
        self.letIn()
        sessions = [self.session(*way) for way in ways]
        self.assertEqual(self.reached(self.stranger, ways), [])
        self.ask("/openings", "-X", "DELETE")
        self.assertTrue(eventually(lambda: not self.reached(self.client, ways)))
        dead = [each.flow for each in sessions if not each.carries(PATIENCE)]
        self.assertEqual(dead, [])

    def reached(self, host: Host, ways: Sequence[Way]) -> list[tuple[str, int]]:
        """The ways on which a host gets in."""
        for each in self.listeners.values():
            drain(each)
        source4, source6 = SOURCES[host is self.stranger]
        flows = (
            Flow(source6 if ":" in target else source4, 0, target, port) for target, port, _ in ways
        )
        connected = {(each.target, each.port) for each in begun(host, flows, REFUSAL)}
        return [(target, port) for target, port, _ in ways if (target, port) in connected]

    def assertFree(self) -> None:
        """What is not protected is open to everybody."""
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
    """Published ports, with rules of nft's."""

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
        """The port that is published."""
        self.publish()
        self.guard(*self.published)
        self.assertFree()

    def test_direct(self) -> None:
        """The container's own address, which a neighbour can have a route for."""
        self.publish()
        self.guard(*self.direct)
        self.assertFree()

    def test_later(self) -> None:
        """A container that starts while the daemon runs."""
        self.steered(*self.doors())
        self.assertReached(self.direct)
        self.publish()
        ways = (*self.direct, *self.published)
        self.assertTrue(eventually(lambda: not self.reached(self.stranger, ways)))
        self.assertGuarded(*ways)
        self.assertFree()


class IptablesContainerTests(ContainerTests):
    """With those of C{iptables-nft}."""

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
            for port, inner in PAIRS:
                self.server.run(
                    *(*nat, "-A", "DOCKER", "!", "-i", "container", "-p", "tcp", "-m", "tcp"),
                    *(
                        "--dport",
                        str(port),
                        "-j",
                        "DNAT",
                        "--to-destination",
                        f"{container}:{inner}",
                    ),
                )


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
        """A port that is redirected to a protected one."""
        redirect = f"tcp dport {REDIRECTED} redirect to :{PORT}"
        self.nat(redirect, redirect)
        self.guard((SERVER4, REDIRECTED, PORT), (SERVER6, REDIRECTED, PORT))

    def test_redirectedFrom(self) -> None:
        """A protected port that is redirected to another."""
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
        """An address of a network that is local as a whole."""
        self.useTable("local")
        self.guard((LOCAL4, PORT, PORT), (LOCAL6, PORT, PORT))

    def test_otherTable(self) -> None:
        """An address that is local only by a routing table of its own."""
        self.useTable("77")
        self.guard((LOCAL6, PORT, PORT))  # over IPv4 such an address gives no answers

    def test_otherTableForwarded(self) -> None:
        """Such an address, forwarded to a container and to this host."""
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
        """An address that the host has no route for, forwarded to both."""
        self.nat(
            f"ip daddr {FLOATING4} tcp dport {PORT} dnat to {SERVER4}\n"
            f"ip daddr {FLOATING4} tcp dport {PUBLISHED} dnat to {CONTAINER4}:{INNER}",
        )
        self.guard((FLOATING4, PORT, PORT), (FLOATING4, PUBLISHED, INNER))

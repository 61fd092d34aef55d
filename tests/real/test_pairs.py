"""
Two doors on one port, in all pairs of kinds: what the kernel does is compared with a model.

All pairs are there at the same time, each on a port of its own. Clients earn the openings with real
knocks, then all of them try to begin connections, several times; at the end everything closes.
"""

import resource
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations_with_replacement, count

from tests.lab.attempts import TARGETS, Attempt, Echoes, Live
from tests.lab.controlled import ControlledTestCase
from tests.lab.hosts import CLIENT4, CLIENT6, STRANGER4, STRANGER6, eventually
from tests.lab.sealing import makeKey, publicLine, sealed

NETWORKS = {4: "10.21.{}.0/24", 6: "fd21:{}::/64"}
HOSTS = {4: "10.21.{}.{}", 6: "fd21:{}::{}"}
TRUSTED = 4
"""The network that some doors trust."""
ROUNDS = 3
"""How often each client tries: two doors may each let it in for a single connection."""
FIRST_PORT = 3001


@dataclass(frozen=True)
class Kind:
    """
    A kind of door.

    @ivar more: what it has in the file; C{KEYS} stands for the file of keys.
    @ivar trusts: whether it trusts a network.
    @ivar opensNetworks: whether a knock opens it for the client's network.
    @ivar uses: connections that one opening lets in.
    @ivar policies: what its sessions can do when it closes.
    @ivar protocols: of its ports.
    """

    name: str
    more: str = ""
    trusts: bool = False
    opensNetworks: bool = False
    uses: float = float("inf")
    policies: tuple[str, ...] = ("keep", "cut")
    protocols: tuple[str, ...] = ("tcp", "udp")

    @property
    def isSealed(self) -> bool:
        """Whether knocks must be sealed."""
        return "KEYS" in self.more


SEALED = 'authorized_keys = "KEYS"\n'
TRUSTS = f'trusted = ["{NETWORKS[4].format(TRUSTED)}", "{NETWORKS[6].format(TRUSTED)}"]\n'
KINDS = (
    Kind("plain"),
    Kind("sealed", SEALED),
    Kind("trusted", TRUSTS, trusts=True),
    Kind("sealedtrusted", SEALED + TRUSTS, trusts=True),
    Kind("prefix", f"{SEALED}grant4 = 24\ngrant6 = 64\n", opensNetworks=True),
    Kind("once", 'uses = "once"\n', uses=1, policies=("keep",), protocols=("tcp",)),
)


@dataclass(frozen=True)
class Client:
    """
    A client.

    @ivar network: 0 for the stranger's.
    @ivar earns: for which doors of a pair it knocks, 0 and 1.
    """

    name: str
    network: int
    number: int
    earns: tuple[int, ...] = ()

    def address(self, version: int) -> str:
        """Return its address."""
        if not self.network:
            return {4: STRANGER4, 6: STRANGER6}[version]
        return HOSTS[version].format(self.network, self.number)


CLIENTS = (
    Client("stranger", 0, 2),
    Client("knocked at A", 1, 2, (0,)),
    Client("near one who knocked at A", 1, 3),
    Client("knocked at B", 2, 2, (1,)),
    Client("near one who knocked at B", 2, 3),
    Client("knocked at both", 3, 2, (0, 1)),
    Client("near one who knocked at both", 3, 3),
    Client("trusted", TRUSTED, 2),
    Client("trusted, and knocked at A", TRUSTED, 3, (0,)),
    Client("trusted, and knocked at B", TRUSTED, 4, (1,)),
)


@dataclass(frozen=True)
class Pair:
    """Two doors on one port, A and B."""

    kinds: tuple[Kind, Kind]
    policy: str
    port: int

    def __str__(self) -> str:
        first, second = self.kinds
        return f"A {first.name}, B {second.name}, {self.policy}"

    def door(self, which: int) -> str:
        """Return the name of a door."""
        return f"{'ab'[which]}{self.port}"

    def sequence(self, which: int) -> tuple[int, ...]:
        """Return the sequence of a door: no port is in two of them."""
        first = 10_000 + 10 * (2 * (self.port - FIRST_PORT) + which)
        return first + 3, first, first + 7, first + 4, first + 9

    @property
    def protocols(self) -> list[str]:
        """The protocols of the port."""
        first, second = self.kinds
        return [protocol for protocol in first.protocols if protocol in second.protocols]


def allPairs(kinds: Iterable[Kind]) -> Iterator[Pair]:
    """Yield all pairs of some kinds."""
    ports = count(FIRST_PORT)
    for pair in combinations_with_replacement(kinds, 2):
        for policy in pair[0].policies:
            if policy in pair[1].policies:
                yield Pair(pair, policy, next(ports))


def connectionsOf(pair: Pair, client: Client) -> float:
    """The model: return how many connections a client can begin."""
    return sum(connectionsBy(kind, which, client) for which, kind in enumerate(pair.kinds))


def connectionsBy(kind: Kind, which: int, client: Client) -> float:
    """Return how many of them one door lets in."""
    if kind.trusts and client.network == TRUSTED:
        return float("inf")
    earners = [other for other in CLIENTS if which in other.earns]
    isNear = any(client.network == earner.network for earner in earners)
    return kind.uses if client in earners or (kind.opensNetworks and isNear) else 0


class PairTests(ControlledTestCase):
    """All pairs, with one daemon."""

    kinds: tuple[Kind, ...] = KINDS

    def setUp(self) -> None:
        """Give the client its addresses, and serve all ports."""
        super().setUp()
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        for version, via in ((4, CLIENT4), (6, CLIENT6)):
            self.server.run("ip", f"-{version}", "route", "add", self.all(version), "via", via)
            length, nodad = {4: ("/32", []), 6: ("/128", ["nodad"])}[version]
            for client in CLIENTS:
                if client.network:
                    address = client.address(version) + length
                    self.client.run("ip", "address", "add", address, "dev", "server", *nodad)
        self.pairs = list(allPairs(self.kinds))
        self.key = makeKey()
        self.keys = self.folder / "authorized_keys"
        self.keys.write_text(f"prefix {publicLine(self.key)}")
        ports = {
            protocol: [pair.port for pair in self.pairs if protocol in pair.protocols]
            for protocol in ("tcp", "udp")
        }
        self.echoes = Echoes(self.server, ports["tcp"], ports["udp"])
        self.echoes.__enter__()
        self.addCleanup(self.echoes.__exit__, None, None, None)
        self.live = Live()
        self.addCleanup(self.live.close)

    def all(self, version: int) -> str:
        """Return a network that has all clients but the stranger."""
        return {4: "10.21.0.0/16", 6: "fd21::/16"}[version]

    def doors(self, trusting: bool = True) -> list[str]:
        """Return all doors, as the file has them."""
        return [self.doorOf(pair, which, trusting) for pair in self.pairs for which in (0, 1)]

    def doorOf(self, pair: Pair, which: int, trusting: bool) -> str:
        """Return one door, as the file has it."""
        ports = ", ".join(f'"{pair.port}/{protocol}"' for protocol in pair.protocols)
        more = pair.kinds[which].more.replace("KEYS", str(self.keys))
        more = more if trusting else more.replace(TRUSTS, "")
        grace = 'udp_grace = "0"\n' if "udp" in pair.protocols else ""
        return (
            f"[doors.{pair.door(which)}]\nsequence = {list(pair.sequence(which))}\n"
            f'ports = [{ports}]\nopen_for = "1h"\nsessions = "{pair.policy}"\n{grace}{more}\n'
        )

    def earnAll(self) -> None:
        """Have each client knock at its doors."""
        for client in CLIENTS:
            for pair in self.pairs:
                for which in client.earns:
                    for version in TARGETS:
                        self.knock(pair, which, client.address(version), TARGETS[version])

    def knock(self, pair: Pair, which: int, source: str, target: str) -> None:
        """Knock at one door, and wait until it is open."""
        door, sequence = pair.door(which), pair.sequence(which)
        isSealed = pair.kinds[which].isSealed
        datagram = sealed(self.key, sequence, door=door) if isSealed else b"knock\n"
        self.client.send(sequence, datagram, target, source, pause=0.001)

    def expectedOpenings(self) -> int:
        """Return how many openings there are when all have knocked."""
        return sum(
            len({client.network if kind.opensNetworks else client.name for client in earners})
            for pair in self.pairs
            for which, kind in enumerate(pair.kinds)
            for earners in [[client for client in CLIENTS if which in client.earns]]
        ) * len(TARGETS)

    def countOpen(self) -> int:
        """Return how many openings every firewall has."""
        openings = self.ask("/openings")["openings"]
        return sum(each["open"] and not each["trouble"] for each in openings)

    def attempts(self, hosts: Iterable[Client]) -> dict[Attempt, float]:
        """Return what each of these clients can try, and how many connections the model allows."""
        return {
            Attempt(
                f"{client.name}; {pair}", protocol, client.address(version), pair.port
            ): connectionsOf(pair, client)
            for client in hosts
            for pair in self.pairs
            for protocol in pair.protocols
            for version in TARGETS
        }

    def tryAll(self, live: Live, number: int) -> list[str]:
        """
        Have all clients try.

        @param number: of the round, from 1; more than all for a closed door.
        @return: what the kernel does wrong.
        """
        wrong = []
        for host, isStranger in ((self.client, False), (self.stranger, True)):
            clients = [client for client in CLIENTS if (not client.network) == isStranger]
            allowed = self.attempts(clients)
            hoped = {attempt for attempt, most in allowed.items() if number <= most}
            wrong += differences(live.begin(host, allowed, hoped), hoped, f"round {number}")
        return wrong

    def assertUsed(self) -> None:
        """Check that an opening for one connection is used up if, and only if, nothing else let
        its client in."""
        used = {
            (opening["door"], opening["source"])
            for opening in self.ask("/openings")["openings"]
            if opening.get("used")
        }
        expected = {
            (pair.door(which), client.address(version))
            for pair in self.pairs
            for client in CLIENTS
            for which in client.earns
            for version in TARGETS
            if pair.kinds[which].uses == 1 and connectionsOf(pair, client) < ROUNDS
        }
        self.assertEqual(expected, used)

    def test_all(self) -> None:
        """Each client begins as many connections as the model says; when everything closes,
        nobody begins one, and sessions are kept or cut."""
        daemon = self.controlled(*self.doors())
        self.earnAll()
        wanted = self.expectedOpenings()
        self.assertTrue(eventually(lambda: self.countOpen() == wanted), (self.countOpen(), wanted))
        wrong = self.tryAll(self.live, 1)
        self.assertGreater(len(self.live.sockets), 100)
        for number in range(2, ROUNDS + 1):
            others = Live()
            wrong += self.tryAll(others, number)
            others.close()
        self.assertEqual([], wrong, daemon.log()[-2000:])
        self.assertUsed()
        self.ask("/openings", "-X", "DELETE")
        self.write(*self.doors(trusting=False))
        self.reload()
        others = Live()
        kept = {attempt for attempt in self.live.sockets if ", keep" in attempt.name}
        for host, isStranger in ((self.client, False), (self.stranger, True)):
            clients = [client for client in CLIENTS if (not client.network) == isStranger]
            wrong += differences(others.begin(host, self.attempts(clients), set()), set(), "closed")
        wrong += differences(self.live.carrying(kept), kept, "session")
        self.assertEqual([], wrong)


def differences(found: set[Attempt], hoped: set[Attempt], where: str) -> list[str]:
    """Return the differences between the kernel and the model."""
    return [f"wrongly in: {where}, {attempt}" for attempt in sorted(found - hoped)] + [
        f"wrongly out: {where}, {attempt}" for attempt in sorted(hoped - found)
    ]


class FirewalldTests(PairTests):
    """Some of them with firewalld before the guard, which closes all ports."""

    firewall = "firewalld"
    kinds = tuple(kind for kind in KINDS if kind.name in ("trusted", "prefix", "once"))

    def countOpen(self) -> int:
        """Return how many openings there are, if trusted clients are let through, too."""
        rules = self.firewalld.cmd("--list-rich-rules").splitlines()
        ports = {
            f'"{pair.port}" protocol="{protocol}"'
            for pair in self.pairs
            for protocol in pair.protocols
            if any(kind.trusts for kind in pair.kinds)
        }
        trusted = [rule for rule in rules if "32338" in rule]
        isReady = all(sum(port in rule for rule in trusted) == 2 for port in ports)
        return super().countOpen() if isReady else -1

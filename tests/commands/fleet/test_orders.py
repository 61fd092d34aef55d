"""Tests of L{pkdoors.commands.fleet.orders}."""

import os
import subprocess
import sys
import time
from io import BytesIO, TextIOWrapper
from shutil import which
from typing import Any

from twisted.trial.unittest import SkipTest

from pkdoors.adminclient import clients
from pkdoors.client.keys.orders import readOrder, writeOrder
from pkdoors.commands.fleet import _sending
from pkdoors.knocks.order import Order, makeOrderData, packOrder, parseOrder
from pkdoors.knocks.signatures import isGood
from pkdoors.knocks.wire import fingerprint
from tests.commands.fleet.fleetcase import STREAMS, FleetCommandTestCase
from tests.lab.sealing import publicLine


class OrderTests(FleetCommandTestCase):
    """C{pkdoors fleet close}, C{ban} and C{unban}."""

    def setUp(self) -> None:
        """Have a daemon, and hosts that read at once."""
        super().setUp()
        self.daemon = self.startDaemon()
        self.key = fingerprint(self.user.public().blob())
        real = _sending.giveToFleet

        async def give(*arguments: Any, **more: Any) -> Any:
            self.answer()
            self.reactor.callLater(2.0, self.answer)
            return await real(*arguments, **more)

        self.patch(_sending, "giveToFleet", give)
        self.hosts = ["gate2", "web1"]

    def answer(self) -> None:
        """Let the hosts report."""
        for host in self.hosts:
            self.report(host)

    def sign(self, *words: str) -> tuple[str, ...]:
        """Return a command with the operator's key."""
        return (*words, "--identity", str(self.folder / "operator"))

    def test_close(self) -> None:
        """An order reaches this host first, and then the others, and all is said."""
        text = self.says(*self.sign("close", "10.0.0.0/8"))
        self.assertEqual(
            "close 10.0.0.0/8, signed by olga@desk\nthis host obeys\ngate2, web1: read it\n", text
        )
        self.assertEqual(self.daemon.orders, self.orders())
        sealed = parseOrder(self.orders()[0])
        self.assertEqual(("prod", "close", "10.0.0.0/8"), sealed.order[:3])
        self.assertTrue(abs(sealed.order.stamp / 1000 - time.time()) < 60)
        data = makeOrderData(sealed.text)
        self.assertTrue(isGood(self.operator.public(), sealed.signature, data))
        self.assertEqual(2.0, round(self.reactor.seconds()))

    def test_whatToClose(self) -> None:
        """It closes for one address, in its usual notation, or with --all for everybody."""
        for given, what in ((("2001:DB8::0:7",), "2001:db8::7"), (("--all",), "*")):
            self.says(*self.sign("close", *given))
            self.assertEqual(what, parseOrder(self.orders()[-1]).order.what)
        for words in ((), ("--all", "192.0.2.7")):
            line = self.fails(*self.sign("close", *words), status=2)
            self.assertEqual("give either the ADDRESS to close for, or --all", line)
        line = self.fails(*self.sign("close", "192.0.2.300"), status=2)
        self.assertIn("neither an address nor the name of a host", line)

    def test_closeName(self) -> None:
        """A name means all its addresses, and `me` the one that the operator's ssh comes from."""
        self.patch(clients, "lookUp", lambda name: ["192.0.2.7", "2001:db8::7"])
        self.patch(clients, "findSshOrigin", lambda environment: "192.0.2.9")
        text = self.says(*self.sign("close", "laptop.example"))
        self.assertIn("close 2001:db8::7, signed by olga@desk\nthis host obeys\n", text)
        self.assertEqual(1, text.count("read it"))
        self.says(*self.sign("close", "me"))
        closed = [parseOrder(data).order.what for data in self.orders()]
        self.assertEqual(["192.0.2.7", "2001:db8::7", "192.0.2.9"], closed)
        self.assertEqual(self.daemon.orders, self.orders())
        line = self.fails(*self.sign("close", "laptop.example", "--print"))
        self.assertIn("print an order for each of them (192.0.2.7, 2001:db8::7)", line)

    def test_ban(self) -> None:
        """A key is banned by its fingerprint, its file or its comment."""
        for number, key in enumerate((self.key, str(self.folder / "user.pub"), "anna@laptop")):
            verb = ("ban", "unban")[number % 2]
            text = self.says(*self.sign(verb, key))
            self.assertTrue(text.startswith(f"{verb} {self.key}, signed by olga@desk\n"), text)
            self.assertEqual((verb, self.key), parseOrder(self.orders()[-1]).order[1:3])

    def test_onlyOperator(self) -> None:
        """Whoever bans the key of the only operator is told that no order counts any more."""
        key = fingerprint(self.operator.public().blob())
        for words in (("ban", key), ("ban", key, "--print")):
            end = self.fleet(*self.sign(*words))
            self.assertEqual(0, end.status, end)
            self.assertIn("this is the key of the only operator", end.stderr)
            self.assertIn(f"add another key to {self.folder}/operators on every host", end.stderr)
        with (self.folder / "operators").open("a") as file:
            file.write(publicLine(self.user, "otto@desk"))
        self.says(*self.sign("ban", key))
        self.says(*self.sign("unban", key))

    def test_onlyOperatorAlone(self) -> None:
        """So is whoever bans it while the engine is away: this host obeys all the same."""
        self.store.isAway = True
        key = fingerprint(self.operator.public().blob())
        end = self.fleet(*self.sign("ban", key))
        self.assertEqual(1, end.status, end)
        self.assertIn("this is the key of the only operator", end.stderr)

    def test_unknownKey(self) -> None:
        """Anything else is one sentence, and nothing is sent."""
        two = self.folder / "two.pub"
        two.write_text(publicLine(self.user, "a") + "\n" + publicLine(self.operator, "b"))
        for key, part in (
            ("nobody@nowhere", "neither a fingerprint"),
            ("SHA256:short", "copy all 50 characters"),
            (str(two), "has 2 public keys"),
            (str(self.folder / "user"), "it is a private key"),
            (str(self.folder), "cannot read"),
        ):
            self.assertIn(part, self.fails(*self.sign("ban", key)))
        self.assertEqual([], self.orders())

    def test_sameComment(self) -> None:
        """A comment that two keys have does not do."""
        both = publicLine(self.user) + publicLine(self.operator)
        (self.folder / "user.pub").write_text(both)
        line = self.fails(*self.sign("ban", "anna@laptop"))
        self.assertIn("2 keys have the comment 'anna@laptop': give the fingerprint of one", line)

    def test_notOperator(self) -> None:
        """A key that is not an operator's signs nothing."""
        line = self.fails("close", "--all", "--identity", str(self.folder / "user"))
        self.assertIn("none of your keys is an operator of the fleet", line)
        self.assertEqual([], self.daemon.orders)

    def test_noKey(self) -> None:
        """Behind sudo the sentence says how to get by."""
        line = self.fails("close", "--all", "-i", "agent", SUDO_UID="1000")
        self.assertIn("there is no SSH agent", line)
        self.assertIn("`sudo pkdoors fleet send -`", line)
        self.assertNotIn("sudo", self.fails("close", "--all", "-i", "agent"))

    def test_downAndDeaf(self) -> None:
        """Hosts that do not have the order are named, with what to do."""
        self.hosts = ["gate2"]
        end = self.fleet(*self.sign("close", "--all"))
        self.assertEqual((0, 1), (end.status, end.stderr.count("\n")), end)
        self.assertIn("gate2: read it\n", end.stdout)
        self.assertIn("web1 is down, and reads it when it is back", end.stderr)
        self.hosts = []
        self.report("gate2", positions={})
        self.report("web1")
        end = self.fleet(*self.sign("close", "--all"))
        self.assertEqual((1, 2), (end.status, end.stderr.count("\n")), end)
        self.assertIn("not read yet by web1, which may still do so: ", end.stderr)
        self.assertIn("not read by gate2: add this host to hosts in their fleet.toml", end.stderr)

    def test_refused(self) -> None:
        """An order that this host refuses goes no further."""
        self.daemon.answer = {"result": "refused", "reason": "16384 keys are banned already"}
        end = self.fleet(*self.sign("ban", self.key))
        self.assertEqual(1, end.status)
        self.assertIn("refuses it, so it was not sent: 16384 keys are banned already", end.stderr)
        self.assertEqual([], self.orders())

    def test_otherAnswers(self) -> None:
        """An order that is too early, or too late, for this host still goes to the others."""
        self.hosts = []
        self.write(hosts='["gate1"]')
        for result, reason, line in (
            ("later", "its time is 1m30s ahead", "this host obeys later: its time is 1m30s ahead"),
            ("nothing", "a newer order is known", "nothing changes on this host: a newer order is"),
            ("nothing", "", "nothing changes on this host: it knew this order already"),
        ):
            self.daemon.answer = {"result": result, "reason": reason}
            text = self.says(*self.sign("unban", self.key))
            self.assertIn(f"\n{line}", text)
            self.assertIn("\nthis fleet has no other host\n", text)
        self.assertEqual(3, len(self.orders()))

    def test_noDaemon(self) -> None:
        """Without a daemon here, the others get the order, and this is said."""
        (self.folder / "fleet.sock").rename(self.folder / "gone.sock")
        end = self.fleet(*self.sign("close", "--all"))
        self.assertEqual((0, 1), (end.status, end.stderr.count("\n")), end)
        self.assertIn("this host's daemon gets it when it runs with a fleet door: ", end.stderr)
        self.assertNotIn("--admin", end.stderr)
        self.assertEqual(1, len(self.orders()))

    def test_noEngine(self) -> None:
        """Without the engine, this host obeys, and the rest is said."""
        self.store.isAway = True
        end = self.fleet(*self.sign("close", "--all"))
        self.assertEqual((1, 2), (end.status, end.stderr.count("\n")), end)
        self.assertIn("\nthis host obeys\n", end.stdout)
        self.assertIn("the engine is away", end.stderr)
        self.assertIn("the other hosts did not get it: send it again", end.stderr)
        self.assertEqual(1, len(self.daemon.orders))

    def test_noFleet(self) -> None:
        """Without a fleet the sentence says what is missing."""
        (self.folder / "fleet.toml").unlink()
        line = self.fails(*self.sign("close", "--all"))
        self.assertIn(f"cannot read {self.folder}/fleet.toml: No such file", line)


class PrintTests(FleetCommandTestCase):
    """C{--print} and C{pkdoors fleet send}."""

    def print_(self, *words: str) -> str:
        """Return an order that somebody signs elsewhere."""
        key = str(self.folder / "operator")
        end = self.run_("fleet", *words, "--print", "--fleet", "prod", "--identity", key)
        self.assertEqual((0, ""), (end.status, end.stderr), end)
        return end.stdout

    def test_elsewhere(self) -> None:
        """Whoever has the key needs nothing of the fleet but its name, and the order can wait."""
        text = self.print_("ban", str(self.folder / "user.pub"))
        self.assertTrue(text.startswith("pkdoors-order1 prod ban SHA256:"), text)
        file = self.folder / "order.txt"
        file.write_text(text)
        daemon = self.startDaemon()
        self.write(hosts='["gate1"]')
        self.assertIn("\nthis host obeys\n", self.says("send", str(file)))
        self.assertEqual(daemon.orders, self.orders())
        self.patch(sys, "stdin", TextIOWrapper(BytesIO(text.encode())))
        self.says("send", "-")
        self.assertEqual(daemon.orders[0], daemon.orders[1])

    def test_agent(self) -> None:
        """
        The agent signs: a host of the fleet knows which of its keys is an operator's; elsewhere a
        public key chooses.
        """
        if which("ssh-agent") is None:
            raise SkipTest("ssh-agent is not installed")
        path = self.folder / "agent"
        agent = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
        self.addCleanup(agent.wait)
        self.addCleanup(agent.terminate)
        end = time.monotonic() + 30
        while not path.exists() and time.monotonic() < end:
            time.sleep(0.01)
        environment = {**os.environ, "SSH_AUTH_SOCK": str(path)}
        keys = [str(self.folder / name) for name in ("user", "operator")]
        subprocess.run(["ssh-add", "-q", *keys], env=environment, check=True)
        public = self.folder / "operator.pub"
        public.write_text(publicLine(self.operator))

        words = ("close", "--all", "--print")
        line = self.fails(*words, "--fleet", "prod", SSH_AUTH_SOCK=str(path))
        self.assertRegex(line, "there are 2 keys .*: choose one with --identity FILE")
        for more in (("--fleet", "prod", "--identity", str(public)), ()):
            ended = self.fleet(*words, *more, SSH_AUTH_SOCK=str(path))
            self.assertEqual((0, ""), (ended.status, ended.stderr), ended)
            sealed = parseOrder(readOrder(ended.stdout.encode()))
            data = makeOrderData(sealed.text)
            self.assertTrue(isGood(self.operator.public(), sealed.signature, data))

    def test_fleetOfHost(self) -> None:
        """On a host of the fleet the name is known; it need not read the file of operators."""
        self.write(operators='"/nowhere"')
        key = str(self.folder / "operator")
        self.assertIn(
            "pkdoors-order1 prod close * ", self.says("close", "--all", "--print", "-i", key)
        )

    def test_unknownFleet(self) -> None:
        """Elsewhere, an order that is printed needs the name of the fleet."""
        (self.folder / "fleet.toml").unlink()
        line = self.fails("close", "--all", "--print")
        self.assertIn("No such file or directory: name the fleet with --fleet NAME", line)
        self.assertIn("create it with `pkdoors fleet init`", self.fails("close", "--all"))

    def test_fleetNeedsPrint(self) -> None:
        """An order is sent to the fleet of this host only."""
        line = self.fails("close", "--all", "--fleet", "prod", status=2)
        self.assertIn("--fleet needs --print", line)
        self.assertIn(
            "not a name of a fleet", self.fails("close", "--all", "--fleet", "P", status=2)
        )

    def test_refused(self) -> None:
        """An order of a user, of another fleet, or something else is not sent: it is refused."""
        daemon = self.startDaemon()
        file = self.folder / "order.txt"

        def make(key: Any, fleet: str) -> str:
            order = Order(fleet, "close", "*", int(1000 * time.time()), "0" * 16).encode()
            signature = key.sign(makeOrderData(order))
            blob = key.public().blob()
            return writeOrder(packOrder(order, blob, signature), blob)

        for text, part in (
            (make(self.user, "prod"), "every host would refuse this order: no operator"),
            (make(self.operator, "test"), "it is for the fleet 'test'"),
            ("hello\n", "it is not a signed order"),
        ):
            file.write_text(text)
            self.assertIn(part, self.fails("send", str(file)))
        self.assertIn("cannot read", self.fails("send", "/nowhere"))
        self.assertEqual(([], []), (daemon.orders, self.orders()))

    def test_old(self) -> None:
        """The age of an order is shown if it is old."""
        self.startDaemon()
        self.write(hosts='["gate1"]')
        stamp = int(1000 * (time.time() - 7200))
        order = Order("prod", "close", "*", stamp, "0" * 16).encode()
        blob = self.operator.public().blob()
        sealed = packOrder(order, blob, self.operator.sign(makeOrderData(order)))
        file = self.folder / "order.txt"
        file.write_text(writeOrder(sealed, blob))
        self.assertIn(
            "close all addresses, 2h old, signed by olga@desk\n", self.says("send", str(file))
        )
        self.assertEqual([STREAMS.orders("gate1")], [*self.store.streams])

"""Tests of C{pkdoors knock} with the name of a group."""

import socket

from pkdoors.client.keys import passphrase
from pkdoors.knocks.seal import parseSealed
from tests.client.keys.test_formats import encode
from tests.commands.knocking.test_target import HostTestCase
from tests.fakes.agent import makeKey
from tests.test_cli import SEQ

ONE, OTHER = "127.0.0.1", "127.0.0.2"


class GroupTests(HostTestCase):
    """Groups, with sockets of this host."""

    def setUp(self) -> None:
        """Make knock ports at two addresses, and a group."""
        super().setUp()
        self.heard = {host: self.ports(host) for host in (ONE, OTHER)}
        self.group()

    def ports(self, host: str) -> list[socket.socket]:
        """Listen on five ports."""
        found = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(5)]
        for each in found:
            each.bind((host, 0))
            each.settimeout(10)
            self.addCleanup(each.close)
        return found

    def group(self, lines: str = "", members: str = '["one", "other"]', more: str = "") -> None:
        """Write the file of profiles."""
        text = ""
        for name, host in (("one", ONE), ("other", OTHER)):
            ports = [each.getsockname()[1] for each in self.heard[host]]
            text += f'[hosts.{name}]\naddress = "{host}"\nsequence = {ports}\n{lines}\n'
        self.profiles(f"{text}{more}\n[groups.prod]\nhosts = {members}\n")

    def arrived(self) -> dict[str, set[bytes]]:
        """Return what each host heard on its ports, once on each."""
        return {host: {each.recv(2000) for each in self.heard[host]} for host in self.heard}

    def test_all(self) -> None:
        """All are knocked on; each has a line, and the status is 0."""
        end = self.command("knock", "prod")
        lines = {f"one: knocked on {ONE} ({ONE})", f"other: knocked on {OTHER} ({OTHER})"}
        self.assertEqual((0, ""), (end.status, end.stderr))
        self.assertEqual(lines, {*end.stdout.splitlines()})
        self.assertEqual({ONE: {b"knock\n"}, OTHER: {b"knock\n"}}, self.arrived())

    def test_options(self) -> None:
        """Options are for all."""
        self.command("knock", "prod", "--open-for", "10m")
        self.assertEqual({ONE: {b"knock 600\n"}, OTHER: {b"knock 600\n"}}, self.arrived())

    def test_wait(self) -> None:
        """A host whose port does not open is a line on standard error, and status 1."""
        server = socket.create_server((ONE, 0))
        self.addCleanup(server.close)
        port = server.getsockname()[1]
        for options, lines in ((("--wait", str(port)), ""), ((), f"wait = {port}")):
            self.group(lines)
            end = self.command("knock", "prod", *options, "--tries", "1", "--timeout", "100ms")
            self.assertEqual(1, end.status)
            self.assertEqual(f"one: {port}/tcp of {ONE} was open already ({ONE})\n", end.stdout)
            line = f"pkdoors knock: other: {OTHER} refuses connections to {port}/tcp: "
            self.assertTrue(end.stderr.startswith(line), end.stderr)
            self.assertEqual(1, end.stderr.count("\n"))

    def test_ignored(self) -> None:
        """One line names the hosts for which options have no effect."""
        end = self.command("knock", "prod", "--tries", "2")
        self.assertIn("--tries is ignored for one, other: the client waits for no", end.stderr)
        self.assertEqual((0, 1), (end.status, end.stderr.count("\n")))

    def test_refused(self) -> None:
        """What cannot be done with a group is one line, and nothing is sent to any host."""
        more = f'[hosts.bare]\n[hosts.once]\nsequence = "{SEQ}"\nuses = "once"\n'
        for members, options, part in (
            ('["one"]', ("--keep", "--open-for", "1h"), "use --keep with one host: 'prod' is a"),
            ('["one"]', ("--close",), "one: --close needs a sealed knock"),
            ('["one", "bare"]', (), "bare: --magic-seq is missing"),
            ('["one", "once"]', ("--wait", "22"), "once: knock without --wait, because"),
            ('["one", "else"]', (), "[groups.prod]: there is no profile [hosts.else]"),
            ('["one", "prod"]', (), "[groups.prod]: prod is a group: name its hosts instead"),
        ):
            self.group(members=members, more=more)
            self.assertIn(part, self.wrong("knock", "prod", *options))
        self.group()
        line = self.wrong("connect", "prod", "22")
        self.assertIn("'prod' is a group: one connection cannot go to several hosts", line)
        self.group(more="[hosts.prod]")
        for command in (("knock", "prod"), ("connect", "prod", "22")):
            self.assertIn("a host has the same name: rename the group", self.wrong(*command))
        for each in self.heard[ONE]:
            each.setblocking(False)
            self.assertRaises(BlockingIOError, each.recv, 9)

    def test_sealed(self) -> None:
        """Each host gets a seal of its own; the user is asked for a passphrase once."""
        key = self.folder / "key"
        key.write_bytes(encode(makeKey("ed25519"), passphrase=b"secret"))
        key.chmod(0o600)
        asked: list[str] = []

        def ask(question: passphrase.Question) -> bytes:
            asked.append(question._prompt)
            return b"secret"

        self.patch(passphrase.Question, "__call__", ask)
        self.group(f'identity = "{key}"')
        end = self.command("knock", "prod")
        self.assertEqual((0, "", 2), (end.status, end.stderr, end.stdout.count("\n")))
        found = [each for (each,) in self.arrived().values()]
        self.assertEqual(2, len({parseSealed(each).statement.nonce for each in found}))
        self.assertEqual(1, len(asked), asked)

"""C{pkdoors knock} with a group: a daemon with two addresses, and a mute name server."""

from tests.lab.case import PORT, SEQUENCE, RealTestCase
from tests.lab.hosts import BIN, CLIENT4, CLIENT6, SERVER4, SERVER6

PKDOORS = str(BIN / "pkdoors")


class GroupTests(RealTestCase):
    """A group of hosts."""

    def group(self, *more: str) -> None:
        """Write the file of profiles: a group with both addresses, and more hosts."""
        folder = self.folder / "pkdoors"
        folder.mkdir()
        hosts = {"four": SERVER4, "six": SERVER6, **{host: host for host in more}}
        text = "".join(
            f'[hosts."{name}"]\naddress = "{host}"\nsequence = {list(SEQUENCE)}\nwait = {PORT}\n'
            for name, host in hosts.items()
        )
        file = folder / "hosts.toml"
        file.touch(0o600)
        file.write_text(f"{text}[groups.prod]\nhosts = {list(hosts)}\n".replace("'", '"'))
        self.environment = {"XDG_CONFIG_HOME": str(self.folder)}

    def test_opens(self) -> None:
        """All doors open, and each host has its line."""
        daemon = self.start()
        self.group()
        status, output = self.client.status(PKDOORS, "knock", "prod", **self.environment)
        self.assertEqual((0, 2), (status, output.count("\n")), output)
        for line in (
            f"four: {PORT}/tcp of {SERVER4} opened",
            f"six: {PORT}/tcp of {SERVER6} opened",
        ):
            self.assertIn(line, output)
        for address in (CLIENT4, CLIENT6):
            self.assertTrue(daemon.says(f"for {address} until"))

    def test_oneIsAway(self) -> None:
        """One that is away is a line, and status 1; the doors of the others are open."""
        daemon = self.start()
        away = SERVER4.rpartition(".")[0] + ".77"
        self.group(away)
        status, output = self.client.status(
            PKDOORS, "knock", "prod", "--tries", "1", "--timeout", "500ms", **self.environment
        )
        self.assertEqual((1, 3), (status, output.count("\n")), output)
        self.assertTrue(daemon.says(f"for {CLIENT4} until"))
        self.assertTrue(daemon.says(f"for {CLIENT6} until"))
        self.assertIn(f"pkdoors knock: {away}: ", output)

    def test_muteNameServer(self) -> None:
        """A name that takes seconds to look up does not hold up the others."""
        daemon = self.start()
        self.group("slow.example")
        resolver = self.folder / "resolv.conf"
        resolver.write_text(f"nameserver {SERVER4}\noptions timeout:3 attempts:1\n")
        self.server.run(
            "nft",
            "table inet mute { chain c { type filter hook prerouting "
            "priority -500; udp dport 53 drop; }; }",
        )
        script = f"mount --bind {resolver} /etc/resolv.conf && exec {PKDOORS} knock prod"
        knock = self.client.spawn("unshare", "--mount", "sh", "-c", script, **self.environment)
        self.assertTrue(daemon.says(f"for {CLIENT4} until"))
        self.assertTrue(daemon.says(f"for {CLIENT6} until"))
        self.assertTrue(knock.says("six: "))
        self.assertIsNone(knock.popen.poll())
        self.assertTrue(knock.says("slow.example: no address found"), knock.log())
        self.assertEqual(1, knock.popen.wait())

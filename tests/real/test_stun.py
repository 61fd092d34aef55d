"""Knocks from behind NAT that are bound to the address which a STUN server tells."""

import socket
from threading import Thread

from tests.fakes.stun import answerTo
from tests.lab.case import KNOCKS, PORT, SEQUENCE, RealTestCase
from tests.lab.hosts import BIN, Host, ip
from tests.lab.sealing import makeKey, publicLine

PKDOORS = str(BIN / "pkdoors")
DEVICE = "inner"
OUTSIDE, SERVER, STUN = "9.71.1.2", "9.71.1.1", "9.71.1.3"
"""Global addresses, which exist in these namespaces only: the NAT's, and two of the server's."""
INSIDE = "10.9.77.2"


class StunTests(RealTestCase):
    """A client behind NAT, a server, and a STUN server beside it."""

    def setUp(self) -> None:
        """Make them."""
        super().setUp()
        self.inner = self.behind(self.client)
        for address in (SERVER, STUN):
            ip("-n", self.server.name, "address", "add", f"{address}/24", "dev", "client")
        ip("-n", self.client.name, "address", "add", f"{OUTSIDE}/24", "dev", "server")
        self.client.run(
            "nft",
            "table ip nat { chain out { type nat hook postrouting priority 100; "
            f"ip saddr {INSIDE} masquerade; }}; }}",
        )
        self.client.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.key = self.folder / "key"
        key = makeKey()
        self.key.write_bytes(key.toString("openssh"))
        self.key.chmod(0o600)
        self.keys = self.folder / "authorized_keys"
        self.keys.write_text(publicLine(key))

    def behind(self, router: Host) -> Host:
        """Make a host behind another one, with a private address."""
        inner = self.network._host("inner")
        ends = ("link", "add", DEVICE, "type", "veth", "peer", "name", "outer", "netns", inner.name)
        ip("-n", router.name, *ends)
        for host, device, last in ((router, DEVICE, 1), (inner, "outer", 2)):
            ip("-n", host.name, "address", "add", f"10.9.77.{last}/24", "dev", device)
            ip("-n", host.name, "link", "set", device, "up")
        ip("-n", inner.name, "route", "add", "default", "via", "10.9.77.1")
        return inner

    def tell(self, *addresses: str) -> None:
        """Be a STUN server for some questions: tell these addresses, or the right one if empty."""
        with self.server.inside():
            server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(server.close)
        server.bind((STUN, 3478))
        server.settimeout(60)

        def run() -> None:
            for address in addresses:
                question, client = server.recvfrom(2000)
                self.seen = client[0]
                server.sendto(answerTo(question, address or client[0]), client)

        thread = Thread(target=run)
        thread.start()
        self.addCleanup(thread.join)

    def knock(self, *options: str) -> tuple[int, str]:
        """Knock from behind the NAT."""
        return self.inner.status(
            PKDOORS, "knock", SERVER, "-m", KNOCKS, "-i", str(self.key), *options, SSH_AUTH_SOCK=""
        )

    def test_opens(self) -> None:
        """The knock is bound to the address outside, and opens, with both drivers."""
        daemon = self.start("-k", str(self.keys))
        self.tell("", "")
        bind = ("--bind", f"stun:{STUN}")
        status, output = self.knock(*bind, "-v")
        self.assertEqual(0, status, output)
        self.assertEqual(OUTSIDE, self.seen)
        self.assertIn(f"the STUN server '{STUN}' sees this host as {OUTSIDE}", output)
        self.assertIn(f" {OUTSIDE}\n", output, "the statement")
        self.assertTrue(daemon.says(f"for {OUTSIDE} until"))
        status, output = self.knock("--wait", str(PORT), *bind)
        self.assertEqual(0, status, output)

    def test_profile(self) -> None:
        """A profile can say it."""
        daemon = self.start("-k", str(self.keys))
        self.tell("")
        hosts = self.folder / "pkdoors/hosts.toml"
        hosts.parent.mkdir()
        hosts.write_text(
            f"[hosts.home]\naddress = '{SERVER}'\nsequence = {list(SEQUENCE)}\n"
            f"identity = '{self.key}'\nbind = 'stun:{STUN}:3478'\n"
        )
        hosts.chmod(0o600)
        environment = {"XDG_CONFIG_HOME": str(self.folder), "SSH_AUTH_SOCK": ""}
        status, output = self.inner.status(PKDOORS, "knock", "home", **environment)
        self.assertEqual(0, status, output)
        self.assertTrue(daemon.says(f"for {OUTSIDE} until"))

    def test_lie(self) -> None:
        """With a wrong address, the knock opens for nobody."""
        daemon = self.start("-k", str(self.keys))
        self.tell("8.8.8.8", "10.9.77.2")
        self.assertEqual(0, self.knock("--bind", f"stun:{STUN}")[0])
        self.assertTrue(daemon.says("bound to 8.8.8.8"), daemon.log())
        self.assertNotIn("opened door", daemon.log())
        status, output = self.knock("--bind", f"stun:{STUN}")
        self.assertEqual((1, 1), (status, output.count("\n")), output)
        self.assertIn("is seen as 10.9.77.2, which is not a global IPv4 address", output)

    def test_mute(self) -> None:
        """Without a server there, the error is one sentence."""
        status, output = self.knock("--bind", f"stun:{STUN}")
        self.assertEqual((1, 1), (status, output.count("\n")), output)
        self.assertIn(f"the STUN server '{STUN}' refuses datagrams: use --bind ADDRESS", output)

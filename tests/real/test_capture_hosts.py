"""Knocks are captured on many kinds of hosts: with ufw, in a container, over VLANs and VRFs."""

import subprocess
from functools import partial

from twisted.trial.unittest import SkipTest

from tests.lab.case import PORT, SEQUENCE, RealTestCase
from tests.lab.hosts import CLIENT4, SERVER4, SERVER6, Host, eventually, ip
from tests.lab.ufw import Ufw
from tests.real.test_guard_container import ALLOWED, INSIDE, OUTSIDE, BoxTestCase


class UfwTests(RealTestCase):
    """With ufw, which drops everything but the protected port."""

    listen = "capture"

    def test_ufw(self) -> None:
        """Knocks are heard over IPv4 and IPv6, and no rule of ufw's changes."""
        ufw = Ufw(self.server).run
        ufw("ufw default deny incoming", f"ufw allow {PORT}/tcp", "ufw --force enable")
        before = self.server.run("iptables-save") + self.server.run("ip6tables-save")
        self.assertIn("ufw-user-input", before)
        self.start()
        for address in (SERVER4, SERVER6):
            self.assertFalse(self.client.reaches(PORT, address))
            self.client.send(SEQUENCE, address=address)
            self.assertTrue(self.client.comesToReach(PORT, address))
        self.assertFalse(self.stranger.reaches(PORT))
        status = ufw("ufw status")
        self.assertIn(f"{PORT}/tcp", status)
        self.assertNotIn(str(SEQUENCE[0]), status)


class ContainerTests(BoxTestCase):
    """In an unprivileged container, whose root may not enlarge a socket's buffer as it likes."""

    options = ("--listen", "capture")

    def test_heard(self) -> None:
        """Knocks from outside open the door, before and after a flush."""
        for source in (OUTSIDE, ALLOWED):
            self.assertFalse(self.reaches(source))
            self.stranger.send(SEQUENCE, address=INSIDE, source=source)
            self.assertTrue(eventually(partial(self.reaches, source)), self.daemonProcess.log())
            self.box("nft", "flush", "ruleset")
            self.assertTrue(eventually(partial(self.isBack, source)))
            self.assertTrue(self.reaches(source))

    def isBack(self, source: str) -> bool:
        """Return whether the guard is there with an opening: they come last."""
        status, listing = self.server.status(*self.entering, "nft", "list", "ruleset")
        return status == 0 and f"{source} . {PORT} " in listing


class DeviceTests(RealTestCase):
    """Over devices that not every kernel has."""

    listen = "capture"

    def makeDevice(self, host: Host, name: str, *kind: str) -> None:
        """Make a device on a host; skip the test if the kernel has no such devices."""
        command = ("ip", "-n", host.name, "link", "add", *kind)
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode:
            raise SkipTest(f"this kernel has no {name} ({made.stderr.strip()})")

    def test_vlan(self) -> None:
        """Knocks with a VLAN's tag are heard."""
        for host, device, last in ((self.server, "client", 1), (self.client, "server", 2)):
            self.makeDevice(
                host, "VLANs", "link", device, "name", "tagged", "type", "vlan", "id", "7"
            )
            ip("-n", host.name, "address", "add", f"10.9.7.{last}/24", "dev", "tagged")
            ip("-n", host.name, "link", "set", "tagged", "up")
        self.start()
        self.client.send(SEQUENCE, address="10.9.7.1")
        self.assertTrue(self.client.comesToReach(PORT, "10.9.7.1"))

    def test_vrf(self) -> None:
        """
        Over a VRF a packet passes the guard twice. The knock is heard; its repeat does no harm.
        """
        self.makeDevice(self.server, "VRFs", "name", "red", "type", "vrf", "table", "10")
        ip("-n", self.server.name, "link", "set", "red", "up")
        ip("-n", self.server.name, "link", "set", "client", "master", "red")
        daemon = self.start()
        self.client.send(SEQUENCE)
        self.assertTrue(
            daemon.says(f"opened door default ({PORT}/tcp) for {CLIENT4}"), daemon.log()
        )
        self.assertNotIn("refused", daemon.log())

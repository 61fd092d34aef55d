"""The operator's page for a host behind ssh."""

import os
import shlex
import signal

from tests.lab.case import PORT, SEQUENCE, SshTestCase
from tests.lab.controlled import SSH
from tests.lab.hosts import BIN, CLIENT4, SERVER4, STRANGER4
from tests.lab.operatorpage import ROW, PageTestCase


class SshPageTests(PageTestCase, SshTestCase):
    """C{pkdoors web root@host} on the client, with a real ssh and a real sshd."""

    def test_otherHost(self) -> None:
        """
        The page shows the server and changes it, knows the operator's own address, and says so if
        ssh ends.
        """
        self.sshd()
        self.controlled(SSH)
        ssh = shlex.join(("ssh", *self.sshOptions()))
        there = ("--program", str(BIN / "pkdoors"), "--conf", str(self.file))
        web = self.web("--ssh", ssh, *there, f"root@{SERVER4}", host=self.client)
        browser = self.browser(host=self.client)
        browser.open(self.linkOf(web))
        self.awaitState(browser, "live")
        self.stranger.send(SEQUENCE)
        self.awaitRow(browser, STRANGER4)
        self.closeInPage(browser, STRANGER4)
        self.assertGone(browser, ROW.format("ssh", STRANGER4))
        self.assertFalse(self.stranger.reaches(PORT))
        self.assertEqual(
            CLIENT4, browser.run("return document.getElementById('open-source').value")
        )
        self.click(browser, "#open-submit")
        self.awaitRow(browser, CLIENT4)
        self.assertTrue(self.client.reaches(PORT))
        self.assertQuiet(browser)
        listening = self.server.run("ss", "-Htln")
        self.assertNotIn("127.0.0.1", listening)  # nothing listens on the server for the page
        for process in self.relays():
            os.kill(process, signal.SIGTERM)
        self.awaitState(browser, "blind")
        self.assertNotEqual("", browser.text("#connection-reason"))

    def relays(self) -> list[int]:
        """Return the processes of relay-admin, without the ssh that asks for one."""
        lines = self.server.run("ps", "-eo", "pid,args").splitlines()
        found = [line.split() for line in lines if "relay-admin" in line and str(self.file) in line]
        return [int(number) for number, program, *_ in found if "ssh" not in program]

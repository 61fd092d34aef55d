"""A new configuration is put in place while the daemon runs, and people knock."""

import json
import os
import signal
import time
from contextlib import closing
from random import Random
from threading import Event, Thread

from tests.lab.adminclient import AdminClient
from tests.lab.case import PORT, SEQUENCE
from tests.lab.controlled import SHARING, SSH, WEB, WEB_SEQUENCE, ControlledTestCase, door
from tests.lab.firewalld import Firewalld
from tests.lab.hosts import CLIENT4, STRANGER4, eventually, ip

NAMES = ("ssh", "web", "vpn")
RELOADS = 200
PAUSE = 0.02
"""Seconds between two knocks: 50 a second."""


class ReloadTests(ControlledTestCase):
    """What a reload changes, and what it leaves alone."""

    def test_newDoor(self) -> None:
        """A new door is closed at once, and opens to its knocks; the other doors keep working."""
        daemon = self.controlled(SSH)
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT))
        session = self.client.connect(WEB)
        self.addCleanup(session.close)
        self.write(SSH, door("web", WEB_SEQUENCE, WEB))
        self.assertEqual(self.reload(), [f"door web ({WEB}/tcp) is new"])
        self.assertTrue(self.client.reaches(PORT))
        self.assertFalse(self.client.reaches(WEB))
        self.client.send(WEB_SEQUENCE)
        self.assertTrue(self.client.comesToReach(WEB), daemon.log())
        self.assertFalse(self.stranger.reaches(WEB))
        self.assertIn(f"guarding door web ({WEB}/tcp)", daemon.log())

    def test_sessionsLiveOn(self) -> None:
        """Connections to a port that becomes protected continue, even if the door cuts sessions."""
        self.controlled(SSH)
        session = self.client.connect(WEB)
        self.addCleanup(session.close)
        self.write(SSH, door("web", WEB_SEQUENCE, WEB, 'sessions = "cut"\n'))
        self.reload()
        self.assertFalse(self.client.reaches(WEB))
        session.sendall(b"still here")
        time.sleep(0.3)  # time enough for a reset
        session.sendall(b"and still")
        session.settimeout(0.2)
        self.assertRaises(TimeoutError, session.recv, 1)

    def test_goneDoor(self) -> None:
        """A door that is gone is removed, with its openings and its knock ports."""
        daemon = self.controlled(SSH, door("web", WEB_SEQUENCE, WEB))
        self.open(CLIENT4, "web")
        self.open(CLIENT4, "ssh")
        self.write(SSH)
        self.assertEqual(self.reload(), [f"door web ({WEB}/tcp) is gone"])
        self.assertEqual(self.openings(), {("ssh", CLIENT4)})
        self.assertEqual(self.inKernel(), {("ssh", CLIENT4)})
        self.assertTrue(self.stranger.reaches(WEB))  # not protected any more
        self.assertIn("because the new configuration has no such door", daemon.log())
        self.assertEqual(set(SEQUENCE), self.heardPorts())

    def test_otherPorts(self) -> None:
        """
        If a door protects other ports than before, nobody who was let in gets into the new ones.
        """
        self.controlled(SSH)
        self.open(CLIENT4)
        self.write(door("ssh", port=WEB))
        self.assertEqual(self.reload(), [f"door ssh ({WEB}/tcp) changed: ports"])
        self.assertEqual((self.openings(), self.inKernel()), (set(), set()))
        self.assertFalse(self.client.reaches(WEB))
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(WEB))

    def test_otherSequence(self) -> None:
        """A sequence that was changed opens nothing more; openings stay."""
        self.controlled(door("ssh", more="penalty = 0\n"))
        self.open(CLIENT4)
        self.write(door("ssh", SHARING, more="penalty = 0\n"))
        self.reload()
        self.stranger.send(SEQUENCE)
        self.assertFalse(self.stranger.reaches(PORT))
        self.assertTrue(self.client.reaches(PORT))
        self.stranger.send(SHARING)
        self.assertTrue(self.stranger.comesToReach(PORT))

    def test_shorter(self) -> None:
        """No opening lasts longer than the door now allows, not even in the kernel."""
        daemon = self.controlled(SSH)
        self.open(CLIENT4, seconds=3600)
        self.write(door("ssh", more='open_for = "1s"\nmax_open_for = "5s"\n'))
        self.reload()
        os.kill(daemon.process.popen.pid, signal.SIGSTOP)
        self.assertTrue(self.client.reaches(PORT))
        time.sleep(5.2)  # the kernel closes it alone, without a daemon
        self.assertFalse(self.client.reaches(PORT))
        os.kill(daemon.process.popen.pid, signal.SIGCONT)

    def test_halfDone(self) -> None:
        """A client that has knocked half a sequence can finish it."""
        daemon = self.controlled(SSH)
        self.client.send(SEQUENCE[:3])
        self.write(door("ssh", more='open_for = "5m"\n'), door("web", SHARING, WEB))
        self.reload()
        self.client.send(SEQUENCE[3:])
        self.assertTrue(self.client.comesToReach(PORT))
        self.assertTrue(daemon.says("(5m)"), daemon.log())
        self.assertFalse(self.client.reaches(WEB))
        self.assertNotIn("refused", daemon.log())

    def test_interfaces(self) -> None:
        """A reload can change the addresses on which the daemon listens, with the same ports."""
        daemon = self.controlled(SSH)
        self.client.send(SEQUENCE[:2])
        for addresses in ('interfaces = ["10.9.1.1"]', 'interfaces = ["0.0.0.0"]', ""):
            self.write(SSH, more=addresses)
            self.assertEqual(self.reload(), ["interfaces changed"])
        self.client.send(SEQUENCE[2:])
        self.assertTrue(self.client.comesToReach(PORT))
        self.write(SSH, more='interfaces = ["10.9.1.1"]')
        self.reload()
        self.stranger.send(SEQUENCE, address="10.9.2.1")
        self.client.send(SEQUENCE)  # after which the stranger's would have been heard, too
        self.assertTrue(daemon.says("extended door ssh"), daemon.log())
        self.assertFalse(self.stranger.reaches(PORT))
        self.stranger.send(SEQUENCE)
        self.assertTrue(self.stranger.comesToReach(PORT))

    def test_degraded(self) -> None:
        """
        If a new door's knock port is busy, or its keys cannot be read, the door is guarded from the
        reload on. The answer says why no knock opens it; the port is used as soon as it is free,
        or at once if it needs no socket.
        """
        daemon = self.controlled(SSH)
        busy = self.server.spawn("nc", "-lu", "0.0.0.0", "17998")
        self.assertTrue(eventually(lambda: "17998" in self.server.run("ss", "-Hlun")))
        sequence = (17998, *WEB_SEQUENCE[1:])
        isDeaf = self.listen == "sockets"
        other = "1 of 12 knock ports is not heard over IPv4: another program uses"
        for more, words in (
            ('authorized_keys = "/no"\n', "nobody may knock with a key: cannot read /no"),
            ("", other if isDeaf else ""),
        ):
            self.write(SSH, door("web", sequence, WEB, more))
            troubles = "\n".join(self.ask("/reload", "-X", "POST")["troubles"])
            self.assertIn(words, troubles)
            self.assertEqual(isDeaf, other in troubles)
            self.assertFalse(self.stranger.reaches(WEB))
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT))
        if isDeaf:
            busy.stop()
            self.assertTrue(daemon.says("not heard over IPv4, and"), daemon.log())
        self.client.send(sequence)
        self.assertTrue(self.client.comesToReach(WEB), daemon.log())

    def test_refused(self) -> None:
        """
        A bad configuration changes nothing; the client that asked and the log both get the reason.
        """
        daemon = self.controlled(SSH)
        self.open(CLIENT4)
        rules, ports = self.ruleset(), self.heardPorts()
        for bad, words in (
            ("[doors.web]\n", "doors.web.sequence is missing"),
            (door("web", SEQUENCE, WEB), "knocking it also opens doors."),
        ):
            with self.subTest(words):
                self.write(SSH, bad)
                status, sentence = self.refused("/reload", "-X", "POST")
                self.assertEqual(status, 409)
                self.assertIn(words, sentence)
                self.assertIn(f"not reloaded, and nothing was changed: {sentence}", daemon.log())
        self.assertEqual(self.ruleset(), rules)
        self.assertEqual(self.heardPorts(), ports)
        self.assertTrue(self.client.reaches(PORT))
        self.file.unlink()
        self.assertIn("cannot read", self.refused("/reload", "-X", "POST")[1])
        self.stranger.send(SEQUENCE)
        self.assertTrue(self.stranger.comesToReach(PORT))

    def test_fixed(self) -> None:
        """A change that needs a restart is refused completely."""
        self.controlled(SSH)
        self.write(SSH, door("web", WEB_SEQUENCE, WEB), more="")
        text = self.file.read_text().replace(self.firewall, "dry-run")
        self.file.write_text(text)
        status, sentence = self.refused("/reload", "-X", "POST")
        self.assertEqual(status, 409)
        self.assertIn("firewall: this cannot change while the daemon runs: restart", sentence)
        self.assertTrue(self.stranger.reaches(WEB))

    def test_hangup(self) -> None:
        """SIGHUP reloads, too; a bad file is an error in the log, and the daemon keeps running."""
        daemon = self.controlled(SSH)
        self.write(SSH, door("web", WEB_SEQUENCE, WEB))
        os.kill(daemon.process.popen.pid, signal.SIGHUP)
        self.assertTrue(daemon.says(f"reloaded: door web ({WEB}/tcp) is new"))
        self.assertFalse(self.client.reaches(WEB))
        self.write("nonsense")
        os.kill(daemon.process.popen.pid, signal.SIGHUP)
        self.assertTrue(daemon.says("not reloaded, and nothing was changed"))
        self.assertFalse(self.client.reaches(WEB))

    def test_troubles(self) -> None:
        """The client that asked hears of all troubles: a hook, an audit file, a sequence."""
        daemon = self.controlled(SSH)
        weak = door("web", (18001, 18002, 18003, 18004, 18005), WEB, 'on_open = ["/no/such"]\n')
        self.write(SSH, weak, more=f'audit = "{self.folder}"')
        troubles = "\n".join(self.ask("/reload", "-X", "POST")["troubles"])
        for words in (
            "the sequence is in ascending order",
            "on_open of door web cannot be run: /no/such does not exist",
            f"cannot write the audit file {self.folder} (",
        ):
            self.assertIn(words, troubles)
            self.assertIn(words, daemon.log())

    def ruleset(self) -> str:
        """Return the kernel's ruleset without counters and remaining times."""
        text = self.server.run("nft", "-s", "list", "ruleset")
        return "\n".join(line.partition(" expires ")[0] for line in text.splitlines())


class CapturedReloadTests(ReloadTests):
    """Reloads of a daemon that captures knocks."""

    listen = "capture"


class FirewalldReloadTests(ControlledTestCase):
    """Reloads with firewalld, which must let the new knocks in."""

    firewall = "firewalld"
    firewalld: Firewalld

    def test_doors(self) -> None:
        """Doors come and go; when the reload is answered, firewalld has followed."""
        self.controlled(SSH)
        self.open(CLIENT4)
        self.write(SSH, door("web", WEB_SEQUENCE, WEB))
        self.reload()
        rules = self.firewalld.cmd("--list-rich-rules")
        has = self.assertIn if self.listen == "sockets" else self.assertNotIn
        has(f'port="{WEB_SEQUENCE[0]}"', rules)
        self.client.send(WEB_SEQUENCE)
        self.assertTrue(self.client.comesToReach(WEB))
        self.assertTrue(self.client.reaches(PORT))
        self.write(door("web", WEB_SEQUENCE, WEB))
        self.reload()
        rules = self.firewalld.cmd("--list-rich-rules")
        self.assertNotIn(f'port="{SEQUENCE[0]}"', rules)
        self.assertNotIn(f'port="{PORT}"', rules)
        self.assertTrue(self.client.reaches(WEB))
        self.assertEqual(self.inKernel(), {("web", CLIENT4)})

    def test_away(self) -> None:
        """A reload succeeds while firewalld is away; firewalld follows when it is back."""
        self.controlled(SSH)
        self.firewalld.process.stop()
        self.write(SSH, door("web", WEB_SEQUENCE, WEB))
        answer = self.ask("/reload", "-X", "POST")
        self.assertEqual(answer["changes"], [f"door web ({WEB}/tcp) is new"])
        self.assertTrue(answer["troubles"])
        self.assertFalse(self.client.reaches(WEB))
        self.firewalld.start()
        self.assertTrue(eventually(self.getsIn))

    def getsIn(self) -> bool:
        """Knock once more, as firewalld has just come back, and may not let knocks in yet."""
        self.client.send(WEB_SEQUENCE)
        return self.client.reaches(WEB)


class SteadyTests(ControlledTestCase):
    """Two hundred reloads, while clients knock all the time."""

    def setUp(self) -> None:
        """Make a client with many addresses."""
        super().setUp()
        self.sources = [f"10.9.1.{last}" for last in range(10, 250)]
        for each in self.sources:
            ip("-n", self.client.name, "address", "add", f"{each}/24", "dev", "server")
        self.knocked: list[str] = []
        self.enough = Event()

    def test_steady(self) -> None:
        """No knock is lost, and no wrong knock lets anybody in."""
        ssh = door("ssh", more='open_for = "1h"\n')
        versions = (
            (ssh,),
            (ssh, door("web", WEB_SEQUENCE, WEB)),
            (door("ssh", more='open_for = "50m"\n'), door("web", SHARING, WEB)),
            (ssh, door("web", WEB_SEQUENCE, 2224)),
        )
        daemon = self.controlled(*versions[0])
        following = self.follow()
        threads = [Thread(target=self.knockRightly), Thread(target=self.knockWrongly)]
        for each in threads:
            each.start()
        try:
            for number in range(1, RELOADS + 1):
                self.write(*versions[number % len(versions)])
                self.reload()
        finally:
            self.enough.set()
            for each in threads:
                each.join()
        self.assertEqual(daemon.log().count("\n") and daemon.log().count("reloaded: "), RELOADS)
        ours = {("ssh", each) for each in self.knocked}
        self.assertGreater(len(ours), 10)
        opened = {
            (each["door"], each["source"])
            for each in self.told(following)
            if each["event"] == "opened"
        }
        self.assertEqual(opened, ours)
        self.assertEqual(self.openings(), ours)
        self.assertEqual(self.inKernel(), ours)
        self.assertNotIn("Traceback", daemon.log())

    def knockRightly(self) -> None:
        """Knock on the door that all versions have, from one address after the other."""
        for source in self.sources:
            if self.enough.is_set():
                return
            self.client.send(SEQUENCE, source=source, pause=PAUSE)
            self.knocked.append(source)

    def knockWrongly(self) -> None:
        """Knock as an attacker who knows all ports, but only wrong or outdated orders."""
        stale = (*WEB_SEQUENCE[:3], *SEQUENCE[3:])
        while not self.enough.is_set():
            for wrong in (SEQUENCE[::-1], stale, SEQUENCE[1:]):
                self.stranger.send(wrong, source=STRANGER4, pause=PAUSE)


class CapturedSteadyTests(SteadyTests):
    """The same while the guard, which is replaced at each reload, hears the knocks."""

    listen = "capture"


class TurnsTests(ControlledTestCase):
    """A reload takes some turns of the daemon's reactor, and others have theirs in between."""

    CHANGES = (
        (SSH, door("web", WEB_SEQUENCE, WEB)),
        (door("ssh", more='max_open_for = "30m"\n'), door("web", WEB_SEQUENCE, WEB)),
        (SSH, door("web", WEB_SEQUENCE, WEB, 'uses = "once"\n')),
        (SSH,),
        (SSH, door("vpn", SHARING, 5000).replace("5000", '"5000/udp"')),
        (SSH, door("vpn", SHARING, 5000, 'udp_idle = "20s"\n').replace("5000", '"5000/udp"')),
    )

    def test_meanwhile(self) -> None:
        """
        Whatever is opened, extended and closed meanwhile, the kernel has what the daemon shows, and
        sessions go on.
        """
        daemon = self.controlled(*self.CHANGES[0])
        self.open(CLIENT4)
        session = self.client.connect(PORT)
        self.addCleanup(session.close)
        isOver = Event()

        def operate(seed: int) -> None:
            random = Random(seed)
            with closing(AdminClient(self.socket)) as admin:
                while not isOver.is_set():
                    source, name = f"10.7.{seed}.{random.randrange(40)}", random.choice(NAMES)
                    wanted = {"source": source, "door": name, "seconds": 600}
                    if random.random() < 0.6:
                        admin.request("POST", "/openings", json.dumps(wanted))
                    else:
                        admin.request("DELETE", f"/openings?door={name}&source={source}")
                    admin.getresponse().read()  # the door may not be there

        threads = [Thread(target=operate, args=(seed,)) for seed in range(2)]
        for thread in threads:
            thread.start()
        try:
            for number in range(1, 31):  # the last one is the first again
                self.write(*self.CHANGES[number % len(self.CHANGES)])
                self.assertTrue(self.reload())
        finally:
            isOver.set()
            for thread in threads:
                thread.join()
        self.assertTrue(eventually(lambda: self.openings() == self.inKernel()), daemon.log())
        self.assertIn(("ssh", CLIENT4), self.inKernel())
        self.assertGreater(len(self.openings()), 20)
        self.assertNotIn("changed the guard", daemon.log())
        self.assertTrue(self.client.reaches(PORT))
        session.sendall(b"still here")
        session.settimeout(0.3)
        self.assertRaises(TimeoutError, session.recv, 1)
        self.ask("/openings", "-X", "DELETE")
        self.assertTrue(eventually(lambda: self.inKernel() == set()))
        self.assertFalse(self.client.reaches(PORT))

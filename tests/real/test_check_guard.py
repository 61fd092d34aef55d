"""Tests of what C{pkdoors check} reports about the guard, and about other tables, on real hosts."""

import re
import signal
import socket
import uuid
from pathlib import Path

from tests.lab.case import PORT
from tests.lab.controlled import SSH, WEB, WEB_SEQUENCE, ControlledTestCase, door
from tests.lab.hosts import BIN, CLIENT4, PATIENCE, Daemon

BOOT_ID = "/proc/sys/kernel/random/boot_id"
CONFIGURATION = "/etc/nftables.conf"
OLD_GUARD = Path(__file__).with_name("old-guard.nft")
DATAGRAMS = 5300
"""A protected UDP port."""
CUT = door("ssh", more='sessions = "cut"')
LOOK_UP = door("dns", WEB_SEQUENCE, DATAGRAMS, 'udp_grace = "0s"').replace(
    f"ports = [{DATAGRAMS}]", f'ports = ["{DATAGRAMS}/udp"]'
)
HANDOVER = "table inet pkdoors_handover"


class GuardCheckTestCase(ControlledTestCase):
    """Checks the server."""

    def check(self, mounts: dict[str, str] | None = None) -> list[str]:
        """
        Return the findings, each in one line with its level and subject.

        @param mounts: files, and others that the check sees in their place.
        """
        places = "".join(f"mount --bind {by} {at}\n" for at, by in (mounts or {}).items())
        status, output = self.server.status(
            "unshare",
            "-m",
            "--propagation",
            "private",
            "sh",
            "-euc",
            f'{places}exec "$@"',
            "sh",
            str(BIN / "pkdoors"),
            "check",
            "--conf",
            str(self.file),
        )
        self.assertNotIn("Traceback", output)
        found: list[str] = []
        for line in output.splitlines():
            if line.startswith(" "):
                found[-1] += f" {line}"
            else:
                found.append(line)
        self.assertIn(status, (0, 1, 2))
        return [" ".join(line.split()) for line in found]

    def about(self, subject: str, mounts: dict[str, str] | None = None) -> list[str]:
        """Return the faults of a subject."""
        pattern = re.compile(rf"(INFO|WARNING|ERROR) {re.escape(subject)} ")
        return [finding for finding in self.check(mounts) if pattern.match(finding)]

    def killed(self, *doors: str) -> None:
        """Leave a guard without a daemon, which everybody may change."""
        self.controlled(*doors).stop(signal.SIGKILL)


class SavedRulesTests(GuardCheckTestCase):
    """Tests of saved rulesets."""

    def test_mended(self) -> None:
        """The finding names the file, also an included one; the commands in the remedy fix it."""
        self.controlled(SSH)
        self.open(CLIENT4)
        listing = self.server.run("nft", "list", "ruleset")
        included = self.folder / "saved.nft"
        including = self.folder / "nftables.conf"
        including.write_text(f'flush ruleset\ninclude "{included}"\n')
        mounts = {CONFIGURATION: str(including)}
        included.write_text("table inet filter {\n}\n")
        self.assertEqual([], self.about("saved rules", mounts))
        included.write_text(f"table inet filter {{\n}}\n{listing}")
        (found,) = self.about("saved rules", mounts)
        self.assertTrue(found.startswith(f"ERROR saved rules line 3 of {included} has"), found)
        remove, save = re.findall("`([^`]*)`", found)
        self.server.run("sh", "-c", remove)
        self.assertEqual([], self.about("saved rules", mounts))
        self.assertEqual("table inet filter {\n}\n", included.read_text())
        again = self.server.run("sh", "-c", save)
        self.assertNotIn("pkdoors", again)


class NotrackTests(GuardCheckTestCase):
    """Tests of other tables' rules that keep connection tracking from seeing a protected port."""

    def notrack(self, protocol: str, port: int) -> None:
        """Add such rules."""
        rules = "".join(
            f"chain {hook} {{ type filter hook {hook} priority raw; {protocol} {field} {port} "
            "notrack; }; "
            for hook, field in (("prerouting", "dport"), ("output", "sport"))
        )
        self.server.run("nft", f"table inet other {{ {rules} }}")

    def test_unprotected(self) -> None:
        """Other ports do not matter."""
        self.controlled(SSH)
        self.notrack("tcp", WEB)
        self.assertFalse([finding for finding in self.check() if "notrack" in finding])

    def test_kept(self) -> None:
        """If sessions live on, the finding needs no action."""
        self.controlled(SSH)
        self.notrack("tcp", PORT)
        found = self.about(f"{PORT}/tcp")
        self.assertTrue(found)
        for finding in found:
            self.assertTrue(finding.startswith("INFO ") and "sessions live on" in finding, finding)

    def test_cut(self) -> None:
        """If sessions are cut, it is a warning."""
        self.controlled(CUT)
        self.notrack("tcp", PORT)
        self.assertIn("get no reset", self.about(f"{PORT}/tcp")[0])

    def test_forwarded(self) -> None:
        """For a forwarded port it is a warning: the port is not forwarded any more."""
        self.controlled(SSH)
        self.server.run(
            "nft",
            "table ip nat { chain prerouting { type nat hook prerouting priority dstnat; "
            f"tcp dport {PORT} dnat to {CLIENT4}:9; }}; }}",
        )
        self.notrack("tcp", PORT)
        self.assertIn("the port is not forwarded", " ".join(self.about(f"{PORT}/tcp")))

    def test_datagrams(self) -> None:
        """For UDP it is a warning: the host gets no answers on the port, as the finding says."""
        self.controlled(LOOK_UP)
        self.assertTrue(self.isAnswered())
        self.notrack("udp", DATAGRAMS)
        self.assertFalse(self.isAnswered())
        words = "drops answers to requests from this port"
        self.assertIn(words, " ".join(self.about(f"{DATAGRAMS}/udp")))

    def isAnswered(self) -> bool:
        """Return whether the host gets an answer on its protected port."""
        kind = socket.SOCK_DGRAM
        with self.client.inside():
            service = socket.socket(socket.AF_INET, kind)
        with self.server.inside():
            asking = socket.socket(socket.AF_INET, kind)
        with service, asking:
            service.bind((CLIENT4, 0))
            asking.bind(("", DATAGRAMS))
            service.settimeout(PATIENCE)
            asking.settimeout(0.5)
            asking.sendto(b"question", service.getsockname())
            _, peer = service.recvfrom(99)
            service.sendto(b"answer", peer)
            try:
                return asking.recv(99) == b"answer"
            except TimeoutError:
                return False


class GuardTests(GuardCheckTestCase):
    """Tests of the guard itself."""

    def canOwn(self) -> bool:
        """Return whether tables can have an owner here."""
        probe = "add table inet probe { flags owner, persist; }"
        return self.server.status("nft", "-c", probe)[0] == 0

    def test_owner(self) -> None:
        """The finding says whether others can flush the guard."""
        self.controlled(SSH)
        (found,) = (finding for finding in self.check() if finding.split()[1] == "guard")
        if self.canOwn():
            self.assertEqual(
                "OK guard the daemon owns its table: no other program can flush or change it", found
            )
        else:
            self.assertTrue(found.startswith("INFO guard a flush of nftables by another"), found)

    def test_orphan(self) -> None:
        """A guard without a daemon is a warning; the next daemon takes it over."""
        self.killed(SSH)
        (found,) = self.about("guard")
        self.assertTrue(found.startswith("WARNING guard the daemon has ended"), found)
        self.controlled(SSH)
        self.assertNotIn("WARNING", " ".join(self.about("guard")))

    def test_handover(self) -> None:
        """The rest of a replacement is a warning; the command removes it."""
        self.controlled(SSH)
        self.server.run("nft", f"{HANDOVER} {{ }}")
        (found,) = (finding for finding in self.about("guard") if "handover" in finding)
        (command,) = re.findall("`([^`]*)`", found)
        self.server.run(*command.split())
        self.assertNotIn("handover", " ".join(self.check()))

    def test_otherVersion(self) -> None:
        """A guard of another version is a warning, and still keeps its ports closed."""
        self.write(SSH)
        self.server.run("nft", "-f", str(OLD_GUARD))
        (found,) = self.about("guard")
        self.assertTrue(found.startswith("WARNING guard another version of pkdoors"), found)
        self.assertIn(f"OK {PORT}/tcp the guard keeps it closed", self.check())

    def test_otherBoot(self) -> None:
        """A guard of another boot is an error, and so is one that was loaded again in this boot."""
        self.killed(SSH)
        other = self.folder / "boot_id"
        other.write_text(f"{uuid.uuid4()}\n")
        (found,) = self.about("guard", {BOOT_ID: str(other)})
        self.assertTrue(found.startswith("ERROR guard"), found)
        self.assertIn("loaded from a saved ruleset", found)
        saved = self.folder / "saved.nft"
        saved.write_text("flush ruleset\n" + self.server.run("nft", "list", "ruleset"))
        self.server.run("nft", "-f", str(saved))
        (found,) = self.about("guard")
        self.assertTrue(found.startswith("ERROR guard"), found)

    def test_emptied(self) -> None:
        """Sets without rules keep nothing closed, and the check says so."""
        for chain, words in (
            ("input", "everybody can reach it"),
            ("tcp_in", "everybody can reach it"),
            ("forward", "(DNAT)"),
        ):
            with self.subTest(chain):
                self.killed(SSH)
                self.assertIn(f"OK {PORT}/tcp the guard keeps it closed", self.check())
                self.server.run("nft", f"flush chain inet pkdoors {chain}")
                isOpen = self.stranger.reaches(PORT)
                found = [line for line in self.about(f"{PORT}/tcp") if words in line]
                self.assertTrue(found and found[0].startswith("ERROR"), self.check())
                self.assertEqual(isOpen, "everybody" in words)
                self.server.run("nft", "delete table inet pkdoors")

    def test_opened(self) -> None:
        """A rule that lets everybody in is found."""
        self.killed(SSH)
        self.server.run("nft", f"insert rule inet pkdoors input tcp dport {PORT} accept")
        self.assertTrue(self.stranger.reaches(PORT))
        self.assertIn("everybody can reach it", " ".join(self.about(f"{PORT}/tcp")))


class RedirectTests(GuardCheckTestCase):
    """Tests of other ports of the host behind a protected one."""

    def test_redirected(self) -> None:
        """The remedy names the other port to protect; then everything is closed."""
        self.server.run(
            "nft",
            "table inet nat { chain prerouting { type nat hook prerouting priority dstnat; "
            f"tcp dport {PORT} redirect to :{WEB}; }}; }}",
        )
        daemon: Daemon = self.controlled(SSH)
        self.assertFalse(self.stranger.reaches(PORT))
        self.assertTrue(self.stranger.reaches(WEB))
        words = f"it is redirected to {WEB}/tcp, which everybody can reach directly"
        self.assertIn(words, " ".join(self.about(f"{PORT}/tcp")))
        daemon.stop()
        self.controlled(SSH.replace(f"ports = [{PORT}]", f"ports = [{PORT}, {WEB}]"))
        self.assertFalse(self.stranger.reaches(WEB))
        self.assertNotIn("redirected", " ".join(self.check()))

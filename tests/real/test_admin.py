"""The admin interface, as curl has it."""

import json
import re
import signal
import socket
import stat
import time

from tests.lab.case import PORT, SEQUENCE
from tests.lab.hosts import (
    BIN,
    CLIENT4,
    CLIENT6,
    PATIENCE,
    STRANGER4,
    Daemon,
    Process,
    eventually,
)
from tests.lab.sealing import makeKey, publicLine, sealed
from tests.lab.steered import MANY, SHARING, SSH, WEB, WEB_SEQUENCE, SteeredTestCase, door

WEB_DOOR = door("web", WEB_SEQUENCE, WEB)


class OpeningsTests(SteeredTestCase):
    """What the operator opens and closes."""

    def test_open(self) -> None:
        """It opens for the address at once, as a knock does, and for no other."""
        daemon = self.steered(SSH, WEB_DOOR)
        opening = self.open(CLIENT4)
        self.assertTrue(opening["open"])
        self.assertEqual(opening["user"], "the operator")
        self.assertTrue(self.client.reaches(PORT))
        self.assertFalse(self.client.reaches(WEB) or self.stranger.reaches(PORT))
        self.assertIn(f"opened door ssh ({PORT}/tcp) for {CLIENT4}", daemon.log())

    def test_extend(self) -> None:
        """Opening again makes the time longer, never shorter."""
        self.steered(SSH)
        self.open(CLIENT4, seconds=100)
        self.assertGreater(self.open(CLIENT4, seconds=1000)["seconds_left"], 990)
        self.assertGreater(self.open(CLIENT4, seconds=10)["seconds_left"], 980)

    def test_ends(self) -> None:
        """It ends in time, too."""
        self.steered(SSH)
        self.open(CLIENT4, seconds=1)
        self.assertTrue(eventually(lambda: not self.client.reaches(PORT)))
        self.assertEqual(self.openings(), set())

    def test_close(self) -> None:
        """One, an address', a door's, and all are closed, and no others."""
        everything = {
            (name, each) for name in ("ssh", "web") for each in (CLIENT4, CLIENT6, "1.1.1.1")
        }
        self.steered(SSH, WEB_DOOR)
        for path, gone in (
            (f"/{CLIENT4}?door=ssh", {("ssh", CLIENT4)}),
            (f"/{CLIENT6}", {("ssh", CLIENT6), ("web", CLIENT6)}),
            ("?door=web", {each for each in everything if each[0] == "web"}),
            ("", everything),
        ):
            with self.subTest(path):
                for name, source in everything:
                    self.open(source, name)
                self.assertEqual(self.inKernel(), everything)
                answer = self.ask(f"/openings{path}", "-X", "DELETE")
                closed = {(each["door"], each["source"]) for each in answer["closed"]}
                self.assertEqual((closed, answer["closing"]), (gone, []))
                self.assertEqual(self.inKernel(), everything - gone)
                self.assertEqual(self.openings(), everything - gone)

    def test_thousand(self) -> None:
        """A thousand openings are listed, and closed with one call, within its patience."""
        self.steered(SSH)
        self.openMany(MANY)
        self.assertEqual(self.openings(), {("ssh", each) for each in MANY})
        self.assertEqual(self.inKernel(), {("ssh", each) for each in MANY})
        answer = self.ask("/openings", "-X", "DELETE")
        self.assertEqual((len(answer["closed"]), answer["closing"]), (1000, []))
        self.assertEqual((self.openings(), self.inKernel()), (set(), set()))

    def test_badRequests(self) -> None:
        """What is not fit is answered with a sentence, and changes nothing."""
        self.steered(SSH, WEB_DOOR)
        for status, path, *options in (
            (404, "/"),
            (404, "/nothing"),
            (404, "/openings/192.0.2.1/ssh"),
            (404, "/openings/192.0.2.1", "-X", "DELETE"),
            (404, "/openings?door=shh"),
            (404, "/openings", "-d", '{"source": "192.0.2.1", "door": "shh"}'),
            (405, "/status", "-X", "DELETE"),
            (405, "/openings/192.0.2.1"),
            (405, "/reload"),
            (405, "/events", "-X", "POST"),
            (400, "/openings?color=red"),
            (400, "/openings?source=nobody"),
            (400, "/openings", "-d", "{"),
            (400, "/openings", "-d", "[]"),
            (400, "/openings", "-d", "{}"),
            (400, "/openings", "-d", '{"source": "192.0.2.1"}'),
            (400, "/openings", "-d", '{"source": 7, "door": "ssh"}'),
            (400, "/openings", "-d", '{"source": "192.0.2.0/24", "door": "ssh"}'),
            (400, "/openings", "-d", '{"source": "192.0.2.1", "door": "ssh", "seconds": -1}'),
            (400, "/openings", "-d", '{"source": "192.0.2.1", "door": "ssh", "seconds": 1e9}'),
            (400, "/openings", "-d", '{"source": "192.0.2.1", "door": "ssh", "seconds": true}'),
            (400, "/openings", "-d", '{"source": "192.0.2.1", "door": "ssh", "seconds": NaN}'),
            (400, "/openings", "-d", '{"source": "192.0.2.1", "door": "ssh", "force": 1}'),
            (400, "/openings", "-d", '{"source": "192.0.2.1", "door": "ssh", "seconds": 3601}'),
            (400, "/openings", "-d", '{"source": "0.0.0.0", "door": "ssh"}'),
            (400, "/openings", "-d", '{"source": "::1", "door": "ssh"}'),
            (400, "/openings", "-X", "DELETE", "-d", '{"source": "192.0.2.1"}'),
            (400, "/openings/192.0.2.1", "-X", "DELETE", "-d", '{"door": "ssh"}'),
            (400, "/reload", "-d", "firewall = 7"),
            (400, "/status", "-X", "GET", "-d", "now"),
            (413, "/openings", "-d", " " * 5000),
        ):
            with self.subTest(path, options=options):
                told, sentence = self.refused(path, *options)
                self.assertEqual(told, status, sentence)
                self.assertTrue(sentence and "\n" not in sentence)
        with socket.socket(socket.AF_UNIX) as plain:
            plain.connect(str(self.socket))
            plain.sendall(b"x\r\n\r\n")
            head, _, body = plain.makefile().read().partition("\n\n")
        self.assertTrue(head.startswith("HTTP/1.1 400 "), head)
        self.assertEqual(list(json.loads(body)), ["error"])
        self.assertEqual((self.openings(), self.inKernel()), (set(), set()))


class UsersTests(SteeredTestCase):
    """Two doors, and three people with different rights."""

    def test_rights(self) -> None:
        """Each opens what one may, for as long as one may, and the operator sees who it was."""
        anna, bob, carl = makeKey(), makeKey(), makeKey()
        keys = self.folder / "keys"
        keys.touch(0o600)
        keys.write_text(
            publicLine(anna, "anna@laptop")
            + 'doors="web" '
            + publicLine(bob, "bob@desk")
            + 'max-open="90s",from="10.9.2.0/24" '
            + publicLine(carl, "carl@phone")
        )
        sealedBy = f'authorized_keys = "{keys}"\n'
        daemon = self.steered(
            door("ssh", SEQUENCE, PORT, sealedBy), door("web", SHARING, WEB, sealedBy)
        )
        known = (
            (anna, self.client),
            (bob, self.client),
            (carl, self.client),
            (carl, self.stranger),
        )
        for key, host in known:
            asked = 600 if key is anna else 300  # who makes it longer is shown
            for name, sequence in (("ssh", SEQUENCE), ("web", SHARING)):
                host.send(sequence, sealed(key, sequence, door=name, seconds=asked), pause=0)
                time.sleep(1.1)  # one refusal a second is told of each source
        shown = {
            (each["door"], each["source"]): each["user"]
            for each in self.ask("/openings")["openings"]
        }
        self.assertEqual(
            shown,
            {
                ("ssh", CLIENT4): "anna@laptop",
                ("web", CLIENT4): "anna@laptop",
                ("ssh", STRANGER4): "carl@phone",
                ("web", STRANGER4): "carl@phone",
            },
        )
        for words in (
            "refused door ssh",
            "bob@desk (SHA256:",
            "is not for this door",
            "may not knock from here",
        ):
            self.assertIn(words, daemon.log())
        limited = self.ask(f"/openings?source={STRANGER4}")["openings"]
        self.assertTrue(all(each["seconds_left"] <= 90 for each in limited), limited)
        self.assertTrue(all(each["key"].startswith("SHA256:") for each in limited))

    def test_restart(self) -> None:
        """Who opened is known to the next daemon, too, and shown beside the opening by nft."""
        key = makeKey()
        keys = self.folder / "keys"
        keys.touch(0o600)
        keys.write_text(publicLine(key, 'anna "quoted" é@laptop'))
        ssh = door("ssh", SEQUENCE, PORT, f'authorized_keys = "{keys}"\n')
        daemon = self.steered(ssh)
        self.client.send(SEQUENCE, sealed(key, SEQUENCE, door="ssh"), pause=0)
        self.assertTrue(self.client.comesToReach(PORT))
        self.open("192.0.2.7")
        before = {each["source"]: each["key"] for each in self.ask("/openings")["openings"]}
        daemon.stop(signal.SIGKILL)
        self.steered(ssh)
        self.server.run("nft", "flush", "ruleset")
        self.assertTrue(eventually(self.inKernel))
        after = self.ask("/openings")["openings"]
        self.assertEqual({each["source"]: each["key"] for each in after}, before)
        users = {each["source"]: each["user"] for each in after}
        self.assertEqual(users, {CLIENT4: "anna ?quoted? ?@laptop", "192.0.2.7": "the operator"})
        listing = self.server.run("nft", "list", "table", "inet", "pkdoors")
        name = re.escape(f"{before[CLIENT4]} anna ?quoted? ?@laptop")
        self.assertRegex(listing, f'comment "until=[0-9]+ {name}"')

    def test_sharedPorts(self) -> None:
        """Plain doors that share ports do not disturb each other: nobody is penalised."""
        daemon = self.steered(SSH, door("web", SHARING, WEB))
        for sequence, port in ((SEQUENCE, PORT), (SHARING, WEB)):
            self.client.send(sequence)
            self.assertTrue(self.client.comesToReach(port), daemon.log())
        self.assertNotIn("refused", daemon.log())


class SocketTests(SteeredTestCase):
    """Who can use the socket."""

    def test_mode(self) -> None:
        """Nobody but root and the daemon's own user can, and it is made with that mode."""
        self.steered(SSH)
        self.assertEqual(stat.S_IMODE(self.socket.stat().st_mode), 0o600)
        self.folder.chmod(0o755)
        command = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        status, output = self.server.status(
            *(*command, "curl", "-sS", "--unix-socket", str(self.socket), "http://pkdoors/status")
        )
        self.assertNotEqual(status, 0)
        self.assertNotIn("version", output)
        self.ask("/status")

    def test_notOnTheNetwork(self) -> None:
        """It listens on no TCP port."""
        before = self.server.run("ss", "-Hltn")
        self.steered(SSH)
        self.assertEqual(self.server.run("ss", "-Hltn"), before)

    def test_left(self) -> None:
        """What a daemon left that was killed is in nobody's way; one that ends takes it along."""
        daemon = self.steered(SSH)
        daemon.stop(signal.SIGKILL)
        self.assertTrue(self.socket.exists())
        daemon = self.steered(SSH)
        self.ask("/status")
        daemon.stop()
        self.assertFalse(self.socket.exists())

    def test_taken(self) -> None:
        """A place that is taken, by a daemon or by a file, is told at the start; doors are kept."""
        self.steered(SSH)
        other = self.folder / "file"
        other.write_text("mine")
        for path in (self.socket, other):
            daemon = self.stranger.spawn(
                *(
                    str(BIN / "twistd"),
                    "-n",
                    "--pidfile=",
                    "pkdoors",
                    "-m",
                    "1,2,3,4,6",
                    "-p",
                    "22",
                ),
                *("-f", "nftables", "--admin", str(path)),
            )
            self.assertTrue(daemon.says(f"cannot make the admin socket {path}: another daemon"))
            self.assertTrue(daemon.says("guarding door"), daemon.log())
            daemon.stop()
        self.assertEqual(other.read_text(), "mine")
        self.ask("/status")

    def connect(self) -> socket.socket:
        """Ask for the status, and do not wait for the answer."""
        asking = socket.socket(socket.AF_UNIX)
        self.addCleanup(asking.close)
        asking.connect(str(self.socket))  # it may block: only so many wait to be taken
        asking.settimeout(PATIENCE)
        asking.sendall(b"GET /status HTTP/1.1\r\nHost: pkdoors\r\n\r\n")
        return asking

    def test_firstMoment(self) -> None:
        """All who ask at once are answered, though what does it is loaded only then."""
        self.steered(SSH)
        for asking in [self.connect() for _ in range(100)]:
            self.assertIn(b"200 OK", asking.recv(4096))

    def test_endsMeanwhile(self) -> None:
        """The end of the daemon waits neither for that nor for them."""
        daemon = self.steered(SSH)
        self.connect()
        self.assertEqual(-signal.SIGTERM, daemon.stop(), daemon.log())
        self.assertNotIn("Traceback", daemon.log())
        self.assertFalse(self.socket.exists())

    def test_off(self) -> None:
        """It can be left out."""
        self.write(SSH)
        Daemon(self.server, "-c", str(self.file), "--admin", "off")
        self.assertFalse(self.socket.exists())

    def test_usualPlace(self) -> None:
        """Without a word about it, it is where it is said to be, in a folder of its own."""
        script = f"""
            mount -t tmpfs none /run && umask 022
            {BIN}/twistd -n --pidfile= pkdoors -m 1,2,3,4,6 -p 22 -f nftables & daemon=$!
            until [ -S /run/pkdoors/admin.sock ]; do sleep 0.05; done
            socket=/run/pkdoors/admin.sock
            until curl -sS --unix-socket $socket http://pkdoors/; do sleep 0.05; done
            stat -c %a /run/pkdoors /run/pkdoors/admin.sock; kill $daemon; wait"""
        process = self.server.spawn("unshare", "--mount", "bash", "-c", script)
        self.assertTrue(process.says("700\n600\n"), process.log())


class EventsTests(SteeredTestCase):
    """Those who follow."""

    def test_told(self) -> None:
        """All that happens is told as it happens, with the same line as in the log."""
        daemon = self.steered(SSH)
        following = self.follow()
        self.client.send(SEQUENCE, b"knock 2\n")
        self.stranger.send((*SEQUENCE[:2], SEQUENCE[4]))
        self.server.run("nft", "flush", "ruleset")
        self.write(SSH, WEB_DOOR)
        self.reload()
        self.assertTrue(following.says("event: closed"), following.log())
        told = self.told(following)
        kinds = {each["event"] for each in told}
        self.assertLessEqual(
            {"opened", "refused", "healed", "reloaded", "guarding", "closed"}, kinds
        )
        for each in told:
            self.assertIn(each["text"], daemon.log())
        daemon.stop()
        self.assertTrue(following.says("event: stopped"), following.log())

    def test_followers(self) -> None:
        """Of ten, one never reads: it is dropped, memory stays bounded, the others have it all."""
        daemon = self.steered(SSH)
        followers = [self.follow() for _ in range(9)]
        lazy = socket.socket(socket.AF_UNIX)
        self.addCleanup(lazy.close)
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.connect(str(self.socket))
        lazy.sendall(b"GET /events HTTP/1.1\r\nHost: pkdoors\r\n\r\n")
        status = f"/proc/{daemon.process.popen.pid}/status"
        rounds, before = 0, 0
        while "does not read them, and was dropped" not in daemon.log():
            rounds += 1
            self.assertLess(rounds, 40, "it was never dropped")
            self.many()
            before = before or self.resident(status)
        self.assertTrue(eventually(lambda: min(map(self.count, followers)) >= 400 * rounds))
        self.assertLess(self.resident(status) - before, 20_000_000)
        self.ask("/status")

    def count(self, following: Process) -> int:
        """How many events somebody was told."""
        return len(self.told(following))

    def many(self) -> None:
        """Make events: 200 openings, and 200 closings."""
        self.openMany(MANY[:200])
        self.ask("/openings", "-X", "DELETE")

    def resident(self, status: str) -> int:
        """The memory of the daemon, in bytes."""
        with open(status) as file:
            (line,) = (each for each in file if each.startswith("VmRSS"))
        return 1024 * int(line.split()[1])


class StatusTests(SteeredTestCase):
    """What is told of the daemon."""

    def test_status(self) -> None:
        """Doors, openings and counters, and none of the secrets."""
        self.steered(SSH, WEB_DOOR)
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT))
        self.client.send(WEB_SEQUENCE[:2])
        status, body = self.curl("/status")
        self.assertEqual(status, 200)
        for secret in map(str, (*SEQUENCE, *WEB_SEQUENCE)):
            self.assertNotIn(secret, body)
        told = json.loads(body)
        ssh, web = told["doors"]
        self.assertEqual(
            (ssh["name"], ssh["ports"], ssh["lock"]), ("ssh", ["2222/tcp"], "sequence")
        )
        self.assertEqual((ssh["openings"], ssh["sources"], web["sources"]), (1, 0, 1))
        self.assertEqual(told["counters"]["knocks"], {"request": 1, "refused": 0, "other": 7})

    def test_metrics(self) -> None:
        """So are they for Prometheus."""
        self.steered(SSH)
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT))
        status, text = self.curl("/metrics")
        self.assertEqual(status, 200)
        for line in (
            'pkdoors_knocks_total{result="request"} 1.0',
            "pkdoors_openings_total 1.0",
            'pkdoors_open_doors{door="ssh"} 1.0',
            "pkdoors_time_to_open_seconds_count 1.0",
            'pkdoors_firewall_calls_total{call="open",firewall="nftables",result="ok"} 1.0',
            "pkdoors_heals_total 0.0",
            'pkdoors_sources_tracked{door="ssh"} 0.0',
        ):
            self.assertIn(f"\n{line}\n", text)

"""Tests of the admin interface, with curl."""

import json
import re
import signal
import socket
import stat
import time

from tests.lab.case import PORT, SEQUENCE
from tests.lab.controlled import MANY, SHARING, SSH, WEB, WEB_SEQUENCE, ControlledTestCase, door
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

WEB_DOOR = door("web", WEB_SEQUENCE, WEB)


class OpeningsTests(ControlledTestCase):
    """Tests of opening and closing."""

    def test_open(self) -> None:
        """The door opens for the address at once, as after a knock, and for no other."""
        daemon = self.controlled(SSH, WEB_DOOR)
        opening = self.open(CLIENT4)
        self.assertTrue(opening["open"])
        self.assertEqual(opening["user"], "the operator")
        self.assertTrue(self.client.reaches(PORT))
        self.assertFalse(self.client.reaches(WEB) or self.stranger.reaches(PORT))
        self.assertIn(f"opened door ssh ({PORT}/tcp) for {CLIENT4}", daemon.log())

    def test_extend(self) -> None:
        """Opening again extends the time, and never shortens it."""
        self.controlled(SSH)
        self.open(CLIENT4, seconds=100)
        self.assertGreater(self.open(CLIENT4, seconds=1000)["seconds_left"], 990)
        self.assertGreater(self.open(CLIENT4, seconds=10)["seconds_left"], 980)

    def test_ends(self) -> None:
        """The opening ends in time."""
        self.controlled(SSH)
        self.open(CLIENT4, seconds=1)
        self.assertTrue(eventually(lambda: not self.client.reaches(PORT)))
        self.assertEqual(self.openings(), set())

    def test_close(self) -> None:
        """A single opening, those for an address, those of a door, or all are closed; no others."""
        everything = {
            (name, source) for name in ("ssh", "web") for source in (CLIENT4, CLIENT6, "1.1.1.1")
        }
        self.controlled(SSH, WEB_DOOR)
        for path, gone in (
            (f"/{CLIENT4}?door=ssh", {("ssh", CLIENT4)}),
            (f"/{CLIENT6}", {("ssh", CLIENT6), ("web", CLIENT6)}),
            ("?door=web", {key for key in everything if key[0] == "web"}),
            ("", everything),
        ):
            with self.subTest(path):
                for name, source in everything:
                    self.open(source, name)
                self.assertEqual(self.inKernel(), everything)
                answer = self.ask(f"/openings{path}", "-X", "DELETE")
                closed = {(opening["door"], opening["source"]) for opening in answer["closed"]}
                self.assertEqual((closed, answer["closing"]), (gone, []))
                self.assertEqual(self.inKernel(), everything - gone)
                self.assertEqual(self.openings(), everything - gone)

    def test_thousand(self) -> None:
        """A thousand openings are listed, and closed with one request, within its time."""
        self.controlled(SSH)
        self.openMany(MANY)
        self.assertEqual(self.openings(), {("ssh", source) for source in MANY})
        self.assertEqual(self.inKernel(), {("ssh", source) for source in MANY})
        answer = self.ask("/openings", "-X", "DELETE")
        self.assertEqual((len(answer["closed"]), answer["closing"]), (1000, []))
        self.assertEqual((self.openings(), self.inKernel()), (set(), set()))

    def test_badRequests(self) -> None:
        """A bad request is answered with a sentence, and changes nothing."""
        self.controlled(SSH, WEB_DOOR)
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
            (400, "/openings", "-d", '{"source": "192.0.2.1/24", "door": "ssh"}'),
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
                found, sentence = self.refused(path, *options)
                self.assertEqual(found, status, sentence)
                self.assertTrue(sentence and "\n" not in sentence)
        with socket.socket(socket.AF_UNIX) as plain:
            plain.connect(str(self.socket))
            plain.sendall(b"x\r\n\r\n")
            head, _, body = plain.makefile().read().partition("\n\n")
        self.assertTrue(head.startswith("HTTP/1.1 400 "), head)
        self.assertEqual(list(json.loads(body)), ["error"])
        self.assertEqual((self.openings(), self.inKernel()), (set(), set()))


class UsersTests(ControlledTestCase):
    """Tests of two doors, and three people with different rights."""

    def test_rights(self) -> None:
        """Each key opens its doors, for its time, and the operator sees whose it was."""
        anna, bob, carl = makeKey(), makeKey(), makeKey()
        keys = self.folder / "keys"
        keys.touch(0o600)
        keys.write_text(
            publicLine(anna, "anna@laptop")
            + 'doors="web" '
            + publicLine(bob, "bob@desk")
            + 'max-open-for="90s",from="10.9.2.0/24" '
            + publicLine(carl, "carl@phone")
        )
        sealedBy = f'authorized_keys = "{keys}"\n'
        daemon = self.controlled(
            door("ssh", SEQUENCE, PORT, sealedBy), door("web", SHARING, WEB, sealedBy)
        )
        known = (
            (anna, self.client),
            (bob, self.client),
            (carl, self.client),
            (carl, self.stranger),
        )
        for key, host in known:
            asked = 600 if key is anna else 300  # the last to extend it is shown
            for name, sequence in (("ssh", SEQUENCE), ("web", SHARING)):
                host.send(sequence, sealed(key, sequence, door=name, seconds=asked), pause=0)
                time.sleep(1.1)  # one refusal a second is logged for each source
        shown = {
            (opening["door"], opening["source"]): opening["user"]
            for opening in self.ask("/openings")["openings"]
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
        self.assertTrue(all(opening["seconds_left"] <= 90 for opening in limited), limited)
        self.assertTrue(all(opening["key"].startswith("SHA256:") for opening in limited))

    def test_restart(self) -> None:
        """The next daemon knows whose opening it is, too, and nft shows that beside it."""
        key = makeKey()
        keys = self.folder / "keys"
        keys.touch(0o600)
        keys.write_text(publicLine(key, 'anna "quoted" é@laptop'))
        ssh = door("ssh", SEQUENCE, PORT, f'authorized_keys = "{keys}"\n')
        daemon = self.controlled(ssh)
        self.client.send(SEQUENCE, sealed(key, SEQUENCE, door="ssh"), pause=0)
        self.assertTrue(self.client.comesToReach(PORT))
        self.open("192.0.2.7")
        before = {found["source"]: found["key"] for found in self.ask("/openings")["openings"]}
        daemon.stop(signal.SIGKILL)
        self.controlled(ssh)
        self.server.run("nft", "flush", "ruleset")
        self.assertTrue(eventually(self.inKernel))
        after = self.ask("/openings")["openings"]
        self.assertEqual({found["source"]: found["key"] for found in after}, before)
        users = {found["source"]: found["user"] for found in after}
        self.assertEqual(users, {CLIENT4: "anna ?quoted? ?@laptop", "192.0.2.7": "the operator"})
        listing = self.server.run("nft", "list", "table", "inet", "pkdoors")
        name = re.escape(f"{before[CLIENT4]} anna ?quoted? ?@laptop")
        self.assertRegex(listing, f'comment "until=[0-9]+ {name}"')

    def test_sharedPorts(self) -> None:
        """Plain doors that share ports do not disturb each other: nobody is penalised."""
        daemon = self.controlled(SSH, door("web", SHARING, WEB))
        for sequence, port in ((SEQUENCE, PORT), (SHARING, WEB)):
            self.client.send(sequence)
            self.assertTrue(self.client.comesToReach(port), daemon.log())
        self.assertNotIn("refused", daemon.log())


class SocketTests(ControlledTestCase):
    """Tests of the socket."""

    def test_mode(self) -> None:
        """Only root and the daemon's own user can use it; it is made with that mode."""
        self.controlled(SSH)
        self.assertEqual(stat.S_IMODE(self.socket.stat().st_mode), 0o600)
        self.folder.chmod(0o755)
        setpriv = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        curl = ("curl", "-sS", "--unix-socket", str(self.socket), "http://pkdoors/status")
        status, output = self.server.status(*setpriv, *curl)
        self.assertNotEqual(status, 0)
        self.assertNotIn("version", output)
        self.ask("/status")

    def test_notOnTheNetwork(self) -> None:
        """It listens on no TCP port."""
        before = self.server.run("ss", "-Hltn")
        self.controlled(SSH)
        self.assertEqual(self.server.run("ss", "-Hltn"), before)

    def test_left(self) -> None:
        """A killed daemon's socket is replaced; a daemon that stops removes its own."""
        daemon = self.controlled(SSH)
        daemon.stop(signal.SIGKILL)
        self.assertTrue(self.socket.exists())
        daemon = self.controlled(SSH)
        self.ask("/status")
        daemon.stop()
        self.assertFalse(self.socket.exists())

    def test_taken(self) -> None:
        """A path that a daemon or a file has is an error in the log, and doors are guarded."""
        self.controlled(SSH)
        other = self.folder / "file"
        other.write_text("mine")
        for path in (self.socket, other):
            options = ("-m", "1,2,3,4,6", "-p", "22", "-f", "nftables", "--admin", str(path))
            twistd = (str(BIN / "twistd"), "-n", "--pidfile=", "pkdoors")
            daemon = self.stranger.spawn(*twistd, *options)
            self.assertTrue(daemon.says(f"cannot create the admin socket {path}: another daemon"))
            self.assertTrue(daemon.says("guarding door"), daemon.log())
            daemon.stop()
        self.assertEqual(other.read_text(), "mine")
        self.ask("/status")

    def connect(self) -> socket.socket:
        """Ask for the status, and do not wait for the answer."""
        asking = socket.socket(socket.AF_UNIX)
        self.addCleanup(asking.close)
        asking.connect(str(self.socket))  # it may block: the backlog is short
        asking.settimeout(PATIENCE)
        asking.sendall(b"GET /status HTTP/1.1\r\nHost: pkdoors\r\n\r\n")
        return asking

    def test_firstMoment(self) -> None:
        """All clients that ask at once are answered, though the server is loaded only then."""
        self.controlled(SSH)
        for asking in [self.connect() for _ in range(100)]:
            self.assertIn(b"200 OK", asking.recv(4096))

    def test_endsMeanwhile(self) -> None:
        """The daemon's end waits neither for the server's loading nor for clients."""
        daemon = self.controlled(SSH)
        self.connect()
        self.assertEqual(-signal.SIGTERM, daemon.stop(), daemon.log())
        self.assertNotIn("Traceback", daemon.log())
        self.assertFalse(self.socket.exists())

    def test_off(self) -> None:
        """The socket can be switched off."""
        self.write(SSH)
        Daemon(self.server, "-c", str(self.file), "--admin", "off")
        self.assertFalse(self.socket.exists())

    def test_usualPlace(self) -> None:
        """By default it is at the documented path, in a folder of its own."""
        script = f"""
            mount -t tmpfs none /run && umask 022
            {BIN}/twistd -n --pidfile= pkdoors -m 1,2,3,4,6 -p 22 -f nftables & daemon=$!
            until [ -S /run/pkdoors/admin.sock ]; do sleep 0.05; done
            socket=/run/pkdoors/admin.sock
            until curl -sS --unix-socket $socket http://pkdoors/; do sleep 0.05; done
            stat -c %a /run/pkdoors /run/pkdoors/admin.sock; kill $daemon; wait"""
        process = self.server.spawn("unshare", "--mount", "bash", "-c", script)
        self.assertTrue(process.says("700\n600\n"), process.log())


class EventsTests(ControlledTestCase):
    """Tests of clients that follow the events."""

    def test_sent(self) -> None:
        """Events are sent as they happen, with the same line as in the log."""
        daemon = self.controlled(SSH)
        following = self.follow()
        self.client.send(SEQUENCE, b"knock 2\n")
        self.stranger.send((*SEQUENCE[:2], SEQUENCE[4]))
        self.server.run("nft", "flush", "ruleset")
        self.write(SSH, WEB_DOOR)
        self.reload()
        self.assertTrue(following.says("event: closed"), following.log())
        events = self.told(following)
        kinds = {event["event"] for event in events}
        healed = set() if self.isOwned() else {"healed"}  # nobody can flush a table with an owner
        self.assertLessEqual(
            {"opened", "refused", "reloaded", "guarding", "closed", *healed}, kinds
        )
        for event in events:
            self.assertIn(event["text"], daemon.log())
        daemon.stop()
        self.assertTrue(following.says("event: stopped"), following.log())

    def test_past(self) -> None:
        """
        A client that connects later gets the last events, and one that continues gets what it
        lacks. After a restart it is told that nobody knows how many that is.
        """
        daemon = self.controlled(SSH)
        self.open(CLIENT4)
        following = self.follow("?last=1")
        self.assertTrue(following.says(f"for {CLIENT4}"), following.log())
        self.assertEqual(["opened"], self.kinds(following))
        seen = re.findall("(?m)^id: (.*)$", following.log())[-1]
        following.stop()
        self.ask("/openings", "-X", "DELETE")
        again = self.follow(f"?after={seen}")
        self.assertTrue(again.says("event: closed"), again.log())
        self.assertEqual(["closed"], self.kinds(again))
        daemon.stop()
        self.controlled(SSH)
        restarted = self.follow(f"?after={seen}")
        self.assertTrue(restarted.says("event: guarding"), restarted.log())
        self.assertEqual({"count": None}, self.told(restarted)[0])
        self.assertIn("event: missed", restarted.log())

    def kinds(self, following: Process) -> list[str]:
        """Return the kinds of the events that a client has received."""
        return [event["event"] for event in self.told(following)]

    def test_followers(self) -> None:
        """Of ten, one never reads: it is dropped, memory is bounded, the others get all events."""
        daemon = self.controlled(SSH)
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
        """Return the number of events that a client has received."""
        return len(self.told(following))

    def many(self) -> None:
        """Make events: 200 openings, and 200 closings."""
        self.openMany(MANY[:200])
        self.ask("/openings", "-X", "DELETE")

    def resident(self, status: str) -> int:
        """Return the daemon's memory in bytes."""
        with open(status) as file:
            (found,) = (line for line in file if line.startswith("VmRSS"))
        return 1024 * int(found.split()[1])


class StatusTests(ControlledTestCase):
    """Tests of the status and the metrics."""

    def test_status(self) -> None:
        """The status has doors, openings and counters, and no secrets."""
        self.controlled(SSH, WEB_DOOR)
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT))
        self.client.send(WEB_SEQUENCE[:2])
        status, body = self.curl("/status")
        self.assertEqual(status, 200)
        for secret in map(str, (*SEQUENCE, *WEB_SEQUENCE)):
            self.assertNotIn(secret, body)
        answer = json.loads(body)
        ssh, web = answer["doors"]
        self.assertEqual(
            (ssh["name"], ssh["ports"], ssh["lock"]), ("ssh", ["2222/tcp"], "sequence")
        )
        self.assertEqual((ssh["openings"], ssh["sources"], web["sources"]), (1, 0, 1))
        self.assertEqual(answer["counters"]["knocks"], {"request": 1, "refused": 0, "other": 7})

    def test_metrics(self) -> None:
        """The metrics have the counters, for Prometheus."""
        self.controlled(SSH)
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT))
        status, text = self.curl("/metrics")
        self.assertEqual(status, 200)
        for line in (
            'pkdoors_knock_datagrams_total{result="request"} 1.0',
            'pkdoors_opened_total{door="ssh"} 1.0',
            'pkdoors_open_now{door="ssh"} 1.0',
            "pkdoors_time_to_open_seconds_count 1.0",
            'pkdoors_firewall_calls_total{call="open",firewall="nftables",result="ok"} 1.0',
            "pkdoors_heals_total 0.0",
            'pkdoors_sources_tracked{door="ssh"} 0.0',
        ):
            self.assertIn(f"\n{line}\n", text)

"""Tests of L{pkdoors.adminclient.client} and L{pkdoors.adminclient.location}."""

import os
import socket
from pathlib import Path
from threading import Thread
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.adminclient import location
from pkdoors.adminclient.client import AdminClient, _UnixConnection
from pkdoors.adminclient.location import askDaemon, findSocket
from pkdoors.config.config import ADMIN_SOCKET
from pkdoors.errors import AskError, NoDaemon
from pkdoors.host import systemd
from tests.fakes.admin import Answer, FakeAdmin, makeEvent, makeOpening


class ClientTestCase(SynchronousTestCase):
    """Has a daemon."""

    def setUp(self) -> None:
        """Start the daemon."""
        self.admin = FakeAdmin().__enter__()
        self.addCleanup(self.admin.__exit__)
        self.client = AdminClient(self.admin.path, timeout=5.0)


class RequestTests(ClientTestCase):
    """Tests of the requests that are sent."""

    def test_status(self) -> None:
        """The answer is returned as it is."""
        self.assertEqual({**self.admin.status(), "total": 0, "next": ""}, self.client.status())
        self.client.status(door="ssh", limit=5)
        self.assertEqual(("GET", "/status?door=ssh&limit=5", None), self.admin.asked[-1])

    def test_olderDaemon(self) -> None:
        """A daemon that cannot choose openings shows and closes all; other refusals are errors."""
        self.admin.isOld = True
        self.assertEqual(self.admin.status(), self.client.status(limit=5))
        self.assertEqual({"closed", "closing", "others"}, {*self.client.close(limit=5)})
        self.admin.answers["GET", "/status"] = 400, {"error": "no such door"}
        self.assertRaises(AskError, self.client.status, limit=5)

    def test_open(self) -> None:
        """Only the given arguments are sent."""
        self.client.open("192.0.2.7", "ssh", 600.0)
        wanted = {"source": "192.0.2.7", "door": "ssh", "seconds": 600.0}
        self.assertEqual([("POST", "/openings", wanted)], self.admin.asked)
        self.admin.doors.pop()
        self.client.open("192.0.2.7")
        self.assertEqual(("POST", "/openings", {"source": "192.0.2.7"}), self.admin.asked[1])

    def test_close(self) -> None:
        """All openings can be closed, those of a door, those for an address, or one."""
        for arguments, target in (
            ((), "/openings"),
            (("", "ssh"), "/openings?door=ssh"),
            (("2001:db8::7",), "/openings/2001:db8::7"),
            (("192.0.2.7", "ssh"), "/openings/192.0.2.7?door=ssh"),
            (("10.0.0.0/16",), "/openings/10.0.0.0%2F16"),
        ):
            self.admin.openings = [*map(makeOpening, ("192.0.2.7", "2001:db8::7", "10.0.0.0/16"))]
            self.client.close(*arguments)
            self.assertEqual(("DELETE", target, None), self.admin.asked[-1])

    def test_events(self) -> None:
        """Events are yielded one after the other, until the daemon ends."""
        events = self.client.events()
        sent = [makeEvent("opened"), makeEvent("closed", text="ü" * 5000)]
        found: list[Any] = []
        reader = Thread(target=lambda: found.extend(events), daemon=True)
        reader.start()
        self.admin.awaitFollower()
        self.admin.send(b": hello\n\n")
        for event in sent:
            self.admin.tell(event)
        self.admin.stop()
        reader.join(15)
        self.assertEqual(sent, found)


class ErrorTests(ClientTestCase):
    """Tests of errors."""

    def error(self, kind: type[AskError] = AskError) -> str:
        """Return the sentence of the error when the status is asked for."""
        error = self.assertRaises(AskError, self.client.status)
        self.assertIs(kind, type(error))
        self.assertNotIn("\n", str(error))
        return str(error)

    def test_noDaemon(self) -> None:
        """Without a socket, or a listener, the sentence has the path."""
        self.admin.stop()
        self.assertIn(f"(no socket at {self.admin.path}): start it", self.error(NoDaemon))
        left = socket.socket(socket.AF_UNIX)
        left.bind(self.admin.path)
        left.close()
        self.addCleanup(os.unlink, self.admin.path)
        self.assertIn(f"(nobody listens at {self.admin.path}): start", self.error(NoDaemon))

    def test_noService(self) -> None:
        """The sentence mentions systemd only if it has a unit for the daemon."""
        self.admin.stop()
        unit = Path(self.mktemp())
        self.patch(systemd, "UNIT", unit)
        self.assertNotIn("systemctl", self.error(NoDaemon))
        unit.touch()
        self.assertIn("start it with `systemctl start pkdoors`, or use", self.error(NoDaemon))

    def test_eventsWithoutDaemon(self) -> None:
        """The same holds for events."""
        self.admin.stop()
        self.assertRaises(NoDaemon, next, self.client.events())

    def test_refused(self) -> None:
        """A refusal is the daemon's own sentence."""
        self.admin.answers["GET", "/status"] = (503, {"error": "not now: \x1b later"})
        self.assertEqual("not now: ? later", self.error())

    def test_mute(self) -> None:
        """The wait for an answer has an end."""
        self.client.timeout = 0.05
        self.admin.stop()
        with socket.socket(socket.AF_UNIX) as mute:
            mute.bind(self.admin.path)
            self.addCleanup(os.unlink, self.admin.path)
            mute.listen()
            self.assertIn("within 50ms", self.error())

    def test_busy(self) -> None:
        """If very many clients ask at once, it waits until there is room, but not for ever."""
        self.admin.stop()
        self.addCleanup(os.unlink, self.admin.path)
        with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as other:
            busy.bind(self.admin.path)
            busy.listen(0)
            other.connect(self.admin.path)
            self.client.timeout = 0.05
            self.assertIn("too many clients ask the daemon at", self.error())
            self.client.timeout = 30.0
            found: list[Any] = []
            asking = Thread(target=lambda: found.append(self.client.status()), daemon=True)
            asking.start()
            asking.join(0.2)
            self.assertTrue(asking.is_alive(), "it did not wait")
            busy.accept()[0].close()
            connection, _ = busy.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            asking.join(15)
            self.assertEqual([{}], found)

    def test_refusedUnread(self) -> None:
        """The answer of a daemon that hangs up before it reads anything is not lost."""
        self.admin.stop()
        self.addCleanup(os.unlink, self.admin.path)
        body = b'{"error": "too many connections"}'
        answer = b"HTTP/1.1 503 Busy\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        with socket.socket(socket.AF_UNIX) as busy:
            busy.bind(self.admin.path)
            busy.listen()

            def refuse() -> None:
                connection, _ = busy.accept()
                connection.sendall(answer)
                connection.close()

            def connectAndWait(connection: Any) -> None:
                connect(connection)
                thread.join(15)

            connect = _UnixConnection.connect
            self.patch(_UnixConnection, "connect", connectAndWait)
            thread = Thread(target=refuse, daemon=True)
            thread.start()
            self.assertEqual("too many connections", self.error())

    def test_hangsUp(self) -> None:
        """A daemon that hangs up, or another program, is one sentence."""
        self.admin.stop()
        self.addCleanup(os.unlink, self.admin.path)
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(self.admin.path)
            other.listen()
            for answer in (b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"):

                def answerOnce(answer: bytes = answer) -> None:
                    connection, _ = other.accept()
                    with connection:
                        connection.recv(4096)
                        connection.sendall(answer)

                thread = Thread(target=answerOnce, daemon=True)
                thread.start()
                self.assertIn("the daemon", self.error())
                thread.join(15)

    def test_noJSON(self) -> None:
        """An answer that is not JSON, or an error without a sentence, is refused."""
        answers: tuple[Answer, ...] = ((200, "<html>"), (500, "<html>"), (500, []), (404, {"x": 1}))
        for answer in answers:
            self.admin.answers["GET", "/status"] = answer
            self.assertIn("cannot understand", self.error())

    def test_tooLong(self) -> None:
        """A path that is too long for a socket is one sentence."""
        self.client.path = "/run/" + "x" * 200
        self.assertIn("cannot ask the daemon at /run/x", self.error())

    def test_noPermission(self) -> None:
        """A socket without permission is one sentence, which says who may use it."""
        if os.geteuid() != 0:
            os.chmod(self.admin.path, 0)
            self.assertIn("run this as root", self.error())
            return
        # Root may use all sockets; so ask in a child that is not root.
        Path(self.admin.path).parent.chmod(0o700)
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            os.setuid(65534)
            try:
                self.client.status()
            except AskError as error:
                os.write(writer, str(error).encode())
            os._exit(0)
        os.waitpid(child, 0)
        os.close(writer)
        with open(reader) as output:
            self.assertEqual(
                f"permission denied for the daemon's socket {self.admin.path}: run this as root",
                output.read(),
            )


class FindSocketTests(SynchronousTestCase):
    """Tests of L{findSocket}."""

    def write(self, text: str) -> str:
        """Return the path of a file with this text."""
        path = Path(self.mktemp()).absolute()
        path.write_text(text)
        return str(path)

    def test_told(self) -> None:
        """The path is in the file, even if other parts of the file are wrong."""
        self.assertEqual("/run/x", findSocket(self.write('admin = "/run/x"\nfirewall = 7\n')))

    def test_usual(self) -> None:
        """If the file does not have it, or is not TOML, it is the usual path."""
        for text in ("", "admin = 7", 'admin = ""', 'admin = "/run/x', "\0", "a.b = 1\na = 2"):
            self.assertEqual(ADMIN_SOCKET, findSocket(self.write(text)))
        self.assertEqual(ADMIN_SOCKET, findSocket("/"))

    def test_pipe(self) -> None:
        """A pipe that nobody writes into does not block it."""
        pipe = os.path.abspath(self.mktemp())
        os.mkfifo(pipe)
        self.assertEqual(ADMIN_SOCKET, findSocket(pipe))

    def test_off(self) -> None:
        """If the file says that there is none, that is one sentence with the file's path."""
        file = self.write('admin = "off"')
        error = self.assertRaises(AskError, findSocket, file)
        self.assertIn(f"has no admin socket: {file} has", str(error))

    def test_missing(self) -> None:
        """A file that was asked for must exist, the usual one need not."""
        self.patch(location, "CONF_FILE", "/nowhere/pkdoors.toml")
        self.assertEqual(ADMIN_SOCKET, findSocket(None))
        error = self.assertRaises(AskError, findSocket, "/nowhere/other.toml")
        self.assertIn("cannot read /nowhere/other.toml", str(error))


class AskDaemonTests(ClientTestCase):
    """Tests of L{askDaemon}, after the path in the file has changed."""

    def setUp(self) -> None:
        """Have a daemon at the usual path, and a usual file."""
        super().setUp()
        self.file = Path(self.mktemp()).absolute()
        self.patch(location, "CONF_FILE", str(self.file))
        self.patch(location, "ADMIN_SOCKET", self.admin.path)

    def ask(self, conf: str | None = None) -> Any:
        """Return the firewall of the daemon that is found."""
        return askDaemon(conf, lambda path: AdminClient(path).status())["firewall"]

    def test_changed(self) -> None:
        """The daemon is found at the usual path, though the file names another path, or none."""
        for place in (self.mktemp(), "off"):
            self.file.write_text(f'admin = "{place}"')
            self.assertEqual(self.admin.firewall, self.ask())

    def test_told(self) -> None:
        """The daemon at the file's path comes first."""
        with FakeAdmin() as other:
            other.firewall = "another"
            self.file.write_text(f'admin = "{other.path}"')
            self.assertEqual("another", self.ask())

    def test_otherFile(self) -> None:
        """With another file only its path counts: another daemon may have the usual one."""
        self.file.write_text('admin = "/nowhere/admin.sock"')
        error = self.assertRaises(NoDaemon, self.ask, str(self.file))
        self.assertIn("no socket at /nowhere/admin.sock", str(error))
        self.file.write_text('admin = "off"')
        self.assertRaises(AskError, self.ask, str(self.file))
        self.assertEqual([], self.admin.asked)

    def test_nowhere(self) -> None:
        """If nobody listens at the usual path either, the error is about the file's path."""
        self.admin.stop()
        for place, sentence in (
            (
                "/nowhere/admin.sock",
                "(no socket at /nowhere/admin.sock): start it",
            ),
            ("off", f"the daemon has no admin socket: {self.file} has"),
        ):
            self.file.write_text(f'admin = "{place}"')
            error = self.assertRaises(AskError, self.ask)
            self.assertIn(sentence, str(error))
            self.assertIn("use --admin PATH", str(error))
            self.assertEqual(place != "off", isinstance(error, NoDaemon))

    def test_refused(self) -> None:
        """A daemon that answers is the right one, whatever it answers."""
        with FakeAdmin() as other:
            other.answers["GET", "/status"] = 503, {"error": "not now"}
            self.file.write_text(f'admin = "{other.path}"')
            self.assertEqual("not now", str(self.assertRaises(AskError, self.ask)))
        self.assertEqual([], self.admin.asked)

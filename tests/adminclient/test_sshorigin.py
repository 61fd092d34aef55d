"""Tests of L{pkdoors.adminclient.sshorigin}."""

import os
from ipaddress import ip_address
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.adminclient.sshorigin import findSshOrigin
from pkdoors.errors import BadValue

ANN = "203.0.113.7 50000 10.0.0.1 22"
"""The variable of a connection."""
EVE = "198.51.100.66 50001 10.0.0.1 22"
MONITOR, SESSION, SHELL, SUDO = 100, 101, 102, 103
SERVER, WINDOW = 200, 201
NOBODY = "4294967295"
LISTEN, LIVE = "0A", "01"


def hexed(address: str, port: int) -> str:
    """Return one end of a socket as the kernel prints it."""
    raw = ip_address(address).packed
    words = (raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    return f"{b''.join(words).hex().upper()}:{port:04X}"


class OriginTests(SynchronousTestCase):
    """
    Tests of L{findSshOrigin}.
    """

    def setUp(self) -> None:
        """Make a host with a login over ssh: C{sudo} in a shell, and a multiplexer beside it."""
        self.proc = Path(self.mktemp())
        self.sockets: dict[int, str] = {}
        self.add(1, 0, "systemd")
        self.add(50, 1, "/usr/sbin/sshd")
        self.connect(50, 3, 9, EVE, LISTEN)
        self.add(MONITOR, 50, "/usr/sbin/sshd", login="1000")
        self.connect(MONITOR, 4, 10, ANN)
        self.add(SESSION, MONITOR, "/usr/sbin/sshd", "1000", login="1000")
        self.add(SHELL, SESSION, "/bin/bash", "1000", ANN, login="1000")
        self.add(SUDO, SHELL, "/usr/bin/sudo", login="1000")
        self.add(SERVER, 1, "/usr/bin/tmux", "1000", login="1000")
        self.add(WINDOW, SERVER, "/bin/bash", "1000", ANN, login="1000")

    def add(
        self,
        pid: int | str,
        parent: int,
        exe: str,
        uid: str = "0",
        ssh: str = "",
        login: str = NOBODY,
    ) -> None:
        """Add a process."""
        folder = self.proc / str(pid)
        (folder / "fd").mkdir(parents=True)
        (folder / "net").mkdir()
        uids = "\t".join([uid] * 4)
        (folder / "status").write_text(f"Name:\ta: b\nPPid:\t{parent}\nUid:\t{uids}\n")
        (folder / "exe").symlink_to(exe)
        (folder / "loginuid").write_text(login)
        (folder / "environ").write_bytes(f"A=b\0SSH_CONNECTION={ssh}\0C=d\0".encode())

    def connect(self, pid: int, descriptor: int, inode: int, text: str, state: str = LIVE) -> None:
        """Give a process a connection."""
        peer, peerPort, here, port = text.split()
        ends = f"{hexed(here, int(port))} {hexed(peer, int(peerPort))}"
        line = f"0: {ends} {state} 0:0 0:0 0 0 0 {inode} 1 0"
        file = self.proc / str(pid) / "net" / ("tcp6" if ":" in peer else "tcp")
        before = file.read_text() if file.exists() else "head\n"
        file.write_text(f"{before}{line}\n")
        os.symlink(f"socket:[{inode}]", self.proc / str(pid) / "fd" / str(descriptor))

    def origin(self, parent: int, login: str = "1000", **environment: str) -> str:
        """Return what is found by a command of root's."""
        self.add("self", parent, "/usr/bin/python3", login=login)
        return str(findSshOrigin(environment, self.proc))

    def notFound(self, parent: int, login: str = "1000", **environment: str) -> None:
        """Check that nothing is found."""
        error = self.assertRaises(BadValue, self.origin, parent, login, **environment)
        self.assertIn("give the address instead", str(error))

    def test_sudo(self) -> None:
        """The connection is that of root's sshd above sudo, which removes the variable."""
        self.assertEqual("203.0.113.7", self.origin(SUDO))

    def test_forged(self) -> None:
        """A variable that says otherwise does not count, in any process."""
        (self.proc / str(SHELL) / "environ").write_bytes(f"SSH_CONNECTION={EVE}\0".encode())
        self.assertEqual("203.0.113.7", self.origin(SUDO, SSH_CONNECTION=EVE))

    def test_ownSshd(self) -> None:
        """A program of the user's that is called sshd does not count."""
        self.add(110, SHELL, "/home/eve/sshd", "1000")
        self.connect(110, 3, 11, EVE)
        self.add(111, 110, "/usr/bin/sudo")
        self.assertEqual("203.0.113.7", self.origin(111))

    def test_forwarded(self) -> None:
        """Connections that the sshd of root's own session forwards come after its client's."""
        self.connect(MONITOR, 12, 12, EVE)
        self.connect(MONITOR, 2, 13, EVE, LISTEN)
        self.assertEqual("203.0.113.7", self.origin(SUDO))

    def test_ipv6(self) -> None:
        """IPv6 works in the same way, and mapped IPv4 is IPv4."""
        for number, (text, found) in enumerate(
            {"2001:db8::7": "2001:db8::7", "::ffff:192.0.2.8": "192.0.2.8"}.items()
        ):
            pid = 300 + number
            self.add(pid, 50, "/usr/lib/openssh/sshd-session (deleted)", login="1000")
            self.connect(pid, 4, pid, f"{text} 5 2001:db8::1 22")
            self.add(f"{pid}0", pid, "/bin/bash")
            self.add("self", int(f"{pid}0"), "/usr/bin/python3")
            self.assertEqual(found, str(findSshOrigin({}, self.proc)))
            (self.proc / "self").rename(self.proc / f"old{number}")

    def test_multiplexer(self) -> None:
        """Under tmux the variable counts, if it names a connection of the same login's."""
        self.assertEqual("203.0.113.7", self.origin(WINDOW))

    def test_stale(self) -> None:
        """It does not count after that connection has ended."""
        (self.proc / str(MONITOR) / "fd" / "4").unlink()
        self.notFound(WINDOW)

    def test_another(self) -> None:
        """Nor does a connection of somebody else's login, even if the user names it."""
        self.add(400, 50, "/usr/sbin/sshd", login="1001")
        self.connect(400, 4, 40, EVE)
        (self.proc / str(WINDOW) / "environ").write_bytes(f"SSH_CONNECTION={EVE}\0".encode())
        self.notFound(WINDOW, SSH_CONNECTION=EVE)

    def test_unknownLogin(self) -> None:
        """Without a login the variable counts for root alone."""
        (self.proc / str(MONITOR) / "loginuid").write_text(NOBODY)
        self.notFound(WINDOW, NOBODY)

    def test_root(self) -> None:
        """A root who never was anybody else can name any of sshd's connections, but no other."""
        (self.proc / str(MONITOR) / "loginuid").write_text(NOBODY)
        self.assertEqual("203.0.113.7", self.origin(1, NOBODY, SSH_CONNECTION=ANN))

    def test_orphan(self) -> None:
        """
        A user whose sudo has lost its parent is not root, although all ancestors are: a variable
        that names somebody else's connection does not count, with or without logins.
        """
        self.add(600, 1, "/usr/bin/sudo", ssh=EVE, login="1000")
        self.add(400, 50, "/usr/sbin/sshd", login="1001")
        self.connect(400, 4, 40, EVE)
        self.notFound(600, "1000", SUDO_UID="1000")
        for pid in (MONITOR, 400, 600, "self"):
            (self.proc / str(pid) / "loginuid").write_text(NOBODY)
        for name, value in (("SUDO_UID", "1000"), ("DOAS_USER", "eve"), ("PKEXEC_UID", "1000")):
            error = self.assertRaises(BadValue, findSshOrigin, {name: value}, self.proc)
            self.assertIn("give the address instead", str(error))
        self.assertEqual("198.51.100.66", str(findSshOrigin({"SUDO_UID": "0"}, self.proc)))

    def test_orphanOfOwn(self) -> None:
        """Its own connection is found, if the kernel knows logins."""
        self.add(600, 1, "/usr/bin/sudo", ssh=ANN, login="1000")
        self.assertEqual("203.0.113.7", self.origin(600, "1000", SUDO_UID="1000"))

    def test_rootStale(self) -> None:
        """An old variable names none."""
        self.notFound(1, NOBODY, SSH_CONNECTION=EVE)

    def test_noSsh(self) -> None:
        """On the console there is no ssh; the sentence says what to do."""
        self.notFound(1, NOBODY)

    def test_nonsense(self) -> None:
        """A variable with anything in it is read without an error."""
        (self.proc / str(WINDOW) / "environ").write_bytes(b"SSH_CONNECTION=\xff 1 2 3\0=\0\0")
        self.notFound(WINDOW, SSH_CONNECTION="a b c d e")

    def test_thisHost(self) -> None:
        """An ssh from this host itself opens nothing."""
        self.add(500, 50, "/usr/sbin/sshd")
        self.connect(500, 4, 50, "127.0.0.1 5 127.0.0.1 22")
        error = self.assertRaises(BadValue, self.origin, 500)
        self.assertIn("your ssh comes from 127.0.0.1, which is this host itself", str(error))

"""Tests of L{pkdoors.host.logins.sshd}."""

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.host.logins import sshd
from pkdoors.host.logins.sshd import askSshd, findSshPorts, listKeyFiles
from pkdoors.host.logins.users import User
from pkdoors.host.proc import Proc

ANNA = User("anna", 1000, 1000, "/home/anna")
HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"


class AskTests(SynchronousTestCase):
    """What sshd answers."""

    def answer(self, script: str) -> dict[str, list[str]]:
        """Ask a program in place of sshd."""
        program = Path(self.mktemp()).absolute()
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        self.patch(sshd, "which", lambda name, path="": str(program))
        return askSshd(ANNA)

    def test_settings(self) -> None:
        """Each keyword has its values; the question names the user, for blocks with Match."""
        settings = self.answer('echo "Port 2222"; echo "port 22"; echo "asked $*"')
        expected = {
            "port": ["2222", "22"],
            "asked": ["-T -C user=anna,host=localhost,addr=127.0.0.1"],
        }
        self.assertEqual(expected, settings)

    def test_none(self) -> None:
        """An sshd that fails, or none, has no settings."""
        self.assertEqual({}, self.answer("exit 1"))
        self.patch(sshd, "TIMEOUT", 0.1)
        self.assertEqual({}, self.answer("exec sleep 60"))
        self.patch(sshd, "which", lambda name, path="": None)
        self.assertEqual({}, askSshd(ANNA))


class PortTests(SynchronousTestCase):
    """Where sshd listens."""

    def proc(self, *ports: int, name: str = "sshd", address: str = "00000000") -> Proc:
        """Make C{/proc} of a host with a process that listens on some ports."""
        root = Path(self.mktemp()).absolute()
        (root / "net").mkdir(parents=True)
        (root / "7/fd").mkdir(parents=True)
        (root / "7/comm").write_text(f"{name}\n")
        lines = [
            f"   0: {address}:{port:04X} 00000000:0000 0A 00000000:00000000 00:00000000 "
            f"00000000     0        0 {port} 1 0 100 0 0 10 0\n"
            for port in ports
        ]
        for port in ports:
            os.symlink(f"socket:[{port}]", root / f"7/fd/{port}")
        (root / "net/tcp").write_text(HEAD + "".join(lines))
        return Proc(root)

    def test_ports(self) -> None:
        """What is set and heard counts, else what sshd hears, else what is set, else 22."""
        for wanted, proc, expected in (
            (["2222", "22"], self.proc(22, 80), [22]),
            (["2222", "22"], self.proc(22, 2222), [22, 2222]),
            (["2222"], self.proc(22, name="systemd"), [2222]),
            (["22"], self.proc(2222), [2222]),
            (["22"], self.proc(6010, address="0100007F"), [22]),
            ([], self.proc(2222), [2222]),
            ([], self.proc(), [22]),
            (["x", "0", "65536"], self.proc(), [22]),
        ):
            settings = {"port": wanted} if wanted else {}
            self.assertEqual(expected, findSshPorts(settings, proc), wanted)


class FileTests(SynchronousTestCase):
    """Where the keys are."""

    def test_files(self) -> None:
        """sshd's own default, its setting, with tokens, and none at all."""
        for given, expected in (
            (None, ["/home/anna/.ssh/authorized_keys", "/home/anna/.ssh/authorized_keys2"]),
            ("/etc/keys/%u %h/.ssh/x", ["/etc/keys/anna", "/home/anna/.ssh/x"]),
            ("y-%U-%%-%z", ["/home/anna/y-1000-%-%z"]),
            ("none", []),
        ):
            settings = {} if given is None else {"authorizedkeysfile": [given]}
            self.assertEqual(expected, listKeyFiles(settings, ANNA))

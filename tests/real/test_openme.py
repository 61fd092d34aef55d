"""C{pkdoors open me}: the address that the operator's ssh comes from."""

from tests.lab.case import PORT, SshTestCase
from tests.lab.hosts import BIN, CLIENT4, CLIENT6, SERVER4, SERVER6, eventually

PKDOORS = str(BIN / "pkdoors")


class MeTests(SshTestCase):
    """A session of ssh on the server, whose own port is not protected."""

    def setUp(self) -> None:
        """Start everything."""
        super().setUp()
        self.sshd()
        self.start()
        self.admin = f"--admin {self.folder}/admin.sock"

    def remote(self, command: str, target: str = SERVER4) -> tuple[int, str]:
        """Run a command in a session."""
        options = ("-q", "-o", "LogLevel=ERROR", *self.sshOptions())
        return self.client.status("ssh", *options, f"root@{target}", command)

    def test_openAndClose(self) -> None:
        """The door opens for the address of the session, and closes for it; the answer names it."""
        for target, source in ((SERVER4, CLIENT4), (SERVER6, CLIENT6)):
            status, output = self.remote(f"{PKDOORS} open me {self.admin}", target)
            self.assertEqual(0, status, output)
            self.assertIn(f" is open for {source} (your ssh) until", output)
            self.assertTrue(self.client.reaches(PORT, target))
            self.assertFalse(self.stranger.reaches(PORT, target))
            status, output = self.remote(f"{PKDOORS} close me {self.admin}", target)
            self.assertEqual((0, f"closed door default for {source}\n"), (status, output))
            self.assertFalse(self.client.reaches(PORT, target))

    def test_withoutVariable(self) -> None:
        """It works without the variable, which sudo removes, and another value does not count."""
        forged = "SSH_CONNECTION='203.0.113.66 5 10.9.1.1 22'"
        for environment in ("env -i", f"env {forged}", f"{forged} sh -c"):
            command = f"{PKDOORS} open me {self.admin}"
            quoted = f"'{command}; true'" if environment.endswith("-c") else command
            status, output = self.remote(f"{environment} {quoted}")
            self.assertEqual(0, status, output)
            self.assertIn(f"{CLIENT4} (your ssh)", output)

    def test_multiplexer(self) -> None:
        """It works in a program that is no child of sshd any more, as under tmux, as long as the
        session lives."""
        script = self.folder / "apart"
        output, gone = self.folder / "output", self.folder / "gone"
        script.write_text(
            f"#!/bin/sh\n{PKDOORS} open me {self.admin} >{output} 2>&1\n"
            f"while [ ! -e {gone} ]; do sleep 0.1; done\n"
            f"{PKDOORS} open me {self.admin} >{output}2 2>&1; echo $? >>{output}2\n"
        )
        script.chmod(0o755)
        apart = f"(setsid {script} </dev/null >/dev/null 2>&1 &)"
        status, said = self.remote(f"{apart}; while [ ! -s {output} ]; do sleep 0.1; done")
        self.assertEqual(0, status, said)
        self.assertTrue(eventually(lambda: f"{CLIENT4} (your ssh)" in output.read_text()), output)
        gone.touch()
        after = self.folder / "output2"
        self.assertTrue(eventually(lambda: after.exists() and after.read_text().endswith("1\n")))
        self.assertIn("your ssh connection cannot be found", after.read_text())

    def test_noSsh(self) -> None:
        """Without ssh nothing opens, and one sentence says what to do."""
        status, output = self.server.status(PKDOORS, "open", "me", *self.admin.split())
        self.assertEqual((1, 1), (status, output.count("\n")))
        self.assertIn("give the address instead", output)

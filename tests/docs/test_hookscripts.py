"""Tests of the ready-made hooks in C{docs/hooks}: the real curl, and servers that listen here."""

import os
import re
from base64 import b64decode
from email import message_from_bytes
from pathlib import Path
from shutil import which
from socket import create_server
from socketserver import StreamRequestHandler, TCPServer
from subprocess import PIPE, STDOUT, run
from threading import Thread
from typing import ClassVar
from urllib.parse import parse_qs

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from pkdoors.config.parser import parseConfig
from pkdoors.daemon.hooks.hook import makeEnvironment
from pkdoors.model.principal import Principal
from tests import ROOT
from tests.daemon.hooks.case import event
from tests.fakes.doors import PORTS
from tests.lab.hosts import eventually

HOOKS = ROOT / "docs" / "hooks"
NASTY = Principal("@/etc/passwd; touch x `id` $(id) * & = %41 + '\" <b>Zoë", "SHA256:abc")
"""A key's comment that would do harm if anything interpreted it."""

_SPY = """#!/bin/sh
tr '\\0' '\\n' < /proc/$$/cmdline > {0}
exec {1} "$@"
"""


class _Server(TCPServer):
    """A server for one protocol that keeps what it got."""

    allow_reuse_address = True

    def __init__(self, handler: type[StreamRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.got: list[tuple[bytes, bytes]] = []
        """The head and the body of each request."""

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _HttpHandler(StreamRequestHandler):
    """One request of HTTP."""

    status: ClassVar[bytes] = b"200 OK"

    def handle(self) -> None:
        """Keep it, and answer."""
        head = b"".join(iter(self.rfile.readline, b"\r\n"))
        found = re.search(rb"(?i)content-length: (\d+)", head)
        body = self.rfile.read(int(found[1])) if found else b""
        assert isinstance(self.server, _Server)
        self.server.got.append((head, body))
        self.wfile.write(b"HTTP/1.0 " + self.status + b"\r\nContent-Length: 2\r\n\r\nok")


class _FailingHandler(_HttpHandler):
    """A server that refuses."""

    status = b"403 Forbidden"


class _SmtpHandler(StreamRequestHandler):
    """One mail, by SMTP."""

    def handle(self) -> None:
        """Keep it, and answer."""
        self._say(b"220 here")
        head, body, isMail = b"", b"", False
        for line in self.rfile:
            if isMail and line == b".\r\n":
                isMail = False
                self._say(b"250 taken")
            elif isMail:
                body += line
            else:
                head += line
                isMail = line == b"DATA\r\n"
                self._say(b"354 go on" if isMail else b"250 ok")
        assert isinstance(self.server, _Server)
        self.server.got.append((head, body))

    def _say(self, line: bytes) -> None:
        self.wfile.write(line + b"\r\n")


class HookScriptTests(SynchronousTestCase):
    """
    Each hook, run as the daemon would run it.
    """

    def setUp(self) -> None:
        """Put a curl in front of the real one that notes its command line."""
        curl = which("curl")
        if curl is None:
            raise SkipTest("curl is not installed")
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.noted = self.folder / "commandline"
        spy = self.folder / "curl"
        spy.write_text(_SPY.format(self.noted, curl))
        spy.chmod(0o755)
        self.config = self.folder / "hook.curl"

    def serve(self, handler: type[StreamRequestHandler]) -> _Server:
        """Return a server that runs until the end of the test."""
        server = _Server(handler)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        self.addCleanup(server.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(server.shutdown)
        return server

    def hook(self, name: str, text: str) -> tuple[int, str]:
        """Run it with this file for curl; return its status and its output."""
        self.config.write_text(text)
        environment = makeEnvironment(event(who=NASTY))
        environment[b"PATH"] = os.fsencode(self.folder) + b":" + environment[b"PATH"]
        done = run(
            [HOOKS / name, self.config],
            env=environment,
            stdout=PIPE,
            stderr=STDOUT,
            cwd=self.folder,
        )
        return done.returncode, done.stdout.decode()

    def assertSecret(self, *secrets: str) -> None:
        """Neither the secrets nor anything that a client chose was on curl's command line."""
        words = self.noted.read_text()
        self.assertIn("--config", words)
        for secret in (*secrets, NASTY.name, "opened door"):
            self.assertNotIn(secret, words)

    def received(self, server: _Server) -> list[tuple[bytes, bytes]]:
        """Return what a server got; its thread may be done with that later than curl is."""
        self.assertTrue(eventually(lambda: server.got))
        return server.got

    @property
    def text(self) -> str:
        """The text of the event."""
        return makeEnvironment(event(who=NASTY))[b"PKDOORS_TEXT"].decode()

    def test_ntfy(self) -> None:
        """ntfy gets the text as it is, with a title and the header in the file."""
        server = self.serve(_HttpHandler)
        outcome = self.hook(
            "pkdoors-ntfy",
            f'url = "http://{server.address}/topic"\nheader = "Authorization: Bearer tk_secret"\n',
        )
        self.assertEqual((0, ""), outcome)
        ((head, body),) = self.received(server)
        self.assertEqual(self.text, body.decode())
        self.assertTrue(head.startswith(b"POST /topic "))
        self.assertIn(b"Title: pkdoors: opened\r\n", head)
        self.assertIn(b"Authorization: Bearer tk_secret\r\n", head)
        self.assertSecret("tk_secret", "topic")

    def test_telegram(self) -> None:
        """Telegram gets the text as it is, and the chat; and is not asked to read markup in it."""
        server = self.serve(_HttpHandler)
        outcome = self.hook(
            "pkdoors-telegram",
            f'url = "http://{server.address}/botTOKEN/sendMessage"\n'
            'data-urlencode = "chat_id=123456789"\n',
        )
        self.assertEqual((0, ""), outcome)
        ((head, body),) = self.received(server)
        self.assertTrue(head.startswith(b"POST /botTOKEN/sendMessage "))
        self.assertEqual(
            {"chat_id": ["123456789"], "text": [self.text]}, parse_qs(body.decode("ascii"))
        )
        self.assertSecret("TOKEN", "123456789")

    def test_mail(self) -> None:
        """The mail has the text as it is, a subject, and the addresses in the file."""
        server = self.serve(_SmtpHandler)
        shown = self.documented("pkdoors-mail").replace(
            "smtp://localhost", f"smtp://{server.address}"
        )
        self.assertEqual((0, ""), self.hook("pkdoors-mail", shown))
        ((head, body),) = self.received(server)
        self.assertIn(b"MAIL FROM:<pkdoors@myhost.example>\r\n", head)
        self.assertIn(b"RCPT TO:<admin@myhost.example>\r\n", head)
        mail = message_from_bytes(body)
        self.assertEqual(
            ["pkdoors@myhost.example", "admin@myhost.example", "pkdoors: opened"],
            [mail["From"], mail["To"], mail["Subject"]],
        )
        self.assertIsNotNone(mail["Date"])
        (part,) = (each for each in mail.walk() if not each.is_multipart())
        self.assertEqual(
            ("text/plain", "utf-8"), (part.get_content_type(), part.get_content_charset())
        )
        lines = b64decode(str(part.get_payload())).decode().splitlines()
        self.assertEqual([self.text, "2026-11-23T08:00:00.000Z"], lines)
        self.assertSecret("admin@myhost.example")

    def test_refused(self) -> None:
        """If the server refuses, the hook fails with one line, which the daemon then logs."""
        server = self.serve(_FailingHandler)
        for name in ("pkdoors-ntfy", "pkdoors-telegram"):
            status, output = self.hook(name, f'url = "http://{server.address}/"\n')
            self.assertEqual((22, 1), (status, output.count("\n")), output)
            self.assertIn("403", output)

    def test_away(self) -> None:
        """If no server answers, the hook fails with one line."""
        with create_server(("127.0.0.1", 0)) as closed:
            address = "{}:{}".format(*closed.getsockname())
        for name, scheme in (("ntfy", "http"), ("telegram", "http"), ("mail", "smtp")):
            status, output = self.hook(f"pkdoors-{name}", f'url = "{scheme}://{address}"\n')
            self.assertNotEqual(0, status)
            self.assertEqual(1, output.count("\n"), output)

    def test_documented(self) -> None:
        """The first lines of each show a file that curl understands, and lines for the daemon."""
        names = sorted(path.name for path in HOOKS.iterdir())
        self.assertEqual(["pkdoors-mail", "pkdoors-ntfy", "pkdoors-telegram"], names)
        for name in names:
            self.assertTrue(os.access(HOOKS / name, os.X_OK))
            self.assertIn("url = ", self.documented(name))
            (line,) = re.findall(r"^#   (on_open = .*)$", (HOOKS / name).read_text(), re.M)
            door = parseConfig(f"[doors.a]\nsequence = {list(PORTS)}\nports = [22]\n{line}\n", "f")
            self.assertEqual(f"/usr/local/bin/{name}", door.doors[0].onOpen[0])

    def documented(self, name: str) -> str:
        """Return the file for curl that the script's first lines show."""
        lines = re.findall(r"^#   (?!on_)(.*)$", (HOOKS / name).read_text(), re.M)
        return "".join(f"{line}\n" for line in lines)

"""Tests of the command lines of C{pkdoors web} and C{pkdoors relay-admin}."""

import contextlib
import io
import os
from argparse import Namespace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.cli import makeParser
from pkdoors.commands import web
from pkdoors.web.channels.localside import LocalSide
from pkdoors.web.channels.remoteside import RemoteSide
from tests.fakes.reactor import FakeReactor


class OptionsTests(SynchronousTestCase):
    """Which host is shown, and how it is reached."""

    def parse(self, *words: str) -> Namespace:
        """Read the options."""
        options: Namespace = makeParser("web").parse_args(["web", *words])
        web._checkOptions(options)
        return options

    def errorOf(self, *words: str) -> str:
        """Return the sentence if the options are wrong."""
        with contextlib.redirect_stderr(io.StringIO()) as stderr:
            end = self.assertRaises(SystemExit, self.parse, *words)
        self.assertEqual(2, end.code)
        self.assertEqual(1, stderr.getvalue().count("\n"))
        return stderr.getvalue()

    def sideOf(self, *words: str) -> Any:
        """Return the host that is shown."""
        return web._makeSide(FakeReactor(), self.parse(*words), {})

    def test_here(self) -> None:
        """Without a HOST it is this one; paths are from the working directory."""
        side = self.sideOf("--conf", "a.toml")
        self.assertIsInstance(side, LocalSide)
        self.assertEqual((None, os.path.abspath("a.toml")), side.place)

    def test_there(self) -> None:
        """Options for the host are passed on."""
        side = self.sideOf(
            *("anna@gate1", "--sudo", "--ssh", "ssh -p 22", "--program", "/opt/pkdoors"),
            *("--conf", "/etc/a b.toml", "--admin", "/run/a.sock"),
        )
        self.assertIsInstance(side, RemoteSide)
        *_, host, command = side._target.words()
        self.assertEqual("anna@gate1", host)
        self.assertEqual(
            "sudo -n /opt/pkdoors relay-admin --admin=/run/a.sock '--conf=/etc/a b.toml'", command
        )

    def test_wrong(self) -> None:
        """What cannot mean anything is a sentence."""
        for words, part in (
            (("--", "-oProxyCommand=x"), "is not a host"),
            (("a b",), "is not a host"),
            (("--sudo",), "--sudo needs a HOST"),
            (("--ssh", "ssh"), "--ssh needs a HOST"),
            (("--program", "/x"), "--program needs a HOST"),
            (("gate1", "--ssh", "'"), "is not a command"),
            (("gate1", "--conf", "a.toml"), "absolute path on gate1"),
            (("gate1", "--admin", "./a"), "absolute path on gate1"),
        ):
            self.assertIn(part, self.errorOf(*words))

    def test_users(self) -> None:
        """The link is for who has started it: through sudo, for the user behind it."""
        self.patch(os, "geteuid", lambda: 1000)
        self.assertEqual({1000, 0}, web._findUsers({"SUDO_UID": "7"}))
        self.patch(os, "geteuid", lambda: 0)
        self.assertEqual({7, 0}, web._findUsers({"SUDO_UID": "7"}))
        for unknown in ({}, {"SUDO_UID": ""}, {"SUDO_UID": "anna"}):
            self.assertEqual(set(), web._findUsers(unknown))

    def test_link(self) -> None:
        """The link is alone on standard output; a browser opens the first one, unless refused."""
        opened: list[str] = []
        self.patch(web, "_isRoot", lambda: False)
        from pkdoors.web import browser

        self.patch(browser, "openBrowser", lambda reactor, link: opened.append(link))
        for words, isOpened in (((), True), (("--no-browser",), False)):
            opened.clear()
            options = self.parse(*words)
            show = web._makeShow(FakeReactor(), options, {"DISPLAY": ":0"})
            with (
                contextlib.redirect_stdout(io.StringIO()) as stdout,
                contextlib.redirect_stderr(io.StringIO()) as stderr,
            ):
                show("http://127.0.0.1:1/#a")
                show("http://127.0.0.1:1/#b")
            self.assertEqual("http://127.0.0.1:1/#a\nhttp://127.0.0.1:1/#b\n", stdout.getvalue())
            self.assertEqual(1, stderr.getvalue().count("Ctrl-C"))
            self.assertEqual(["http://127.0.0.1:1/#a"] if isOpened else [], opened)

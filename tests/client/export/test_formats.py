"""Tests of L{pkdoors.client.export.formats}; C{tests.real.test_exports} runs what is exported."""

import json
import re
import shlex
import subprocess
from base64 import b64decode
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.client.export import qr
from pkdoors.client.export._scripts import _quotePowerShell
from pkdoors.client.export.formats import FORMATS, render
from pkdoors.client.export.subject import Subject
from pkdoors.client.profiles import Profile, Profiles
from pkdoors.errors import BadValue, PkdoorsError
from pkdoors.model.knockports import TcpPort
from pkdoors.model.sequence import Sequence
from tests import ROOT
from tests.fakes.doors import PORTS
from tests.fakes.modules import replaceModule

UDP = Sequence(PORTS)
MIXED = Sequence((*PORTS[:4], TcpPort(PORTS[4])))
TCP = Sequence(tuple(map(TcpPort, PORTS)))
PLAIN = Profile("home.example", UDP)
SCRIPTS = ("bash", "termux", "powershell")


def makeSealed(**fields: Any) -> Profile:
    """Return a profile of a sealed door."""
    return Profile("home.example", UDP, "ssh", isSealed=True, **fields)


SEALED = makeSealed()

HOSTILE = (
    "-oProxyCommand=reboot",
    "$(reboot)",
    "`reboot`",
    "a;reboot",
    "a b",
    "a\nreboot",
    "a'b",
    'a"b',
    "a\u2019b",
    "a|b",
    "a&b",
    "a/b",
    "a\\b",
    "a\x1b]0;title\x07",
    "",
    "x" * 254,
)
"""Addresses that are commands to some program, if nobody looks at them."""


def export(form: str, profile: Profile, name: str = "home", file: str = "/f") -> str:
    """Return the text of an export."""
    return render(form, Subject(name, profile, "pkdoors", file)).text


class RefusingTests(SynchronousTestCase):
    """
    What a format cannot express.
    """

    def refuse(self, form: str, profile: Profile, name: str = "home") -> str:
        """Return why an export is refused, without the sequence."""
        error = str(self.assertRaises(BadValue, export, form, profile, name))
        self.assertFalse([port for port in PORTS if str(port) in error], error)
        self.assertNotIn("\n", error)
        self.assertTrue(error.startswith("cannot export "), error)
        return error

    def test_hostile(self) -> None:
        """An address that is not one is in no export, whatever the format."""
        for form in {*FORMATS} - {"toml"}:
            for address in HOSTILE:
                for profile in (Profile(address, TCP), Profile(address, UDP, isSealed=True)):
                    if form in ("knockd", "knockonports") and profile.isSealed:
                        continue
                    if form != "uri" or address:
                        self.refuse(form, profile)

    def test_hostileToml(self) -> None:
        """In the file of profiles a text is a text."""
        for address in HOSTILE[:-2]:
            profile = Profile(address, UDP)
            self.assertEqual({address: profile}, dict(Profiles(export("toml", profile, address))))

    def test_names(self) -> None:
        """A name that ssh would understand in another way is refused; so is one in a URI."""
        for name in ("*", "!a", "a b", "a,b", "-x", "a\nb", "$(x)", "a%b", "a'b", "\u00fc", "#a"):
            for form in ("ssh-config", "ssh-config-bash"):
                self.assertIn("ssh cannot have a host of that name", self.refuse(form, PLAIN, name))
        for name in ("-x", "a\nb", "a b", "a/b", "\x1b]0;title\x07"):
            self.assertIn("is not a name for a profile", self.refuse("uri", PLAIN, name))

    def test_noSequence(self) -> None:
        """A profile without a sequence goes to nobody but pkdoors itself."""
        bare = Profile("home.example")
        for form in {*FORMATS} - {"toml", "ssh-config"}:
            self.assertIn("it has no sequence: add it to the profile", self.refuse(form, bare))
        self.assertIn("connect home %p", export("ssh-config", bare))

    def test_sealed(self) -> None:
        """A client that cannot seal is refused a sealed door, with the name of one that can."""
        self.assertIn("cannot seal a knock: use --format bash", self.refuse("knockd", SEALED))
        found = self.refuse("knockonports", SEALED)
        self.assertIn("Knock on Ports cannot seal a knock: use --format termux", found)
        tcp = Profile("home.example", MIXED, isSealed=True)
        for form in SCRIPTS:
            self.assertIn("a sealed knock is a datagram", self.refuse(form, tcp))

    def test_time(self) -> None:
        """A knock that cannot ask for a time is refused if the profile has one."""
        for form in (*SCRIPTS, "knockonports", "ssh-config-bash"):
            found = self.refuse(form, Profile("home.example", MIXED, openFor=60.0))
            self.assertIn("a knock on a TCP port cannot ask for a time: remove open_for", found)
        found = self.refuse("knockd", Profile("home.example", TCP, openFor=60.0))
        self.assertIn("knock cannot ask for a time (open_for): use --format bash", found)

    def test_payload(self) -> None:
        """C{knock} cannot send the payload that most doors want."""
        for sequence in (UDP, MIXED):
            found = self.refuse("knockd", Profile("home.example", sequence))
            self.assertIn("knock sends no payload on UDP ports: use --format bash", found)
            export("knockd", Profile("home.example", sequence, hearsAny=True))

    def test_certificate(self) -> None:
        """A script has no certificate in its knock."""
        profile = Profile("home.example", UDP, identity="~/id-cert.pub", isSealed=True)
        self.assertIn("use --format ssh-config", self.refuse("bash", profile))

    def test_file(self) -> None:
        """Without a file the script for ssh would have to be in the command, for all to see."""
        subject = Subject("home", PLAIN)
        error = str(self.assertRaises(BadValue, render, "ssh-config-bash", subject))
        self.assertIn("it needs -o FILE", error)
        for file in ("/it's", '/a"b', "/a\\b", "/a\nb"):
            subject = Subject("a", PLAIN, file=file)
            error = str(self.assertRaises(BadValue, render, "ssh-config-bash", subject))
            self.assertIn("use another path", error)


class TextTests(SynchronousTestCase):
    """
    What the exports say.
    """

    def test_sshConfig(self) -> None:
        """The block has what ssh needs, and no secret."""
        profile = Profile("fe80::1%eth0", UDP, wait=2222)
        subject = Subject("home", profile, "/opt/100% mine/pkdoors")
        self.assertEqual(
            "Host home fe80::1%eth0\n"
            "    HostName fe80::1%%eth0\n"
            "    Port 2222\n"
            "    ProxyCommand '/opt/100%% mine/pkdoors' connect home %p\n",
            render("ssh-config", subject).text,
        )
        profile = Profile("home", UDP, wait=22)
        self.assertEqual(
            "Host home\n    HostName home\n    ProxyCommand pkdoors connect home %p\n",
            export("ssh-config", profile),
        )

    def test_script(self) -> None:
        """The block for a script names its file, and has no secret; the script has it."""
        made = render("ssh-config-bash", Subject("home", PLAIN, "pkdoors", "/a b/50%.sh"))
        self.assertIn("    ProxyCommand bash '/a b/50%%.sh' %p\n", made.block)
        self.assertNotIn(str(PORTS[0]), made.block)
        self.assertEqual(export("bash", PLAIN), made.text)

    def test_bash(self) -> None:
        """The scripts are good ones for bash, with the values of the profile."""
        for form in ("bash", "termux"):
            for profile in (PLAIN, SEALED, Profile("::1", MIXED)):
                text = export(form, profile)
                subprocess.run(["bash", "-n"], input=text, text=True, check=True)
        self.assertIn("\npayload='knock 90'\n", export("bash", Profile("a", UDP, openFor=89.5)))
        self.assertIn("\nseconds=90\n", export("bash", makeSealed(openFor=89.5)))
        self.assertTrue(export("termux", PLAIN).startswith("#!/data/data/com.termux/files/usr/bin"))

    def test_interval(self) -> None:
        """Each client keeps the time between two datagrams that the profile has."""
        for interval, found in (
            (None, ("interval=0.02", "$pause = 20", '"delay": 50', "knock -d 50 ")),
            (0.125, ("interval=0.125", "$pause = 125", '"delay": 125', "knock -d 125 ")),
            (0.0, ("interval=0", "$pause = 0", '"delay": 0', "knock -d 0 ")),
        ):
            profile = Profile("home.example", UDP, hearsAny=True, interval=interval)
            forms = ("bash", "powershell", "knockonports", "knockd")
            for form, text in zip(forms, found, strict=True):
                self.assertRegex(export(form, profile), rf"(?m){re.escape(text)}(\b|$)", form)
        self.assertIn("$pause = 20\n", export("powershell", SEALED))

    def test_identity(self) -> None:
        """The path of a key is one word for the shell."""
        for identity in ("~/a b", "/$(reboot)", "~/`x`", "it's", "-x;reboot"):
            profile = makeSealed(identity=identity)
            (line,) = (x for x in export("bash", profile).splitlines() if x.startswith("for file"))
            words = shlex.split(line.removesuffix("; do"))
            self.assertEqual(["for", "file", "in", identity], words)

    def test_powerShell(self) -> None:
        """The script for PowerShell is ASCII, and quotes what it is given."""
        for profile in (PLAIN, SEALED, Profile("::1", MIXED)):
            text = export("powershell", profile)
            self.assertTrue(text.isascii())
            self.assertEqual(text.count("{"), text.count("}"))
            self.assertEqual(text.count("("), text.count(")"))
        ports = ", ".join(f"'{port}'" for port in MIXED.ports)
        self.assertIn(f"\n$server = '::1'\n$ports = {ports}\n$rounds = 1\n", text)
        self.assertIn("\n$door = 'ssh'\n$seconds = 0\n", export("powershell", SEALED))
        self.assertIn('("knock 60`n")', export("powershell", Profile("a", UDP, openFor=60.0)))
        self.assertEqual("'a''b\u2019\u2019$c`d'", _quotePowerShell("a'b\u2019$c`d"))

    def test_knockd(self) -> None:
        """The line has the notation of C{knock}."""
        ports = " ".join(f"{port}:tcp" for port in PORTS)
        expected = f"knock -d 50 home.example {ports}\n"
        self.assertEqual(expected, export("knockd", Profile("home.example", TCP)))

    def test_knockOnPorts(self) -> None:
        """The file has the names and the types that the app's version 1 has, and no others."""
        profile = Profile("home.example", MIXED)
        read = json.loads(export("knockonports", profile, 'a "b"\\\n\u2028'))
        self.assertEqual({"version", "sequences"}, {*read})
        (sequence,) = read["sequences"]
        self.assertEqual(
            {"name": str, "host": str, "delay": int, "steps": list},
            {key: type(value) for key, value in sequence.items()},
        )
        self.assertEqual('a "b"\\\n\u2028', sequence["name"])
        *udp, tcp = sequence["steps"]
        self.assertEqual({"type": "tcp", "port": PORTS[4]}, tcp)
        for step, port in zip(udp, PORTS, strict=False):
            self.assertEqual(b"knock\n", b64decode(step.pop("content")))
            self.assertEqual({"type": "udp", "port": port, "encoding": "base64"}, step)

    def test_foreignName(self) -> None:
        """A name in other letters is written in those of the network."""
        profile = Profile("b\u00fccher.example", UDP)
        for form in (*SCRIPTS, "uri", "knockonports", "ssh-config"):
            self.assertIn("xn--bcher-kva.example", export(form, profile))

    def test_documented(self) -> None:
        """The script in the documentation is the one that exports have in them."""
        text = (ROOT / "docs" / "sealed-knock.sh").read_text()
        rest = text.partition("seconds=${5:-0}\n")[2]
        self.assertGreater(len(rest), 1000)
        self.assertIn(rest, export("bash", SEALED))


class CodeTests(SynchronousTestCase):
    """
    Tests of L{qr}.
    """

    def test_missing(self) -> None:
        """Without the library it is one sentence that says what to install."""
        replaceModule(self, "segno", None)
        error = self.assertRaises(PkdoorsError, qr.drawCode, "x")
        self.assertIn("install python3-segno, or pkdoors[qr] with pip", str(error))

    def test_kinds(self) -> None:
        """The name of a file says its kind."""
        self.assertTrue(qr.makePicture("x", "a.png").startswith(b"\x89PNG"))
        self.assertIn(b"<svg ", qr.makePicture("x", "a.b.SVG"))
        for name in ("a", "a.gif", "png", "a.png/b"):
            error = self.assertRaises(BadValue, qr.findKind, name)
            self.assertIn("goes to FILE.svg or FILE.png", str(error))

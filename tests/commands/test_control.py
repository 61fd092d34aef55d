"""Tests of L{pkdoors.commands.control}, with a daemon on a real socket."""

import os
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.adminclient.client import AdminClient
from pkdoors.cli import main
from tests import ROOT
from tests.client.names import FakeNames
from tests.commands.controlcase import ControlTestCase, setZone
from tests.fakes.admin import makeOpening
from tests.test_cli import End


class OpenTests(ControlTestCase):
    """Tests of C{pkdoors open}."""

    def setUp(self) -> None:
        """Set the time zone to UTC."""
        super().setUp()
        setZone(self, "UTC")

    def test_open(self) -> None:
        """The line has the door, the address and the deadline."""
        self.assertEqual(
            "door ssh (22/tcp) is open for 192.0.2.7 until 08:10:00 (10m)\n",
            self.says("open", "192.0.2.7", "--door", "ssh", "--for", "10m"),
        )

    def test_longer(self) -> None:
        """A deadline on another day has its date."""
        line = self.says("open", "2001:DB8:0::7", "--door", "web", "--for", "30h")
        self.assertEqual(
            "door web (443/tcp) is open for 2001:db8::7 until 2026-11-24 14:00:00 (1d6h)\n", line
        )

    def test_ownTime(self) -> None:
        """The default is the door's own time; a single door need not be named."""
        self.admin.doors.pop()
        line = self.says("open", "192.0.2.7")
        self.assertIn("until 08:00:30 (30s)", line)

    def test_rounded(self) -> None:
        """The deadline is rounded to the second, as it is in the log."""
        for left, shown in ((1.51, "08:00:02"), (2.49, "08:00:02"), (2.51, "08:00:03")):
            opening = makeOpening("192.0.2.7", left=left)
            self.admin.answers["POST", "/openings"] = (200, {"opening": opening})
            self.assertIn(f"until {shown} (", self.says("open", "192.0.2.7"))

    def test_alreadyLonger(self) -> None:
        """If it was open for longer already, the line says so, and how to shorten that."""
        opening = makeOpening("192.0.2.7", left=598.0)
        self.admin.answers["POST", "/openings"] = (200, {"opening": opening})
        line = "door ssh (22/tcp) is open for 192.0.2.7 until 08:09:58 (9m58s)"
        self.assertEqual(
            f"{line}: it was open for longer already; to shorten that, close it, then open it "
            "again\n",
            self.says("open", "192.0.2.7", "--for", "1m"),
        )
        for asked in ((), ("--for", "10m"), ("--for", "598")):
            self.assertEqual(f"{line}\n", self.says("open", "192.0.2.7", *asked))

    def test_mapped(self) -> None:
        """An address is sent as the daemon sees it: IPv4-mapped as IPv4, without a scope."""
        self.says("open", "::ffff:192.0.2.7", "--door", "ssh")
        self.says("open", "fe80::1%eth0", "--door", "ssh")
        self.says("open", "2001:DB8:0::/64", "--door", "ssh")
        self.assertEqual(
            ["192.0.2.7", "fe80::1", "2001:db8::/64"],
            [body["source"] for _, _, body in self.admin.asked],
        )

    def test_refused(self) -> None:
        """A refusal of the daemon, or its firewall, is its sentence and status 1."""
        self.assertEqual(
            "there is no door 'shh': the doors are ssh, web",
            self.fails("open", "192.0.2.7", "--door", "shh"),
        )
        self.admin.refusal = "firewalld refuses it, and it is tried again: no such zone"
        self.assertEqual(self.admin.refusal, self.fails("open", "192.0.2.7", "--door", "ssh"))

    def test_wrongUsage(self) -> None:
        """A bad address, door or time is status 2, and no request is sent."""
        for arguments, words in (
            (
                ("a host",),
                "argument ADDRESS: 'a host' is neither an address nor the name of a host: give an "
                "IPv4 or IPv6 address, such as 192.0.2.7, or a name",
            ),
            (("192.0.2.7/24",), "write 192.0.2.0/24 for the network, or 192.0.2.7 for the host"),
            (("192.0.2.256",), "is neither"),
            (("3221225991",), "is neither"),
            (("",), "is neither"),
            (("192.0.2.7", "--door", "a b"), "argument --door: 'a b' is not a door's name"),
            (("192.0.2.7", "--for", "0"), "argument --for: '0' is not a time"),
            ((), "ADDRESS"),
        ):
            self.assertIn(words, self.fails("open", *arguments, status=2))
        self.assertEqual([], self.admin.asked)


class NameTests(ControlTestCase):
    """Tests of C{pkdoors open} and C{pkdoors close} with the name of a client."""

    def setUp(self) -> None:
        """Set the time zone to UTC."""
        super().setUp()
        setZone(self, "UTC")
        self.admin.doors.pop()

    def sources(self) -> list[str]:
        """Return the addresses that the daemon was asked to open for."""
        return [body["source"] for _, _, body in self.admin.asked]

    def test_open(self) -> None:
        """The name is looked up once, and the line says so."""
        names = FakeNames(self, "203.0.113.7")
        self.assertEqual(
            "door ssh (22/tcp) is open for 203.0.113.7 (my.host.example, looked up once) "
            "until 08:00:30 (30s)\n",
            self.says("open", "my.host.example"),
        )
        self.assertEqual((["203.0.113.7"], 1), (self.sources(), len(names.asked)))

    def test_several(self) -> None:
        """All addresses of both families are opened, each with its line."""
        FakeNames(self, "203.0.113.7", "2001:db8::7", "203.0.113.7", "fe80::7", "::ffff:192.0.2.9")
        lines = self.says("open", "my.host.example").splitlines()
        opened = ["203.0.113.7", "2001:db8::7", "192.0.2.9"]
        self.assertEqual(opened, self.sources())
        for address, line in zip(opened, lines, strict=True):
            self.assertIn(f"is open for {address} (my.host.example, looked up once) until", line)

    def test_address(self) -> None:
        """An address is never looked up."""
        names = FakeNames(self)
        for address in ("192.0.2.7", "2001:db8::7", "fe80::7%eth0"):
            self.says("open", address)
        self.assertEqual([], names.asked)

    def test_oneRefused(self) -> None:
        """An address that is refused keeps no other one from opening; the status is 1."""
        FakeNames(self, "203.0.113.7", "127.0.0.1")
        self.admin.refusals["127.0.0.1"] = (400, {"error": "no client has the address 127.0.0.1"})
        end = self.ask("open", "my.host.example")
        self.assertEqual((1, 1), (end.status, end.stdout.count("\n")))
        self.assertEqual(
            "pkdoors open: 127.0.0.1 (my.host.example, looked up once): "
            "no client has the address 127.0.0.1\n",
            end.stderr,
        )

    def test_unknown(self) -> None:
        """A name without an address is one sentence, and nothing is asked."""
        FakeNames(self)
        for command in ("open", "close"):
            self.assertEqual(
                "no address found for 'my.host.example': Name or service not known",
                self.fails(command, "my.host.example"),
            )
        self.assertEqual([], self.admin.asked)

    def test_tooMany(self) -> None:
        """A name with very many addresses is not a single client."""
        FakeNames(self, *(f"203.0.113.{number}" for number in range(9)))
        self.assertEqual(
            "'my.host.example' has 9 addresses, so it is not a single client: "
            "give the client's own address",
            self.fails("open", "my.host.example"),
        )
        self.assertEqual([], self.admin.asked)

    def test_close(self) -> None:
        """What is open for any of its addresses is closed."""
        FakeNames(self, "203.0.113.7", "2001:db8::7", "2001:db8::8")
        self.admin.openings = [makeOpening("203.0.113.7"), makeOpening("2001:db8::8")]
        self.admin.openings.append(makeOpening("203.0.113.8"))
        self.assertEqual(
            "closed door ssh for 203.0.113.7\nclosed door ssh for 2001:db8::8\n",
            self.says("close", "my.host.example"),
        )
        self.assertEqual(["203.0.113.8"], [each["source"] for each in self.admin.openings])

    def test_nothingOpen(self) -> None:
        """If nothing is open for any of them, the sentence says that the address may have moved."""
        FakeNames(self, "203.0.113.7")
        self.assertEqual(
            "203.0.113.7 (my.host.example, looked up once): nothing is open for 203.0.113.7: "
            "if its address has changed since, use the one that `pkdoors status` shows",
            self.fails("close", "my.host.example"),
        )


class CloseTests(ControlTestCase):
    """Tests of C{pkdoors close}."""

    def setUp(self) -> None:
        """Open some doors."""
        super().setUp()
        self.admin.openings = [
            makeOpening("192.0.2.7"),
            makeOpening("192.0.2.7", "web"),
            makeOpening("2001:db8::7"),
        ]

    def test_address(self) -> None:
        """All doors are closed for an address, or one."""
        self.assertEqual(
            "closed door web for 192.0.2.7\n", self.says("close", "192.0.2.7", "--door", "web")
        )
        self.assertEqual("closed door ssh for 192.0.2.7\n", self.says("close", "192.0.2.7"))

    def test_all(self) -> None:
        """All openings are closed, or those of a door."""
        self.assertEqual(
            "closed door ssh for 192.0.2.7\nclosed door ssh for 2001:db8::7\n",
            self.says("close", "--all", "--door", "ssh"),
        )
        self.assertEqual("closed door web for 192.0.2.7\n", self.says("close", "--all"))
        self.assertEqual("no door was open\n", self.says("close", "--all"))

    def test_others(self) -> None:
        """What still lets a client in is printed after what was closed."""
        self.admin.others = ["door ssh still lets 192.0.2.7 in: it is open for 192.0.2.0/24"]
        self.assertEqual(
            f"closed door web for 192.0.2.7\n{self.admin.others[0]}\n",
            self.says("close", "192.0.2.7", "--door", "web"),
        )

    def test_network(self) -> None:
        """A network is closed by its name."""
        self.admin.openings.append(makeOpening("10.0.0.0/16"))
        self.assertEqual("closed door ssh for 10.0.0.0/16\n", self.says("close", "10.0.0.0/16"))

    def test_many(self) -> None:
        """Of many openings only the number is printed."""
        self.admin.openings = [makeOpening(f"192.0.2.{n}") for n in range(20)]
        self.assertEqual(20, self.says("close", "--all").count("\n"))
        for isOld in (False, True):
            self.admin.isOld = isOld
            self.admin.openings = [makeOpening(f"192.0.2.{n}") for n in range(99)]
            self.assertEqual("closed 99 openings\n", self.says("close", "--all"))

    def test_limit(self) -> None:
        """The daemon does not list thousands of openings that nobody reads."""
        self.says("close", "--all")
        self.assertEqual(("DELETE", "/openings?limit=21", None), self.admin.asked[-1])

    def test_notOpen(self) -> None:
        """An address without an opening is the daemon's sentence and status 1."""
        self.assertEqual("nothing is open for 192.0.2.9", self.fails("close", "192.0.2.9"))

    def test_stillClosing(self) -> None:
        """The output has what a firewall refuses to close, and the status is 1."""
        self.admin.closing = {"192.0.2.7"}
        end = self.ask("close", "--all", "--door", "ssh")
        self.assertEqual((1, "closed door ssh for 2001:db8::7\n"), (end.status, end.stdout))
        self.assertEqual(
            "pkdoors close: door ssh is still closing for 192.0.2.7: the daemon keeps trying, and "
            "the kernel closes it at its deadline in any case\n",
            end.stderr,
        )
        end = self.ask("close", "192.0.2.7")
        self.assertEqual((1, "", 2), (end.status, end.stdout, end.stderr.count("\n")))
        self.admin.openings = [makeOpening("192.0.2.7") for _ in range(21)]
        end = self.ask("close", "192.0.2.7")
        self.assertEqual((1, "", 1), (end.status, end.stdout, end.stderr.count("\n")))

    def test_follows(self) -> None:
        """The status is 0 if the guard has closed all, though firewalld is slower."""
        self.admin.closing, self.admin.isShut = {"192.0.2.7"}, True
        self.assertEqual(
            "closed door ssh for 2001:db8::7\nclosed door ssh for 192.0.2.7: "
            "nobody comes in any more, and firewalld follows\n",
            self.says("close", "--all", "--door", "ssh"),
        )
        self.admin.openings = [makeOpening("192.0.2.7") for _ in range(21)]
        self.assertEqual(
            "closed 21 openings: nobody comes in any more, and firewalld follows\n",
            self.says("close", "--all"),
        )

    def test_refusedOutside(self) -> None:
        """If the guard has closed and firewalld refuses, both are printed, with status 1."""
        self.admin.closing, self.admin.isShut = {"192.0.2.7"}, True
        self.admin.refused = "cannot close: INVALID_ZONE"
        self.assertEqual(
            "door web is still closing for 192.0.2.7: cannot close: INVALID_ZONE: nobody comes in "
            "any more, the guard has closed it, and the daemon keeps trying",
            self.fails("close", "--all", "--door", "web"),
        )

    def test_wrongUsage(self) -> None:
        """An address and C{--all} exclude each other, and one is required."""
        for arguments in ((), ("192.0.2.7", "--all"), ("--door", "ssh")):
            self.assertEqual(
                "give either the ADDRESS to close for, or --all",
                self.fails("close", *arguments, status=2),
            )
        self.assertEqual([], self.admin.asked)


class ReloadTests(ControlTestCase):
    """Tests of C{pkdoors reload}."""

    def test_changes(self) -> None:
        """Each change is a line."""
        changes = ["door web (443/tcp) is new", "door ssh: open_for is 1m"]
        self.admin.reloading = (200, {"changes": changes, "troubles": []})
        self.assertEqual("\n".join((*changes, "")), self.says("reload"))
        self.admin.reloading = (200, {"changes": [], "troubles": []})
        self.assertEqual("nothing has changed\n", self.says("reload"))

    def test_troubles(self) -> None:
        """Troubles are printed, too, and the status is 0."""
        self.admin.reloading = (200, {"changes": ["a"], "troubles": ["firewalld is away"]})
        self.assertEqual(End(0, "a\n", "pkdoors reload: firewalld is away\n"), self.ask("reload"))

    def test_refused(self) -> None:
        """A bad configuration is the daemon's sentence and status 1."""
        self.admin.reloading = (409, {"error": "/etc/pkdoors/pkdoors.toml is not TOML"})
        self.assertEqual("/etc/pkdoors/pkdoors.toml is not TOML", self.fails("reload"))


class NoDaemonTests(ControlTestCase):
    """Tests of all commands without a daemon that answers as it should."""

    COMMANDS: tuple[tuple[str, ...], ...] = (
        ("status",),
        ("status", "--json"),
        ("open", "192.0.2.7"),
        ("close", "--all"),
        ("reload",),
    )

    def test_noDaemon(self) -> None:
        """Without a daemon each is one sentence and status 3."""
        self.admin.stop()
        for command in self.COMMANDS:
            line = self.fails(*command, status=3)
            self.assertIn(f"(no socket at {self.admin.path}): start it, or use --admin PATH", line)

    def test_strange(self) -> None:
        """An answer that cannot be understood is one sentence and status 1."""
        answer: Any = (200, ["?"])
        targets = (("GET", "/status"), ("POST", "/openings"), ("DELETE", "/openings"))
        self.admin.answers = {target: answer for target in (*targets, ("POST", "/reload"))}
        for command in self.COMMANDS:
            if "--json" not in command:
                self.assertIn("cannot understand", self.fails(*command))

    def test_file(self) -> None:
        """The socket's path is in the configuration file; C{--admin} overrides that."""
        file = os.path.abspath(self.mktemp())
        Path(file).write_text(f'admin = "{self.admin.path}"\n')
        self.assertEqual(0, self.run_("status", "-c", file).status)
        Path(file).write_text('admin = "off"\n')
        self.assertEqual(1, self.run_("status", "--conf", file).status)
        self.assertEqual(0, self.ask("status", "-c", file).status)

    def test_interrupted(self) -> None:
        """Ctrl-C is one word."""

        def interrupt(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        self.patch(AdminClient, "status", interrupt)
        self.assertEqual("interrupted", self.fails("status"))


class StartTests(SynchronousTestCase):
    """Tests of what a command loads."""

    def test_quick(self) -> None:
        """C{pkdoors} itself loads neither Twisted, HTTP and rich, nor argcomplete."""
        script = "import sys; import pkdoors.cli as c; c.makeParser(); print(*sys.modules)"
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
        )
        loaded = {name.partition(".")[0] for name in done.stdout.split()}
        self.assertEqual(set(), loaded & {"argcomplete", "http", "rich", "twisted", "zope"})

    def test_help(self) -> None:
        """Each command has a help, which names its options."""
        for command, words in (
            ("status", ("--json", "--admin", "--conf", "/run/pkdoors/admin.sock")),
            ("open", ("ADDRESS", "--door", "--for", "is kept")),
            ("close", ("[ADDRESS]", "--all", "--door")),
            ("reload", ("configuration",)),
            ("watch", ("press q",)),
            ("completion", ("~/.bashrc", "~/.zshrc", "~/.config/fish/completions/")),
        ):
            with redirect_stdout(StringIO()) as stdout:
                self.assertRaises(SystemExit, main, [command, "--help"], {})
            for word in words:
                self.assertIn(word, stdout.getvalue())

"""Tests of L{pkdoors.doctor.check}, and of L{pkdoors.doctor.facts}: the setup of a host."""

from pathlib import Path
from sysconfig import get_path
from typing import Any

from pkdoors.config.changes import NEEDS_RESTART, REFUSED, RESTART, WOULD_REFUSE
from pkdoors.config.config import CONF_FILE
from pkdoors.daemon import listening
from pkdoors.doctor._guard import GuardState
from pkdoors.doctor.findings import ERROR, INFO, OK, WARNING, Finding
from pkdoors.errors import FirewallError
from pkdoors.files.trust import Flaw
from pkdoors.host.procnet import ESTABLISHED, LISTENS, Socket
from pkdoors.keysources.keyreader import KeyFileError
from pkdoors.model.knockports import TcpPort
from pkdoors.model.sequence import PUBLIC_PORTS
from tests.doctor.case import (
    DAEMON,
    GUARD,
    NOBODY,
    SEQUENCE,
    CheckTestCase,
    FakeProc,
    look,
)
from tests.fakes.rulesets import ACCEPT, condition, joinListings, makeListing

CLOSED = makeListing([condition("tcp dport", 22), ACCEPT], policy="drop")
"""A firewall that lets no knock in."""


class CheckTests(CheckTestCase):
    """
    Tests of findings about the setup of a host.
    """

    def test_well(self) -> None:
        """On a host without faults nothing else is found, and no finding names a knock port."""
        self.assertEqual([], self.bad())
        said = " ".join(finding.text for finding in look())
        self.assertEqual([], [port for port in SEQUENCE if str(port) in said])

    def test_keys(self) -> None:
        """Keys are counted if a door needs them; then the order of the sequence is no secret."""
        rising = tuple(sorted(SEQUENCE))
        self.assertEqual([(WARNING, "sequence")], self.bad(sequence=rising))
        sealed = {"sequence": rising, "authorizedKeys": "/etc/keys"}
        self.assertEqual([], self.bad(**sealed, keys=(2, [])))
        self.assertEqual([(WARNING, "keys")], self.bad(**sealed, keys=(1, ["line 2: no"])))
        self.assertEqual([(ERROR, "keys")], self.bad(**sealed, keys=(0, [])))
        unsafe = KeyFileError("/etc/keys can be written by others: run `chmod go-w /etc/keys`")
        self.assertEqual([(ERROR, "keys")], self.bad(**sealed, keys=unsafe))

    def test_revoked(self) -> None:
        """A file of revoked keys that cannot be used is an error: it closes the door."""
        door: dict[str, Any] = {"authorizedKeys": "/etc/keys", "hooks": {"revokedKeys": "/gone"}}
        door["keys"] = (2, [])
        self.assertEqual([], self.bad(**door, revoked=(3, "")))
        self.assertEqual([(ERROR, "keys")], self.bad(**door, revoked=(0, "cannot read /gone")))
        self.assertIn(
            "/gone revokes keys with 1 entry",
            [finding.text for finding in look(**door, revoked=(1, ""))],
        )

    def test_grants(self) -> None:
        """A door that opens for networks needs a key that may ask for one."""
        door: dict[str, Any] = {"authorizedKeys": "/etc/keys", "hooks": {"grant6": 64}}
        door["keys"] = (2, [])
        self.assertEqual([], self.bad(**door, prefixed=1))
        self.assertEqual([(WARNING, "keys")], self.bad(**door, prefixed=0))

    def test_captured(self) -> None:
        """With capture no port has a socket, and no other firewall has to let knocks in."""
        proc, heard = FakeProc(), GuardState(isOwned=True, captured=frozenset(SEQUENCE))
        proc.udp = []
        host: dict[str, Any] = {"proc": proc, "tables": joinListings(GUARD, CLOSED), "conf": "/x"}
        for prefers, listen, daemon in (
            (False, "capture", None),
            (False, "capture", DAEMON),
            (True, "auto", None),
            (False, "auto", DAEMON),
        ):
            self.patch(listening, "PREFERS_CAPTURE", prefers)
            known = {**host, "options": {"listen": listen}, "guard": heard, "holder": daemon}
            found = self.bad(**known)
            self.assertEqual([], [each for each in found if each[1] not in ("daemon", "guard")])
        few = GuardState(isOwned=True, captured=frozenset(SEQUENCE[:2]))
        options = {"listen": "capture"}
        self.assertEqual([(ERROR, "daemon")], self.bad(**host, options=options, guard=few))
        early = makeListing(policy="drop", hook="prerouting", priority=-400)
        host["tables"] = joinListings(GUARD, CLOSED, early)
        self.assertIn((ERROR, "knock ports"), self.bad(**host, options=options, guard=heard))
        # A daemon that could not capture.
        none = GuardState(isOwned=True)
        options = {"listen": "auto"}
        self.assertIn((ERROR, "daemon"), self.bad(**host, options=options, guard=none))

    def test_deaf(self) -> None:
        """If only other hosts of a fleet hear the knocks, there is nothing to find here."""
        proc = FakeProc()
        proc.udp = []
        host: dict[str, Any] = {
            "proc": proc,
            "tables": joinListings(GUARD, CLOSED),
            "authorizedKeys": "/etc/keys",
            "keys": (2, []),
            "hooks": {"fleet": True, "listens": False},
        }
        for options, guard in (
            ({}, GuardState(isOwned=True)),
            ({"listen": "capture"}, GuardState(isOwned=True, captured=frozenset())),
        ):
            found = look(**host, options=options, guard=guard)
            known = [(each.level, each.subject) for each in found]
            self.assertIn((OK, "knock ports"), known)
            self.assertIn((OK, "scans"), known)
            self.assertEqual([], [each for each in known if each[0] != OK])

    def test_payload(self) -> None:
        """A door that hears any datagram is worth a warning, which says what it loses."""
        self.assertEqual([(WARNING, "payload")], self.bad(hearsAny=True))

    def test_tcpKnocks(self) -> None:
        """A program that listens on a TCP knock port gets nothing; a connection does no harm."""
        proc, heard = FakeProc(), GuardState(isOwned=True, captured=frozenset())
        proc.udp = []
        host: dict[str, Any] = {
            "proc": proc,
            "tables": joinListings(GUARD, CLOSED),
            "options": {"listen": "capture"},
            "guard": heard,
            "sequence": tuple(map(TcpPort, SEQUENCE)),
        }
        self.assertEqual([], self.bad(**host))
        before = [*proc.tcp]
        proc.tcp = [*before, Socket(SEQUENCE[2], ESTABLISHED, 9, "00000000", "00000000:0000")]
        self.assertEqual([], self.bad(**host))
        proc.tcp = [*before, Socket(SEQUENCE[2], LISTENS, 9, "00000000", "00000000:0000")]
        self.assertEqual([(WARNING, f"{SEQUENCE[2]}/tcp")], self.bad(**host))

    def test_auto(self) -> None:
        """Without a daemon, C{auto} captures if that is preferred, and if the kernel can."""
        for prefers, reason, isHidden in (
            (False, "", False),
            (True, "", True),
            (True, "no packet log", False),
        ):
            self.patch(listening, "PREFERS_CAPTURE", prefers)
            options, proc = {"listen": "auto"}, FakeProc()
            proc.udp = []
            found = look(holder=None, options=options, explainNoCapture=reason, proc=proc)
            (ports,) = (each for each in found if each.subject == "knock ports")
            self.assertEqual(isHidden, "without sockets" in ports.text, ports)

    def test_notes(self) -> None:
        """Notes about the configuration are good findings."""
        options = {"notes": ("it is another's",)}
        self.assertIn(Finding(OK, "configuration", "it is another's"), look(options=options))
        self.assertEqual([], self.bad(options=options))

    def test_notReloaded(self) -> None:
        """A file that the running daemon has not read is one error; the remedy is to reload."""
        proc = FakeProc()
        proc.udp = proc.udp[:2]
        for facts, words in (
            ({"proc": proc}, "does not listen on 4 of 6 knock ports"),
            ({"ports": "22,80"}, "does not guard 80/tcp"),
            (
                {"proc": proc, "ports": "80"},
                "does not listen on 4 of 6 knock ports and does not guard 80/tcp",
            ),
        ):
            errors = [
                finding for finding in look(conf=CONF_FILE, **facts) if finding.level == ERROR
            ]
            (found,) = (finding for finding in errors if finding.subject != "80/tcp")
            self.assertEqual(("daemon", "`pkdoors reload`"), (found.subject, found.remedy))
            self.assertEqual(
                f"the daemon has not read the current {CONF_FILE}: it {words}", found.text
            )
            shut = [finding.text for finding in errors if finding.subject == "80/tcp"]
            self.assertFalse([text for text in shut if "everybody can reach it" in text], shut)

    def test_degraded(self) -> None:
        """If the daemon itself says why it does not listen, that is the only error."""
        proc = FakeProc()
        proc.udp = proc.udp[:2]
        facts: dict[str, Any] = {"proc": proc, "conf": CONF_FILE}
        facts["status"] = (["no more room"], [])
        (found,) = (finding for finding in look(**facts) if finding.level == ERROR)
        self.assertEqual(("daemon", "no more room"), (found.subject, found.text))
        texts = [
            finding.text for finding in look(**facts, ports="80") if finding.subject == "daemon"
        ]
        self.assertIn(
            f"the daemon has not read the current {CONF_FILE}: it does not guard 80/tcp", texts
        )

    def test_refusedReload(self) -> None:
        """A reload that was refused is one error, with its reason, however old the file is."""
        service: dict[str, Any] = {"conf": CONF_FILE, "isService": True, "mayService": True}
        for reason, text, remedy in (
            ("line 7 is wrong", ": line 7 is wrong", "fix that, then `pkdoors reload`"),
            (
                f"zone: this cannot change while the daemon runs: {RESTART}",
                ": zone: this cannot change while the daemon runs",
                "restart the daemon: `systemctl restart pkdoors`",
            ),
        ):
            status: tuple[list[str], list[str]] = ([f"{REFUSED}: {reason}"], [])
            found = [one for one in look(**service, ports="22,80", status=status) if one.remedy]
            found = [one for one in found if one.subject == "daemon"]
            self.assertEqual([Finding(ERROR, "daemon", f"{REFUSED}{text}", remedy)], found)

    def test_unread(self) -> None:
        """
        If the daemon has no admin socket, one line says that the file is newer than what it has
        read; with a socket, the daemon itself knows what has changed.
        """
        off: dict[str, Any] = {"admin": ""}
        newer: dict[str, Any] = {"conf": "/etc/pkdoors/pkdoors.toml", "isUnread": True}
        self.assertEqual([], self.bad(**newer))
        self.assertEqual([], self.bad(options=off))
        self.assertEqual([], self.bad(options=off, conf=newer["conf"]))
        (finding,) = [each for each in look(options=off, **newer) if each.level != OK]
        self.assertEqual((INFO, "daemon"), (finding.level, finding.subject))
        self.assertIn("pkdoors.toml was changed after the daemon had read it", finding.text)
        self.assertEqual(f"`kill -HUP {DAEMON}`", finding.remedy)
        self.assertNotIn((INFO, "daemon"), self.bad(options=off, holder=None, **newer))

    def test_pending(self) -> None:
        """A change that nobody has reloaded is a warning; an error if a port is not guarded."""
        changed = "door ssh (22/tcp) changed: open_for"
        facts: dict[str, Any] = {"conf": CONF_FILE, "isService": True, "mayService": True}
        unread = f"the daemon has not read the current {CONF_FILE}"
        restart = "restart the daemon: `systemctl restart pkdoors`"
        wrong = f"{WOULD_REFUSE}: it is wrong"
        for change, ports, level, text, remedy in (
            (changed, "22", WARNING, changed, "`pkdoors reload`"),
            (changed, "80", ERROR, f"it does not guard 80/tcp; {changed}", "`pkdoors reload`"),
            (f"zone changed, {NEEDS_RESTART}", "22", WARNING, "zone changed, ", restart),
            (wrong, "22", WARNING, wrong, "fix that, then `pkdoors reload`"),
        ):
            found = look(**facts, ports=ports, status=([], [change]))
            (one,) = (one for one in found if one.subject == "daemon" and one.remedy)
            self.assertEqual((level, remedy), (one.level, one.remedy))
            self.assertTrue(one.text.startswith(f"{unread}: {text}"), one.text)
        # The cause is known: the daemon cannot read it.
        facts["mayService"] = False
        self.assertEqual([(ERROR, "configuration")], self.bad(**facts, status=([], [wrong])))

    def test_reload(self) -> None:
        """The remedy reaches the daemon by its admin socket, or without one."""
        proc = FakeProc()
        proc.udp = []
        for options, conf, remedy in (
            ({}, "/my conf", "`pkdoors reload`"),
            ({"admin": "/run/x y"}, "/my conf", "`pkdoors reload --admin '/run/x y'`"),
            ({"admin": "/run/x"}, CONF_FILE, "`pkdoors reload`"),
            ({"admin": ""}, CONF_FILE, f"`kill -HUP {DAEMON}`"),
        ):
            found = look(proc, options, conf=conf)
            self.assertEqual(
                [remedy], [finding.remedy for finding in found if finding.level == ERROR]
            )

    def test_otherOptions(self) -> None:
        """If there is no file, the remedy is to start the daemon again, for each port."""
        proc = FakeProc()
        proc.udp = proc.udp[1:]
        (found,) = (finding for finding in look(proc) if finding.level == ERROR)
        self.assertEqual("17001/udp", found.subject)
        self.assertIn(f"`kill {DAEMON}`", found.remedy)

    def test_start(self) -> None:
        """The remedy starts the service if it reads this file; otherwise, it starts the daemon."""
        start = f"{get_path('scripts')}/pkdoors daemon"
        for conf, isService, remedy in (
            (CONF_FILE, True, "`systemctl start pkdoors`"),
            (CONF_FILE, False, f"`{get_path('scripts')}/pkdoors trial 10m`"),
            ("", True, f"`{start}` with the options of this check"),
            ("/my conf", True, f"`{start} --conf '/my conf'`"),
        ):
            found = look(holder=None, conf=conf, isService=isService, mayService=True)
            (daemon,) = (finding for finding in found if finding.subject == "daemon")
            self.assertEqual(f"start the daemon: {remedy}", daemon.remedy)

    def test_notTriedYet(self) -> None:
        """For a service that nobody has kept yet, the remedy takes everything back by itself."""
        service: dict[str, Any] = {"conf": CONF_FILE, "isService": True, "mayService": True}
        service["startsAtBoot"] = False
        tables = joinListings()
        found = look(holder=None, **service, tables=tables, guard=GuardState(isThere=False))
        about = ("daemon", "22/tcp")
        remedies = [finding.remedy for finding in found if finding.subject in about]
        remedies = [remedy for remedy in remedies if remedy]
        self.assertEqual(["start the daemon: `pkdoors trial 10m`"] * 2, remedies)

    def test_notKept(self) -> None:
        """A daemon that does not start at boot is a warning; if it is on trial, you can keep it."""
        service: dict[str, Any] = {"conf": CONF_FILE, "isService": True, "mayService": True}
        service["startsAtBoot"] = False
        for isOnTrial, remedy in (
            (False, "`systemctl enable pkdoors`"),
            (True, "once you got in by a knock: `pkdoors keep`"),
        ):
            found = look(**service, isOnTrial=isOnTrial)
            (warning,) = (finding for finding in found if finding.level == WARNING)
            self.assertEqual(("daemon", remedy), (warning.subject, warning.remedy))

    def test_serviceReads(self) -> None:
        """A file that the service cannot read is an error, if it is the service's file."""
        sealed = {"authorizedKeys": "/etc/keys", "keys": (2, []), "isService": True}
        expected = [(ERROR, "configuration"), (ERROR, "keys")]
        self.assertEqual(expected, self.bad(conf=CONF_FILE, mayService=False, **sealed))
        self.assertEqual([], self.bad(conf=CONF_FILE, mayService=True, **sealed))
        self.assertEqual([], self.bad(conf="/other", mayService=False, **sealed))
        sealed["isService"] = False
        self.assertEqual([], self.bad(conf=CONF_FILE, mayService=False, **sealed))

    def test_othersHook(self) -> None:
        """A hook that others can change is an error with a remedy, because it does not run."""
        hooks: dict[str, Any] = {
            "hooks": {"onOpen": ("/bin/tell", "open")},
            "explainNotRunnable": "",
        }
        flaw = Flaw(Path("/bin/tell"), "can be written by others", "chmod go-w /bin/tell")
        (found,) = (finding for finding in look(**hooks, findHookFlaw=flaw) if finding.level != OK)
        self.assertEqual(
            Finding(
                ERROR,
                "hooks",
                "the daemon does not run on_open of door default, because others can change what "
                "it does: /bin/tell can be written by others",
                "`chmod go-w /bin/tell`",
            ),
            found,
        )

    def test_othersCode(self) -> None:
        """Code of the service that others can change is an error; without a service nobody asks."""
        flaw = Flaw(Path("/opt/pkdoors"), "belongs to another user", "chown root /opt/pkdoors")
        service: dict[str, Any] = {"conf": CONF_FILE, "isService": True, "mayService": True}
        self.assertEqual([(ERROR, "code")], self.bad(**service, findCodeFlaw=flaw))
        self.assertEqual([], self.bad(**service))
        self.assertEqual([], self.bad(findCodeFlaw=flaw))

    def test_hooks(self) -> None:
        """A hook that cannot run is a warning, with its door and key."""
        hooks: dict[str, Any] = {
            "hooks": {"onOpen": ("/bin/tell", "open"), "onRefuse": ("/bin/refuse",)}
        }
        self.assertEqual([], self.bad(**hooks, explainNotRunnable=""))
        found = [
            finding
            for finding in look(**hooks, explainNotRunnable="does not exist")
            if finding.level != OK
        ]
        self.assertEqual(
            [
                "on_open of door default cannot be run: /bin/tell does not exist",
                "on_refuse of door default cannot be run: /bin/refuse does not exist",
            ],
            [finding.text for finding in found],
        )
        self.assertEqual(
            {(WARNING, "hooks")}, {(finding.level, finding.subject) for finding in found}
        )
        service = {"conf": CONF_FILE, "isService": True, "explainNotRunnable": ""}
        mayService = [(ERROR, "configuration"), (WARNING, "hooks"), (WARNING, "hooks")]
        self.assertEqual(mayService, self.bad(**hooks, **service, mayService=False))

    def test_audit(self) -> None:
        """
        An audit file that the daemon cannot write is a warning; without one nothing is checked.
        """
        options = {"audit": "/var/log/x"}
        self.assertEqual([], self.bad(options=options, explainNotWritable=""))
        trouble = "it is not a regular file"
        self.assertEqual(
            [(WARNING, "audit")], self.bad(options=options, explainNotWritable=trouble)
        )
        self.assertEqual([], self.bad(explainNotWritable=AssertionError("asked")))

    def test_publicSequence(self) -> None:
        """A sequence that everybody knows is a warning, with a command for a better one."""
        found = look(sequence=PUBLIC_PORTS)
        (public,) = (finding for finding in found if "port-knocking-doors" in finding.text)
        self.assertEqual((WARNING, "sequence"), (public.level, public.subject))
        self.assertEqual("`pkdoors sequence` prints a better one", public.remedy)

    def test_noIPv6(self) -> None:
        """IPv6 that is off is a warning, unless the daemon listens on IPv4 only."""
        proc = FakeProc()
        proc.isIPv6On = False
        self.assertEqual([(WARNING, "IPv6")], self.bad(proc))
        self.assertEqual([], self.bad(proc, options={"interfaces": ("0.0.0.0",)}))
        self.assertEqual([], self.bad(options={"interfaces": ("0.0.0.0", "::")}))

    def test_missingAddress(self) -> None:
        """Each address to listen on that the host lacks is a warning."""
        addresses = {"interfaces": ("192.0.2.1", "192.0.2.2")}
        self.assertEqual([], self.bad(options=addresses))
        expected = [(WARNING, "interfaces")] * 2
        self.assertEqual(expected, self.bad(options=addresses, isThere=False))


class FailureTests(CheckTestCase):
    """
    Tests of facts that cannot be read.
    """

    def test_noPrivilege(self) -> None:
        """Without privilege, the check finds what it still can, and says once what it lacks."""
        proc = FakeProc()
        proc.privilege = NOBODY
        proc.tcp = []
        found = self.bad(proc, holder=PermissionError(13, "no"), tables=AssertionError("asked"))
        self.assertEqual([(ERROR, "privilege"), (WARNING, "22/tcp")], found)

    def test_libraryMissing(self) -> None:
        """A missing library is an error, with what to install."""
        error = FirewallError("the bindings are missing: install python3-nftables")
        found = look(tables=error)
        (bad,) = (finding for finding in found if finding.level != OK)
        self.assertEqual(
            Finding(ERROR, "nftables", "the bindings are missing", "install python3-nftables"), bad
        )

    def test_unexpected(self) -> None:
        """Any exception from a source is a warning, and the other facts are checked."""
        for fact in ("holder", "tables", "nftablesFiles", "isOn", "isFirewalldThere"):
            facts: dict[str, Any] = {fact: RuntimeError("boom")}
            found = look(**facts)
            (bad,) = (finding for finding in found if "boom" in finding.text)
            self.assertEqual(WARNING, bad.level)
            self.assertIn("this check failed: ", bad.text)
            self.assertIn("22/tcp", [finding.subject for finding in found])

    def test_garbage(self) -> None:
        """A listing that cannot be parsed is a warning."""
        for listing in ("", "{}", '{"nftables": [{}]}'):
            self.assertEqual([(WARNING, "nftables")], self.bad(tables=listing))

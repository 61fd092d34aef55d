"""Tests of the readers in L{pkdoors.config.foreign}."""

from functools import partial
from subprocess import run

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.config.foreign.detecting import suggestReader
from pkdoors.config.foreign.doors import MAX_DOORS, MAX_TEXT, Foreign, ForeignDoor, makeName
from pkdoors.config.foreign.fwknop import readFwknop
from pkdoors.config.foreign.knockd import readKnockd
from pkdoors.config.parser import parseConfig
from pkdoors.errors import BadValue, ConfigError
from pkdoors.model.doors import Door
from pkdoors.model.names import checkName
from pkdoors.model.ports import parsePortRanges
from pkdoors.model.sequence import Sequence

KNOCKD = """\
# comment
[options]
    UseSyslog
    LogFile = /var/log/knockd.log
    Colour = red

[openSSH]
    sequence    = 7000:udp,8000:tcp,9000
    seq_timeout = 15
    tcpflags    = syn,!ack
    target      = 192.0.2.1
    command     = /sbin/iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT

[closeSSH]
    sequence    = 9000,8000,7000
    command     = /sbin/iptables -D INPUT -s %IP% -p tcp --dport 22 -j ACCEPT

[Open Web]
    One_Time_Sequences = /etc/knockd/web
    Start_Command   = ufw allow from %IP% to any port 443 proto tcp
    Start_Command_6 = ufw allow from %IP% to any port 8443 proto tcp
    Cmd_Timeout     = 7200s
    Stop_Command    = /bin/bye %IP%
7000,8000,9000
7000,8000 = sequence

[nothing]
    sequence = 1,2,3
"""
ACCESS = """\
SOURCE              ANY
OPEN_PORTS          tcp/22, udp/60001;
KEY_BASE64          Zm9vYmFyc2VjcmV0
HMAC_KEY_BASE64     c2VjcmV0Zm9vYmFy
FW_ACCESS_TIMEOUT   60
MAX_FW_TIMEOUT      300
REQUIRE_SOURCE_ADDRESS  Y
COLOUR              red

SOURCE:             192.0.2.0/24;
GPG_DECRYPT_PW      hush
CMD_CYCLE_OPEN      /bin/hello $SRC
CMD_CYCLE_CLOSE     /bin/bye ${IP} $PORT
CMD_CYCLE_TIMER     90

SOURCE              ANY
OPEN_PORTS          tcp/443
CMD_CYCLE_OPEN      iptables -A INPUT -s $SRC -p $PROTO --dport $PORT -j ACCEPT
CMD_CYCLE_CLOSE     NONE
"""
DAEMON = """\
PCAP_INTF           eth0;
UDPSERV_PORT        62201;
MAX_SPA_PACKET_AGE  120;
COLOUR              red;
"""
ADDRESSES = ("192.0.2.7", "2001:db8::7")
SECRETS = ("7000", "8000", "Zm9v", "c2Vj", "hush", "62201")


def fatesOf(found: Foreign) -> dict[str, str]:
    """Return what became of each key."""
    return dict(found.fates)


class KnockdTests(SynchronousTestCase):
    """C{knockd.conf}."""

    def test_doors(self) -> None:
        """Sections become doors, unless they only close, or do nothing."""
        ssh, web = readKnockd(KNOCKD).doors
        expected = ForeignDoor("openssh", parsePortRanges("22"), {"knockTimeout": 15.0})
        self.assertEqual(expected, ssh)
        hook = ("/bin/sh", "-c", '/bin/bye "${PKDOORS_SOURCE}"')
        fields = {"openFor": 7200.0, "maxOpenFor": 7200.0, "onClose": hook}
        self.assertEqual(ForeignDoor("open-web", parsePortRanges("443,8443"), fields), web)

    def test_fates(self) -> None:
        """The table has each key, and no secret."""
        found = readKnockd(KNOCKD)
        fates = fatesOf(found)
        for key, words in {
            "options.logfile": "not needed",
            "options.colour": "unknown key",
            "openSSH": "is now the door openssh (22/tcp)",
            "openSSH.sequence": "replaced by a new one",
            "openSSH.seq_timeout": "is now knock_timeout",
            "openSSH.tcpflags": "not needed",
            "openSSH.target": "not taken: set interfaces",
            "openSSH.command": "opens 22/tcp",
            "closeSSH": "not needed: the kernel closes",
            "Open Web.one_time_sequences": "not needed",
            "Open Web.cmd_timeout": "is now open_for",
            "Open Web.stop_command": "is now the hook on_close",
            "nothing": "not taken: it has no command",
            "line 24": "not understood",
            "line 25": "not understood",
        }.items():
            self.assertTrue(fates[key].startswith(words), (key, fates[key]))
        lines = found.describe()
        self.assertFalse([line for line in lines for secret in SECRETS if secret in line])

    def test_families(self) -> None:
        """Of two different commands, each runs for the clients of its family, and no other."""
        rule = "iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT"
        for ipv4, ipv6, expected in (
            ("/bin/echo 4 %IP%", "/bin/echo 6 %IP%", ("4 192.0.2.7", "6 2001:db8::7")),
            ("/bin/echo 4", "/bin/echo '6;' # %IP%", ("4", "6;")),
            ("/bin/echo same", "/bin/echo same", ("same", "same")),
            (f"{rule}; /bin/echo 4", f"ip6{rule[2:]}", ("4", "")),
            (f"{rule}", f"ip6{rule[2:]}; /bin/echo 6", ("", "6")),
            ("/bin/echo both", "", ("both", "both")),
            ("", "/bin/echo both", ("both", "both")),
        ):
            text = f"[x]\nstart_command = {ipv4}\nstart_command_6 = {ipv6}\n"
            (door,) = readKnockd(text).doors
            with self.subTest(ipv4=ipv4, ipv6=ipv6):
                self.assertEqual(expected, tuple(map(partial(self.runHook, door), ADDRESSES)))

    def runHook(self, door: ForeignDoor, address: str) -> str:
        """Return what the hook of a door prints for a client."""
        command = door.fields["onOpen"]
        assert isinstance(command, tuple)
        done = run(command, capture_output=True, text=True, env={"PKDOORS_SOURCE": address})
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        return done.stdout.strip()

    def test_badTime(self) -> None:
        """A time that means nothing is not said to be taken."""
        rule = "iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT"
        found = readKnockd(f"[x]\ncommand = {rule}\nstop_command = /bin/a\ncmd_timeout = -3")
        self.assertEqual("not taken: it is not a time", fatesOf(found)["x.cmd_timeout"])
        self.assertEqual(10.0, found.doors[0].fields["openFor"])

    def test_longTime(self) -> None:
        """A time that is too long is shortened, and the table says so."""
        rule = "iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT"
        text = f"[x]\ncommand = {rule}\nstop_command = {rule}\nseq_timeout = 7200\n"
        found = readKnockd(f"{text}cmd_timeout = 99999999")
        most = "the most that there is"
        fates = fatesOf(found)
        self.assertEqual(f"is now knock_timeout, but 1h, {most}", fates["x.seq_timeout"])
        self.assertEqual(f"is now open_for, but 30d, {most}", fates["x.cmd_timeout"])
        self.assertEqual(3600.0, found.doors[0].fields["knockTimeout"])
        access = "SOURCE ANY\nOPEN_PORTS tcp/22\nMAX_FW_TIMEOUT 99999999"
        fates = fatesOf(readFwknop(access))
        self.assertEqual(f"is now max_open_for, but 30d, {most}", fates["stanza 1 MAX_FW_TIMEOUT"])

    def test_variants(self) -> None:
        """Ports that only the client knows, programs, and commands for everything."""
        (door,) = readKnockd("[x]\nsequence=1\ncommand=/bin/hello").doors
        self.assertEqual(ForeignDoor("x", (), {"onOpen": ("/bin/hello",)}), door)
        (door,) = readKnockd("[x]\ncommand=iptables -A INPUT -s %IP% -j ACCEPT").doors
        self.assertIsNone(door.ports)
        (door,) = readKnockd("[x]\ncommand=/bin/a\nstop_command=/bin/b").doors
        self.assertEqual(10.0, door.fields["openFor"])

    def test_refused(self) -> None:
        """What is no such file is refused in a sentence."""
        for text, words in (
            ("", "not a configuration of knockd"),
            ("[doors.ssh]\nports = [22]", "not a configuration of knockd"),
            (ACCESS, "not a configuration of knockd"),
            ("[x]\nsequence = 1,2,3", "none of its sections opens something"),
            ("[x]\ncommand = /bin/a\n" * (MAX_DOORS + 1), f"more than {MAX_DOORS} sections"),
            ("#" * (MAX_TEXT + 1), f"more than {MAX_TEXT} characters"),
        ):
            self.assertIn(words, str(self.assertRaises(BadValue, readKnockd, text)))


class FwknopTests(SynchronousTestCase):
    """C{access.conf} and C{fwknopd.conf}."""

    def test_doors(self) -> None:
        """Stanzas become doors, with their times and commands."""
        ssh, program, web = readFwknop(ACCESS, DAEMON).doors
        self.assertEqual(("ssh", "program", "https"), (ssh.name, program.name, web.name))
        self.assertEqual(parsePortRanges("22,60001/udp"), ssh.ports)
        self.assertEqual({"openFor": 60.0, "maxOpenFor": 300.0}, ssh.fields)
        self.assertEqual((), program.ports)
        self.assertEqual(
            ("/bin/sh", "-c", '/bin/hello "${PKDOORS_SOURCE}"'), program.fields["onOpen"]
        )
        self.assertNotIn("onClose", program.fields)
        self.assertEqual(90.0, program.fields["openFor"])
        self.assertNotIn("onOpen", web.fields)
        (plain,) = readFwknop("SOURCE ANY\nKEY x\n").doors
        self.assertIsNone(plain.ports)

    def test_fates(self) -> None:
        """The table has each key, of both files in any order, and no secret."""
        for texts in ((ACCESS, DAEMON), (DAEMON, ACCESS)):
            found = readFwknop(*texts)
            fates = fatesOf(found)
            for key, words in {
                "stanza 1": "is now the door ssh",
                "stanza 1 SOURCE": "not needed",
                "stanza 1 OPEN_PORTS": "is now ports",
                "stanza 1 KEY_BASE64": "replaced",
                "stanza 1 FW_ACCESS_TIMEOUT": "is now open_for",
                "stanza 1 MAX_FW_TIMEOUT": "is now max_open_for",
                "stanza 1 COLOUR": "unknown key",
                "stanza 2 SOURCE": 'not taken: write from="..."',
                "stanza 2 GPG_DECRYPT_PW": "replaced",
                "stanza 2 CMD_CYCLE_OPEN": "is now the hook on_open",
                "stanza 2 CMD_CYCLE_CLOSE": "not taken: a hook knows",
                "stanza 3 CMD_CYCLE_OPEN": "opens 443/tcp",
                "stanza 3 CMD_CYCLE_CLOSE": "not needed",
                "PCAP_INTF": "not taken",
                "UDPSERV_PORT": "replaced",
                "COLOUR": "unknown key",
            }.items():
                self.assertTrue(fates[key].startswith(words), (key, fates[key]))
            lines = found.describe()
            self.assertFalse([line for line in lines for secret in SECRETS if secret in line])

    def test_refused(self) -> None:
        """What has no stanza is refused."""
        for text in ("", KNOCKD, DAEMON):
            self.assertIn("not the access.conf", str(self.assertRaises(BadValue, readFwknop, text)))
        many = "SOURCE ANY\n" * (MAX_DOORS + 1)
        self.assertIn("stanzas", str(self.assertRaises(BadValue, readFwknop, many)))


class DetectTests(SynchronousTestCase):
    """A file of another program in place of ours."""

    def test_suggested(self) -> None:
        """The error names the option that reads it."""
        for text, option in ((KNOCKD, "--knockd"), (ACCESS, "--fwknop"), (DAEMON, "--fwknop")):
            line = str(self.assertRaises(ConfigError, parseConfig, text, "/etc/a b"))
            self.assertIn(f"`pkdoors init {option} '/etc/a b'` makes one of pkdoors", line)

    def test_ours(self) -> None:
        """A mistake in our own file is none of theirs; many lines take no time."""
        for text in ("[doors.ssh]\nsequence = [1, 2\n", "x", "[", "\n" * 10**6 + "["):
            self.assertEqual(("", ""), suggestReader(text))


WORDS = st.sampled_from(
    [
        *"[] = # ; ' \" $ ( ) { } \\ , / : - %IP% \0 \n \t \ud800 \u2028".split(" "),
        "\n[a]\n", "\n[options]\n", "\nsequence = ", "\ncommand = ", "\nstop_command=", "7000:udp",
        "\ncmd_timeout = 99999999999", "\nseq_timeout = 0", "iptables -A INPUT", " -p tcp ",
        " --dport ", " --dports", " -j ACCEPT", " -j", "ufw ", "allow ", "delete ", "port ",
        "insert ", "nft add rule ", "tcp dport ", "firewall-cmd ", "--add-rich-rule=", "--zone",
        "--add-port", "\nSOURCE ANY\n", "\nOPEN_PORTS ", "tcp/22", "$SRC",
        "CMD_CYCLE_OPEN ", "$PORT", "\nMAX_FW_TIMEOUT 1", "\nFW_ACCESS_TIMEOUT 999999999",
        "22", "70000", "-1", "5-1", ";", "&&",
    ]
)  # fmt: skip
"""Pieces of such files."""


class FuzzTests(SynchronousTestCase):
    """Files of any content."""

    @settings(max_examples=150, deadline=None)
    @given(st.lists(WORDS | st.text(max_size=5), max_size=40).map("".join))
    def test_garbage(self, text: str) -> None:
        """A file is refused in a sentence, or its doors are good ones."""
        for read in (readKnockd, readFwknop):
            try:
                found = read(text)
            except BadValue:
                continue
            names = [checkName(door.name) for door in found.doors]
            self.assertEqual(len(names), len({*names}))
            self.assertTrue(all(isinstance(line, str) for line in found.describe()))
            for door in found.doors:
                sequence = Sequence((40001, 40003, 40005, 40002, 40004, 40006))
                made = Door(door.name, sequence, door.ports or (), **door.fields)  # type: ignore[arg-type]
                self.assertLessEqual(1.0, made.openFor)

    @given(st.text(max_size=80))
    def test_names(self, text: str) -> None:
        """Any text becomes the name of a door, and no name comes twice."""
        first = makeName(text, ())
        second = makeName(text, [checkName(first)])
        self.assertNotEqual(first, checkName(second))
        self.assertNotIn(makeName(text, [first, second]), (first, second))

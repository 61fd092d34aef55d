"""Tests of L{pkdoors.client.export.uri}."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.client.export.subject import Subject
from pkdoors.client.export.uri import parseUri, renderUri
from pkdoors.client.profiles import Profile, readProfile
from pkdoors.errors import BadValue
from pkdoors.model.knockports import TcpPort
from pkdoors.model.sequence import Sequence
from tests.lab.properties import PROPERTY

PORTS = (31337, 28419, 19283, 23571, 30129)
"""Numbers that no message contains for another reason."""
SEQ = ",".join(map(str, PORTS))
GOOD = f"pkdoors://home.example?seq={SEQ}"

ports = st.lists(
    st.integers(1, 65535) | st.builds(TcpPort, st.integers(1, 65535)), min_size=5, max_size=20
)
PROFILES = st.builds(
    Profile,
    address=st.sampled_from(["home.example", "192.0.2.1", "2001:db8::1", "fe80::1%ded0", "a_b"]),
    sequence=st.builds(Sequence, ports.map(tuple)),
    door=st.sampled_from([None, "ssh", "a-b_9"]),
    isSealed=st.booleans(),
    openFor=st.sampled_from([None, 1.5, 60.0, 5400.0]),
    wait=st.none() | st.integers(1, 65535),
    identity=st.none(),
    isOnce=st.just(False),
    roundTrip=st.none(),
    hearsAny=st.booleans(),
    bind=st.none(),
    interval=st.none(),
)
NAMES = st.from_regex(r"\A\w[\w.-]{0,63}\Z")


def read(text: str) -> tuple[str, Profile]:
    """Return the name and the profile that a URI has."""
    name, table = parseUri(text)
    return name, readProfile(name, table)


class UriTests(SynchronousTestCase):
    """
    Tests of L{renderUri} and L{parseUri}.
    """

    def refuse(self, text: str) -> str:
        """Return the error for a text. It shows no port of the sequence."""
        error = str(self.assertRaises(BadValue, read, text))
        self.assertFalse([port for port in PORTS if str(port) in error], error)
        self.assertNotIn("\n", error)
        return error

    @PROPERTY
    @given(NAMES, PROFILES)
    def test_roundTrip(self, name: str, profile: Profile) -> None:
        """A profile is read back as it was, by whatever name."""
        self.assertEqual((name, profile), read(renderUri(Subject(name, profile))))

    def test_once(self) -> None:
        """So is one for a door that opens for one connection."""
        profile = Profile("home.example", Sequence(PORTS), isOnce=True)
        self.assertEqual(("a", profile), read(renderUri(Subject("a", profile))))

    def test_form(self) -> None:
        """It has the form that the documentation shows, without what is as usual."""
        profile = Profile("2001:db8::1", Sequence(PORTS), "ssh", isSealed=True)
        uri = renderUri(Subject("2001:db8::1", profile))
        self.assertEqual(f"pkdoors://[2001:db8::1]?seq={SEQ}&door=ssh&sealed=1\n", uri)
        self.assertEqual(("2001:db8::1", profile), read(uri))

    def test_noIdentity(self) -> None:
        """A path of one machine is never written, nor read."""
        profile = Profile("home.example", Sequence(PORTS), identity="/home/anna/key", isSealed=True)
        self.assertNotIn("anna", renderUri(Subject("a", profile)))
        self.assertIn("identity is a path on one machine", self.refuse(f"{GOOD}&identity=/k"))

    def test_otherScripts(self) -> None:
        """A name in letters that look like others is shown as the network has it."""
        name, profile = read(GOOD.replace("home.example", "\u0430pple.example"))
        self.assertEqual(("xn--pple-43d.example",) * 2, (name, profile.address))

    def test_otherForms(self) -> None:
        """What a reader of QR codes, or a person, makes of it is read as well."""
        for text in (f"QR-Code:{GOOD}\n", f"  {GOOD} ", GOOD.replace("?", "/?"), GOOD.upper()):
            text = text.replace("SEQ", "seq")
            self.assertEqual(Sequence(PORTS), read(text)[1].sequence)

    def test_wrong(self) -> None:
        """Whatever is wrong with it is one sentence."""
        form = "this is not an address of the form pkdoors://HOST?seq=PORTS&..."
        for text, words in (
            ("", form),
            ("pkdoors://home.example", form),
            (f"https://home.example?seq={SEQ}", form),
            (f"pkdoors://?seq={SEQ}", form),
            (f"pkdoors://anna@home.example?seq={SEQ}", form),
            (f"pkdoors://home.example:22?seq={SEQ}", form),
            (f"pkdoors://home.example/path?seq={SEQ}", form),
            (f"{GOOD}#end", form),
            (f"{GOOD}{'&wait=22' * 300}", form),
            ("pkdoors://home.example?wait=22", "seq is missing"),
            (f"{GOOD}&seq={SEQ}", "a key is given twice"),
            (f"{GOOD}&", "the part after the question mark is not KEY=VALUE"),
            (f"{GOOD}&word", "the part after the question mark is not KEY=VALUE"),
            (f"{GOOD}&door=%ff", "the part after the question mark is not KEY=VALUE"),
            (f"{GOOD}&on_open=reboot", "unknown key 'on_open': allowed are seq, door"),
            (f"{GOOD}&address=other.example", "unknown key 'address'"),
            (f"{GOOD}&sealed=yes", "sealed: 'yes' is neither 0 nor 1"),
            (f"{GOOD}&door=A%20b", "door: 'A b' is not a door's name"),
            (f"{GOOD}&wait=0", "wait: '0' is not a port"),
            (f"{GOOD}&open_for=1y", "open_for: '1y' is not a time"),
            (f"{GOOD}&uses=twice", "uses: 'twice' is neither"),
            (f"{GOOD}&uses=once&wait=22", "remove wait"),
            (f"{GOOD}&payload=x", "payload: 'x' is neither"),
            (f"pkdoors://home.example?seq={SEQ},1,2,x", "sequence: it is not a list"),
            (f"pkdoors://home.example?seq={SEQ[:17]}", "sequence: it is not a list"),
        ):
            self.assertIn(words, self.refuse(text), text)

    def test_hostile(self) -> None:
        """No host and no name can be taken for something else."""
        for host in (
            "-oProxyCommand=x",
            "%2doX",
            "a%20b",
            "a%0ab",
            "$(x)",
            "%60x%60",
            "a;b",
            "..%2fx",
        ):
            words = "is not a name or address of a host"
            self.assertIn(words, self.refuse(f"pkdoors://{host}?seq={SEQ}"), host)
        for name in ("-x", "a%20b", "a%0Ab", "%1b]0;x%07", "", "a" * 65, "../a", "$(x)", "*", "!a"):
            words = "is not a name for a profile"
            self.assertIn(words, self.refuse(f"{GOOD}&name={name}"), name)

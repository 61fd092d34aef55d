"""Tests of L{pkdoors.client.export.profiletext}."""

import tomllib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.client.export.profiletext import addProfile, describeProfile, renderProfile
from pkdoors.client.profiles import Profile, Profiles
from pkdoors.errors import BadValue
from pkdoors.model.sequence import Sequence
from tests.client.export.test_uri import PROFILES
from tests.fakes.doors import PORTS
from tests.lab.properties import PROPERTY

HOME = Profile("home.example", Sequence(PORTS), wait=22)
OTHER = """\
# my hosts

[hosts.first] # the first
address = "first.example"   # a comment

# about home
[hosts.home]
# it moved
address = "old.example"
sequence = [
  1, 2, 3, # three
  4, 5,
]
identity = "~/key"

# about the last
[hosts.'last one']
wait = 22
[groups.both]
hosts = ["first", "home"]
"""


class RenderTests(SynchronousTestCase):
    """
    Tests of L{renderProfile} and L{describeProfile}.
    """

    @PROPERTY
    @given(
        st.text(max_size=20),
        PROFILES,
        st.sampled_from([None, "agent", '~/a "b"\\ü\x7f']),
        st.sampled_from([None, 0.08]),
        st.sampled_from([None, 0.0, 0.05]),
    )
    def test_roundTrip(
        self,
        name: str,
        profile: Profile,
        identity: str | None,
        roundTrip: float | None,
        interval: float | None,
    ) -> None:
        """A profile is read back as it was."""
        whole = profile._replace(identity=identity, roundTrip=roundTrip, interval=interval)
        self.assertEqual({name: whole}, dict(Profiles(renderProfile(name, whole))))

    def test_once(self) -> None:
        """So is one for a door that opens for one connection; no other field is left out."""
        whole = HOME._replace(isOnce=True, wait=None)
        self.assertEqual(whole, Profiles(renderProfile("home", whole))["home"])
        full = HOME._replace(
            door="ssh",
            identity="k",
            isSealed=False,
            openFor=1.0,
            roundTrip=0.1,
            interval=0.0,
            hearsAny=True,
            bind="stun:stun.example",
        )
        again = Profiles(renderProfile("home", full))["home"]
        self.assertEqual(full, again)
        unset = Profile("")
        self.assertEqual(
            ["isSealed", "isOnce"],
            [field for field in Profile._fields if getattr(again, field) == getattr(unset, field)],
        )

    def test_secret(self) -> None:
        """What is shown of it is the same without the sequence."""
        text = describeProfile("home", HOME)
        self.assertEqual(
            '[hosts.home]\naddress = "home.example"\n# sequence: not shown\nwait = 22\n', text
        )


class AddTests(SynchronousTestCase):
    """
    Tests of L{addProfile}.
    """

    def refuse(self, text: str, name: str = "home", isReplaced: bool = False) -> str:
        """Return the error for a change."""
        return str(self.assertRaises(BadValue, addProfile, text, name, HOME, isReplaced))

    def test_added(self) -> None:
        """It is added at the end; everything before it stays, to the letter."""
        for text in (
            "",
            "# nothing\n",
            "[hosts.a]",
            OTHER,
            OTHER.replace("\n", "\r\n"),
            "hosts.a = {}",
        ):
            changed = addProfile(text, "new", HOME)
            self.assertTrue(changed.startswith(text))
            self.assertEqual(HOME, Profiles(changed)["new"])
            self.assertEqual({*Profiles(text)}, {*Profiles(changed)} - {"new"})

    def test_there(self) -> None:
        """A profile that is there is not replaced, however it is written."""
        for text in (OTHER, "hosts.home.wait = 5\n", "hosts = {home = {}}\n", "['hosts'.home]\n"):
            self.assertEqual(
                "there is a profile home already: use --replace, or --name NAME for another one",
                self.refuse(text),
            )

    def test_replaced(self) -> None:
        """A replaced one keeps its comments, and its place."""
        changed = addProfile(OTHER, "home", HOME, isReplaced=True)
        before, after = OTHER.partition("[hosts.home]")[0], OTHER.partition("# about the last")[2]
        self.assertTrue(changed.startswith(before + "[hosts.home]\n"))
        self.assertTrue(changed.endswith("# about the last" + after))
        self.assertIn("\n# it moved\n", changed)
        self.assertEqual(HOME, Profiles(changed)["home"])
        (old, new) = (tomllib.loads(text) for text in (OTHER, changed))
        del old["hosts"]["home"], new["hosts"]["home"]
        self.assertEqual(old, new)
        self.assertEqual(("first", "home"), Profiles(changed).findGroup("both"))

    def test_replacedNew(self) -> None:
        """To replace one that is not there is to add it."""
        self.assertEqual(addProfile("", "home", HOME), addProfile("", "home", HOME, True))

    def test_unusual(self) -> None:
        """What cannot be replaced for sure is left to the user."""
        for text in (
            "hosts.home.wait = 5\n",
            "hosts = {home = {}}\n",
            "['hosts'.home]\n",
            '[hosts.home]\nidentity = """\nx = 1\n"""\n',
            "[hosts]\nhome = {}\n",
        ):
            self.assertIn("edit it by hand", self.refuse(text, isReplaced=True), text)
        self.assertIn("add the profile by hand", self.refuse("hosts = {a = {}}", "new"))

    def test_group(self) -> None:
        """A name cannot be both a host and a group."""
        self.assertEqual("both is a group: use --name NAME", self.refuse(OTHER, "both"))
        self.assertEqual("both is a group: use --name NAME", self.refuse(OTHER, "both", True))

    def test_broken(self) -> None:
        """A file that is broken stays as it is."""
        self.assertIn("it is not valid TOML", self.refuse("[hosts.a]\nx\n", "new"))
        self.assertIn("it is not valid TOML", self.refuse("[hosts.home]\nx\n", isReplaced=True))

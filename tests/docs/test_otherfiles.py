"""The references of the client's profiles, and of the file of keys; whole files as examples."""

from twisted.trial.unittest import SynchronousTestCase

from manual.examples import CONFIGURATION, KEYS, PROFILES
from manual.keys import KEY_OPTIONS, describeKeyOptions
from manual.profiles import PROFILE_KEYS, describeProfiles
from pkdoors.client import profiles
from pkdoors.client.profiles import Profile, Profiles
from pkdoors.config.parser import parseConfig
from pkdoors.locks.sealed import authorizedkeys
from pkdoors.locks.sealed.authorizedkeys import parseLine
from tests.docs import EXTENSIONS
from tests.lab.sealing import makeKey, publicLine

assert EXTENSIONS.is_dir()


class ProfileTests(SynchronousTestCase):
    """
    C{hosts.toml}.
    """

    def test_keys(self) -> None:
        """The reference has the keys that are read."""
        self.assertEqual({*profiles._KEYS}, {*PROFILE_KEYS})
        text = describeProfiles()
        for name, key in PROFILE_KEYS.items():
            self.assertIn(f"### `{name}`\n\n{key.about}\n\n- Form: {key.form}\n", text)

    def test_examples(self) -> None:
        """Each example can be read, and sets something."""
        for name, key in PROFILE_KEYS.items():
            profile = Profiles(f"[hosts.h]\n{name} = {key.example}\n")["h"]
            self.assertNotEqual(Profile(address="h"), profile, name)


class KeyTests(SynchronousTestCase):
    """
    The file of keys.
    """

    def test_options(self) -> None:
        """The reference has the options that are read, with a value if they take one."""
        self.assertEqual({*authorizedkeys._READERS}, {*KEY_OPTIONS})
        for name, (value, _) in KEY_OPTIONS.items():
            isFlag = authorizedkeys._READERS[name][1] is authorizedkeys._parseFlag
            self.assertEqual(isFlag, not value, name)
        self.assertIn('`doors="NAME,..."`\n: The doors', describeKeyOptions())


class ExampleTests(SynchronousTestCase):
    """
    Whole files.
    """

    def test_configuration(self) -> None:
        """The daemon reads its configuration."""
        doors = parseConfig(CONFIGURATION, "example").doors
        self.assertEqual(["ssh", "services"], [door.name for door in doors])

    def test_profiles(self) -> None:
        """The client reads its profiles."""
        found = Profiles(PROFILES)
        self.assertEqual(["home", "office"], [*found])
        self.assertEqual(("~/.ssh/id_ed25519", 22), (found["home"].identity, found["home"].wait))
        self.assertIsNotNone(found["office"].sequence)

    def test_keys(self) -> None:
        """The daemon reads the keys."""
        short = KEYS.replace("AAAAC3NzaC1lZDI1NTE5...", publicLine(makeKey(), "").split()[1])
        keys = [parseLine(line) for line in short.splitlines()]
        names = ["anna@laptop", "bob@desk", "guest", "company CA"]
        self.assertEqual(names, [key.comment for key in keys])

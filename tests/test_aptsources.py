"""Apt's sources of a machine, made those of another release."""

import runpy

from twisted.trial.unittest import SynchronousTestCase

from tests import ROOT

_sources = runpy.run_path(str(ROOT / "script/aptsources.py"))
oneLine, deb822 = _sources["oneLine"], _sources["deb822"]

LIST = """
# deb http://mirror/commented bookworm main
deb http://mirror/debian bookworm main contrib # ours
deb-src http://mirror/debian bookworm main
deb [signed-by=/etc/apt/keyrings/a.gpg trusted=yes] https://mirror/debian bookworm-updates main
  deb\thttp://mirror/security\tbookworm-security\tmain
deb http://mirror/debian bookworm-backports main
deb http://mirror/debian sid main
deb https://other/linux bookworm stable
deb https://other/flat ./
"""
SOURCES = """\
# The first stanza.
Types: deb deb-src
# in the middle
URIs: http://mirror/debian
Suites: bookworm bookworm-updates bookworm-backports
Components: main contrib
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDMEY
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb
URIs: https://mirror/security
Suites:
 bookworm-security
Components: main
Trusted: yes
\t
Enabled: no
Types: deb
URIs: http://mirror/debian
Suites: bookworm
Components: main

Types: deb
URIs: https://other/node
Suites: nodistro
Components: main

Types: deb-src
URIs: http://mirror/debian
Suites: bookworm
Components: main
"""


class AptSourcesTests(SynchronousTestCase):
    """What is of Debian's archive and of this release is taken over, with its options."""

    def test_oneLine(self) -> None:
        """Lines of C{sources.list}."""
        expected = (
            "deb http://mirror/debian trixie main\n"
            "deb [signed-by=/etc/apt/keyrings/a.gpg trusted=yes] https://mirror/debian "
            "trixie-updates main\n"
            "deb http://mirror/security trixie-security main\n"
        )
        self.assertEqual(expected, oneLine(LIST, "bookworm", "trixie"))

    def test_deb822(self) -> None:
        """Stanzas of C{.sources}, with a key that they contain."""
        expected = """\
types: deb
uris: http://mirror/debian
suites: trixie trixie-updates
components: main
signed-by:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDMEY
 -----END PGP PUBLIC KEY BLOCK-----

types: deb
uris: https://mirror/security
suites: trixie-security
components: main
trusted: yes

"""
        self.assertEqual(expected, deb822(SOURCES, "bookworm", "trixie"))

    def test_sameRelease(self) -> None:
        """On a machine with the wanted release nothing is renamed."""
        line = "deb http://mirror/debian trixie main\n"
        self.assertEqual(line, oneLine(line, "trixie", "trixie"))

    def test_otherDistribution(self) -> None:
        """Nothing is found if nothing is Debian's."""
        self.assertEqual("", oneLine("deb http://mirror/ubuntu noble universe", "noble", "trixie"))
        self.assertEqual("", _sources["release"]('ID=ubuntu\nVERSION_CODENAME="noble"\n'))
        debian = "NAME=Debian\nID=debian\n\nVERSION_CODENAME=bookworm\n"
        self.assertEqual("bookworm", _sources["release"](debian))

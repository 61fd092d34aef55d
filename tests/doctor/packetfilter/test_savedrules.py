"""Tests of L{pkdoors.doctor.packetfilter.savedrules} and L{pkdoors.doctor._saved}."""

import os
import shlex
import subprocess
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.doctor import _saved as saved
from pkdoors.doctor._saved import savedFiles
from pkdoors.doctor.findings import ERROR, WARNING
from pkdoors.doctor.packetfilter.savedrules import Saved, included, lineOfOurs
from pkdoors.doctor.packetfilter.savedrules import saved as judge

LISTED = """#!/usr/sbin/nft -f
flush ruleset
table inet filter {
	chain input {
		tcp dport 22 accept
	}
}
table inet pkdoors { # progname twistd
	flags owner,persist

	set ssh_open4 {
		elements = { 10.0.0.1 timeout 1m expires 5s comment "until=99 }" }
	}
}
table inet pkdoors_handover {
	chain input {
	}
}
table ip nat {
}
"""
"""As C{nft list ruleset} prints it."""
WITHOUT = LISTED[: LISTED.index("table inet pkdoors {")] + LISTED[LISTED.index("table ip nat") :]


class LineTests(SynchronousTestCase):
    """
    Tests of L{lineOfOurs}.
    """

    def test_listed(self) -> None:
        """The line is that of the table."""
        self.assertEqual(8, lineOfOurs(LISTED))
        self.assertEqual(0, lineOfOurs(WITHOUT))

    def test_found(self) -> None:
        """It is found however it is written."""
        for text in (
            "table inet pkdoors {\n}\n",
            "table inet filter { }; table inet pkdoors { }",
            "  add  table\tinet pkdoors",
            "table inet \\\n pkdoors {}",
            "table inet pkdoors_handover {}",
            "add element inet pkdoors ssh_open4 { 10.0.0.1 }",
            "add rule inet pkdoors input accept",
            "add map inet pkdoors tcp_doors { type inet_service : verdict; }",
            "add set inet pkdoors ssh_open4 { type ipv4_addr; }",
            "add chain inet pkdoors input",
            "add counter inet pkdoors ssh_dropped",
            "delete table inet pkdoors",
            'table inet a { comment "#" ; } ; table inet pkdoors {}',
        ):
            self.assertTrue(lineOfOurs(text), text)

    def test_notFound(self) -> None:
        """Comments, texts, other tables and other families do not count."""
        for text in (
            "# table inet pkdoors {\n",
            "flush ruleset # and table inet pkdoors\n",
            'table inet a { chain b { counter comment "table inet pkdoors" } }',
            "table inet pkdoors2 {}",
            "table inet pkdoors_old {}",
            "table inet my-pkdoors {}",
            "table ip pkdoors {}",
            "table\ninet pkdoors",
            "",
        ):
            self.assertFalse(lineOfOurs(text), text)

    def test_included(self) -> None:
        """What a file includes is in quotes of either kind."""
        text = 'include "/a/*.nft"\n\tinclude \'b.nft\'\n# include "c"\n'
        self.assertEqual(["/a/*.nft", "b.nft"], included(text))


class JudgeTests(SynchronousTestCase):
    """
    Tests of L{pkdoors.doctor.packetfilter.savedrules.saved}.
    """

    def test_well(self) -> None:
        """A file without our table is well."""
        self.assertEqual([], list(judge([Saved("/etc/nftables.conf", WITHOUT)])))

    def test_error(self) -> None:
        """One that has it is an error, with the line and both reasons."""
        (found,) = judge([Saved("/x", WITHOUT), Saved("/etc/nftables.conf", LISTED)])
        self.assertEqual(ERROR, found.level)
        for words in ("line 8 of /etc/nftables.conf ", "opens doors again", "all of it is refused"):
            self.assertIn(words, found.text)

    def test_remedy(self) -> None:
        """The command in the remedy takes our tables out, and nothing else; so does the other."""
        path = Path(self.mktemp() + " 'x").absolute()
        path.write_text(LISTED)
        (found,) = judge([Saved(str(path), LISTED)])
        remove, save = found.remedy.splitlines()
        subprocess.run(shlex.split(remove.strip("`")), check=True)
        self.assertEqual(WITHOUT, path.read_text())
        _, _, pipe = save.rpartition(" | ")
        done = subprocess.run(
            shlex.split(pipe.strip("`")), input=LISTED, check=True, capture_output=True, text=True
        )
        self.assertEqual(WITHOUT, done.stdout)

    def test_byHand(self) -> None:
        """What that command would leave has to be removed by hand."""
        for text in ("add table inet pkdoors\n", "  table inet pkdoors {\n  }\n"):
            (found,) = judge([Saved("/x", LISTED + text)])
            self.assertNotIn("sed", found.remedy)
            self.assertIn("remove line 8, and all else", found.remedy)

    def test_tooLarge(self) -> None:
        """If a file was not read to its end, that is a warning."""
        (found,) = judge([Saved("/x", WITHOUT, isWhole=False)])
        self.assertEqual(WARNING, found.level)
        self.assertIn("`grep -n 'inet pkdoors' /x`", found.remedy)


class FilesTests(SynchronousTestCase):
    """
    Tests of L{savedFiles}.
    """

    def setUp(self) -> None:
        """Have a folder in place of C{/etc}."""
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.patch(saved, "FOLDER", str(self.folder))

    def write(self, name: str, text: str = "") -> str:
        """Make a file."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)

    def names(self, *places: str) -> list[str]:
        """What is found, by its name in the folder."""
        found = savedFiles(places or (f"{self.folder}/nftables.conf",))
        return [os.path.relpath(each.name, self.folder) for each in found]

    def test_places(self) -> None:
        """Patterns, and files that are missing."""
        for name in ("d/b.nft", "d/a.nft", "d/c.txt"):
            self.write(name)
        wanted = (f"{self.folder}/missing", f"{self.folder}/d/*.nft")
        self.assertEqual(["d/a.nft", "d/b.nft"], self.names(*wanted))

    def test_includes(self) -> None:
        """What files include is looked at, too, each once, whether or not there is a circle."""
        self.write("nftables.conf", f'include "{self.folder}/d/*.nft"\ninclude "rules.nft"\n')
        self.write("d/a.nft", f'include "{self.folder}/nftables.conf"\n')
        self.write("rules.nft", "table inet pkdoors {}\n")
        os.symlink("a.nft", self.folder / "d/b.nft")
        self.assertEqual(["nftables.conf", "d/a.nft", "rules.nft"], self.names())

    def test_included(self) -> None:
        """A path that begins with a dot is meant from the root, where a service runs."""
        rules = self.write("rules.nft")
        self.write("nftables.conf", f'include ".{rules}"\n')
        self.assertEqual(["nftables.conf", "rules.nft"], self.names())

    def test_otherKinds(self) -> None:
        """A folder, a FIFO and a device are no rulesets, and nobody waits for them."""
        os.mkfifo(self.folder / "nftables.conf")
        (self.folder / "folder").mkdir()
        os.symlink("/dev/zero", self.folder / "zero")
        self.assertEqual([], self.names(f"{self.folder}/*"))

    def test_bounds(self) -> None:
        """No file is read beyond a bound, nor are more files than a bound."""
        self.patch(saved, "MAX_BYTES", 10)
        whole, more = savedFiles([self.write("a", "x" * 10), self.write("b", "x" * 11)])
        self.assertEqual((True, False), (whole.isWhole, more.isWhole))
        self.assertEqual("x" * 10, more.text)
        self.patch(saved, "MAX_FILES", 3)
        for number in range(9):
            self.write(f"many/{number}")
        self.assertEqual(3, len(self.names(f"{self.folder}/many/*", f"{self.folder}/a")))
        places = (f"{self.folder}/a", f"{self.folder}/b", f"{self.folder}/many/*")
        self.assertEqual(3, len(self.names(*places)))
        self.patch(saved, "_MAX_NAMES", 2)
        self.assertEqual(2, len(self.names(f"{self.folder}/many/*")))

    def test_notText(self) -> None:
        """Bytes that are no text do no harm."""
        (self.folder / "nftables.conf").write_bytes(b"\xff\x00table inet pkdoors {}\n")
        (found,) = savedFiles([f"{self.folder}/nftables.conf"])
        self.assertEqual(1, lineOfOurs(found.text))

    def test_forbidden(self) -> None:
        """A file that this user must not read is no file that is well."""

        def refuse(*arguments: object) -> bytes:
            raise PermissionError(13, "no")

        path = self.write("nftables.conf")
        self.patch(saved, "readStart", refuse)
        self.assertRaises(PermissionError, savedFiles, [path])

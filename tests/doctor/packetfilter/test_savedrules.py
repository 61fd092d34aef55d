"""Tests of L{pkdoors.doctor.packetfilter.savedrules} and L{pkdoors.doctor.sources}."""

import os
import shlex
import subprocess
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.doctor import sources
from pkdoors.doctor.findings import ERROR, WARNING
from pkdoors.doctor.packetfilter.savedrules import (
    SavedFile,
    findIncludes,
    findOurLine,
    judgeSavedFiles,
)
from pkdoors.doctor.sources import readSavedFiles

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
    Tests of L{findOurLine}.
    """

    def test_listed(self) -> None:
        """The line is that of the table."""
        self.assertEqual(8, findOurLine(LISTED))
        self.assertEqual(0, findOurLine(WITHOUT))

    def test_found(self) -> None:
        """It is found in every notation."""
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
            self.assertTrue(findOurLine(text), text)

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
            self.assertFalse(findOurLine(text), text)

    def test_included(self) -> None:
        """The names of included files are in quotes of either kind."""
        text = 'include "/a/*.nft"\n\tinclude \'b.nft\'\n# include "c"\n'
        self.assertEqual(["/a/*.nft", "b.nft"], findIncludes(text))


class JudgeTests(SynchronousTestCase):
    """
    Tests of L{judgeSavedFiles}.
    """

    def test_well(self) -> None:
        """A file without our table is good."""
        self.assertEqual([], list(judgeSavedFiles([SavedFile("/etc/nftables.conf", WITHOUT)])))

    def test_error(self) -> None:
        """A file with our table is an error, with the line and both reasons."""
        (found,) = judgeSavedFiles(
            [SavedFile("/x", WITHOUT), SavedFile("/etc/nftables.conf", LISTED)]
        )
        self.assertEqual(ERROR, found.level)
        for words in (
            "line 8 of /etc/nftables.conf ",
            "opens the doors again",
            "refuses the whole",
        ):
            self.assertIn(words, found.text)

    def test_remedy(self) -> None:
        """Both commands in the remedy remove our tables, and nothing else."""
        path = Path(self.mktemp() + " 'x").absolute()
        path.write_text(LISTED)
        (found,) = judgeSavedFiles([SavedFile(str(path), LISTED)])
        remove, save = found.remedy.splitlines()
        subprocess.run(shlex.split(remove.strip("`")), check=True)
        self.assertEqual(WITHOUT, path.read_text())
        _, _, pipe = save.rpartition(" | ")
        done = subprocess.run(
            shlex.split(pipe.strip("`")), input=LISTED, check=True, capture_output=True, text=True
        )
        self.assertEqual(WITHOUT, done.stdout)

    def test_byHand(self) -> None:
        """The remedy is manual if that command would leave something."""
        for text in ("add table inet pkdoors\n", "  table inet pkdoors {\n  }\n"):
            (found,) = judgeSavedFiles([SavedFile("/x", LISTED + text)])
            self.assertNotIn("sed", found.remedy)
            self.assertIn("remove line 8, and everything else", found.remedy)

    def test_tooLarge(self) -> None:
        """A file that was not read to its end is a warning."""
        (found,) = judgeSavedFiles([SavedFile("/x", WITHOUT, isWhole=False)])
        self.assertEqual(WARNING, found.level)
        self.assertIn("`grep -n 'inet pkdoors' /x`", found.remedy)


class FilesTests(SynchronousTestCase):
    """
    Tests of L{readSavedFiles}.
    """

    def setUp(self) -> None:
        """Put a folder in the place of C{/etc}."""
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.patch(sources, "FOLDER", str(self.folder))

    def write(self, name: str, text: str = "") -> str:
        """Write a file."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)

    def names(self, *places: str) -> list[str]:
        """Return what is found, by its name in the folder."""
        found = readSavedFiles(places or (f"{self.folder}/nftables.conf",))
        return [os.path.relpath(file.name, self.folder) for file in found]

    def test_places(self) -> None:
        """Patterns are expanded, and missing files skipped."""
        for name in ("d/b.nft", "d/a.nft", "d/c.txt"):
            self.write(name)
        wanted = (f"{self.folder}/missing", f"{self.folder}/d/*.nft")
        self.assertEqual(["d/a.nft", "d/b.nft"], self.names(*wanted))

    def test_includes(self) -> None:
        """Included files are read, too, each once, even if they include each other."""
        self.write("nftables.conf", f'include "{self.folder}/d/*.nft"\ninclude "rules.nft"\n')
        self.write("d/a.nft", f'include "{self.folder}/nftables.conf"\n')
        self.write("rules.nft", "table inet pkdoors {}\n")
        os.symlink("a.nft", self.folder / "d/b.nft")
        self.assertEqual(["nftables.conf", "d/a.nft", "rules.nft"], self.names())

    def test_included(self) -> None:
        """A path that begins with a dot is relative to the root, in which a service runs."""
        rules = self.write("rules.nft")
        self.write("nftables.conf", f'include ".{rules}"\n')
        self.assertEqual(["nftables.conf", "rules.nft"], self.names())

    def test_otherKinds(self) -> None:
        """A folder, a FIFO and a device are not rulesets, and nobody waits for them."""
        os.mkfifo(self.folder / "nftables.conf")
        (self.folder / "folder").mkdir()
        os.symlink("/dev/zero", self.folder / "zero")
        self.assertEqual([], self.names(f"{self.folder}/*"))

    def test_bounds(self) -> None:
        """Only so much of a file is read, and only so many files."""
        self.patch(sources, "MAX_BYTES", 10)
        whole, part = readSavedFiles([self.write("a", "x" * 10), self.write("b", "x" * 11)])
        self.assertEqual((True, False), (whole.isWhole, part.isWhole))
        self.assertEqual("x" * 10, part.text)
        self.patch(sources, "MAX_FILES", 3)
        for number in range(9):
            self.write(f"many/{number}")
        self.assertEqual(3, len(self.names(f"{self.folder}/many/*", f"{self.folder}/a")))
        places = (f"{self.folder}/a", f"{self.folder}/b", f"{self.folder}/many/*")
        self.assertEqual(3, len(self.names(*places)))
        self.patch(sources, "_MAX_NAMES", 2)
        self.assertEqual(2, len(self.names(f"{self.folder}/many/*")))

    def test_notText(self) -> None:
        """Bytes that are not text do no harm."""
        (self.folder / "nftables.conf").write_bytes(b"\xff\x00table inet pkdoors {}\n")
        (found,) = readSavedFiles([f"{self.folder}/nftables.conf"])
        self.assertEqual(1, findOurLine(found.text))

    def test_forbidden(self) -> None:
        """A file that this user may not read is not skipped."""

        def refuse(*arguments: object) -> bytes:
            raise PermissionError(13, "no")

        path = self.write("nftables.conf")
        self.patch(sources, "readStart", refuse)
        self.assertRaises(PermissionError, readSavedFiles, [path])

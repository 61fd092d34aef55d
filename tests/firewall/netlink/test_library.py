"""Tests of L{pkdoors.firewall.netlink.library}."""

import os
import resource
import socket
from threading import Lock
from types import SimpleNamespace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import FirewallError
from pkdoors.firewall.netlink import library as libraryModule
from pkdoors.firewall.netlink.kernel import NotPermitted
from pkdoors.firewall.netlink.library import Library, connect
from tests.fakes.modules import makeModule, replaceModule
from tests.fakes.nftables import FakeNftables


class LibraryTestCase(SynchronousTestCase):
    """
    Stands in for libnftables.
    """

    def setUp(self) -> None:
        """Have the privilege, and a library with one socket."""
        self.patch(libraryModule, "checkPrivilege", lambda: None)
        self.patch(libraryModule, "Kernel", self.kernel)
        self.context = FakeNftables()
        self.sockets: list[socket.socket] = []
        self.duplicates: list[socket.socket] = []
        self.addCleanup(self.closeAll)

    def kernel(self, connection: socket.socket, asking: socket.socket) -> SimpleNamespace:
        """Return what is made of the sockets."""
        self.duplicates.append(connection)
        self.sockets.append(asking)
        return SimpleNamespace(lock=Lock())

    def closeAll(self) -> None:
        """Close the sockets."""
        for open_ in (*self.sockets, *self.duplicates):
            open_.close()

    def connect(self, sockets: int = 1) -> FakeNftables:
        """Make the context, and its sockets; another thread opens one of its own."""
        self.sockets += [socket.socket(socket.AF_NETLINK, socket.SOCK_RAW) for _ in range(sockets)]
        self.duplicates.append(socket.socket(socket.AF_UNIX))
        return self.context

    def make(self, error: str = "") -> Library:
        """Make a library, over a kernel that gives this answer to everything."""
        self.context.error = error
        return Library(self.connect)


class LibraryTests(LibraryTestCase):
    """
    Tests of L{Library}.
    """

    def test_socket(self) -> None:
        """The library's socket is found, and child processes do not inherit it."""
        self.make()
        (theirs, _), (_, ours) = self.sockets, self.duplicates
        self.assertEqual(os.fstat(theirs.fileno()).st_ino, os.fstat(ours.fileno()).st_ino)
        self.assertFalse(os.get_inheritable(theirs.fileno()))
        self.assertFalse(os.get_inheritable(ours.fileno()))

    def test_noSocket(self) -> None:
        """A library without a socket, or with several, is refused."""
        for number in (0, 2):
            error = self.assertRaises(FirewallError, Library, lambda n=number: self.connect(n))
            self.assertIn("has no netlink socket that pkdoors can share", str(error))

    def test_manyDescriptors(self) -> None:
        """A descriptor that select(2) cannot wait for is refused: it would end the process."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < 1100:
            raise self.skipTest("this process may not open so many files")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1100), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        for _ in range(1024):
            self.addCleanup(os.close, os.open(os.devnull, os.O_RDONLY))
        error = self.assertRaises(FirewallError, Library, self.connect)
        self.assertIn("start pkdoors earlier, before so many are open", str(error))

    def test_noPrivilege(self) -> None:
        """Without the privilege the library, which might end the process, is not touched."""

        def refuse() -> None:
            raise FirewallError("no privilege")

        self.patch(libraryModule, "checkPrivilege", refuse)
        self.assertRaises(FirewallError, Library, self.connect)
        self.assertEqual([], self.sockets)

    def test_run(self) -> None:
        """Commands are either executed or checked, whatever came before."""
        library = self.make()
        for _ in range(2):
            library.judge("a")
            library.run("b")
        self.assertEqual((["a"] * 2, ["b"] * 2), (self.context.judged, self.context.ran))

    def test_judgedInVain(self) -> None:
        """After a refusal, commands are executed."""
        library = self.make("Error: no\n")
        self.assertRaises(FirewallError, library.judge, "a")
        self.context.error = ""
        library.run("b")
        self.assertEqual((["b"], []), (self.context.ran, self.context.judged))

    def test_canOwn(self) -> None:
        """Whether tables can have an owner is checked without making one."""
        library = self.make()
        self.assertIs(True, library.canOwn())
        self.assertIn("owner, persist", self.context.judged[0])
        self.context.error = "Error: syntax error, unexpected string\n"
        self.assertIs(False, library.canOwn())
        self.context.error = ""
        library.run("b")
        self.assertEqual(["b"], self.context.ran)

    def test_listed(self) -> None:
        """The list is JSON, or empty if the thing does not exist; then everything is as before."""
        library = self.make()
        self.assertEqual("", library.listAsJson("table inet pkdoors"))
        self.context.listing = '{"nftables": []}'
        self.assertEqual('{"nftables": []}', library.listAsJson("table inet pkdoors"))
        library.run("b")


class ErrorTests(LibraryTestCase):
    """
    What the operator reads if something is missing.
    """

    def explained(self, errors: str) -> str:
        """Return the message that is made of libnftables' errors."""
        return str(self.assertRaises(FirewallError, self.make(errors).judge, "add table"))

    def test_privilege(self) -> None:
        """Without the privilege, one sentence says what to do."""
        for errors in (
            "netlink: Error: cache initialization failed: Operation not permitted\n",
            "Error: Could not process rule: Operation not permitted\nadd table inet pkdoors\n^^^\n",
        ):
            self.assertEqual(
                "no privilege to change the firewall (nftables): run as root, "
                "or with the capability CAP_NET_ADMIN",
                self.explained(errors),
            )
        errors = "Error: Could not process rule: Operation not permitted\n"
        self.assertRaises(NotPermitted, self.make(errors).run, "add table")

    def test_kernel(self) -> None:
        """
        A kernel without nftables, or without a part that the guard needs, is reported as such.
        """
        reason = "cache initialization failed: Protocol not supported"
        self.assertEqual(
            f"this kernel has no nftables ({reason}): load its module (modprobe nf_tables), "
            "or run a kernel that has it",
            self.explained(f"netlink: Error: {reason}\n"),
        )
        self.assertEqual(
            "this kernel lacks a part of nftables that the guard needs "
            "(Could not process rule: Operation not supported)",
            self.explained("Error: Could not process rule: Operation not supported\nfib ...\n"),
        )

    def test_other(self) -> None:
        """Any other error is reported in libnftables' words, its first line."""
        self.assertEqual(
            "nftables refused: Could not process rule: File exists",
            self.explained("\nError: Could not process rule: File exists\nadd ...\n^^^\n"),
        )

    def test_silent(self) -> None:
        """An error without words still makes a sentence."""
        self.assertEqual("nftables refused: no reason given", self.explained("\n"))


class ConnectTests(SynchronousTestCase):
    """
    Tests of L{connect}.
    """

    def test_context(self) -> None:
        """It makes a context of libnftables."""
        replaceModule(self, "nftables", makeModule("nftables", Nftables=FakeNftables))
        self.assertIsInstance(connect(), FakeNftables)

    def test_bindingsMissing(self) -> None:
        """Without the bindings, the message names the package."""
        replaceModule(self, "nftables", None)
        self.assertEqual(
            "libnftables' Python bindings are missing: install python3-nftables "
            "(a virtual environment needs --system-site-packages to see it)",
            str(self.assertRaises(FirewallError, connect)),
        )

    def test_libraryMissing(self) -> None:
        """Without the library itself, the message names its packages."""

        def absent() -> Any:
            raise OSError("libnftables.so.1: cannot open shared object file")

        replaceModule(self, "nftables", makeModule("nftables", Nftables=absent))
        self.assertEqual(
            "the library libnftables is missing: install libnftables1 (Debian, Ubuntu) "
            "or nftables (Fedora)",
            str(self.assertRaises(FirewallError, connect)),
        )

"""Tests of L{pkdoors.model.reach}."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.model.reach import explainUnreachable


class ReachTests(SynchronousTestCase):
    """Names and addresses that only their own network knows."""

    def test_unreachable(self) -> None:
        """Private and link-local addresses, and names of clouds and homes."""
        for host, words in (
            ("10.0.0.1", "is a private address"),
            ("172.31.9.9", "is a private address"),
            ("192.168.1.2", "is a private address"),
            ("100.64.3.4", "is a carrier-grade NAT address"),
            ("169.254.1.1", "is a link-local address"),
            ("127.0.0.1", "is a loopback address"),
            ("fd12::1", "is a private address"),
            ("fe80::1%eth0", "is a link-local address"),
            ("::ffff:10.1.2.3", "is a private address"),
            ("ip-172-31-1-2.eu-west-1.compute.internal", "is a name that only its own network"),
            ("nas.lan", "is a name that only its own network knows"),
            ("NAS.Local.", "is a name that only its own network knows"),
            ("pi.home.arpa", "is a name that only its own network knows"),
            ("nas", "is a name that only its own network knows"),
        ):
            self.assertTrue(explainUnreachable(host).startswith(words), host)

    def test_reachable(self) -> None:
        """Public addresses and names say nothing, nor do names that only look like these."""
        for host in (
            "192.0.2.1", "172.32.0.1", "2001:db8::1", "web1.example.org", "local.example.org",
            "lan.example", "100.63.0.1",
        ):  # fmt: skip
            self.assertEqual("", explainUnreachable(host), host)

"""What a user would pick instead: knockd, fwknopd, or nftables that hears the knocks by itself."""

import subprocess
from ipaddress import IPv4Address
from pathlib import Path

from bench.common import KNOCKS, PROTECTED, SEQUENCE
from bench.rivals.rival import Junk, PkDoors, Rival, Sealed
from pkdoors.client.core.plan import Sending
from tests.lab.hosts import Host, Process, eventually


class Knockd(Rival):
    """Debian's knockd, which sees packets through libpcap."""

    about = "Debian's, opening with nft"

    def firewall(self) -> str:
        """Return a set of addresses that may pass."""
        return _table(self.openFor)

    def launch(self) -> None:
        """Start C{knockd}."""
        config, pidFile = self.server.folder / "knockd.conf", self.server.folder / "knockd.pid"
        config.write_text(f"""
[options]
    logfile = /dev/null
[door]
    sequence = {",".join(f"{port}:udp" for port in SEQUENCE)}
    seq_timeout = 5
    start_command = nft add element inet bench doors {{ %IP% timeout {self.openFor}s }}
""")
        self.process = _sniffer(
            self.server, "knockd", "-i", "client", "-c", str(config), "-p", str(pidFile)
        )


class Fwknopd(Rival):
    """Debian's fwknopd: a single datagram, encrypted and authenticated."""

    about = "Debian's, default settings (Rijndael and HMAC, iptables)"
    ports = (62201,)
    patience = 1.5

    def __init__(self, server: Host) -> None:
        super().__init__(server)
        self._folder = server.folder / "fwknop"
        self._folder.mkdir()
        done = subprocess.run(["fwknop", "--key-gen"], check=True, capture_output=True, text=True)
        keys = dict(line.split(": ", 1) for line in done.stdout.splitlines() if ": " in line)
        self._key, self._hmac = keys["KEY_BASE64"], keys["HMAC_KEY_BASE64"]

    def loadFirewall(self) -> None:
        """Load the rules as an administrator with iptables does."""
        file = self._folder / "rules"
        file.write_text(
            "*filter\n:INPUT DROP\n:FORWARD DROP\n:OUTPUT ACCEPT\n-A INPUT -i lo -j ACCEPT\n"
            "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\nCOMMIT\n"
        )
        self.server.run("iptables-restore", str(file))

    def launch(self) -> None:
        """Start C{fwknopd}, with all its files in a folder of their own."""
        config, access = self._folder / "fwknopd.conf", self._folder / "access.conf"
        config.write_text(
            f"PCAP_INTF client;\nFWKNOP_RUN_DIR {self._folder};\nFWKNOP_CONF_DIR {self._folder};\n"
        )
        access.write_text(
            f"SOURCE ANY\nKEY_BASE64 {self._key}\nHMAC_KEY_BASE64 {self._hmac}\n"
            f"OPEN_PORTS tcp/{PROTECTED}\nFW_ACCESS_TIMEOUT {self.openFor}\n"
        )
        for file in (config, access):
            file.chmod(0o600)
        self.process = _sniffer(
            self.server, "fwknopd", "-f", "-i", "client", "-c", str(config), "-a", str(access)
        )

    def knock(self, source: IPv4Address, interval: float) -> list[Sending]:
        """Return the datagram that fwknop's own client makes, without letting it send."""
        file = self._folder / "spa"
        options = (
            f"--test --use-hmac --no-rc-file --no-home-dir -A tcp/{PROTECTED} -a {source}"
            f" -D 127.0.0.1 -B {file} -E {self._folder}/arguments"
            f" --key-base64-rijndael {self._key} --key-base64-hmac {self._hmac}"
        )
        subprocess.run(["fwknop", *options.split()], check=True, stdout=subprocess.DEVNULL)
        return [Sending(0.0, self.ports[0], file.read_bytes().strip())]

    def wrong(self) -> Junk:
        """Return datagrams whose authentication is wrong."""
        ((_, _, datagram),) = self.knock(IPv4Address("192.0.2.1"), 0)
        return Junk("junk", [datagram[:-8] + f"{number:08}".encode() for number in range(256)])

    first = wrong


class Kernel(Rival):
    """No daemon: a set of addresses for each stage of the sequence. Nothing can be faster."""

    about = "nftables alone, no daemon"

    def firewall(self) -> str:
        """Return the sets and rules that hear the knocks."""
        sets, rules = "", ""
        for stage, port in enumerate(SEQUENCE):
            last = stage + 1 == len(SEQUENCE)
            needed = f"ip saddr @stage{stage}" if stage else ""
            into = "doors" if last else f"stage{stage + 1}"
            sets += "" if last else _set(into, 5)
            rules += f"udp dport {port} {needed} update @{into} {{ ip saddr }} drop\n"
        return _table(self.openFor, sets, rules)

    def launch(self) -> None:
        """Start nothing."""


RIVALS: dict[str, type[Rival]] = {
    "pkdoors": PkDoors,
    "sealed": Sealed,
    "knockd": Knockd,
    "fwknopd": Fwknopd,
    "kernel": Kernel,
}


def _sniffer(server: Host, *argv: str) -> Process:
    """Start a program that opens a packet socket, and wait for this socket."""

    def countSockets() -> int:
        return Path(f"/proc/{process.popen.pid}/net/packet").read_text().count("\n") - 1

    process = server.spawn(*argv)
    if not eventually(lambda: process.popen.poll() is not None or countSockets() > 0):
        raise AssertionError(f"{argv[0]} did not start: {process.log()}")
    if process.popen.poll() is not None:
        raise AssertionError(f"{argv[0]} ended at once: {process.log()}")
    return process


def _table(openFor: int, sets: str = "", rules: str = "") -> str:
    return f"""table inet bench {{
        {_set("doors", openFor)}{sets}
        chain guard {{
            type filter hook input priority filter; policy accept;
            {rules}
            udp dport {{ {KNOCKS} }} drop
            tcp dport {PROTECTED} ip saddr != @doors drop
        }}
    }}"""


def _set(name: str, seconds: int) -> str:
    flags = f"flags dynamic,timeout; timeout {seconds}s; size 65536;"
    return f"set {name} {{ type ipv4_addr; {flags} }}\n"

"""What is measured: pkdoors, knockd, and nftables that hears the knocks by itself."""

from tests.real.hosts import Daemon, Host, eventually

SEQUENCE = (17001, 17203, 17005, 17404, 17002, 17309, 17107, 17208)
PROTECTED = 2222
OPEN_FOR = 30
"""Seconds that a door stays open."""

_PORTS = ",".join(map(str, SEQUENCE))

_KNOCKD = f"""
[options]
    logfile = /dev/null
[door]
    sequence = {",".join(f"{port}:udp" for port in SEQUENCE)}
    seq_timeout = 5
    start_command = nft add element inet bench doors {{ %IP% timeout {OPEN_FOR}s }}
"""


def pkdoors(server: Host) -> None:
    """C{twistd pkdoors} on the nftables firewall."""
    options = f"--firewall=nftables --open-for={OPEN_FOR}s --ports={PROTECTED}"
    Daemon(server, *options.split(), f"--magic-seq={_PORTS}")


def knockd(server: Host) -> None:
    """Debian's knockd, which sees packets through libpcap and opens with C{nft}."""
    server.run("nft", _table())
    config, pidFile = server.folder / "knockd.conf", server.folder / "knockd.pid"
    config.write_text(_KNOCKD)
    process = server.spawn("knockd", "-i", "client", "-c", str(config), "-p", str(pidFile))
    # One line is the heading; a second one is knockd's packet socket.
    if not eventually(lambda: server.run("cat", "/proc/net/packet").count("\n") > 1):
        raise AssertionError(f"knockd did not start: {process.log()}")


def kernel(server: Host) -> None:
    """No daemon: a set of addresses for each stage of the sequence. Nothing can be faster."""
    sets, rules = "", ""
    for stage, port in enumerate(SEQUENCE):
        last = stage + 1 == len(SEQUENCE)
        needed = f"ip saddr @stage{stage}" if stage else ""
        into = "doors" if last else f"stage{stage + 1}"
        sets += "" if last else _set(into, 5)
        rules += f"udp dport {port} {needed} update @{into} {{ ip saddr }} drop\n"
    server.run("nft", _table(sets, rules))


RIVALS = {"pkdoors": pkdoors, "knockd": knockd, "kernel": kernel}


def _table(sets: str = "", rules: str = "") -> str:
    return f"""table inet bench {{
        {_set("doors", OPEN_FOR)}{sets}
        chain guard {{
            type filter hook input priority filter; policy accept;
            {rules}
            udp dport {{ {_PORTS} }} drop
            tcp dport {PROTECTED} ip saddr != @doors drop
        }}
    }}"""


def _set(name: str, seconds: int) -> str:
    flags = f"flags dynamic,timeout; timeout {seconds}s; size 65536;"
    return f"set {name} {{ type ipv4_addr; {flags} }}\n"

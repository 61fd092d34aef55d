"""ufw on a host."""

from tests.lab.hosts import Host


class Ufw:
    """ufw with a copy of its files, so that the machine's own do not change."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def run(self, *commands: str) -> str:
        """Run commands where C{/etc/ufw} is the copy, and return what they print."""
        copy = self._host.folder / "ufw"
        script = [
            f"mount --bind {copy}/{name}" for name in ("ufw /etc/ufw", "default /etc/default/ufw")
        ]
        if not copy.exists():
            copy.mkdir()
            script.insert(0, f"cp -a /etc/ufw {copy}/ufw; cp /etc/default/ufw {copy}/default")
        return self._host.run("unshare", "--mount", "sh", "-euc", "\n".join([*script, *commands]))

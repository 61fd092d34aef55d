"""A whole machine: a host on which systemd itself runs, with files and processes of its own."""

import os
import subprocess
from contextlib import suppress
from pathlib import Path

from tests import ROOT
from tests.lab import hosts
from tests.lab.hosts import Host, eventually

PLACE = Path("/opt/pkdoors")
"""Where a machine has this project, as README.md says: a service sees little below C{/tmp} or
C{/root}, where the checkout may be."""
BIN = PLACE / hosts.BIN.relative_to(ROOT)
"""Where C{twistd} and C{pkdoors} are on a machine."""

UNITS = "dbus.service dbus.socket polkit.service firewalld.service *.target *.slice"
"""The units that the machine has: others would look after the real machine."""

_JOURNAL = ("systemd-journald.socket", "systemd-journald.service")
_KEEP = """mkdir -p /etc/systemd/journald.conf.d
printf '[Journal]\\n%s\\n%s\\n%s\\n' Audit=no ReadKMsg=no ForwardToWall=no \\
    >/etc/systemd/journald.conf.d/own.conf"""
_LOG = """printf '[Service]\\n%s\\n%s\\n' \\
    StandardOutput=append:{folder}/services.log StandardError=inherit \\
    >/etc/systemd/system/service.d/log.conf"""

_OUTSIDE = """
mkdir {folder}/cgroup
mount -t cgroup2 none {folder}/cgroup
mkdir {folder}/cgroup/{name}
echo 0 >{folder}/cgroup/{name}/cgroup.procs
exec unshare --cgroup --pid --fork --kill-child --mount-proc --uts --ipc sh -eu {folder}/boot
"""

_INSIDE = """
cp -a /etc {folder}/etc
rm -rf {folder}/etc/systemd/system/* {folder}/etc/fstab {folder}/etc/firewalld/zones/*
mount --bind {folder}/etc /etc
# This machine has never heard of pkdoors.
rm -rf /etc/pkdoors /etc/port_knocker.toml /etc/*.d/pkdoors* /etc/polkit-1/rules.d/*pkdoors*
sed -i /^pkdoors:/d /etc/passwd /etc/group /etc/shadow /etc/gshadow
# The project, and its environment, whose programs have its place in them.
mkdir {folder}/bin {folder}/code
cp -a {host_bin}/python* {host_bin}/twistd {host_bin}/pkdoors {folder}/bin
sed -i s#{root}#{place}#g {folder}/bin/twistd {folder}/bin/pkdoors
mount --rbind {root} {folder}/code
mount -t tmpfs -o mode=755 none /opt
mkdir {place}
mount --rbind {folder}/code {place}
mount --bind {folder}/bin {bin}
for pth in {bin}/../lib/python3*/site-packages/*pkdoors*.pth; do
    if [ -e $pth ]; then
        sed s#{root}#{place}# $pth >{folder}/pth
        mount --bind {folder}/pth $pth
    fi
done
mkdir {folder}/units
cd /lib/systemd/system
cp {units} {folder}/units
printf '[Unit]\\nDefaultDependencies=no\\n' >{folder}/units/up.target
mount --bind {folder}/units /lib/systemd/system
for private in /run /var/lib/pkdoors /var/lib/systemd /var/log /lib/systemd/system-generators; do
    mkdir -p $private
    mount -t tmpfs -o mode=755 none $private
done
mkdir /run/lock {folder}/proc /etc/systemd/system/service.d
{log}
mount -t cgroup2 none /sys/fs/cgroup
mount -t proc proc {folder}/proc
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
mount --bind {folder}/proc/sys/net /proc/sys/net
exec env -i PATH=$PATH LANG=C.UTF-8 container=pkdoors /lib/systemd/systemd \\
    --system --unit=up.target --log-target=console --show-status=false
"""


class Machine:
    """
    Boots on a host; what is changed there below C{/etc}, C{/run} and C{/var} is gone after it.

    @param hasJournal: whether it has systemd's journal. Otherwise the services write to a file.
    """

    def __init__(self, host: Host, hasJournal: bool = False) -> None:
        self._host = host
        self._name = f"{host.name}-systemd"
        folder = host.folder
        places = {"root": ROOT, "host_bin": hosts.BIN, "place": PLACE, "bin": BIN}
        log = _KEEP if hasJournal else _LOG.format(folder=folder)
        units = " ".join((UNITS, *_JOURNAL))
        (folder / "boot").write_text(_INSIDE.format(folder=folder, units=units, log=log, **places))
        outside = _OUTSIDE.format(folder=folder, name=self._name)
        self._process = host.spawn("unshare", "--mount", "sh", "-euc", outside)
        if not eventually(self._isUp):
            raise AssertionError(f"systemd did not start: {self._process.log()}")
        if hasJournal:
            self.run("systemctl", "start", *_JOURNAL)

    def _isUp(self) -> bool:
        return self._pid() is not None and self.status("systemctl", "is-system-running")[0] == 0

    def _pid(self) -> int | None:
        """Return the machine's first process, as it is numbered outside."""
        parent = self._process.popen.pid
        children = Path(f"/proc/{parent}/task/{parent}/children")
        for child in children.read_text().split() if children.exists() else ():
            with suppress(OSError):  # it has just ended
                if Path(f"/proc/{child}/comm").read_text() == "systemd\n":
                    return int(child)
        return None

    def status(self, *argv: str) -> tuple[int, str]:
        """Run a program on it; return its exit status, and its output, both kinds."""
        return self._host.status(
            "nsenter", f"--target={self._pid()}", "--all", "--root", "--wd", *argv
        )

    def run(self, *argv: str) -> str:
        """Run a program, which must succeed; return its output."""
        status, output = self.status(*argv)
        if status:
            raise AssertionError(f"{argv} ended with {status}: {output}\n{self.log()}")
        return output

    def show(self, name: str, unit: str = "pkdoors") -> str:
        """Return a property of a unit."""
        return self.run("systemctl", "show", "--value", f"--property={name}", unit).strip()

    def process(self, unit: str = "pkdoors") -> Path:
        """Return the folder of a service's process in C{/proc}, as seen from outside."""
        inside = self.show("MainPID", unit)
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                status = (folder / "status").read_text()
            except OSError:  # it has ended
                continue
            numbers = f"\nNSpid:\t{folder.name}\t{inside}\n"
            if numbers in status and status.startswith("Name:\tpkdoors\n"):
                return folder
        raise AssertionError(f"there is no process {inside}: {self.log()}")

    def log(self) -> str:
        """Return what systemd and the services wrote."""
        services = self._host.folder / "services.log"
        return self._process.log() + (services.read_text() if services.exists() else "")

    def says(self, text: str) -> bool:
        """Wait until one of them writes this; return whether it did."""
        return bool(eventually(lambda: text in self.log()))

    def stop(self) -> None:
        """Switch it off."""
        self._process.popen.kill()
        self._process.popen.wait()
        remove = f"""
            mount -t cgroup2 none {self._host.folder}/cgroup
            cd {self._host.folder}/cgroup
            while ! find {self._name} -depth -type d -exec rmdir {{}} + 2>/dev/null; do
                sleep 0.05
            done"""
        subprocess.run(["unshare", "--mount", "sh", "-c", remove], check=True, timeout=30)


def isPossible() -> bool:
    """Return whether this kernel and this user can run systemd."""
    return os.getuid() == 0 and "\tcgroup2\n" in Path("/proc/filesystems").read_text()

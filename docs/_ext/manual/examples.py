"""Whole files as examples. A test reads each of them with the parser that it is for."""

from manual.markdown import fence

CONFIGURATION = """\
# A door for ssh. Only knocks that these keys seal open it.
[doors.ssh]
sequence = [17001, 17203, 17005, 17404, 17002, 17108, 17301, 17009]
ports = [22]
authorized_keys = "/etc/pkdoors/authorized_keys"
open_for = "30s"
max_open_for = "8h"

# A web server and WireGuard. A plain sequence opens this door;
# the office needs none.
[doors.services]
sequence = [18111, 18007, 18530, 18222, 18904, 18016, 18777, 18340]
ports = [443, "51820/udp"]
open_for = "1h"
trusted = ["192.0.2.0/24"]
on_open = ["/usr/local/bin/pkdoors-tell", "open"]
"""

PROFILES = """\
# pkdoors knock home: sealed with this key, asks for ten minutes.
[hosts.home]
address = "home.example"
sequence = [17001, 17203, 17005, 17404, 17002, 17108, 17301, 17009]
identity = "~/.ssh/id_ed25519"
door = "ssh"
open_for = "10m"
wait = 22

# pkdoors knock office: a plain knock.
[hosts.office]
address = "office.example"
sequence = [18111, 18007, 18530, 18222, 18904, 18016, 18777, 18340]

# pkdoors knock all: both at once.
[groups.all]
hosts = ["home", "office"]
"""

KEYS = """\
ssh-ed25519 AAAAC3NzaC1lZDI1NTE5... anna@laptop
from="10.0.0.0/8",max-open-for="1h" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5... bob@desk
expiry-time="20371231",doors="ssh" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5... guest
cert-authority,principals="staff,oncall" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5... company CA
"""

FLEET = """\
# The fleet, as web1 sees it.
name = "prod"
host = "web1"
hosts = ["gate1", "web1", "web2"]
engine = "rediss://redis.example:6379"
password = "/etc/pkdoors/fleet.password"
ca = "/etc/pkdoors/fleet-ca.pem"
operators = "/etc/pkdoors/operators"
"""


def showConfiguration() -> str:
    """Return a configuration of the daemon."""
    return fence(CONFIGURATION, "toml")


def showProfiles() -> str:
    """Return a file of profiles."""
    return fence(PROFILES, "toml")


def showFleet() -> str:
    """Return the configuration of a fleet."""
    return fence(FLEET, "toml")


def showKeys() -> str:
    """Return a file of keys."""
    return fence(KEYS)

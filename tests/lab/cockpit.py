"""Cockpit on a host, with the operator's page in its menu."""

import signal
from pathlib import Path

from selenium.webdriver.remote.webelement import WebElement

from tests import ROOT
from tests.lab.browser import Browser
from tests.lab.bus import Bus
from tests.lab.hosts import BIN, Host, eventually

SERVER = "/usr/lib/cockpit/cockpit-ws"
PAGE = ROOT / "pkdoors" / "web" / "page"
PLACE = Path("/usr/local/share/cockpit/pkdoors")
"""Where Cockpit looks for a package that is not the distribution's."""
OPERATOR = "pkoperator"
"""A user who may become root with sudo, without a password."""

_PORT = 9090
_PATH = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MENU = "nav .nav-item-name, nav .pf-v5-c-nav__link, nav .pf-v6-c-nav__link"


def installPage(host: Host) -> None:
    """Put the page and the command into folders of a host that nobody else sees."""
    for folder in ("/usr/local/share", "/usr/local/bin"):
        host.run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", folder)
    host.run("ln", "-s", str(BIN / "pkdoors"), "/usr/local/bin/pkdoors")
    host.run("mkdir", "-p", str(PLACE.parent))
    host.run("ln", "-s", str(PAGE), str(PLACE))


def addOperator(host: Host, etc: Path) -> None:
    """
    Add L{OPERATOR} to a host.

    @param etc: the host's own C{/etc}.
    """
    host.run("useradd", "--no-create-home", "--home-dir", f"/run/{OPERATOR}", OPERATOR)
    host.run("install", "-d", "-o", OPERATOR, f"/run/{OPERATOR}")
    rule = etc / "sudoers.d" / OPERATOR
    rule.touch(0o440)
    rule.write_text(f"{OPERATOR} ALL=(ALL) NOPASSWD: ALL\n")


class Cockpit:
    """
    Cockpit's server on a host, with the session of a user who need not log in, and a browser there.
    Whoever makes one must close it.

    @param user: C{root} or L{OPERATOR}.
    @ivar browser: whose commands go to the frame of our page after L{enter}.
    """

    def __init__(self, host: Host, browser: Browser, user: str = "root") -> None:
        self._host = host
        self.browser = browser
        # Without a bus, the bridge of Cockpit 337 dies; sudo keeps no variable that names another.
        bus = Bus(host)
        host.run("mkdir", "-p", "/run/dbus")
        host.run("ln", "-s", bus.address.removeprefix("unix:path="), "/run/dbus/system_bus_socket")
        if user != "root":
            host.folder.chmod(0o755)  # with the bus in it
        become = () if user == "root" else ("runuser", "-u", user, "--")
        self._process = host.spawn(
            # Its bridge starts an SSH agent, which outlives it.
            *("unshare", "--pid", "--fork", "--kill-child", "--mount-proc"),
            *become,
            *(SERVER, "--no-tls", "--address", "127.0.0.1", "--port", str(_PORT)),
            *("--local-session", "cockpit-bridge"),
            PATH=_PATH,
            HOME="/root" if user == "root" else f"/run/{user}",
            LANG="C.UTF-8",
            DBUS_SESSION_BUS_ADDRESS=bus.address,
        )
        if not eventually(self._answers):
            self.close()
            raise AssertionError(f"Cockpit did not start: {self._process.log()}")

    def close(self) -> None:
        """End it, and all of its processes."""
        self._process.stop(signal.SIGKILL)  # `unshare` would outlive SIGTERM

    def _answers(self) -> bool:
        status, _ = self._host.status("curl", "-s", "-o", "/dev/null", self.url)
        return status == 0

    @property
    def url(self) -> str:
        """The address of Cockpit."""
        return f"http://127.0.0.1:{_PORT}/"

    def menu(self) -> list[str]:
        """Load Cockpit, and return what its menu has."""
        self.leave()
        self.browser.open(self.url)
        self.browser.shows("Terminal", _MENU)
        return str(self.browser.text("#host-apps")).splitlines()

    def enter(self) -> None:
        """Load Cockpit, choose our page in its menu, and be in the page's frame."""
        self.menu()
        self.click("#host-apps a[href$='/pkdoors']")
        self.goBack()

    def goBack(self) -> None:
        """Be in the page's frame again."""
        frame = "iframe[name$='/pkdoors']"
        found: WebElement | None = self.browser.eventually(
            f"const found = document.querySelector({frame!r}); return found?.offsetParent && found"
        )
        if found is None:
            raise AssertionError(f"Cockpit does not show the page: {self.browser.text()}")
        self.browser.driver.switch_to.frame(found)

    def leave(self) -> None:
        """Be in Cockpit's own page, around the frames."""
        self.browser.driver.switch_to.default_content()

    def click(self, selector: str) -> None:
        """Click an element as soon as it is there."""
        script = (
            "const found = document.querySelector(arguments[0]);"
            "if (!found?.offsetParent) return false; found.click(); return true"
        )
        if not self.browser.eventually(script, selector):
            raise AssertionError(f"there is no {selector}: {self.browser.text()}")

    def switchAccess(self) -> None:
        """Turn administrative access on or off, as the user of our page would."""
        self.leave()
        self.click("#super-user-indicator button")
        self.click("[role=dialog] footer button")
        self.goBack()

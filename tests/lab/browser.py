"""
A real browser on a host: Debian's Chromium without a window, driven by Selenium.

It runs with processes of its own, all of which end with it, and downloads nothing.
"""

import base64
import os
import re
import signal
from collections.abc import Callable
from itertools import count
from typing import Any, TypeVar

from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
from selenium.webdriver import ChromeOptions, Remote
from selenium.webdriver.chromium.remote_connection import ChromiumRemoteConnection
from selenium.webdriver.common.proxy import Proxy, ProxyType
from selenium.webdriver.remote.client_config import ClientConfig

from tests.lab.hosts import PATIENCE, Host, eventually

Answer = TypeVar("Answer")

CHROMIUM, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
NARROW, WIDE = 360, 1600
"""Pixels of width: a telephone's, and a screen's."""

MISSING = "PKDOORS_NO_BROWSER is set" if os.environ.get("PKDOORS_NO_BROWSER") else ""
"""Why the tests that need a browser are left out; empty if they are not."""

_FLAGS = (
    "--headless",
    "--no-sandbox",  # the tests are root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-breakpad",
    "--disable-dev-shm-usage",
    "--force-device-scale-factor=1",
    "--hide-scrollbars",
)
_NAMED = re.compile(r"started successfully on port (\d+)")
_serial = count()


class _Connection(ChromiumRemoteConnection):
    """Speaks with a driver on a host."""

    def __init__(self, host: Host, url: str) -> None:
        direct = Proxy({"proxyType": ProxyType.DIRECT})
        config = ClientConfig(remote_server_addr=url, proxy=direct, timeout=int(2 * PATIENCE))
        super().__init__(url, "goog", "chrome", client_config=config)
        self._host = host

    def execute(self, command: str, params: dict[str, Any]) -> Any:
        """Send a command from inside the host, whose loopback the driver listens on."""
        with self._host.inside():
            return super().execute(command, params)


class Browser:
    """
    Chromium on a host, with an empty profile. Whoever makes one must close it.

    @ivar driver: Selenium's, for all that has no method here.
    """

    def __init__(self, host: Host, *flags: str) -> None:
        self._host = host
        self._process = host.spawn(
            *("unshare", "--pid", "--fork", "--kill-child", "--mount-proc"),
            *(DRIVER, "--port=0"),
            HOME="/tmp",  # which is the host's own
        )
        try:
            self.driver = Remote(self._connect(), options=_chooseOptions(flags))
        except BaseException:
            self.close()
            raise
        self._size = (0, 0)
        self.resize(WIDE)

    def _connect(self) -> _Connection:
        if not self._process.says("started successfully on port"):
            raise AssertionError(f"chromedriver did not start: {self._process.log()}")
        (port,) = _NAMED.findall(self._process.log())
        return _Connection(self._host, f"http://127.0.0.1:{port}")

    def close(self) -> None:
        """End it, and all of its processes."""
        self._process.stop(signal.SIGKILL)  # `unshare` would outlive SIGTERM

    def command(self, name: str, **arguments: Any) -> Any:
        """Send a command of the DevTools protocol; return its result."""
        answer = self.driver.execute("executeCdpCommand", {"cmd": name, "params": arguments})
        return answer["value"]

    def resize(self, width: int, height: int = 900) -> None:
        """Have a window of so many pixels."""
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def prefer(self, scheme: str) -> None:
        """Ask pages for C{light} or C{dark} colours, and for no animations."""
        self.command(
            "Emulation.setEmulatedMedia",
            features=[
                {"name": "prefers-color-scheme", "value": scheme},
                {"name": "prefers-reduced-motion", "value": "reduce"},
            ],
        )

    def open(self, url: str) -> None:
        """Go to a page, and wait until it is loaded."""
        self.driver.get(url)

    def run(self, script: str, *arguments: object) -> Any:
        """Run the body of a function in the page; return what it returns."""
        return self.driver.execute_script(script, *arguments)

    def finish(self, script: str, *arguments: object) -> Any:
        """Run the body of an asynchronous function in the page; return what it returns at last."""
        self.driver.set_script_timeout(PATIENCE)
        body = "const done = arguments[arguments.length - 1], given = [...arguments].slice(0, -1);"
        body += f"(async (...arguments_) => {{ {script} }})(...given).then("
        body += "value => done({value}), error => done({error: String(error)}))"
        answer = self.driver.execute_async_script(body, *arguments)
        if "error" in answer:
            raise AssertionError(answer["error"])
        return answer.get("value")

    def eventually(self, script: str, *arguments: object) -> Any:
        """Run the body of a function until it returns something true; return that."""
        return eventually(lambda: self._try(lambda: self.run(script, *arguments)))

    def _try(self, what: Callable[[], Answer]) -> Answer | None:
        try:
            return what()
        except (StaleElementReferenceException, WebDriverException):
            return None  # the page is just loading

    def text(self, selector: str = "body") -> str:
        """Return the text that is seen in the first element of these; empty if there is none."""
        script = "return (document.querySelector(arguments[0])?.innerText ?? '').toWellFormed()"
        return str(self.run(script, selector))

    def shows(self, text: str, selector: str = "body") -> bool:
        """Wait until one of these elements shows a text; return whether it did."""
        script = (
            "return [...document.querySelectorAll(arguments[0])]"
            ".some(each => each.innerText.includes(arguments[1]))"
        )
        return bool(self.eventually(script, selector, text))

    def press(self, *keys: str) -> None:
        """Press keys, one after the other, wherever the focus is."""
        for key in keys:
            self.driver.switch_to.active_element.send_keys(key)

    def complaints(self, *allowed: str) -> list[str]:
        """
        Return the errors on the console since the last call, but for those with one of these texts.
        """
        found = self.driver.execute("getLog", {"type": "browser"})["value"]
        texts = [str(entry["message"]) for entry in found if entry["level"] == "SEVERE"]
        return [text for text in texts if not any(each in text for each in allowed)]

    def picture(self) -> bytes:
        """Return a PNG of what the window shows."""
        answer = self.command("Page.captureScreenshot", format="png")
        return base64.b64decode(answer["data"])


def _chooseOptions(flags: tuple[str, ...]) -> ChromeOptions:
    options = ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*_FLAGS, f"--user-data-dir=/tmp/browser-{next(_serial)}", *flags):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return options

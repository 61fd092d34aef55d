"""Opens the page in the user's browser, if there is a screen."""

import webbrowser
from collections.abc import Mapping
from typing import Any

from pkdoors.web.peers import canTell


def mayOpen(environment: Mapping[str, str], platform: str, isRoot: bool) -> bool:
    """
    Return whether to open a browser: the user sits at this machine, has a screen, and is not root,
    as whom no browser must run. On Linux, other users see the command lines of programs, and the
    link on that of the browser; so they must not be able to use it, see L{pkdoors.web.peers}.

    @param platform: C{sys.platform}.
    """
    if isRoot or environment.get("SSH_CONNECTION"):
        return False
    if platform in ("darwin", "win32"):  # where the link is on no command line that others see
        return True
    hasScreen = bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))
    return platform == "linux" and hasScreen and canTell()


def openBrowser(reactor: Any, link: str) -> None:
    """Open a link, in a thread: that can take some seconds. Nothing happens if it fails."""
    reactor.callInThread(_open, link)


def _open(link: str) -> None:
    try:
        browser = webbrowser.get()
        # One that waits for its end draws on the terminal.
        if type(browser) is not webbrowser.GenericBrowser:
            browser.open(link)
    except (OSError, webbrowser.Error):
        pass

"""What goes wrong at present: a line when it begins, and one when it is over."""

from twisted.logger import Logger


class Troubles:
    """
    Things that can go wrong side by side, each known by what it is about. If the same thing goes
    wrong with several of them, it is reported once.
    """

    _log = Logger()

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def begin(self, about: str, text: str) -> None:
        """Report what goes wrong, if that is new."""
        isNew = text not in self._texts.values()
        self._texts[about] = text
        if isNew:
            self._log.warn("{text}", text=text)

    def end(self, about: str, over: str) -> None:
        """Report that nothing goes wrong any more, if something did."""
        text = self._texts.pop(about, None)
        if text is not None and text not in self._texts.values():
            self._log.info("{over}", over=over)

    def texts(self) -> tuple[str, ...]:
        """Return what goes wrong, each thing once."""
        return tuple(dict.fromkeys(self._texts.values()))

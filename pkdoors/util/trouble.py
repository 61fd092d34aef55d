"""A trouble that lasts, reported when it begins and when it is over. Pure."""


class Trouble:
    """
    What goes wrong at present. Whoever tries again and again reports it once, and once more when it
    is over.

    @ivar text: what goes wrong; empty if nothing does.
    @ivar isReported: whether somebody was told, and should hear that it is over.
    """

    __slots__ = ("isReported", "text")

    def __init__(self) -> None:
        self.text = ""
        self.isReported = False

    def __bool__(self) -> bool:
        return bool(self.text)

    def begin(self, text: str, isReported: bool = True) -> bool:
        """
        Remember what goes wrong. Return whether this is new, and should be reported.

        @param isReported: C{False} if a report may still be left out; then set L{isReported} with
            the report.
        """
        isNew = text != self.text
        self.text = text
        self.isReported = self.isReported or (isNew and isReported)
        return isNew

    def end(self) -> bool:
        """Forget what went wrong. Return whether it was reported, so that its end should be."""
        wasReported, self.isReported, self.text = self.isReported, False, ""
        return wasReported

"""A trouble that lasts, to be reported when it begins and when it ends. Pure."""


class Trouble:
    """
    What goes wrong at present. Code that tries again and again reports it once, and reports its end
    once.

    @ivar text: what goes wrong; empty if nothing does.
    @ivar isReported: whether the beginning was reported, so the end should be, too.
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

        @param isReported: C{False} if the caller may leave out the report; then it sets
            L{isReported} when it reports.
        """
        isNew = text != self.text
        self.text = text
        self.isReported = self.isReported or (isNew and isReported)
        return isNew

    def end(self) -> bool:
        """Forget what went wrong. Return whether it was reported, so that its end should be."""
        wasReported, self.isReported, self.text = self.isReported, False, ""
        return wasReported

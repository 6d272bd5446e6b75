"""What can go wrong, in one sentence a radiologist can act on."""


class RegExplainError(Exception):
    """A failure that its message explains: one sentence saying what happened and what to do."""

    exit_code = 1


class BadInputError(RegExplainError):
    """The user's input cannot be used as it is."""

    exit_code = 2


class Cancelled(RegExplainError):
    """The user stopped the work."""

    exit_code = 130

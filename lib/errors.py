"""The error that every part of the pipeline raises for what its user can correct."""


class InputError(ValueError):
    """A wrong flag, file or name: something that the user can correct.

    The message is one line: what is wrong, the value, the cure. Any other exception is a bug of
    this project and keeps its traceback.
    """

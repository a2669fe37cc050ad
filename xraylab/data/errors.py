"""The error of data that cannot be used."""


class DataError(ValueError):
    """A file or folder of images cannot be used; the message says why and what to do.

    Args:
        problem: what is wrong, with the file it is wrong in.
        expected: what was expected.
        received: what was found instead.
        advice: what to do about it, a sentence.
    """

    def __init__(self, problem: str, expected: str = "", received: str = "", advice: str = ""):
        # A single argument is a finished message: so exceptions are rebuilt by other processes.
        if expected:
            problem = f"{problem}. Expected: {expected}. Received: {received}. {advice}".strip()
        super().__init__(problem)

"""What vidscale raises when the input, not the program, is at fault."""


class InputError(ValueError):
    """The input cannot be used; the message is one line a user can act on.

    A message says what was seen, what is allowed, where (row and column), and the next step.
    The command line prints it after ``error:`` and exits with status 2.
    """

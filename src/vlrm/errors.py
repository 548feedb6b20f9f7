"""Errors a user can cause: one sentence that says what, where, and how to fix it."""


class UserError(Exception):
    """Something the user can fix; shown as one sentence, without a traceback."""

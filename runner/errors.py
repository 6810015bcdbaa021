"""The errors a user can cause or mend: one line each, with the exit code the command line gives them.

The line says what is wrong, why, and what to do. Anything that is not a `ReproError` is a bug of
this project and shows as such.
"""

from __future__ import annotations

import errno


class ReproError(Exception):
    """A failure with a one-line explanation for the user. `exit_code` is 1 unless a subclass says otherwise."""

    exit_code = 1

    def __str__(self) -> str:
        """One printable line, whatever the names in it hold."""
        from runner.encoding import one_line  # here, because this file is also read where `runner` is the user's

        return one_line(super().__str__())


class BadInput(ReproError):
    """A missing, truncated or foreign file, an unknown name, an impossible option."""

    exit_code = 2


class NameClash(BadInput):
    """A package of the user's has the name of one of ours, and one process can hold only one of the two."""

    def __str__(self) -> str:
        """As it is: where it is raised there may be no encoder, and what it names is the user's own `sys.path`."""
        return Exception.__str__(self)


class TargetUnavailable(ReproError):
    """The target asked for cannot run here (no driver, no device, no runtime)."""

    exit_code = 3


class NothingRan(ReproError):
    """There was nothing to run, check or judge, so that nothing was shown: a gate must not pass on that."""

    exit_code = 3


class DeviceFailed(ReproError):
    """The device, not the model, failed: there is no verdict, and what was in flight must run again."""

    exit_code = 3


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


def nowhere_to_write(error: OSError) -> str | None:
    """One line for a disk that is full or read-only, or a missing folder for temporary files; None for other errors.

    Any write may meet these, also that of a line on the screen, and no input is at fault.
    """
    if error.errno in _NO_ROOM:
        return f"{error.filename or 'the output'} cannot be written ({error.strerror}); make room, then run it again"
    if isinstance(error, FileNotFoundError) and "temporary directory" in (error.strerror or ""):
        return f"{error.strerror}; set TMPDIR to a folder that can be written"
    return None

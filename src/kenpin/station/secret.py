"""Secrets that the settings name and never hold: a file's content, or that of an environment variable."""

from __future__ import annotations

import os
from pathlib import Path

from kenpin.errors import OptionError
from kenpin.strict_json import read_bounded

_MOST_BYTES = 64 * 1024


def read_secret(file: Path | None, variable: str | None, what: str) -> str | None:
    """The secret without the line's end behind it; None where neither is named. what: for messages.

    Raises OptionError, which never shows the secret.
    """
    if file is not None and variable is not None:
        raise OptionError(f"{what} is named twice, by {file} and by the variable {variable}; name one of them.")
    if file is not None:
        try:
            text = read_bounded(file, _MOST_BYTES).decode("utf-8").strip("\r\n")
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not a small file of UTF-8 text"
            raise OptionError(
                f"{file}: {what} cannot be read ({why}); write it there, readable by the station."
            ) from None
    elif variable is not None:
        text = os.environ.get(variable, "")
    else:
        return None
    if not text:
        where = f"the variable {variable}" if file is None else file
        raise OptionError(f"{where}: {what} is empty or missing; put it there, and it is read again by itself.")
    return text


def read_login(file: Path | None, what: str) -> tuple[str, str] | None:
    """User and password from a file that holds `user:password`; None where no file is named. Raises OptionError."""
    text = read_secret(file, None, what)
    if text is None:
        return None
    user, colon, password = text.partition(":")
    if not colon or not user or "\n" in text:
        raise OptionError(f"{file}: {what} is not one line of the form user:password; write it so.")
    return user, password

"""The command line as the tests call it: words in; exit status, standard output and standard error out."""

from __future__ import annotations

from collections.abc import Callable

Run = Callable[..., tuple[int, str, str]]

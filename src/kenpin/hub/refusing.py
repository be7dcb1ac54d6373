"""What the hub refuses or cannot do, in a sentence each."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from kenpin.errors import DownloadError, KenpinError, MissingExtraError, OptionError, first_line
from kenpin.installing import installing

_LOG_IN = "log in by `hf auth login`, or set HF_TOKEN"


def check_installed(doing: str) -> None:
    """Raises MissingExtraError where the hub's library is not installed."""
    if find_spec("huggingface_hub") is None:
        raise MissingExtraError(f"{doing} needs the package huggingface-hub: {installing('hub')}")


def endpoint() -> str:
    """The address of the hub."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


@contextmanager
def quiet() -> Iterator[None]:
    """Bars of progress only where somebody watches, and no advice on tables, which pictures of a run are kept in."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    hidden = not sys.stderr.isatty() and not are_progress_bars_disabled()
    if hidden:
        disable_progress_bars()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "It seems that you are about to commit a data file", UserWarning)
            yield
    finally:
        if hidden:
            enable_progress_bars()


@contextmanager
def told(id: str, revision: str | None = None) -> Iterator[None]:
    """Turn what the hub's library raises about a repository into a DownloadError or OptionError of one sentence."""
    try:
        yield
    except KenpinError:
        raise
    except Exception as error:
        if (sentence := _sentence(error, id, revision)) is None:
            raise
        kind = OptionError if type(error).__name__ == "HFValidationError" else DownloadError
        raise kind(sentence) from error


def _sentence(error: Exception, id: str, revision: str | None) -> str | None:
    import httpx2
    import huggingface_hub.errors as hub
    from huggingface_hub import get_token

    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, hub.LocalEntryNotFoundError) and isinstance(error.__cause__, Exception):
        return _sentence(error.__cause__, id, revision)  # a file that could be neither downloaded nor found here
    if isinstance(error, hub.HFValidationError):
        return f"{id}: is no id of a repository; give owner/name, of letters, digits, - . and _."
    if isinstance(error, hub.LocalTokenNotFoundError):
        return f"{id}: the hub asks who you are; {_LOG_IN}."
    if isinstance(error, hub.GatedRepoError):
        return f"{id}: is gated; ask for access on {endpoint()}/{id}, and {_LOG_IN}."
    if isinstance(error, hub.RevisionNotFoundError):
        return f"{id}: has no revision {revision}; give one of its branches, tags or commits."
    if isinstance(error, hub.RepositoryNotFoundError):
        if get_token() is None:
            return f"{id}: the hub has no such repository, or it is private; correct the id, or {_LOG_IN}."
        return f"{id}: the hub has no such repository that your token may see; correct the id, or take another token."
    if isinstance(error, hub.DisabledRepoError):
        return f"{id}: the hub has disabled this repository; ask its owner."
    if status == 401:
        return f"{id}: the hub does not know your token; {_LOG_IN} again."
    if status == 403:
        return f"{id}: your token may not do this; take one with the right to write to it, or an id of your own."
    if status == 429:
        return f"{id}: the hub answers no more requests from here for now; repeat it in some minutes."
    if status is not None:
        return f"{id}: the hub refuses it with status {status} ({first_line(error)}); repeat it later."
    if isinstance(error, hub.OfflineModeIsEnabled):
        return f"{id}: HF_HUB_OFFLINE is set, and the hub is asked nothing; unset it."
    if isinstance(error, httpx2.HTTPError | ConnectionError | TimeoutError):
        return f"{id}: {endpoint()} does not answer ({first_line(error)}); connect to the network, and repeat it."
    return None

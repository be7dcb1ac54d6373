"""Roboflow's REST API: the link to an export, waited for while it is being made, and the archive behind the link.

The key travels in the Authorization header of requests to the API itself, never in an address, and a redirect of such a
request is refused. The link to the archive carries a secret of its own: no message shows an address.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException, IncompleteRead
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from kenpin.data.archive import Progress
from kenpin.errors import DownloadError, OptionError
from kenpin.network import why_silent

KEY_VARIABLE = "ROBOFLOW_API_KEY"
URL_VARIABLE = "ROBOFLOW_API_URL"
"""Environment variable with another address of the API, such as a test's own server on this machine."""

_URL = "https://api.roboflow.com"
_TIMEOUT_SECONDS = 60.0
_POLL_SECONDS = 2.0
_PATIENCE_SECONDS = 1_800.0
_PIECE_BYTES = 1 << 20
_MOST_PIECES_OF_AN_ANSWER = 4  # what is longer is no answer
_HOSTS_OF_THIS_MACHINE = ("127.0.0.1", "::1", "localhost")
_REFERENCE = re.compile(r"roboflow:([A-Za-z0-9_-][\w.-]*)/([A-Za-z0-9_-][\w.-]*)/([0-9]{1,9})", re.ASCII)
_REFUSALS = {
    400: "it cannot export this version so; a classification project takes --export-format folder",
    401: f"it does not accept the key; set {KEY_VARIABLE} to the private key in the workspace's settings",
    403: "the key may not read this project; use a key of the workspace that owns it",
    404: "there is no such workspace, project or version; compare with the address of the version's page",
    429: "it had too many requests; wait a minute and run the command again",
}


@dataclass(frozen=True, slots=True)
class Reference:
    """One version of a project on Roboflow."""

    workspace: str
    project: str
    version: int

    def __str__(self) -> str:
        return f"roboflow:{self.workspace}/{self.project}/{self.version}"


def parse_reference(text: str) -> Reference:
    """The version that `roboflow:workspace/project/version` names. Raises OptionError."""
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise OptionError(  # the text is not shown: people paste addresses with their key in them
            "this is not a reference to an export. Write roboflow:workspace/project/version with the names from the "
            "address of the version's page and the version as a number, for example roboflow:acme/boards/3."
        )
    return Reference(match[1], match[2], int(match[3]))


def export_link(reference: Reference, export_format: str, progress: Progress) -> str:
    """The address of the archive, once Roboflow has made it. Raises OptionError for the key, and DownloadError."""
    headers = {"Authorization": f"Bearer {_key()}", "Accept": "application/json"}
    # nocache: an answer kept somewhere between would say forever that the export is not ready
    path = f"{reference.workspace}/{reference.project}/{reference.version}/{export_format}?nocache=true"
    url = f"{_base_url()}/{path}"
    if (reason := why_silent(url)) is not None:
        raise DownloadError(
            f"{reference}: Roboflow does not answer ({reason}); check the network and run the command again."
        )
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        answer = _answer(Request(url, headers=headers), reference)
        export = answer.get("export")
        link = export.get("link") if isinstance(export, dict) else None
        if isinstance(link, str):
            return link
        if (share := _share_made(answer)) is None:
            raise DownloadError(f"{reference}: Roboflow answered without a link to the export; run the command again.")
        if time.monotonic() >= deadline:
            raise DownloadError(
                f"{reference}: Roboflow has not made the export in {_PATIENCE_SECONDS / 60:.0f} minutes; "
                "it goes on making it, so run the command again later."
            )
        progress("exporting", min(round(100 * share), 99), 100)
        time.sleep(_POLL_SECONDS)


def download(link: str, file: Path, *, reference: Reference, limit_bytes: int, progress: Progress) -> None:
    """Write what is behind the link to a new file. Raises DownloadError; the key is not sent."""
    _check_link(link, reference)

    def watch(done: int, total: int) -> None:
        if max(done, total) > limit_bytes:
            what = f"the archive is longer than {limit_bytes:,} bytes"
            raise DownloadError(f"{reference}: {what}; if that is right, raise --limit-gib.")
        if total:
            progress("downloading, MiB", -(-done >> 20), -(-total >> 20))

    with file.open("xb") as stream:
        for piece in _received(Request(link), _CheckedRedirects(reference), reference, _link_refusal, watch):
            stream.write(piece)


class _NoRedirects(HTTPRedirectHandler):
    """Makes every redirect an error: the key goes to the API and nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        return None


class _CheckedRedirects(HTTPRedirectHandler):
    """Follows redirects only to where a download may come from."""

    def __init__(self, reference: Reference) -> None:
        self._reference = reference

    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Request | None:
        try:
            _check_link(newurl, self._reference)
        except DownloadError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _key() -> str:
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if not key:
        raise OptionError(
            f"{KEY_VARIABLE} is not set. Put the private key from the workspace's settings on Roboflow into it."
        )
    if re.fullmatch("[!-~]+", key) is None:  # the HTTP library would quote the whole header in its error
        raise OptionError(f"{KEY_VARIABLE} holds characters that no key has. Copy the key again.")
    return key


def _base_url() -> str:
    url = os.environ.get(URL_VARIABLE, "").strip().rstrip("/") or _URL
    if not _is_safe(url):
        raise OptionError(f"{URL_VARIABLE} is not an https address. Correct it, or remove it from the environment.")
    return url


def _check_link(link: str, reference: Reference) -> None:
    if not _is_safe(link):
        raise DownloadError(f"{reference}: the link to the archive is not an https address; report it to Roboflow.")


def _is_safe(url: str) -> bool:
    """Whether an address is https, or on this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and host in _HOSTS_OF_THIS_MACHINE))


def _answer(request: Request, reference: Reference) -> dict[str, Any]:
    """The JSON object that the API answers with. Raises DownloadError."""
    pieces = _received(request, _NoRedirects(), reference, _refusal, lambda done, total: None)
    try:
        answer = json.loads(b"".join(islice(pieces, _MOST_PIECES_OF_AN_ANSWER)))
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise DownloadError(
            f"{reference}: Roboflow's answer is not a JSON object; run the command again, or check the proxy between."
        )
    return answer


def _share_made(answer: dict[str, Any]) -> float | None:
    """Share done of an export that is being made; None where the answer does not give it."""
    version = answer.get("version")
    if isinstance(version, dict) and version.get("generating") is True:  # the pictures themselves come first
        answer = version
    elif "progress" not in answer and answer.get("ready") is not False:
        return None
    progress = answer.get("progress")
    return min(1.0, max(0.0, progress)) if isinstance(progress, int | float) else 0.0


def _received(
    request: Request,
    redirects: HTTPRedirectHandler,
    reference: Reference,
    refusal: Callable[[int], str],
    watch: Callable[[int, int], None],
) -> Iterator[bytes]:
    """The body of a response, piece by piece; `watch` gets the bytes read and the total, 0 where that is unknown.

    Raises DownloadError. No other error comes with it, not even as its context: their texts hold addresses.
    """
    request.add_header("User-Agent", "kenpin")
    done = total = 0
    try:
        with build_opener(redirects).open(request, timeout=_TIMEOUT_SECONDS) as response:
            stated = response.headers.get("Content-Length", "")
            total = int(stated) if stated.isdecimal() else 0
            watch(done, total)
            while piece := response.read(_PIECE_BYTES):
                done += len(piece)
                watch(done, total)
                yield piece
    except DownloadError:
        raise
    except HTTPError as error:
        error.close()
        failure = refusal(error.code)
    except (HTTPException, OSError, ValueError) as error:
        failure = f"the connection failed ({_reason(error)}); check the network and run the command again"
    else:
        if done >= total:
            return
        failure = f"the connection broke off after {done:,} of {total:,} bytes; run the command again"
    raise DownloadError(f"{reference}: {failure}.")


def _refusal(status: int) -> str:
    if 300 <= status < 400:
        why = f"it redirects to another server, which must not get the key; correct {URL_VARIABLE}"
    elif status >= 500:
        why = "the fault is on its side; run the command again later"
    else:
        why = _REFUSALS.get(status, "it refuses the request; compare the reference with the version's page")
    return f"Roboflow answers {status}: {why}"


def _link_refusal(status: int) -> str:
    return f"the link to the archive was refused with status {status}; run the command again for a new one"


def _reason(error: Exception) -> str:
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, IncompleteRead):
        return "it broke off"
    if isinstance(cause, TimeoutError):
        return f"no answer in {_TIMEOUT_SECONDS:.0f} seconds"
    return (cause.strerror if isinstance(cause, OSError) else None) or type(cause).__name__

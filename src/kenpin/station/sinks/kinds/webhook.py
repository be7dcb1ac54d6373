"""Webhook: a JSON message by HTTP POST for each event, signed, with the event's key as Idempotency-Key."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from kenpin.errors import OptionError, first_line
from kenpin.station.secret import read_secret
from kenpin.station.sinks.contract import MessageRefusedError, SinkAwayError, SinkOptions, SinkPlace
from kenpin.station.sinks.message import as_bytes, key_of, message_of
from kenpin.station.tls import tls_context
from kenpin.station.told import Told

SUMMARY = "a web address that takes JSON by POST"
NEEDS = "An http or https URL; the answer 2xx confirms an event, and a secret in a file signs it."
SIGNATURE = "Kenpin-Signature"
"""The header `t=SECONDS,v1=HEX`: HMAC-SHA256 by the secret over the seconds since 1970, a point, and the body."""

_MOST_ANSWER_BYTES = 64 * 1024
_MOST_SHOWN = 200
_NOT_NOW = frozenset({408, 425, 429})
_ABOUT_THE_SENDER = frozenset({401, 403, 404, 405, 407, 410, 421, 426})
"""Refusals of whoever sends, or of the address: a wrong token would else put aside all parts of a night."""
_OWN_HEADERS = frozenset(
    {"connection", "content-length", "content-type", "host", "idempotency-key", "transfer-encoding", SIGNATURE.lower()}
)


class WebhookOptions(SinkOptions):
    """What a webhook takes."""

    url: str = Field(description="Address that takes the messages, http:// or https://.")
    secret_file: Path | None = Field(None, description="File with the secret that signs the messages.")
    secret_variable: str | None = Field(None, description="Environment variable with that secret.")
    token_file: Path | None = Field(None, description="File with a token, sent as `Authorization: Bearer`.")
    headers: dict[str, str] = Field(default_factory=dict, description="Further headers by name; no secrets.")
    ca_file: Path | None = Field(None, description="Certificates that are trusted in place of the system's.")
    certificate_file: Path | None = Field(None, description="Own certificate with its key, where it asks for one.")

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            _ = parts.port
        except ValueError as error:
            raise ValueError(f"{url!r} is not a URL ({error}); write one as https://mes.plant/parts.") from None
        if parts.scheme not in ("http", "https") or not parts.hostname or not url.isascii() or not url.isprintable():
            raise ValueError(f"{url!r} is not an http or https URL; write one as https://mes.plant/parts.")
        if parts.username is not None or parts.password is not None:
            raise ValueError("the URL holds a password; take it out, and name a file with a token by `token_file`.")
        if " " in url:
            raise ValueError(f"{url!r} holds a space; write it as %20.")
        return url

    @field_validator("headers")
    @classmethod
    def _are_headers(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if not name.replace("-", "").isalnum() or not name.isascii() or name.lower() in _OWN_HEADERS:
                raise ValueError(f"header {name!r} cannot be set; choose another.")
            if not value.isascii() or not value.isprintable():
                raise ValueError(f"the value of header {name!r} is not plain ASCII; write it so.")
        return headers


OPTIONS = WebhookOptions


def open(options: WebhookOptions, place: SinkPlace) -> Webhook:
    """A webhook, which connects with the first message. Raises OptionError."""
    return Webhook(options, place)


class Webhook:
    """A connection that is kept open from message to message."""

    def __init__(self, options: WebhookOptions, place: SinkPlace) -> None:
        self._url, self._timeout_s, self._node = urlsplit(options.url), options.timeout_s, place.node
        self._where = f"{self._url.scheme}://{self._url.netloc}{self._url.path}"
        secret = read_secret(place.path(options.secret_file), options.secret_variable, "the secret of the webhook")
        self._secret = None if secret is None else secret.encode()
        token = read_secret(place.path(options.token_file), None, "the token of the webhook")
        self._headers = {"User-Agent": "kenpin", "Accept": "*/*", **options.headers}
        if token is not None:
            if not token.isascii() or not token.isprintable():
                raise OptionError(f"{options.token_file}: the token is not plain ASCII; write it on one line.")
            self._headers["Authorization"] = f"Bearer {token}"
        self._tls = None
        if self._url.scheme == "https":
            self._tls = tls_context(place.path(options.ca_file), place.path(options.certificate_file))
        self._connection: http.client.HTTPConnection | None = None

    def send(self, told: Told) -> None:
        """Post an event. Raises MessageRefusedError, SinkAwayError."""
        body = as_bytes(message_of(told, self._node))
        headers = {**self._headers, "Content-Type": "application/json", "Idempotency-Key": key_of(told)}
        if self._secret is not None:
            headers[SIGNATURE] = signature(self._secret, body, int(time.time()))
        is_reused = self._connection is not None
        try:
            status, answer, answer_headers = self._post(body, headers)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError) as error:
            self.close()
            if not is_reused:
                raise self._away(error) from error
            # the other side closed a connection that stood idle, as it may at any time
            try:
                status, answer, answer_headers = self._post(body, headers)
            except (OSError, http.client.HTTPException) as again:
                self.close()
                raise self._away(again) from again
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._away(error) from error
        self._judge(status, answer, answer_headers)

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _post(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes, Mapping[str, str]]:
        connection = self._connection
        if connection is None:
            connection = self._connection = self._connect()
        target = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
        with _ended_after(self._timeout_s, connection):
            connection.request("POST", target, body, dict(headers))
            response = connection.getresponse()
            answer = response.read(_MOST_ANSWER_BYTES)
            is_over = response.isclosed() or not response.read(1)
        if not is_over:
            self.close()  # the rest of a long answer is not read
        return response.status, answer, cast("Mapping[str, str]", response.headers)

    def _connect(self) -> http.client.HTTPConnection:
        host = self._url.hostname or ""
        if self._tls is not None:
            return http.client.HTTPSConnection(host, self._url.port, timeout=self._timeout_s, context=self._tls)
        return http.client.HTTPConnection(host, self._url.port, timeout=self._timeout_s)

    def _judge(self, status: int, answer: bytes, headers: Mapping[str, str]) -> None:
        if 200 <= status < 300:
            return
        answered = f"{self._where}: answers {status}{_first_words(answer)}"
        if 300 <= status < 400:
            # followed, a message could be led into a network that only the station reaches
            raise SinkAwayError(f"{answered}, and no redirect is followed; set `url` to the final address.")
        if status in _ABOUT_THE_SENDER:
            raise SinkAwayError(f"{answered}; check `url` and `token_file`, it is tried again by itself.")
        if status >= 500 or status in _NOT_NOW or status < 200:
            raise SinkAwayError(f"{answered}; it is tried again by itself.", _retry_after_s(headers))
        raise MessageRefusedError(f"{answered}.")

    def _away(self, error: Exception) -> SinkAwayError:
        if isinstance(error, ssl.SSLCertVerificationError):
            why = f"its certificate is not trusted: {error.verify_message}"
            return SinkAwayError(f"{self._where}: {why}; name the plant's certificates by `ca_file`.")
        if isinstance(error, TimeoutError | _EndedError):
            return SinkAwayError(f"{self._where}: does not answer within {self._timeout_s:g} s; it is tried again.")
        return SinkAwayError(f"{self._where}: cannot be reached ({_why(error)}); it is tried again by itself.")


def signature(secret: bytes, body: bytes, at_s: int) -> str:
    """The value of the header that signs a body. at_s: seconds since 1970, which a receiver compares with its clock so
    that nobody sends an old message again.

    >>> signature(b"secret", b"{}", 1_800_000_000)[:25]
    't=1800000000,v1=bb7079132'
    """
    digest = hmac.new(secret, f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={digest}"


class _EndedError(OSError):
    """The connection was ended, for the time was over."""


@contextmanager
def _ended_after(seconds: float, connection: http.client.HTTPConnection) -> Iterator[None]:
    """End the connection when the time is over: who answers a byte now and then would else never be late."""
    is_over = threading.Event()

    def end() -> None:
        is_over.set()
        with suppress(OSError, AttributeError):  # not connected yet: then its own limit of time holds
            connection.sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        if is_over.is_set():
            raise _EndedError from error
        raise
    finally:
        timer.cancel()
    if is_over.is_set():
        raise _EndedError


def _retry_after_s(headers: Mapping[str, str]) -> float:
    """Seconds that the answer asks to wait; 0 where it says nothing that can be understood."""
    text = (headers.get("Retry-After") or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    with suppress(ValueError, TypeError, OverflowError):
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    return 0.0


def _first_words(answer: bytes) -> str:
    words = " ".join("".join(c if c.isprintable() else " " for c in answer.decode("utf-8", "replace")).split())
    return f" ({words[:_MOST_SHOWN]})" if words else ""


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or first_line(error)

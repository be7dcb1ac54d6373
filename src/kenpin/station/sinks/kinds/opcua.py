"""OPC UA: the values of each event, written as a client into nodes of a controller's or plant's server.

As a client, and not as a server that others read: a write is answered by a status for each node, which confirms it, the
controllers of the field bring a server, and the station opens no further port.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import Field, field_validator, model_validator

from kenpin.errors import MissingExtraError, OptionError, first_line
from kenpin.installing import installing
from kenpin.nearest import did_you_mean
from kenpin.station.secret import read_login
from kenpin.station.sinks.contract import MessageRefusedError, SinkAwayError, SinkOptions, SinkPlace
from kenpin.station.sinks.handshake import EVENT_CODES, VERDICT_CODES, begin, class_code, hand_over
from kenpin.station.sinks.message import as_bytes, message_of
from kenpin.station.told import Told

if TYPE_CHECKING:
    from asyncua import Client, Node

Result = TypeVar("Result")

SUMMARY = "nodes of an OPC UA server"
NEEDS = 'An OPC UA server whose nodes may be written, and the package asyncua: pip install "kenpin[opcua]".'

VALUES = (
    "verdict", "label", "sequence", "id", "product", "version", "lot", "score", "event", "judged_at", "reasons", "json"
)  # fmt: skip
"""What a node may hold: `sequence` is another number for each event, `json` the whole message."""

_BITS = {"SByte": 7, "Byte": 8, "Int16": 15, "UInt16": 16, "Int32": 31, "UInt32": 32, "Int64": 63, "UInt64": 64}
_REALS = ("Float", "Double")
_TEXTS = ("String", "LocalizedText", "ByteString")
_FITS = {
    "verdict": (*_BITS, *_TEXTS, "Boolean"),
    "label": (*_BITS, *_TEXTS),
    "event": (*_BITS, *_TEXTS),
    "sequence": (*_BITS, *_REALS, *_TEXTS),
    "version": (*_BITS, *_REALS, *_TEXTS),
    "score": (*_REALS, *_TEXTS),
    "judged_at": ("DateTime", *_TEXTS),
}
"""Types of nodes that a value can be written to; for all others texts."""
_ABOUT_THE_VALUE = ("BadOutOfRange", "BadEncodingLimitsExceeded", "BadRequestTooLarge")


class OpcUaOptions(SinkOptions):
    """What an OPC UA server takes."""

    url: str = Field(description="Address of the server, opc.tcp://….")
    nodes: dict[str, str] = Field(
        description="Ids of nodes by what they are to hold: verdict, label, sequence, id, product, version, lot, "
        "score, event, judged_at, reasons, json."
    )
    request: str | None = Field(None, description="Node that is set when the values are complete, for a handshake.")
    acknowledge: str | None = Field(None, description="Node by which the controller acknowledges an event.")
    acknowledge_s: float = Field(10.0, gt=0, le=600, description="Seconds that the controller has to acknowledge.")
    classes: dict[str, Annotated[int, Field(ge=1, le=0xFFFF)]] = Field(
        default_factory=dict, description="Numbers of the classes by their labels, for a node of whole numbers."
    )
    other_class: int = Field(255, ge=1, le=0xFFFF, description="Number of a class that has none.")
    login_file: Path | None = Field(None, description="File that holds `user:password`.")
    security: Literal["none", "Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss"] = Field(
        "none", description="How the connection is signed and encrypted."
    )
    certificate_file: Path | None = Field(None, description="Own certificate, which the server must trust.")
    key_file: Path | None = Field(None, description="Its key.")
    server_certificate_file: Path | None = Field(None, description="The server's certificate; no other is trusted.")

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        if not url.startswith("opc.tcp://") or "@" in url or url != url.strip():
            raise ValueError(f"{url!r} is not the address of an OPC UA server; write opc.tcp://host:4840.")
        return url

    @field_validator("nodes")
    @classmethod
    def _hold_known_values(cls, nodes: dict[str, str]) -> dict[str, str]:
        for name in nodes:
            if name not in VALUES:
                raise ValueError(f"{name!r} cannot be written; {did_you_mean(name, VALUES)}")
        if not nodes:
            raise ValueError("it names no node; write one as `verdict: ns=2;s=Station.Verdict`.")
        return nodes

    @model_validator(mode="after")
    def _is_whole(self) -> OpcUaOptions:
        if (self.request is None) != (self.acknowledge is None):
            raise ValueError("`request` and `acknowledge` are of use together alone; name both, or none.")
        files = (self.certificate_file, self.key_file, self.server_certificate_file)
        if self.security != "none" and None in files:
            raise ValueError(
                "`security` needs `certificate_file`, `key_file` and `server_certificate_file`; name them."
            )
        return self


OPTIONS = OpcUaOptions


def open(options: OpcUaOptions, place: SinkPlace) -> OpcUaSink:
    """Connect to the server, and look at its nodes. Raises SinkAwayError, OptionError, MissingExtraError."""
    return OpcUaSink(options, place)


class OpcUaSink:
    """A session with a server."""

    def __init__(self, options: OpcUaOptions, place: SinkPlace) -> None:
        try:
            from asyncua import Client
        except ImportError as error:
            raise MissingExtraError(f"OPC UA needs the package asyncua: {installing('opcua')}") from error
        self._options, self._node_name = options, place.node
        self._loop = _Loop()
        try:
            self._client: Client = Client(options.url, timeout=options.timeout_s)
            if (login := read_login(place.path(options.login_file), "the login of the server")) is not None:
                self._client.set_user(login[0])
                self._client.set_password(login[1])
            self._wait(self._connect(options, place))
            self._targets = [(name, *self._look_at(name, id)) for name, id in options.nodes.items()]
            self._request = None if options.request is None else self._look_at("request", options.request)
            self._acknowledge = None if options.acknowledge is None else self._look_at("", options.acknowledge)
            if self._request is not None:
                begin(self)
        except BaseException:
            self.close()
            raise

    def send(self, told: Told) -> None:
        """Write an event. Raises SinkAwayError, and MessageRefusedError for a value that the server cannot hold."""
        message = as_bytes(message_of(told, self._node_name)).decode()
        code = class_code(told, self._options.classes, self._options.other_class)
        values = [(node, kind, value_for(name, kind, told, code, message)) for name, node, kind in self._targets]
        if self._request is None:
            self._write(values)
        else:
            hand_over(self, lambda: self._write(values), timeout_s=self._options.acknowledge_s, late=self._late)

    def close(self) -> None:
        """End the session."""
        self._loop.close(self._client.disconnect() if hasattr(self, "_client") else None, self._options.timeout_s)

    def set_request(self, value: bool) -> None:
        """Set or clear the request."""
        assert self._request is not None
        node, kind = self._request
        self._write([(node, kind, value if kind == "Boolean" else int(value))])

    def is_acknowledged(self) -> bool:
        """Whether the controller's acknowledgement is set."""
        assert self._acknowledge is not None
        return bool(self._wait(self._acknowledge[0].read_value()))

    async def _connect(self, options: OpcUaOptions, place: SinkPlace) -> None:
        if options.security != "none":
            from asyncua.crypto import security_policies

            policy = getattr(security_policies, f"SecurityPolicy{options.security}")
            files = (options.certificate_file, options.key_file, options.server_certificate_file)
            own, key, server = (str(place.path(file)) for file in files)
            try:
                self._client.application_uri = await _uri_in(own) or self._client.application_uri
                await self._client.set_security(policy, own, key, server_certificate=server)
            except (OSError, ValueError, TypeError) as error:
                raise OptionError(
                    f"{own}, {key}, {server}: cannot be read as certificates and key ({first_line(error)}); write them "
                    "there as PEM, or as DER with the ending .der."
                ) from error
        await self._client.connect()

    def _look_at(self, name: str, id: str) -> tuple[Node, str]:
        """A node and the name of its type. Raises OptionError where the value cannot be written to it."""
        from asyncua.ua import UaError

        try:
            node = self._client.get_node(id)
        except UaError as error:
            raise OptionError(f"{id!r} is not the id of a node; write one as ns=2;s=Station.Verdict.") from error
        kind = self._wait(node.read_data_type_as_variant_type(), f"node {id}").name
        fits = _FITS.get(name, ("Boolean", *_BITS) if name in ("request", "") else _TEXTS)
        if kind not in fits:
            what = f"`{name}`" if name else "`acknowledge`"
            raise OptionError(f"node {id}: is of type {kind}, which cannot hold {what}; it needs {', '.join(fits)}.")
        return node, kind

    def _write(self, values: list[tuple[Node, str, Any]]) -> None:
        from asyncua import ua

        # without a time: many controllers refuse a write that brings one
        given = [ua.DataValue(ua.Variant(value, ua.VariantType[kind])) for _, kind, value in values]
        answers = self._wait(self._client.write_values([node for node, _, _ in values], given, False))
        for (node, _, _), answer in zip(values, answers, strict=True):
            if not answer.is_good():
                raise self._refused(f"node {node.nodeid.to_string()}", answer.name)

    def _wait(self, work: Coroutine[Any, Any, Result], where: str = "") -> Result:
        from asyncua.ua import UaError, UaStatusCodeError

        try:
            return self._loop.run(work, self._options.timeout_s)
        except UaStatusCodeError as error:
            raise self._refused(where, type(error).__name__) from error
        except TimeoutError as error:
            raise self._away(f"it does not answer within {self._options.timeout_s:g} s") from error
        except OptionError:
            raise
        except (UaError, OSError, ValueError) as error:
            why = (error.strerror if isinstance(error, OSError) else None) or first_line(error)
            raise self._away(why) from error

    def _refused(self, where: str, status: str) -> Exception:
        told = f"{where}: {status}" if where else status
        if status in _ABOUT_THE_VALUE:
            return MessageRefusedError(f"{self._options.url}: the server refuses a value ({told}).")
        return self._away(told)

    def _late(self, why: str) -> SinkAwayError:
        return self._away(why)

    def _away(self, why: str) -> SinkAwayError:
        return SinkAwayError(f"{self._options.url}: the server was not told ({why}); it is tried again by itself.")


async def _uri_in(certificate: str) -> str | None:
    """The name of the application in its certificate: servers refuse another one."""
    from asyncua.crypto.uacrypto import load_certificate
    from cryptography.x509 import ExtensionNotFound, SubjectAlternativeName, UniformResourceIdentifier

    try:
        names = (await load_certificate(certificate)).extensions.get_extension_for_class(SubjectAlternativeName)
    except ExtensionNotFound:
        return None
    return next(iter(names.value.get_values_for_type(UniformResourceIdentifier)), None)


class _Loop:
    """A thread in which a session's coroutines run."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="opcua", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Result], timeout_s: float) -> Result:
        """The result of a coroutine. Raises TimeoutError, and whatever it raises."""
        return self._submit(asyncio.wait_for(work, timeout_s)).result()

    def close(self, last: Coroutine[Any, Any, object] | None, timeout_s: float) -> None:
        """Run a last coroutine whatever it raises, cancel what still runs, and end the thread."""
        if last is not None:
            with suppress(Exception):  # the session is gone already
                self.run(last, timeout_s)
        self._submit(_cancel_all()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _submit(self, work: Coroutine[Any, Any, Result]) -> Future[Result]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)


async def _cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def value_for(name: str, kind: str, told: Told, code: int, message: str) -> Any:
    """What is written to a node. name: of the value; kind: of the node; code: of the class; message: the whole one."""
    if kind in _BITS or kind in _REALS:
        if name == "score":
            return float("nan") if told.score is None else float(told.score)
        numbers = {
            "verdict": 0 if told.verdict is None else VERDICT_CODES[told.verdict],
            "label": code,
            "event": EVENT_CODES[told.kind],
            "sequence": told.position,
            "version": told.version,
        }
        return float(numbers[name]) if kind in _REALS else numbers[name] & ((1 << _BITS[kind]) - 1)
    if kind == "Boolean":
        return told.verdict == "PASS"
    if kind == "DateTime":
        return datetime.fromisoformat(told.judged_at).astimezone(UTC).replace(tzinfo=None)
    return _text_for(name, kind, told, message)


def _text_for(name: str, kind: str, told: Told, message: str) -> Any:
    texts = {"sequence": str(told.position), "event": told.kind, "reasons": "\n".join(told.reasons), "json": message}
    value = texts[name] if name in texts else getattr(told, name)
    text = "" if value is None else str(value)
    if kind == "ByteString":
        return text.encode()
    if kind == "LocalizedText":
        from asyncua.ua import LocalizedText

        return LocalizedText(text)
    return text

"""MQTT: a JSON message for each event to a broker, confirmed by it, and whether the station is there."""

from __future__ import annotations

import re
import ssl
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator

from kenpin.errors import MissingExtraError, first_line
from kenpin.installing import installing
from kenpin.station.secret import read_login
from kenpin.station.sinks.contract import MessageRefusedError, SinkAwayError, SinkOptions, SinkPlace
from kenpin.station.sinks.message import as_bytes, message_of
from kenpin.station.sinks.pattern import check_pattern, fill
from kenpin.station.tls import tls_context
from kenpin.station.told import Told

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessageInfo

SUMMARY = "an MQTT broker"
NEEDS = 'An MQTT broker of version 3.1.1 or 5, and the package paho-mqtt: pip install "kenpin[mqtt]".'

ONLINE, OFFLINE = b"online", b"offline"
"""What is kept at the topic of the station's state: its birth, and its last will."""

_QOS = 1  # the broker confirms it, and a subscriber may get it twice
_LONGEST_TOPIC_BYTES = 65_535
_AROUND_BYTES = 32  # of a message: its head, and the lengths of what is in it
_BREAKS_OF_A_MESSAGE = (
    2  # one that is sent again and breaks the connection again is refused, whatever the broker calls it
)
_NOT_IN_TOPICS = re.compile(r"[%+#/\x00-\x1f\x7f-\x9f]|^\$")
_ABOUT_THE_MESSAGE = frozenset({0x90, 0x95, 0x99})
"""The broker's reasons that speak of the message: its topic, its size, its form.

# MQTT 5, table 2-6
"""


class MqttOptions(SinkOptions):
    """What an MQTT broker takes."""

    host: str = Field(min_length=1, description="Name or address of the broker.")
    port: int | None = Field(None, gt=0, le=65535, description="Its port; by default 1883, and 8883 with TLS.")
    topic: str = Field(
        "kenpin/{product}/{kind}",
        description="Topic of an event, with node, product, version, id, lot, verdict, label, kind and date in braces.",
    )
    retain: bool = Field(True, description="Whether the broker keeps the last event of each topic for who comes later.")
    state_topic: str = Field(
        "kenpin/{node}/state", description="Topic at which the broker keeps `online` or `offline`; with node in braces."
    )
    mqtt: Literal["3.1.1", "5"] = Field("5", description="Version of the protocol.")
    client_id: str = Field("", description="Name by which the broker knows it; by default of the node and the sink.")
    login_file: Path | None = Field(None, description="File that holds `user:password`.")
    tls: bool = Field(False, description="Whether the connection is encrypted, and the broker's certificate checked.")
    ca_file: Path | None = Field(None, description="Certificates that are trusted in place of the system's.")
    certificate_file: Path | None = Field(None, description="Own certificate with its key, where it asks for one.")

    @field_validator("topic", "state_topic")
    @classmethod
    def _is_a_topic(cls, topic: str) -> str:
        if not topic or re.search(r"[+#\x00]", topic) or topic.startswith("$"):
            raise ValueError(f"{topic!r} cannot be a topic: empty, or with + or #, or a $ in front; write it without.")
        return check_pattern(topic)


OPTIONS = MqttOptions


def open(options: MqttOptions, place: SinkPlace) -> MqttSink:
    """Connect to the broker. Raises SinkAwayError, OptionError, MissingExtraError."""
    return MqttSink(options, place)


class MqttSink:
    """A connection to a broker."""

    def __init__(self, options: MqttOptions, place: SinkPlace) -> None:
        try:
            from paho.mqtt.client import Client, MQTTv5, MQTTv311
            from paho.mqtt.enums import CallbackAPIVersion
        except ImportError as error:
            raise MissingExtraError(f"MQTT needs the package paho-mqtt: {installing('mqtt')}") from error
        self._options, self._node, self._timeout_s = options, place.node, options.timeout_s
        port = options.port or (8883 if options.tls else 1883)
        self._where = f"{options.host}:{port}"
        self._state_topic = _filled(options.state_topic, _NOBODY, place.node)
        self._connected = threading.Event()
        self._refusal: str | None = None
        """Why the broker takes no connection."""
        self._why_gone = ""
        self._breaks = 0
        """How often the connection broke off since the last message was given to paho."""
        self._cut_off = False
        """Whether the broker ended the connection because of that message."""
        self._most_bytes: int | None = None
        """Largest packet that the broker takes, where it says so."""
        self._birth: MQTTMessageInfo | None = None
        self._codes: dict[int, Any] = {}
        """The broker's answers to messages, by the numbers of these."""
        version = MQTTv5 if options.mqtt == "5" else MQTTv311
        name = options.client_id or f"kenpin-{place.node}-{place.name}"
        # a clean start: what is sent again is known to the station alone, and comes in its order
        clean = {} if options.mqtt == "5" else {"clean_session": True}
        client = Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=version, **clean)  # type: ignore[arg-type]
        self._client: Client = client
        if (login := read_login(place.path(options.login_file), "the login of the broker")) is not None:
            client.username_pw_set(*login)
        if options.tls:
            client.tls_set_context(tls_context(place.path(options.ca_file), place.path(options.certificate_file)))
        client.will_set(self._state_topic, OFFLINE, _QOS, retain=True)
        client.on_connect, client.on_disconnect, client.on_publish = self._on_connect, self._gone, self._published
        client.connect_timeout = self._timeout_s
        self._connect(port)

    def send(self, told: Told) -> None:
        """Publish an event; when this returns the broker has it. Raises MessageRefusedError, SinkAwayError."""
        if not self._connected.is_set():
            raise self._away(self._why_gone or "the connection broke off")
        topic = _filled(self._options.topic, told, self._node)
        if len(topic.encode()) > _LONGEST_TOPIC_BYTES:
            raise MessageRefusedError(f"{self._where}: the topic has more than {_LONGEST_TOPIC_BYTES:,} bytes.")
        payload = as_bytes(message_of(told, self._node))
        size = len(payload) + len(topic.encode()) + _AROUND_BYTES
        if self._most_bytes is not None and size > self._most_bytes:
            raise MessageRefusedError(
                f"{self._where}: takes {self._most_bytes:,} bytes at most, and these are {size:,}."
            )
        self._why_gone, self._breaks, self._cut_off = "", 0, False
        try:
            self._confirm(self._client.publish(topic, payload, _QOS, self._options.retain), topic)
        except ValueError as error:
            raise MessageRefusedError(f"{self._where}: cannot be sent the message ({first_line(error)}).") from error

    def close(self) -> None:
        """Say goodbye, and end."""
        if self._connected.is_set():
            with suppress(OSError, ValueError, RuntimeError):
                self._client.publish(self._state_topic, OFFLINE, _QOS, retain=True).wait_for_publish(self._timeout_s)
        with suppress(OSError, ValueError, RuntimeError):
            self._client.disconnect()
        self._client.loop_stop()
        # without these the client is let go at once, and closes its sockets
        self._client.on_connect = self._client.on_disconnect = self._client.on_publish = None

    def _connect(self, port: int) -> None:
        try:
            settled = {"clean_start": True} if self._options.mqtt == "5" else {}
            self._client.connect(self._options.host, port, keepalive=30, **settled)  # type: ignore[arg-type]
        except ssl.SSLCertVerificationError as error:
            self.close()
            raise self._away(f"its certificate is not trusted: {error.verify_message}; set `ca_file`") from error
        except (OSError, ValueError) as error:
            self.close()
            raise self._away((error.strerror if isinstance(error, OSError) else None) or first_line(error)) from error
        self._client.loop_start()
        if not self._connected.wait(self._timeout_s) or self._refusal is not None:
            self._connected.clear()
            why = self._refusal or f"it does not answer within {self._timeout_s:g} s"
            self.close()
            raise self._away(why)
        try:
            if self._birth is not None:
                self._confirm(self._birth, self._state_topic)
        except (SinkAwayError, MessageRefusedError) as error:
            self.close()
            raise SinkAwayError(str(error)) from error

    def _confirm(self, message: MQTTMessageInfo, topic: str) -> None:
        try:
            message.wait_for_publish(self._timeout_s)
            is_confirmed = message.is_published()
        except (RuntimeError, OSError) as error:
            raise self._away(self._why_gone or first_line(error)) from error
        if self._cut_off or (not is_confirmed and self._breaks >= _BREAKS_OF_A_MESSAGE):
            raise MessageRefusedError(f"{self._where}: breaks off on the message to {topic} ({self._why_gone}).")
        if not is_confirmed:
            raise self._away(self._why_gone or f"it does not confirm within {self._timeout_s:g} s")
        code = self._codes.pop(message.mid, None)
        if code is None:
            return
        if code.value in _ABOUT_THE_MESSAGE:
            raise MessageRefusedError(f"{self._where}: refuses the message to {topic} ({code}).")
        raise self._away(f"it refuses messages to {topic}: {code}; check `login_file` and its rights")

    # ---- called by the thread of paho, which connects again by itself ----

    def _on_connect(self, client: Client, data: Any, flags: Any, code: Any, properties: Any) -> None:
        if code.is_failure:
            self._refusal = f"it refuses the connection: {code}; check `login_file` and `mqtt`"
        else:
            self._most_bytes = getattr(properties, "MaximumPacketSize", None)
            self._birth = client.publish(self._state_topic, ONLINE, _QOS, retain=True)
        self._connected.set()

    def _gone(self, client: Client, data: Any, flags: Any, code: Any, properties: Any) -> None:
        self._why_gone = f"the connection broke off: {code}"
        self._breaks += 1
        self._cut_off = self._cut_off or code.value in _ABOUT_THE_MESSAGE
        self._connected.clear()

    def _published(self, client: Client, data: Any, number: int, code: Any, properties: Any) -> None:
        if code.is_failure:
            self._codes[number] = code

    def _away(self, why: str) -> SinkAwayError:
        return SinkAwayError(f"{self._where}: the broker cannot be told ({why}); it is tried again by itself.")


_NOBODY = Told(0, "switched", "none", 0, "1970-01-01T00:00:00+00:00")


def _filled(pattern: str, told: Told, node: str) -> str:
    return fill(pattern, told, node, _in_topic)


def _in_topic(text: str) -> str:
    """Text as one level of a topic: what has a meaning there is written as in a URL."""
    return _NOT_IN_TOPICS.sub(lambda one: "".join(f"%{byte:02X}" for byte in one.group().encode()), text) or "none"

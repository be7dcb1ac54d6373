"""MQTT, against Debian's mosquitto: confirmed, kept, with birth and last will, over TLS, and killed for a while."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kenpin.errors import OptionError
from kenpin.station.sinks.contract import MessageRefusedError, SinkAwayError
from kenpin.station.sinks.delivery import Delivery
from kenpin.station.sinks.kinds import mqtt
from kenpin.station.sinks.kinds.mqtt import MqttOptions, MqttSink
from kenpin.station.sinks.message import message_of
from kenpin.station.store.sink_tables import SinkMarks
from tests.station.sinks.certificates import Certificates, made_certificates
from tests.station.sinks.ports import free_port
from tests.station.sinks.told_events import QUICK, MemoryEvents, file_store, place, told, until

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
pytestmark = pytest.mark.skipif(
    MOSQUITTO is None, reason="the broker mosquitto is not installed: apt install mosquitto"
)
pytest.importorskip("paho.mqtt", reason='the package paho-mqtt is not installed: pip install "kenpin[mqtt]"')


@contextmanager
def broker(folder: Path, port: int, *lines: str) -> Iterator[None]:
    """A broker with these lines in its settings, until the end of the block, where it is killed."""
    assert MOSQUITTO is not None
    settings = folder / f"mosquitto-{port}.conf"
    settings.write_text("\n".join([f"listener {port} 127.0.0.1", "user root", "persistence false", *lines]) + "\n")
    process = subprocess.Popen([MOSQUITTO, "-c", str(settings)], stderr=subprocess.PIPE)
    try:
        until(lambda: _answers(port) or process.poll() is not None)
        assert process.poll() is None, process.communicate()[1]
        yield
    finally:
        process.kill()
        process.communicate()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.2).close()
    except OSError:
        return False
    return True


@dataclass(frozen=True)
class Brokers:
    """A broker with an open entrance, and one with TLS and logins."""

    port: int
    tls_port: int
    folder: Path
    files: Certificates


@pytest.fixture(scope="session")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brokers]:
    folder = tmp_path_factory.mktemp("mosquitto")
    files = made_certificates(folder)
    (folder / "passwords").touch(0o600)
    subprocess.run(["mosquitto_passwd", "-b", str(folder / "passwords"), "kenpin", "pass:word"], check=True)
    (folder / "rights").write_text("user kenpin\ntopic write kenpin/#\n")
    tls_lines = (
        f"certfile {files.server}", f"keyfile {files.key}", "allow_anonymous false",
        f"password_file {folder / 'passwords'}", f"acl_file {folder / 'rights'}",
    )  # fmt: skip
    port, tls_port = free_port(), free_port()
    with broker(folder, port, "allow_anonymous true"), broker(folder, tls_port, *tls_lines):
        yield Brokers(port, tls_port, folder, files)


class Subscriber:
    """Everything that a broker hands out: topic, payload, whether it was kept."""

    def __init__(self, port: int) -> None:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        self.got: list[tuple[str, bytes, bool]] = []
        self._ready = False
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self._client.on_subscribe = self._subscribed
        self._client.on_message = lambda _, __, message: self.got.append(
            (message.topic, bytes(message.payload), message.retain)
        )
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        until(lambda: self._ready)

    def _subscribed(self, *_: object) -> None:
        self._ready = True

    def at(self, topic: str) -> list[bytes]:
        return [payload for one, payload, _ in self.got if one == topic]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def opened(port: int, folder: Path = Path(), name: str = "plant", **options: Any) -> MqttSink:
    return mqtt.open(MqttOptions(host="127.0.0.1", port=port, timeout_s=5, **options), place(folder, name))


@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_an_event_is_published_and_kept_for_who_comes_later(brokers: Brokers, version: str) -> None:
    topic = f"v{version}/{{product}}/{{kind}}"
    with closing(opened(brokers.port, mqtt=version, topic=topic)) as sink:
        sink.send(told(1))
        sink.send(told(2, "不良"))
    with closing(Subscriber(brokers.port)) as late:
        until(lambda: late.at(f"v{version}/valve/judged"))
        assert [json.loads(one) for one in late.at(f"v{version}/valve/judged")] == [
            message_of(told(2, "不良"), "node-1")
        ]
        assert next(kept for one, _, kept in late.got if one == f"v{version}/valve/judged")


def test_not_kept_where_that_is_not_wanted(brokers: Brokers) -> None:
    with closing(Subscriber(brokers.port)) as present:
        with closing(opened(brokers.port, topic="passing", retain=False)) as sink:
            sink.send(told(1))
            until(lambda: present.at("passing"))
        with closing(Subscriber(brokers.port)) as late:
            until(lambda: late.at("kenpin/node-1/state"))
            assert late.at("passing") == []


def test_birth_goodbye_last_will_and_birth_again(brokers: Brokers) -> None:
    with closing(Subscriber(brokers.port)) as present:
        topic = "here/node-1"
        sink = opened(brokers.port, state_topic="here/{node}")
        until(lambda: present.at(topic) == [b"online"])
        connection: Any = sink._client.socket()
        connection.shutdown(socket.SHUT_RDWR)  # the cable is pulled
        # it comes back although there is nothing to send
        until(lambda: present.at(topic) == [b"online", b"offline", b"online"])
        sink.send(told(1))
        sink.close()
        until(lambda: present.at(topic) == [b"online", b"offline", b"online", b"offline"])


def test_what_has_a_meaning_in_topics_has_none_in_names(brokers: Brokers) -> None:
    with closing(Subscriber(brokers.port)) as present, closing(opened(brokers.port, topic="odd/{lot}/{id}")) as sink:
        sink.send(told(1, "a/b+#%\n", lot="$SYS"))
        sink.send(told(2, "", lot=None))
        until(lambda: len([one for one in present.got if one[0].startswith("odd/")]) == 2)
        assert [one[0] for one in present.got if one[0].startswith("odd/")] == [
            "odd/%24SYS/a%2Fb%2B%23%25%0A",
            "odd/none/none",
        ]


def test_tls_and_login(brokers: Brokers, tmp_path: Path) -> None:
    (tmp_path / "login").write_text("kenpin:pass:word\n")
    secure: dict[str, Any] = {"tls": True, "ca_file": brokers.files.authority}
    with closing(opened(brokers.tls_port, tmp_path, login_file=Path("login"), **secure)) as sink:
        sink.send(told(1))
    with pytest.raises(SinkAwayError, match=r"certificate is not trusted.*`ca_file`"):
        opened(brokers.tls_port, tmp_path, login_file=Path("login"), tls=True)
    with pytest.raises(SinkAwayError, match=r"refuses the connection.*`login_file`"):
        opened(brokers.tls_port, tmp_path, **secure)
    (tmp_path / "login").write_text("kenpin:wrong\n")
    with pytest.raises(SinkAwayError, match=r"refuses the connection") as away:
        opened(brokers.tls_port, tmp_path, login_file=Path("login"), **secure)
    assert "wrong" not in str(away.value)
    (tmp_path / "login").write_text("kenpin\n")
    with pytest.raises(OptionError, match="not one line of the form user:password"):
        opened(brokers.tls_port, tmp_path, login_file=Path("login"), **secure)


def test_a_topic_without_the_right_to_write_is_told(brokers: Brokers, tmp_path: Path) -> None:
    (tmp_path / "login").write_text("kenpin:pass:word")
    options: dict[str, Any] = {"tls": True, "ca_file": brokers.files.authority, "login_file": Path("login")}
    why = r"refuses messages to other/part: Not authorized"
    sink = opened(brokers.tls_port, tmp_path, topic="other/{id}", **options)
    with closing(sink), pytest.raises(SinkAwayError, match=why):
        sink.send(told(1))
    with pytest.raises(SinkAwayError, match="refuses messages to other/state"):
        opened(brokers.tls_port, tmp_path, state_topic="other/state", **options)


@pytest.mark.parametrize(
    ("limit", "why"),
    [("max_packet_size", "takes 3,000 bytes at most"), ("message_size_limit", "breaks off on the message")],
)
def test_a_message_that_the_broker_finds_too_large_is_refused_and_the_next_one_passes(
    tmp_path: Path, limit: str, why: str
) -> None:
    port = free_port()
    with broker(tmp_path, port, "allow_anonymous true", f"{limit} 3000"):
        # with the second limit this broker breaks off the connection, each time that it is sent the message
        sink = mqtt.open(MqttOptions(host="127.0.0.1", port=port, timeout_s=2), place())
        with closing(sink), pytest.raises(MessageRefusedError, match=why):
            sink.send(told(1, reasons=("x" * 5000,)))
        with closing(opened(port)) as sink:
            sink.send(told(2))


def test_a_topic_that_is_too_long_is_refused(brokers: Brokers) -> None:
    with closing(opened(brokers.port, topic="{id}")) as sink:
        with pytest.raises(MessageRefusedError, match="more than 65,535 bytes"):
            sink.send(told(1, "x" * 70_000))
        sink.send(told(2))


def test_one_that_is_not_there_or_does_not_answer_is_told(tmp_path: Path) -> None:
    with pytest.raises(SinkAwayError, match="Connection refused"):
        opened(free_port())
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        began_s = time.monotonic()
        with pytest.raises(SinkAwayError, match=r"does not answer within 0.2 s"):
            mqtt.open(MqttOptions(host="127.0.0.1", port=silent.getsockname()[1], timeout_s=0.2), place())
        assert time.monotonic() - began_s < 2


def test_five_hundred_events_reach_a_broker_that_is_killed_twice(tmp_path: Path) -> None:
    engine, events, port = file_store(tmp_path), MemoryEvents(), free_port()
    options = MqttOptions(host="127.0.0.1", port=port, topic="p/{id}", timeout_s=2, **QUICK)
    marks = SinkMarks(engine, "plant", "node-1")
    delivery = Delivery("mqtt", mqtt, options, place(), events, marks)  # type: ignore[arg-type]
    got: list[tuple[str, int]] = []

    def feed(until_position: int) -> None:
        for position in range(events.last() + 1, until_position + 1):
            events.add(told(position, f"part-{position % 40}"))
        delivery.wake()

    def listening(then: Callable[[], None]) -> None:
        with broker(tmp_path, port, "allow_anonymous true"), closing(Subscriber(port)) as listener:
            then()
            until(lambda: delivery.state.waiting == 0 or not feeding)
            time.sleep(0.05)
            got.extend(
                (json.loads(one)["id"], json.loads(one)["position"]) for at, one, _ in listener.got if at[:2] == "p/"
            )

    feeding = True
    delivery.start()
    listening(lambda: feed(150))
    feed(300)
    until(lambda: delivery.state.standing == "away")
    listening(lambda: feed(350))
    feed(500)
    listening(lambda: None)
    state = delivery.state
    delivery.close()
    engine.dispose()
    assert (state.waiting, state.aside) == (0, 0)
    assert {position for _, position in got} == set(range(1, 501))
    last: dict[str, int] = {}
    for part, position in got:
        assert position >= last.get(part, 0)
        last[part] = position

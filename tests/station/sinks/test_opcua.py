"""OPC UA, against asyncua's own server, with nodes of each type and a controller's program in it."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import threading
from collections.abc import Coroutine, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kenpin.errors import OptionError
from kenpin.station.sinks.contract import MessageRefusedError, SinkAwayError
from kenpin.station.sinks.delivery import Delivery
from kenpin.station.sinks.kinds import opcua
from kenpin.station.sinks.kinds.opcua import OpcUaOptions, OpcUaSink
from kenpin.station.sinks.message import message_of
from kenpin.station.store.sink_tables import SinkMarks
from tests.station.sinks.ports import free_port
from tests.station.sinks.told_events import QUICK, MemoryEvents, memory_store, place, told, until

pytest.importorskip("asyncua", reason='the package asyncua is not installed: pip install "kenpin[opcua]"')

TYPES = {
    "Verdict": "Byte", "Word": "String", "Passed": "Boolean", "Class": "UInt16", "Sequence": "UInt16", "Long": "UInt32",
    "Id": "String", "Score": "Float", "Event": "Int16", "At": "DateTime", "Json": "String", "Lot": "LocalizedText",
    "Reasons": "ByteString", "Version": "Double", "Request": "Boolean", "Acknowledge": "Boolean",
    "RequestWord": "UInt16", "AcknowledgeWord": "UInt16",
}  # fmt: skip


@dataclass
class Plant:
    """A server with nodes of these names, and what its program read."""

    port: int
    loop: asyncio.AbstractEventLoop
    folder: Path
    """With its certificate and key."""
    nodes: dict[str, Any] = field(default_factory=dict)
    read: list[int] = field(default_factory=list)
    server: Any = None
    suffix: str = ""
    """Of the nodes by which the program shakes hands."""
    is_running: bool = False

    @property
    def url(self) -> str:
        return f"opc.tcp://127.0.0.1:{self.port}"

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)  # a busy machine is no fault

    def value(self, name: str) -> Any:
        return self.do(self.nodes[name].read_value())

    @contextmanager
    def away(self) -> Iterator[None]:
        """Nobody listens, and who was connected is cut off."""
        self.do(self.server.bserver.stop())
        try:
            yield
        finally:
            self.do(self.server.bserver.start())

    async def work(self) -> None:
        """The controller's program."""
        while True:
            await asyncio.sleep(0.002)
            if not self.is_running:
                continue
            request, acknowledge = (self.nodes[f"{one}{self.suffix}"] for one in ("Request", "Acknowledge"))
            requested = await request.read_value()
            if bool(requested) is bool(await acknowledge.read_value()):
                continue
            if requested:
                self.read.append(await self.nodes["Long"].read_value())
            await acknowledge.write_value(requested, await acknowledge.read_data_type_as_variant_type())


class Logins:
    """Who may come in: nobody in particular, and kenpin by its password."""

    def get_user(self, iserver: Any, username: str | None = None, password: Any = None, certificate: Any = None) -> Any:
        from asyncua.crypto.permission_rules import User, UserRole

        return User(UserRole.User) if (username, password) in ((None, None), ("kenpin", "pass:word")) else None


async def made_certificate(folder: Path, name: str, uri: str) -> Path:
    """A certificate of its own, `NAME.der`, with its key `NAME.pem`."""
    from asyncua.crypto.cert_gen import setup_self_signed_certificate
    from cryptography.x509.oid import ExtendedKeyUsageOID

    file = folder / f"{name}.der"
    uses = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    await setup_self_signed_certificate(folder / f"{name}.pem", file, uri, "127.0.0.1", uses, {"commonName": name})
    return file


@contextmanager
def serving(folder: Path) -> Iterator[Plant]:
    from asyncua import Server, ua

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    plant = Plant(free_port(), loop, folder)

    async def start() -> Any:
        server = Server(user_manager=Logins())
        await server.init()
        server.set_endpoint(plant.url)
        server.set_security_policy(
            [ua.SecurityPolicyType.NoSecurity, ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt]
        )
        await server.load_certificate(str(await made_certificate(plant.folder, "server", "urn:test:server")))
        await server.load_private_key(str(plant.folder / "server.pem"))
        index = await server.register_namespace("plant")
        for name, kind in TYPES.items():
            start_values = {"String": "", "DateTime": datetime(2026, 1, 1), "ByteString": b"", "Boolean": False}
            value = ua.LocalizedText("") if kind == "LocalizedText" else start_values.get(kind, 0)
            node = await server.nodes.objects.add_variable(
                ua.NodeId(name, index), f"{index}:{name}", value, ua.VariantType[kind]
            )
            await node.set_writable()
            plant.nodes[name] = node
        locked = await server.nodes.objects.add_variable(ua.NodeId("Locked", index), f"{index}:Locked", "")
        plant.nodes["Locked"] = locked
        await server.start()
        return server

    async def rest() -> None:
        await plant.server.stop()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    plant.server = plant.do(start())
    program = asyncio.run_coroutine_threadsafe(plant.work(), loop)
    try:
        yield plant
    finally:
        program.cancel()
        with suppress(Exception):
            plant.do(rest())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture(scope="module", autouse=True)
def _quiet() -> None:
    """The server's log of what it does is long."""
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    with serving(tmp_path_factory.mktemp("opcua")) as one:
        yield one


def opened(url: str, nodes: dict[str, str], folder: Path = Path(), **options: Any) -> OpcUaSink:
    given = {name: f"ns=2;s={node}" for name, node in nodes.items()}
    named: dict[str, Any] = {
        name: f"ns=2;s={options.pop(name)}" for name in ("request", "acknowledge") if name in options
    }
    values: dict[str, Any] = {"classes": {"scratch": 7}, "timeout_s": 4, **named, **options}
    return opcua.open(OpcUaOptions(url=url, nodes=given, **values), place(folder))


def test_each_value_is_written_as_its_node_holds_it(plant: Plant) -> None:
    nodes: dict[str, str] = {
        "verdict": "Verdict", "label": "Class", "sequence": "Sequence", "id": "Id", "score": "Score", "event": "Event",
        "judged_at": "At", "json": "Json", "lot": "Lot", "reasons": "Reasons", "version": "Version",
    }  # fmt: skip
    with closing(opened(plant.url, nodes)) as sink:
        one = told(65_537, "不良", reasons=("a", "b"))
        sink.send(one)
        got: dict[str, Any] = {name: plant.value(name) for name in nodes.values()}
        assert json.loads(got.pop("Json")) == message_of(one, "node-1")
        assert got.pop("At").replace(tzinfo=UTC) == datetime.fromisoformat(one.judged_at)
        assert got.pop("Lot").Text == "L7"
        assert got == {
            "Verdict": 2, "Class": 7, "Sequence": 1, "Id": "不良", "Score": 0.75, "Event": 1, "Reasons": b"a\nb",
            "Version": 3.0,
        }  # fmt: skip
        sink.send(told(2, None, "switched"))
        assert (plant.value("Verdict"), plant.value("Class"), plant.value("Id")) == (0, 0, "")
        assert math.isnan(plant.value("Score"))
    with closing(opened(plant.url, {"verdict": "Word", "label": "Id", "sequence": "Long"})) as sink:
        sink.send(told(70_000))
        assert [plant.value(name) for name in ("Word", "Id", "Long")] == ["FAIL", "scratch", 70_000]
    with closing(opened(plant.url, {"verdict": "Passed"})) as sink:
        for verdict, passed in (("PASS", True), ("REVIEW", False)):
            sink.send(told(1, verdict=verdict))
            assert plant.value("Passed") is passed


@pytest.mark.parametrize("suffix", ["", "Word"])
def test_a_controller_acknowledges_each_event(plant: Plant, suffix: str) -> None:
    plant.read, plant.suffix, plant.is_running = [], suffix, True
    handshake: dict[str, Any] = {"request": f"Request{suffix}", "acknowledge": f"Acknowledge{suffix}"}
    with closing(opened(plant.url, {"sequence": "Long"}, **handshake)) as sink:
        for position in range(1, 6):
            sink.send(told(position))
        assert plant.read == [1, 2, 3, 4, 5]
        plant.is_running = False
        sink._options = sink._options.model_copy(update={"acknowledge_s": 0.05})
        with pytest.raises(SinkAwayError, match="it does not"):
            sink.send(told(6))


@pytest.mark.parametrize(
    ("nodes", "sentence"),
    [
        ({"verdict": "Score"}, "is of type Float, which cannot hold `verdict`; it needs SByte"),
        ({"id": "Verdict"}, "is of type Byte, which cannot hold `id`; it needs String"),
    ],
)
def test_a_node_of_a_type_that_does_not_fit_is_refused(plant: Plant, nodes: dict[str, str], sentence: str) -> None:
    with pytest.raises(OptionError) as refused:
        opened(plant.url, nodes)
    assert sentence in str(refused.value)


def test_a_node_that_is_not_there_or_may_not_be_written_is_told(plant: Plant) -> None:
    with pytest.raises(SinkAwayError, match=r"node ns=2;s=None: BadNodeIdUnknown"):
        opened(plant.url, {"id": "None"})
    with closing(opened(plant.url, {"id": "Locked"})) as sink, pytest.raises(SinkAwayError, match=r"Locked: Bad\w+"):
        sink.send(told(1))
    with pytest.raises(OptionError, match="is not the id of a node"):
        opcua.open(OpcUaOptions(url=plant.url, nodes={"id": "Verdict"}), place())


def test_a_value_that_the_server_cannot_hold_is_refused(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    from asyncua.ua import StatusCodes
    from asyncua.ua.uatypes import StatusCode

    with closing(opened(plant.url, {"id": "Id"})) as sink:

        async def out_of_range(*_: object) -> list[StatusCode]:
            return [StatusCode(StatusCodes.BadOutOfRange)]

        monkeypatch.setattr(sink._client, "write_values", out_of_range)
        with pytest.raises(MessageRefusedError, match=r"s=Id: BadOutOfRange"):
            sink.send(told(1))


def test_one_that_is_not_there_is_told_and_no_thread_stays(plant: Plant) -> None:
    before = threading.active_count()
    with plant.away(), pytest.raises(SinkAwayError, match="the server was not told"):
        opened(plant.url, {"id": "Id"}, timeout_s=1)
    assert threading.active_count() == before


def test_a_signed_and_encrypted_connection_trusts_one_server(plant: Plant, tmp_path: Path) -> None:
    for name in ("own", "other"):
        plant.do(made_certificate(tmp_path, name, "urn:plant:kenpin"))
    secure: dict[str, Any] = {
        "security": "Basic256Sha256", "certificate_file": "own.der", "key_file": "own.pem",
        "server_certificate_file": plant.folder / "server.der",
    }  # fmt: skip
    (tmp_path / "login").write_text("kenpin:pass:word")
    with closing(opened(plant.url, {"id": "Id"}, tmp_path, login_file="login", **secure)) as sink:
        sink.send(told(1, "secret"))
        assert plant.value("Id") == "secret"
        assert sink._client.application_uri == "urn:plant:kenpin"
    with pytest.raises(SinkAwayError):
        opened(plant.url, {"id": "Id"}, tmp_path, **(secure | {"server_certificate_file": "other.der", "timeout_s": 1}))
    (tmp_path / "broken.der").write_bytes(b"no certificate")
    for wrong in ({"certificate_file": "broken.der"}, {"certificate_file": "none.der"}, {"key_file": "own.der"}):
        with pytest.raises(OptionError, match="cannot be read as certificates and key"):
            opened(plant.url, {"id": "Id"}, tmp_path, **(secure | wrong))


def test_a_wrong_login_is_told_without_it(plant: Plant, tmp_path: Path) -> None:
    (tmp_path / "login").write_text("kenpin:wrong")
    with pytest.raises(SinkAwayError, match="Bad") as away:
        opened(plant.url, {"id": "Id"}, tmp_path, login_file="login")
    assert "wrong" not in str(away.value)
    with pytest.raises(OptionError, match="the login of the server cannot be read"):
        opened(plant.url, {"id": "Id"}, tmp_path, login_file=Path("none"))


def test_a_server_that_is_dead_for_a_while_is_told_all_in_order(plant: Plant) -> None:
    engine = memory_store()
    events = MemoryEvents([told(position, f"part-{position % 10}") for position in range(1, 41)])
    handshake = {"request": "ns=2;s=Request", "acknowledge": "ns=2;s=Acknowledge"}
    nodes = {"sequence": "ns=2;s=Long"}
    options = OpcUaOptions(url=plant.url, nodes=nodes, timeout_s=1, acknowledge_s=1, **handshake, **QUICK)
    marks = SinkMarks(engine, "plc", "node-1")
    delivery = Delivery("opcua", opcua, options, place(), events, marks)  # type: ignore[arg-type]
    plant.read, plant.suffix, plant.is_running = [], "", True
    delivery.start()
    until(lambda: len(plant.read) > 10)
    with plant.away():
        until(lambda: delivery.state.standing == "away")
    until(lambda: delivery.state.waiting == 0)
    delivery.close()
    engine.dispose()
    read = plant.read[plant.read.index(1) :]  # what the test before wrote may arrive late
    assert set(read) == set(range(1, 41))
    assert read == sorted(read)

"""Modbus/TCP, against pymodbus's own server and a second client that does what a controller does."""

from __future__ import annotations

import asyncio
import math
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from kenpin.station.sinks.contract import SinkAwayError
from kenpin.station.sinks.delivery import Delivery
from kenpin.station.sinks.kinds import modbus
from kenpin.station.sinks.kinds.modbus import ModbusOptions, ModbusSink, coils_of, registers_of
from kenpin.station.store.sink_tables import SinkMarks
from tests.station.sinks.told_events import QUICK, MemoryEvents, memory_store, place, told, until

pytest.importorskip("pymodbus", reason='the package pymodbus is not installed: pip install "kenpin[modbus]"')


@contextmanager
def serving(port: int = 0) -> Iterator[int]:
    """A server with 100 coils and 100 registers, and its port."""
    from pymodbus.server import ModbusTcpServer
    from pymodbus.simulator import DataType, SimData, SimDevice

    coils = [SimData(0, count=100, values=False, datatype=DataType.BITS)]
    registers = [SimData(0, count=100, values=0, datatype=DataType.REGISTERS)]
    unused = [SimData(0, count=1, values=0, datatype=DataType.REGISTERS)]
    bits = [SimData(0, count=16, values=False, datatype=DataType.BITS)]
    device = SimDevice(1, simdata=(coils, bits, registers, unused))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start() -> Any:
        server = ModbusTcpServer(device, address=("127.0.0.1", port))
        await server.serve_forever(background=True)
        return server

    async def rest() -> None:
        await server.shutdown()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    server = asyncio.run_coroutine_threadsafe(start(), loop).result(5)
    try:
        yield server.transport.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(rest(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving() as one:
        yield one


def _client(port: int) -> Any:
    from pymodbus.client import ModbusTcpClient

    client = ModbusTcpClient("127.0.0.1", port=port, timeout=2)
    assert client.connect()
    return client


@dataclass
class Plc:
    """A controller's program: reads a part when it is requested, and acknowledges it."""

    port: int
    table: str
    address: int
    acknowledge: int
    read: list[list[Any]] = field(default_factory=list)
    stands_still: bool = False

    @contextmanager
    def running(self) -> Iterator[Plc]:
        over = threading.Event()
        thread = threading.Thread(target=self._run, args=(over,))
        thread.start()
        try:
            yield self
        finally:
            over.set()
            thread.join()

    def _run(self, over: threading.Event) -> None:
        with closing(_client(self.port)) as client:
            while not over.is_set():
                if not self.stands_still:
                    self._scan(client)
                time.sleep(0.001)

    def _scan(self, client: Any) -> None:
        is_coils = self.table == "coils"
        count = 28 if is_coils else 8
        if is_coils:
            values = client.read_coils(self.address, count=count).bits[:count]
            acknowledged = client.read_coils(self.acknowledge, count=1).bits[0]
        else:
            values = client.read_holding_registers(self.address, count=count).registers
            acknowledged = bool(client.read_holding_registers(self.acknowledge, count=1).registers[0])
        if bool(values[0]) is acknowledged:
            return
        if values[0]:
            self.read.append(values[1:])
        if is_coils:
            client.write_coil(self.acknowledge, bool(values[0]))
        else:
            client.write_register(self.acknowledge, int(values[0]))


def opened(port: int, **options: Any) -> ModbusSink:
    values = {"classes": {"scratch": 7}, "timeout_s": 2, "acknowledge_s": 2} | options
    return modbus.open(ModbusOptions(host="127.0.0.1", port=port, **values), place())


def _read(registers: list[int]) -> tuple[int, int, int, float, int]:
    """As a controller takes the registers apart: verdict, class, sequence number, score, event."""
    data = struct.pack(">7H", *registers)
    return struct.unpack(">HHIfH", data)


def test_a_controller_reads_each_event_once_from_its_registers(port: int) -> None:
    events = [
        told(70_000),
        told(70_001, "b", "reviewed", verdict="PASS", label=None, score=None),
        told(70_002, None, "switched"),
    ]
    plc = Plc(port, "registers", 10, 18)
    with plc.running(), closing(opened(port, address=10)) as sink:
        for one in events:
            sink.send(one)
    first, second, third = map(_read, plc.read)
    assert first == (2, 7, 70_000, 0.75, 1)
    assert second[:3] + second[4:] == (1, 0, 70_001, 2)
    assert math.isnan(second[3])
    assert third[:3] + third[4:] == (0, 0, 70_002, 3)


def test_a_controller_reads_each_event_once_from_its_coils(port: int) -> None:
    plc = Plc(port, "coils", 20, 60)
    with plc.running(), closing(opened(port, table="coils", address=20, acknowledge=60)) as sink:
        sink.send(told(65_537, label="void"))
        sink.send(told(65_538, verdict="REVIEW"))
    (first, second) = plc.read
    assert (first[:3], _number(first[3:11]), _number(first[11:27])) == ([False, True, False], 255, 1)
    assert (second[:3], _number(second[3:11]), _number(second[11:27])) == ([False, False, True], 7, 2)


def _number(bits: list[bool]) -> int:
    return sum(bit << at for at, bit in enumerate(bits))


def test_without_a_handshake_writing_confirms(port: int) -> None:
    with closing(opened(port, address=40, handshake=False)) as sink:
        sink.send(told(5))
    with closing(_client(port)) as client:
        values = client.read_holding_registers(40, count=8).registers
    assert values[0] == 1
    assert _read(values[1:]) == (2, 7, 5, 0.75, 1)


def test_a_controller_that_does_not_acknowledge_is_away_and_is_told_again(port: int) -> None:
    plc = Plc(port, "registers", 50, 58, stands_still=True)
    with plc.running(), closing(opened(port, address=50, acknowledge_s=0.05)) as sink:
        with pytest.raises(SinkAwayError, match="does not acknowledge the part"):
            sink.send(told(1))
        plc.stands_still = False
        sink._options = sink._options.model_copy(update={"acknowledge_s": 2.0})
        sink.send(told(1))
    assert {_read(one)[2] for one in plc.read} == {1}


def test_what_the_controller_refuses_is_told_with_the_address(port: int) -> None:
    why = r"it has no such address, at address 96 of the registers"
    with closing(opened(port, address=95)) as sink, pytest.raises(SinkAwayError, match=why):
        sink._write(told(1))
    with pytest.raises(SinkAwayError, match=f"127.0.0.1:{port}: the controller was not told"):
        opened(port, unit=9, timeout_s=0.3)


def test_one_that_is_not_there_is_told() -> None:
    with serving() as port:
        pass
    with pytest.raises(SinkAwayError, match=f"127.0.0.1:{port}: the controller was not told"):
        opened(port)


def test_a_controller_that_is_dead_for_a_while_is_told_all_in_order() -> None:
    engine = memory_store()
    events = MemoryEvents([told(position, f"part-{position % 10}") for position in range(1, 41)])
    seen: list[int] = []
    with serving() as port:
        options = ModbusOptions(host="127.0.0.1", port=port, timeout_s=1, acknowledge_s=1, **QUICK)
        marks = SinkMarks(engine, "plc", "node-1")
        delivery = Delivery("modbus", modbus, options, place(), events, marks)  # type: ignore[arg-type]
        plc = Plc(port, "registers", 0, 8)
        with plc.running():
            delivery.start()
            until(lambda: len(plc.read) > 10)
        seen += [_read(one)[2] for one in plc.read]
    until(lambda: delivery.state.standing == "away")
    with serving(port):
        plc = Plc(port, "registers", 0, 8)
        with plc.running():
            until(lambda: delivery.state.waiting == 0)
        seen += [_read(one)[2] for one in plc.read]
        delivery.close()
    engine.dispose()
    assert set(seen) == set(range(1, 41))
    assert seen == sorted(seen)


def test_scores_beyond_single_precision_are_infinite() -> None:
    assert _read(registers_of(told(1, score=1e300), 0))[3] == math.inf
    assert _read(registers_of(told(1, score=-1e300), 0))[3] == -math.inf
    assert _read(registers_of(told(2**32 + 5), 0))[2] == 5
    assert len(coils_of(told(1), 0)) == 27

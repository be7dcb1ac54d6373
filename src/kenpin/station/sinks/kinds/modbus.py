"""Modbus/TCP: verdict, class and sequence number in a controller's registers or coils, and its acknowledgement.

The values begin at `address`. As holding registers, of 16 bits each, numbers of more with their high word first:

| register | holds |
|---|---|
| 0 | request: 1 when the values below are complete |
| 1 | verdict: 1 PASS, 2 FAIL, 3 REVIEW, 0 none |
| 2 | class, by `classes`; 0 none |
| 3, 4 | sequence number, 32 bits: another for each event, the same when it is told again |
| 5, 6 | score, 32-bit floating point; not a number where there is none |
| 7 | event: 1 judged, 2 reviewed, 3 switched to another version |
| 8 | acknowledgement, written by the controller |

As coils: 0 request, 1 PASS, 2 FAIL, 3 REVIEW, 4 to 11 class, 12 to 27 sequence number, the lowest bit first;
28 acknowledgement.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from kenpin.errors import MissingExtraError, first_line
from kenpin.installing import installing
from kenpin.station.sinks.contract import SinkAwayError, SinkOptions, SinkPlace
from kenpin.station.sinks.handshake import EVENT_CODES, VERDICT_CODES, begin, class_code, hand_over
from kenpin.station.told import Told

if TYPE_CHECKING:
    from pymodbus.client import ModbusTcpClient

SUMMARY = "a controller by Modbus/TCP"
NEEDS = 'A controller that lets registers or coils be written, and the package pymodbus: pip install "kenpin[modbus]".'

_REQUEST = 0
_ACKNOWLEDGED = {"registers": 8, "coils": 28}
_CLASS_BITS, _SEQUENCE_BITS = 8, 16  # of the coils
_LAST_ADDRESS = 0xFFFF


class ModbusOptions(SinkOptions):
    """What a controller takes by Modbus/TCP."""

    host: str = Field(min_length=1, description="Name or address of the controller.")
    port: int = Field(502, gt=0, le=65535, description="Its port.")
    unit: int = Field(1, ge=0, le=255, description="Number of the unit behind that address.")
    table: Literal["registers", "coils"] = Field("registers", description="Where the values are written.")
    address: int = Field(0, ge=0, le=_LAST_ADDRESS, description="Address of the first one, counted from 0.")
    handshake: bool = Field(
        True, description="Whether the controller acknowledges each event; without it, writing alone confirms it."
    )
    acknowledge: int | None = Field(
        None, ge=0, le=_LAST_ADDRESS, description="Address of the acknowledgement; by default behind the values."
    )
    acknowledge_s: float = Field(10.0, gt=0, le=600, description="Seconds that the controller has to acknowledge.")
    classes: dict[str, Annotated[int, Field(ge=1, le=0xFFFF)]] = Field(
        default_factory=dict, description="Numbers of the classes by their labels, from 1."
    )
    other_class: int = Field(255, ge=1, le=0xFFFF, description="Number of a class that has none.")

    @model_validator(mode="after")
    def _fits(self) -> ModbusOptions:
        if self.address + _ACKNOWLEDGED[self.table] > _LAST_ADDRESS:
            raise ValueError(f"`address` {self.address} leaves no room for the values; choose a smaller one.")
        if self.table == "coils" and max(self.other_class, *self.classes.values(), 0) >= 1 << _CLASS_BITS:
            raise ValueError("`classes` holds a number above 255, which the coils cannot; give smaller ones.")
        return self


OPTIONS = ModbusOptions


def open(options: ModbusOptions, place: SinkPlace) -> ModbusSink:
    """Connect to the controller. Raises SinkAwayError, MissingExtraError."""
    return ModbusSink(options)


class ModbusSink:
    """A connection to a controller."""

    def __init__(self, options: ModbusOptions) -> None:
        try:
            from pymodbus.client import ModbusTcpClient
        except ImportError as error:
            raise MissingExtraError(f"Modbus needs the package pymodbus: {installing('modbus')}") from error
        self._options = options
        self._where = f"{options.host}:{options.port}"
        behind = options.address + _ACKNOWLEDGED[options.table]
        self._acknowledge = behind if options.acknowledge is None else options.acknowledge
        self._client: ModbusTcpClient = ModbusTcpClient(
            options.host, port=options.port, timeout=options.timeout_s, retries=0
        )
        if not self._client.connect():
            raise self._away("it cannot be reached")
        if options.handshake:
            try:
                begin(self)
            except SinkAwayError:
                self.close()
                raise

    def send(self, told: Told) -> None:
        """Write an event, and wait for the acknowledgement. Raises SinkAwayError."""
        if not self._options.handshake:
            self._write(told)
            self.set_request(True)
            return
        hand_over(self, lambda: self._write(told), timeout_s=self._options.acknowledge_s, late=self._away)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def set_request(self, value: bool) -> None:
        """Set or clear the request."""
        self._write_values(_REQUEST, [value] if self._options.table == "coils" else [int(value)])

    def is_acknowledged(self) -> bool:
        """Whether the controller's acknowledgement is set."""
        if self._options.table == "coils":
            answer = self._ask("read_coils", self._acknowledge, count=1)
            return bool(answer.bits[0])
        return bool(self._ask("read_holding_registers", self._acknowledge, count=1).registers[0])

    def _write(self, told: Told) -> None:
        code = class_code(told, self._options.classes, self._options.other_class)
        self._write_values(1, coils_of(told, code) if self._options.table == "coils" else registers_of(told, code))

    def _write_values(self, behind: int, values: list[int] | list[bool]) -> None:
        call = "write_coils" if self._options.table == "coils" else "write_registers"
        self._ask(call, self._options.address + behind, values)

    def _ask(self, call: str, *values: Any, **named: int) -> Any:
        from pymodbus.exceptions import ModbusException

        try:
            answer = getattr(self._client, call)(*values, device_id=self._options.unit, **named)
        except (ModbusException, OSError) as error:
            raise self._away(first_line(error)) from error
        if answer.isError():
            why = _REASONS.get(getattr(answer, "exception_code", 0), "it refuses")
            raise self._away(f"{why}, at address {values[0]} of the {self._options.table}")
        return answer

    def _away(self, why: str) -> SinkAwayError:
        return SinkAwayError(f"{self._where}: the controller was not told ({why}); it is tried again by itself.")


_REASONS = {
    1: "it does not know this function",
    2: "it has no such address",
    3: "it refuses the value",
    4: "it has failed",
    6: "it is busy",
    10: "there is no way to the unit",
    11: "the unit does not answer",
}
"""What the codes of exceptions mean.

# Modbus Application Protocol 1.1b3, section 7
"""


def registers_of(told: Told, code: int) -> list[int]:
    """The registers behind the request. code: of the class."""
    score = float("nan") if told.score is None else told.score
    verdict = 0 if told.verdict is None else VERDICT_CODES[told.verdict]
    data = struct.pack(">HHIfH", verdict, code, told.position & 0xFFFF_FFFF, _as_single(score), EVENT_CODES[told.kind])
    return [*struct.unpack(f">{len(data) // 2}H", data)]


def coils_of(told: Told, code: int) -> list[bool]:
    """The coils behind the request. code: of the class."""
    verdicts = [told.verdict == verdict for verdict in VERDICT_CODES]
    return [*verdicts, *_bits(code, _CLASS_BITS), *_bits(told.position, _SEQUENCE_BITS)]


def _bits(number: int, count: int) -> list[bool]:
    return [bool(number >> bit & 1) for bit in range(count)]


def _as_single(number: float) -> float:
    """The number as 32-bit floating point holds it: infinite beyond its largest."""
    try:
        return struct.unpack(">f", struct.pack(">f", number))[0]  # type: ignore[no-any-return]
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")

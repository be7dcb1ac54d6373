"""The service's socket: what it answers is sent at once."""

from __future__ import annotations

import asyncio
import socket

import pytest

from kenpin.errors import OptionError
from kenpin.station.service import listening_at


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_answers_wait_for_no_acknowledgement(host: str) -> None:
    """Where asyncio does not know that a socket is TCP's, each answer of two packets takes 40 ms longer."""

    async def accepted(listener: socket.socket) -> int:
        found = asyncio.get_running_loop().create_future()

        class Server(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                sent_at_once = transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                found.set_result(sent_at_once)
                transport.close()

        server = await asyncio.get_running_loop().create_server(Server, sock=listener)
        async with server:
            socket.create_connection(listener.getsockname()[:2]).close()
            return int(await found)

    try:
        with listening_at(host, 0) as listener:
            assert asyncio.run(accepted(listener)) != 0
    except OptionError:
        pytest.skip(f"this machine has no address {host}")


def test_a_port_in_use_is_told() -> None:
    with listening_at("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(OptionError, match="choose others by `--host`"), listening_at("127.0.0.1", port):
            pass

"""A station that is served to browsers by a thread, and a browser for it."""

from __future__ import annotations

import re
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from kenpin.station.running import Station
from kenpin.station.service import gate

CHROMIUM = shutil.which("chromium")
SWITCHES = (
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
)  # fmt: skip


@contextmanager
def served(station: Station) -> Iterator[str]:
    """The address of a station that answers until the end."""
    import uvicorn

    with socket.create_server(("127.0.0.1", 0)) as listener:
        app = gate(station, "127.0.0.1")
        config = uvicorn.Config(
            app, ws="none", lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(20)


@contextmanager
def opened_browser() -> Iterator[Any]:
    """Chromium; without it, or without playwright, the test is skipped."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as player:
        opened = player.chromium.launch(executable_path=CHROMIUM, args=[*SWITCHES])
        yield opened
        opened.close()


def sign_in(page: Any, base: str, name: str, password: str) -> None:
    """Sign a browser's page in."""
    page.goto(f"{base}/sign-in")
    page.fill("input[name=name]", name)
    page.fill("input[name=password]", password)
    page.click("form.form button.main")
    page.wait_for_url(re.compile("/line"))

"""Names of the hub without a network: a sentence within seconds, also where packets are swallowed."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kenpin.data.loading import load_dataset
from kenpin.data.roboflow import api
from kenpin.errors import DownloadError
from kenpin.models.bases import check_there
from kenpin.network import check_hub, why_silent


@pytest.fixture(autouse=True)
def _online(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "datasets"))


@pytest.fixture
def server() -> Iterator[str]:
    """The address of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture
def closed(server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of no server, which is that of the hub."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    monkeypatch.setenv("HF_ENDPOINT", url)
    return url


def test_a_server_answers_or_not(server: str, closed: str) -> None:
    assert why_silent(server) is None
    assert why_silent(closed) == "Connection refused"
    assert why_silent("https://no.such.host.invalid", 1.0)


def test_a_proxy_stands_for_the_server(server: str, closed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", server)
    assert why_silent("https://no.such.host.invalid", 1.0) is None
    monkeypatch.setenv("https_proxy", closed)
    assert why_silent("https://no.such.host.invalid", 1.0)


def test_a_network_that_swallows_everything_costs_no_more_than_the_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    def swallowed(*_: object) -> socket.socket:
        time.sleep(60)
        return socket.socket()  # the thread outlives this test

    monkeypatch.setattr(socket, "create_connection", swallowed)
    began_s = time.monotonic()
    assert why_silent("https://huggingface.co", 0.1) == "no answer in 0 seconds"
    assert time.monotonic() - began_s < 5


@pytest.mark.usefixtures("closed")
def test_an_id_that_is_not_there_is_told_at_once() -> None:
    with pytest.raises(
        DownloadError, match=r"nobody/nothing: there is no such file or folder, and http.* does not answer"
    ):
        load_dataset("nobody/nothing")
    with pytest.raises(DownloadError, match="nobody/nothing: there is no such"):
        check_there("nobody/nothing")


@pytest.mark.usefixtures("closed")
def test_what_was_downloaded_before_is_taken_with_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "hub" / "models--some--base").mkdir(parents=True)
    (tmp_path / "datasets" / "some___data").mkdir(parents=True)
    check_hub("some/base", "models")
    check_hub("Some/Data@main", "datasets")
    assert caplog.text.count("taking what was downloaded before") == 2


@pytest.mark.usefixtures("closed")
def test_offline_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    check_hub("nobody/nothing", "models")


def test_roboflow_that_does_not_answer_is_told_at_once(closed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(api.URL_VARIABLE, closed)
    monkeypatch.setenv(api.KEY_VARIABLE, "key")
    with pytest.raises(DownloadError, match=r"Roboflow does not answer \(Connection refused\)"):
        api.export_link(api.Reference("a", "b", 1), "coco", lambda *_: None)

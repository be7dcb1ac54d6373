"""What the tests of downloads share: Roboflow's stand-in, and a run of `kenpin convert` that watches for the key."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from kenpin.cli import main
from kenpin.data.roboflow import api
from tests.data.roboflow_stub import KEY, LINK_SECRET, Answer, Server, as_json, serving


@pytest.fixture
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder to work in, the key in the environment, no proxy, and no waiting."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv(api.KEY_VARIABLE, KEY)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(api, "_POLL_SECONDS", 0.01)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Starts servers."""
    with ExitStack() as running:
        yield lambda *answers: running.enter_context(serving(*answers))


@pytest.fixture
def offer(
    surroundings: None, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[Server, Server]]:
    """Starts the API with these answers before the one with the link, and the store with the archive."""

    def start(content: bytes | Answer, *before: Answer) -> tuple[Server, Server]:
        store = serve(content if isinstance(content, Answer) else Answer(content))
        link = {"export": {"format": "coco", "link": f"{store.url}/export.zip?key={LINK_SECRET}"}}
        server = serve(*before, as_json(link))
        monkeypatch.setenv(api.URL_VARIABLE, server.url)
        return server, store

    return start


@pytest.fixture
def convert(
    surroundings: None, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> Callable[..., tuple[str, BaseException | None]]:
    """Runs `kenpin convert` in its most talkative way; what it printed, and what it raised.

    Whatever happens, the key and the link's own secret show nowhere, and what fails leaves nothing behind.
    """

    def run(*words: object) -> tuple[str, BaseException | None]:
        caplog.set_level(logging.DEBUG)
        before = sorted(tmp_path.rglob("*"))
        raised: BaseException | None = None
        try:
            main(["convert", *(str(word) for word in words), "--debug"])
        except BaseException as error:  # noqa: BLE001 - an interruption, too
            raised = None if isinstance(error, SystemExit) and error.code == 0 else error
        if raised is not None:
            assert sorted(tmp_path.rglob("*")) == before
        out, err = capsys.readouterr()
        shown = [out, err, caplog.text, *(str(path) for path in tmp_path.rglob("*"))]
        if raised is not None:
            shown += traceback.format_exception(raised)
        link: BaseException | None = raised
        while link is not None:  # also causes that a traceback hides
            shown += [str(link), repr(link), repr(vars(link))]
            link = link.__cause__ or link.__context__
        files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
        for text in ("\n".join(shown).encode(), *files):
            assert KEY.encode() not in text
            assert LINK_SECRET.encode() not in text
        return out, raised

    return run

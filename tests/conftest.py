"""What every test shares: no network, a feature store of its own, and a small folder of labelled pictures."""

from __future__ import annotations

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before anything imports huggingface_hub, which reads it once

os.environ.setdefault("KENPIN_ENGINE", "torch")  # a toy is computed sooner than it is converted; engines have tests

import gc
import shutil
import sys
from collections.abc import Generator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from kenpin.cli import main
from tests.commands import Run
from tests.pictures import write_parts
from tests.signal_stacks import is_sound

if TYPE_CHECKING:
    from tests.toy_runs import ToyRun


settings.register_profile("thorough", deadline=None)  # a busy machine is no fault of the code
settings.register_profile("quick", settings.get_profile("thorough"), max_examples=50)  # others each time it is run
settings.load_profile("quick")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported and collected stays to the end: looking through it for garbage again and again finds none."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(20_000)  # a tenth of the time of pages goes into looking through what is new, else
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _own_feature_store(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Features from earlier sessions must not answer for the code under test, nor tests fill the user's folder."""
    os.environ["KENPIN_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_disks() -> Generator[None]:
    """What is written outlives a process that is killed, synced or not, and no test cuts the power: to wait for the
    disk takes longer than much of what is tested. What stands in refuses a descriptor that is none, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)
        yield


@pytest.fixture(autouse=True)
def _no_recent_features() -> None:
    """Nor those that another test computed in this process, perhaps with a network of another making."""
    recent = sys.modules.get("kenpin.models.networks.recent_features")
    if recent is not None:
        recent.RECENT.forget()


@pytest.fixture(autouse=True)
def _sound_signal_stack() -> Generator[None]:
    """A freed one ends the process without a word at the next signal, in a test that has nothing to do with it."""
    yield
    assert is_sound(), "a native library left a freed signal stack behind (see runtime/openvino.py, apart)"


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders `ok` and `scratch` of 60 grey parts each, 64 by 64 pixels. Read only: copy before changing."""
    return write_parts(tmp_path_factory.mktemp("data") / "parts")


@pytest.fixture(scope="session")
def few_parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders `ok` and `scratch` of 24 parts each: enough for a threshold. Read only: copy before changing."""
    return write_parts(tmp_path_factory.mktemp("data") / "parts", count=24)


@pytest.fixture(scope="session")
def toy_run(few_parts: Path, tmp_path_factory: pytest.TempPathFactory) -> ToyRun:
    """Gives a run on few parts in a folder of its own: trained once a session, and copied from then on."""
    from tests.toy_runs import trained  # loads torch, which not every test needs

    folder = tmp_path_factory.mktemp("toys")

    @cache
    def made(family: str, options: tuple[tuple[str, Any], ...]) -> Path:
        return trained(family, folder / f"{family} {options}", few_parts, **dict(options))

    def copied(family: str, out: Path, **options: Any) -> Path:
        return shutil.copytree(made(family, tuple(options.items())), out)

    return copied


@pytest.fixture
def kenpin(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in an empty folder; returns its exit status, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        assert isinstance(ended.value.code, int)
        return ended.value.code, out, err

    return run

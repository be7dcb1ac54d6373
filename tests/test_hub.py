"""Runs and packages pushed to a stand-in of the hub and loaded from it: by revision, whole, without what is local."""

from __future__ import annotations

import getpass
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kenpin
from kenpin.data.loading import load_dataset
from kenpin.errors import DownloadError, KenpinError, OptionError, RunError
from kenpin.export import export_package
from kenpin.finished_run import load_run
from kenpin.hub import Licences, fetch, push
from kenpin.hub.staging import _OF_PATHS, _each, _plain, _without_paths
from kenpin.predictor import load_predictor
from kenpin.run.record import read_record, record_hash, space_of
from kenpin.runtime import version_of
from tests.commands import Run
from tests.hub_server import Hub, running_hub
from tests.toy_runs import ToyRun, saved_base

ID = "plant-3/wells"
# the hub's library hands files to that for requests by a way that this one no longer likes
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """The stand-in, in place of the hub, with the token of one who may write."""
    with running_hub() as running:
        monkeypatch.delenv("HF_HUB_OFFLINE")
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        monkeypatch.setenv("HF_TOKEN", "hf_writer")
        monkeypatch.setenv("KENPIN_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", running.url)
        template = running.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no token"))
        yield running


@pytest.fixture
def run(toy_run: ToyRun, tmp_path: Path) -> Path:
    return toy_run("classifier", tmp_path / "runs" / "first", tuning="head")


def files_of(hub: Hub, id: str = ID, branch: str = "main") -> dict[str, bytes]:
    repository = hub.repositories[id]
    return repository.commits[repository.branches[branch]]


def test_what_was_pushed_judges_as_before_by_its_commit(hub: Hub, run: Path, few_parts: Path) -> None:
    pushed = push(run, ID)
    assert hub.repositories[ID].private
    assert pushed.commit == hub.repositories[ID].branches["main"]
    loaded = kenpin.load(ID)
    assert loaded.origin == pushed.name == f"{ID}@{pushed.commit}"
    pictures = load_dataset(few_parts)
    before = load_predictor(run)
    assert list(loaded.predict(pictures)) == list(before.predict(pictures))
    assert loaded.threshold == before.threshold
    assert loaded.lineage == before.lineage, "what it has learned from is known everywhere"
    assert space_of(read_record(fetch(ID).folder)) == space_of(read_record(run)), "its embeddings are the same"
    assert load_run(ID).evaluation.measures == load_run(run).evaluation.measures


def test_a_revision_is_pinned(hub: Hub, run: Path, toy_run: ToyRun, tmp_path: Path) -> None:
    first = push(run, ID)
    other = toy_run("classifier", tmp_path / "other", tuning="head", seed=5)
    second = push(other, ID, branch="trial")
    third = push(other, ID, message="another")
    assert len({first.commit, second.commit, third.commit}) == 3
    assert kenpin.load(ID, revision=first.commit).origin == first.name
    assert kenpin.load(f"{ID}@trial").origin == second.name
    assert kenpin.load(ID).origin == third.name
    asked = len(hub.asked)
    assert kenpin.load(first.name).origin == first.name
    assert len(hub.asked) == asked, "a commit never changes, so that nobody is asked about it again"
    with pytest.raises(DownloadError, match="has no revision v9; give one of its branches"):
        kenpin.load(ID, revision="v9")
    with pytest.raises(OptionError, match="is a folder, which has none"):
        kenpin.load(run, revision="main")


def test_what_is_kept_is_taken_where_the_hub_is_silent(
    hub: Hub, run: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pushed = push(run, ID)
    kenpin.load(ID)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    assert kenpin.load(ID).origin == pushed.name
    assert "does not answer; taking" in caplog.text
    with pytest.raises(DownloadError, match=r"plant-3/gone: there is no such folder, and http.* does not answer"):
        kenpin.load("plant-3/gone")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert kenpin.load(ID).origin == pushed.name
    with pytest.raises(RunError, match="plant-3/gone: no such run"):
        kenpin.load("plant-3/gone")
    with pytest.raises(DownloadError, match="HF_HUB_OFFLINE is set, and nothing is pushed"):
        push(run, ID)


@pytest.mark.skipif(version_of("openvino") is None, reason="the extra openvino is not installed")
def test_a_package_too(hub: Hub, run: Path, few_parts: Path, tmp_path: Path) -> None:
    package = export_package(run, tmp_path / "package", to="openvino")
    pushed = push(package, ID)
    loaded = kenpin.load(ID)
    assert loaded.origin == pushed.name
    pictures = load_dataset(few_parts)
    assert list(loaded.predict(pictures)) == list(load_predictor(package).predict(pictures))
    assert "made for openvino in fp32" in files_of(hub)["README.md"].decode()
    assert not any(name.endswith(("thumbnails.parquet", "maps.npz")) for name in files_of(hub))


def test_nothing_local_goes_along_and_pictures_only_where_asked(
    hub: Hub, toy_run: ToyRun, few_parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home" / "m.sato"
    home.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(getpass, "getuser", lambda: "m.sato")
    shutil.copytree(few_parts, home / "parts")
    run = toy_run("classifier", home / "runs" / "first", tuning="lora", epochs=1, data=str(home / "parts"))
    here = str(tmp_path).encode()
    assert any(here in file.read_bytes() for file in run.rglob("*") if file.is_file()), "there is something to take out"
    push(run, ID)
    files = files_of(hub)
    for name, data in files.items():
        assert here not in data, name
        assert b"m.sato" not in data, name
        assert b"hf_writer" not in data, name
    assert {"run.json", "lineage.npz", "evaluation.json", "README.md"} <= {*files}
    assert not {"thumbnails.parquet", "maps.npz", "report.html", "options.json", "begun.json"} & {*files}
    assert not [name for name in files if name.startswith(("checkpoints/", "evolution/")) or name.endswith(".webp")]
    push(run, ID, pictures=True)
    assert "thumbnails.parquet" in files_of(hub)
    push(run, ID)
    assert "thumbnails.parquet" not in files_of(hub), "each commit holds what was pushed by it alone"
    assert ".gitattributes" in files_of(hub)


def test_what_would_tell_of_this_machine_is_refused(hub: Hub, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = json.loads((run / "evaluation.json").read_text("utf-8"))
    values["judged"][0]["id"] = "/home/m.sato/pictures/a.png"
    (run / "evaluation.json").write_text(json.dumps(values), "utf-8")
    from kenpin.run.record import write_record
    from kenpin.run.seal import seal

    write_record(run, read_record(run).model_copy(update={"files": seal(run)}))
    with pytest.raises(OptionError, match=r"nothing was pushed, since evaluation\.json of it holds a home folder"):
        push(run, ID)
    assert hub.repositories == {}


def test_a_run_that_needs_this_machine_is_refused(hub: Hub, toy_run: ToyRun, tmp_path: Path) -> None:
    base = saved_base("classifier", tmp_path / "base")
    above = toy_run("classifier", tmp_path / "above", tuning="head", base=str(base))
    with pytest.raises(OptionError, match="lies on this machine; push a package of it"):
        push(above, ID)
    assert hub.repositories == {}


def test_so_is_one_whose_further_network_lies_here(hub: Hub, toy_run: ToyRun, tmp_path: Path) -> None:
    base = saved_base("classifier", tmp_path / "base")
    above = toy_run("classifier", tmp_path / "above", tuning="head", beside=f"{base}@48")
    with pytest.raises(OptionError, match=f"stands on {re.escape(str(base))}, which lies on this machine"):
        push(above, ID)
    assert hub.repositories == {}


def test_several_networks_have_each_their_licence(hub: Hub, toy_run: ToyRun, tmp_path: Path) -> None:
    above = toy_run("classifier", tmp_path / "above", tuning="head", beside="lite0")
    push(above, ID)
    text = files_of(hub)["README.md"].decode()
    assert "| base | `toy + lite0` | toy: none: random numbers; lite0: apache-2.0 |" in text


def test_a_changed_file_is_found_before_it_is_pushed_and_after_it_was_fetched(hub: Hub, run: Path) -> None:
    push(run, ID)
    folder = fetch(ID).folder
    (folder / "model" / "head.npz").write_bytes(b"another")
    with pytest.raises(RunError, match=r"head\.npz: is not the file that was trained"):
        kenpin.load(ID)
    (run / "lineage.npz").write_bytes(b"another")
    with pytest.raises(RunError, match=r"lineage\.npz: is not the file"):
        push(run, ID)


def test_only_files_that_the_record_names_are_fetched(hub: Hub, run: Path) -> None:
    push(run, ID)
    repository = hub.repositories[ID]
    repository.commit("main", files_of(hub) | {"model/evil.pkl": b"x", "setup.py": b"x"})
    names = {path.relative_to(fetch(ID).folder).as_posix() for path in fetch(ID).folder.rglob("*") if path.is_file()}
    assert names == {"run.json", *read_record(fetch(ID).folder).files}
    values = json.loads(files_of(hub)["run.json"])
    values["files"]["../outside"] = "0" * 32
    repository.commit("main", files_of(hub) | {"run.json": json.dumps(values).encode(), "../outside": b"x"})
    with pytest.raises(RunError, match="names no files, or files outside of its folder"):
        fetch(ID)


@pytest.mark.parametrize(
    ("token", "change", "told"),
    [
        (None, {"private": True}, "the hub has no such repository, or it is private; correct the id, or log in"),
        ("hf_wrong", {}, "the hub does not know your token; log in"),
        ("hf_reader", {"gated": True}, "is gated; ask for access on http"),
        ("hf_reader", None, "the hub has no such repository that your token may see"),
    ],
    ids=["private", "wrong token", "gated", "missing"],
)
def test_what_the_hub_refuses_is_one_sentence(
    token: str | None, change: dict[str, bool] | None, told: str, hub: Hub, run: Path, kenpin: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    push(run, ID, public=True)
    for name, value in (change or {}).items():
        setattr(hub.repositories[ID], name, value)
    if change is None:
        hub.repositories.clear()
    monkeypatch.setenv("HF_TOKEN", token) if token else monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(DownloadError, match=told) as caught:
        fetch(ID)
    assert re.fullmatch(rf"{ID}: [^\n]*\.", str(caught.value))
    status, _, error = kenpin("predict", ID, "a.png")
    assert (status, told in error, error.count("\n")) == (2, True, 1), error


def test_a_token_that_may_only_read_pushes_nothing(hub: Hub, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    push(run, ID)
    monkeypatch.setenv("HF_TOKEN", "hf_reader")
    with pytest.raises(DownloadError, match="your token may not do this; take one with the right to write"):
        push(run, ID)
    with pytest.raises(DownloadError, match="your token may not do this"):
        push(run, "plant-3/new")
    for wrong in ("wells", "a/b/c", f"{ID}@main"):
        with pytest.raises(OptionError, match="is no id of a repository"):
            push(run, wrong)
    with pytest.raises(KenpinError, match="is no id of a repository"):
        push(run, "plant-3/..")


def test_commands_take_names_of_the_hub_in_place_of_folders(
    hub: Hub, run: Path, few_parts: Path, kenpin: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, error = kenpin("push", str(run), ID, "--licence", "apache-2.0", "--data-licence", "cc-by-4.0")
    assert status == 0, error
    name = out.strip()
    assert name == f"{ID}@{hub.repositories[ID].branches['main']}"
    picture = str(few_parts / "ok" / "000.png")
    status, _, error = kenpin("predict", ID, picture, "--json", "said.json")
    assert status == 0, error
    assert json.loads(Path("said.json").read_text("utf-8"))["run"] == name, "which commit it was is recorded"
    for words in (
        ("evaluate", name, "--data", str(few_parts), "--with-seen"),
        ("report", name, "--out", "page.html", "--against", name),
        ("explain", name, picture, "--out", "map.png"),
        ("embed", name, str(few_parts), "vectors"),
    ):
        status, _, error = kenpin(*words)
        assert status == 0, (words, error)


def test_a_policy_names_a_commit(hub: Hub, run: Path, few_parts: Path, kenpin: Run, tmp_path: Path) -> None:
    pushed = push(run, ID)
    policy = tmp_path / "policy.yaml"
    policy.write_text(f"runs:\n  look: {{run: {ID}@main}}\n", "utf-8")
    words = ("inspect", str(policy), str(few_parts / "ok" / "000.png"), "--out", str(tmp_path / "records"))
    status, _, error = kenpin(*words)
    assert status == 2
    assert f"give {ID}@COMMIT" in error
    policy.write_text(f"runs:\n  look: {{run: {pushed.name}}}\n", "utf-8")
    status, _, error = kenpin(*words)
    assert status in (0, 3, 4), error


def test_the_card_says_what_was_found_and_what_was_not(hub: Hub, run: Path) -> None:
    from huggingface_hub import ModelCard

    push(run, ID, licences=Licences(own="apache-2.0", data="cc-by-4.0"))
    text = files_of(hub)["README.md"].decode()
    evaluation, record = load_run(run).evaluation, read_record(run)
    for name in ("accuracy", "auroc"):
        assert re.search(rf"\| .* \| {re.escape(_shown(name, evaluation))}", text), name
    threshold = load_run(run).threshold
    assert threshold is not None
    assert threshold.basis in text
    assert f"`{record_hash(record)}`" in text
    limits, noted = text.partition("## What it was not tested on")[2].split("## What was noted at the training")
    assert "The svm head was fitted" in noted.partition("## ")[0]
    assert "head was fitted" not in limits, "what it learned is no limit"
    assert text.count(threshold.basis) == 1
    assert "Other products, cameras, lenses, lights and lots were not" in text
    assert "| base | `toy` | none: random numbers |" in text
    assert "cc-by-4.0" in text
    about: Any = ModelCard(text).data
    front = about.to_dict()
    assert (front["license"], front["library_name"], front["pipeline_tag"]) == (
        "apache-2.0", "kenpin", "image-classification"
    )  # fmt: skip
    (result,) = front["model-index"]
    metrics = {metric["type"]: metric["value"] for metric in result["results"][0]["metrics"]}
    accuracy = evaluation.measures["accuracy"].value
    assert metrics["accuracy"] == pytest.approx(accuracy, abs=1e-4)
    push(run, ID)
    assert "| this repository |  | not stated |" in files_of(hub)["README.md"].decode()


def _shown(name: str, evaluation: Any) -> str:
    from kenpin.report.words import interval, value

    measure = evaluation.measures[name]
    return f"{value(name, measure.value)} | {interval(name, measure)}"


NAMES = st.text(st.characters(categories=["L", "N"], include_characters="-_"), min_size=1, max_size=8)


@given(st.lists(NAMES, min_size=2, max_size=5), st.sampled_from(["/", "~/", "C:\\", "\\\\server\\"]))
def test_paths_become_the_name_that_they_lead_to(parts: list[str], root: str) -> None:
    mark = "\\" if "\\" in root else "/"
    path = root + mark.join(parts)
    assert _plain(path) == parts[-1]
    said = _without_paths(f"Read {path}, then stopped.")
    assert said == f"Read {parts[-1]}, then stopped."
    values = {"data": path, "label": path, "inner": [{"name_or_path": path}]}
    assert _each(values, _plain, _OF_PATHS.search) == {
        "data": parts[-1], "label": path, "inner": [{"name_or_path": parts[-1]}]
    }  # fmt: skip


@given(st.lists(NAMES, min_size=1, max_size=3))
def test_other_names_stay(parts: list[str]) -> None:
    assert _plain("/".join(parts)) == "/".join(parts)
    for sentence in ("D²/k of 1/2", f"https://example.org/{'/'.join(parts)}", "km/h and a/b/c"):
        assert _without_paths(sentence) == sentence

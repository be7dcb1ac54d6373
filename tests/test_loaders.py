"""What strangers may have written is opened in few places, each of which refuses what others would run or wait for."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import kenpin

SOURCE = Path(kenpin.__file__).parent
ALLOWED = {
    # adapters: PEFT, whose configuration is checked there
    "from_pretrained": {"models/networks/pretrained.py", "models/networks/lora.py"},
    "from_config": set[str](),
    "get_config_dict": {"models/networks/pretrained.py"},
    "datasets.load_dataset": {"data/reading/library_tables.py"},
    "load_from_disk": {"data/reading/library_tables.py"},
    # the published weights of a package; what kenpin itself wrote while training
    "torch.load": {"models/networks/lite0.py", "training/state.py"},
    "load_file": {"models/networks/pretrained.py"},
    "safe_open": set[str](),
    # mapped files that workers of the same job wrote, numbers alone
    "np.load": {"models/networks/shared_features.py"},
    "read_array": {"arrays.py"},
    # what a training tells the processes that it starts, through a pipe, as multiprocessing does
    "pickle.": {"training/follower.py", "training/launching.py"},
    "Image.open": {"data/grey_range.py", "data/images.py"},
    "yaml.load": {"data/reading/reading.py"},
    "yaml.unsafe_load": set[str](),
    "gzip.": {"data/archive.py", "data/formats/idx.py"},
    "ZipFile": {
        "arrays.py",
        "audit/archive.py",
        "data/archive.py",
        "embedding.py",
        "explain.py",
        "models/paligemma/npz.py",
        "stored_arrays.py",
    },
    # bytes of files, pictures among them: what else reads some is no reader of pictures
    "open:rb": {
        "arrays.py",
        "audit/fingerprints.py",
        "audit/pack.py",
        "audit/signing.py",
        "chained.py",
        "data/archive.py",
        "data/formats/idx.py",
        "data/formats/webdataset.py",
        "data/in_shards.py",
        "data/picture_files.py",
        "data/reading/number_tables.py",
        "data/reading/reading.py",
        "drawing/_fonts.py",
        "inspection/aside.py",
        "inspection/watching.py",
        "run/seal.py",
        "station/kept_pictures.py",
        "station/learning/jobs.py",
        "stored_arrays.py",
        "strict_json.py",
    },
    "read_bytes": set[str](),
    "copyfile": {
        "demo.py",
        "export/packages.py",
        "hub/staging.py",
        "models/vlm/soft_tokens.py",
        "station/learning/by_part.py",
        "unnamed_file.py",
    },
}
"""Files below `src/kenpin` that may make each call."""


def _name(call: ast.expr) -> str:
    return f"{_name(call.value)}.{call.attr}" if isinstance(call, ast.Attribute) else getattr(call, "id", "")


def calls_in(text: str) -> Iterator[tuple[str, ast.Call]]:
    """Every call of a module that is among the watched ones, by its key."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            name = _name(node.func)
            last = name.rpartition(".")[2]
            modes = [
                one.value
                for one in (*node.args[:2], *(k.value for k in node.keywords))
                if isinstance(one, ast.Constant)
            ]
            if last == "open" and any(isinstance(mode, str) and "b" in mode and "r" in mode for mode in modes):
                yield "open:rb", node
            for key in ALLOWED:
                if key in (name, last) or (key.endswith(".") and name.startswith(key)):
                    yield key, node


@cache
def _calls() -> tuple[tuple[Path, str, ast.Call], ...]:
    return tuple(
        (path, key, call)
        for path in sorted(SOURCE.rglob("*.py"))
        for key, call in calls_in(path.read_text(encoding="utf-8"))
    )


@pytest.mark.parametrize("key", ALLOWED)
def test_nothing_is_loaded_but_in_the_allowed_places(key: str) -> None:
    found = {path.relative_to(SOURCE).as_posix() for path, one, _ in _calls() if one == key}
    assert found == ALLOWED[key]


def test_the_calls_are_found() -> None:
    bad = "np.load(a)\nopen(a, 'rb')\nx.y.from_pretrained(a)\npickle.loads(a)\na.open(mode='br')\n"
    text = bad + "open(a)\nself.load_dataset(a)"
    assert [key for key, _ in calls_in(text)] == ["np.load", "open:rb", "from_pretrained", "pickle.", "open:rb"]


def test_loaders_say_what_they_do_not_trust() -> None:
    for path, key, call in _calls():
        settings = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        where = f"{path}:{call.lineno}"
        if key == "torch.load":
            assert settings.get("weights_only") == "True", where
        if key in ("from_pretrained", "datasets.load_dataset") and "PeftModel" not in ast.unparse(call):
            assert settings.get("trust_remote_code") == "False", where
        if key == "read_array":
            assert settings.get("allow_pickle") == "False", where
        if key == "yaml.load":
            assert settings.get("Loader") in ("yaml.BaseLoader", "_PlainLoader"), where
        if key == "Image.open":
            assert "formats" in settings, where

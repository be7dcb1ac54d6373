"""Options: one source, strict, with sentences that help."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from kenpin.config import TrainOptions
from kenpin.errors import OptionError
from kenpin.models import family_names, get_family
from kenpin.nearest import did_you_mean, nearest_name
from kenpin.strict_options import COMMAND_LINE, OWN_DEFAULT
from kenpin.yaml_file import read_yaml

_NEEDED = {"data": "d", "out": "o"}


def test_unknown_key_names_the_nearest_known_one() -> None:
    with pytest.raises(OptionError, match=r"recipe\.yaml: unknown option `cost_escpe`; did you mean `cost_escape`"):
        TrainOptions.from_mapping(_NEEDED | {"cost_escpe": 3}, "recipe.yaml")


def test_dashes_and_underscores_are_the_same() -> None:
    assert TrainOptions.from_mapping(_NEEDED | {"cost-escape": 3}).cost_escape == 3


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"data": "d"}, "`out` is missing"),
        (_NEEDED | {"cost_escape": 0}, "`cost_escape`: must be above 0, not 0"),
        (_NEEDED | {"validation_share": 1.0}, r"`validation_share` is 1\.0; give a number below 1\."),
        (_NEEDED | {"seed": "many"}, r"`seed` is 'many'; give a whole number\."),
        (_NEEDED | {"seed": 10**20}, "give a number up to 4294967295"),
        (_NEEDED | {"seed": True}, "`seed`: true is neither a number nor a word"),
        (_NEEDED | {"cost_escape": "inf"}, "give a finite number"),
        (_NEEDED | {"ok_labels": [1]}, "`ok_labels` is 1; give a word"),
    ],
)
def test_wrong_values_are_one_sentence_with_the_key(values: dict[str, object], words: str) -> None:
    with pytest.raises(OptionError, match=words) as caught:
        TrainOptions.from_mapping(values)
    assert "\n" not in str(caught.value)


def test_options_of_the_line_are_named_as_they_are_typed() -> None:
    options = get_family("classifier").Options
    with pytest.raises(OptionError, match=r"command line: option `--batch-size` is '0'; give a number from 1 up\."):
        options.from_mapping(_NEEDED | {"batch_size": "0"}, COMMAND_LINE)
    with pytest.raises(OptionError, match=r"command line: `--lora-rank` does nothing with tuning head"):
        options.from_mapping(_NEEDED | {"lora_rank": "4"}, COMMAND_LINE)


def test_a_field_of_several_kinds_asks_for_one_of_them() -> None:
    with pytest.raises(OptionError, match=r"`ridge` is 'foo'; give a number or 'ledoit-wolf'\."):
        get_family("mahalanobis").Options.from_mapping(_NEEDED | {"ridge": "foo"})


def test_one_word_is_a_list_of_one() -> None:
    assert TrainOptions.from_mapping(_NEEDED | {"ok_labels": "ok"}).ok_labels == ("ok",)


def test_yaml_keeps_words_and_refuses_keys_that_say_two_things(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("flip_horizontal: off\ncrop: no\nresume: true\n")
    assert read_yaml(path) == {"flip_horizontal": "off", "crop": "no", "resume": True}
    for text, words in (("a: 1\nb: 2\na: 3", "line 3: .*a is there twice"), ("1: 2", "1 is not the name of an opt")):
        path.write_text(text)
        with pytest.raises(OptionError, match=words):
            read_yaml(path)


@pytest.mark.parametrize("text", ["", "- a\n- b", "a: [1", "just words"])
def test_a_file_that_is_no_mapping_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(OptionError, match=r"recipe\.yaml"):
        read_yaml(path)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="no such file"):
        read_yaml(tmp_path / "none.yaml")


@pytest.mark.parametrize("name", family_names())
def test_every_option_of_every_family_is_described(name: str) -> None:
    for field, info in get_family(name).Options.model_fields.items():
        assert info.description, f"{name}: {field}"
        assert info.description.endswith("."), f"{name}: {field}"


@pytest.mark.parametrize("name", family_names())
def test_no_option_has_a_value_called_default(name: str) -> None:
    """On the command line that word takes an option's own default."""
    options = get_family(name).Options
    for field, info in options.model_fields.items():
        assert OWN_DEFAULT not in _words(info.annotation), f"{name}: {field}"
        assert OWN_DEFAULT not in (info.default, *(info.default if isinstance(info.default, tuple) else ()))


def _words(kind: object) -> list[object]:
    """Every word that a literal somewhere within a type names."""
    return [kind] if isinstance(kind, str) else [word for inner in get_args(kind) for word in _words(inner)]


def test_the_line_of_a_key_is_told(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("data: d\nout: o\n\ncost-escape: much\nlimits:\n  seed: 1\n")
    assert read_yaml(path).lines == {"data": 1, "out": 2, "cost-escape": 4, "limits": 5}
    with pytest.raises(OptionError, match=r"recipe\.yaml line 5: unknown option `limits`"):
        TrainOptions.from_mapping(read_yaml(path), str(path))


def test_a_misspelt_choice_names_the_nearest() -> None:
    with pytest.raises(OptionError, match=r"option `calibrate` is 'isotonik'; did you mean 'isotonic'\?"):
        TrainOptions.from_mapping(_NEEDED | {"calibrate": "isotonik"})
    with pytest.raises(OptionError, match=r"give 'none', 'isotonic' or 'platt'\."):
        TrainOptions.from_mapping(_NEEDED | {"calibrate": "zzz"})


@pytest.mark.parametrize(
    ("name", "known", "nearest"),
    [
        ("qqqq", ["data", "out"], None),
        ("gud", ["good", "scratch"], "good"),
        ("Ng", ["NG", "ok"], "NG"),
        ("batch_sise", ["batch-size", "base"], "batch-size"),
        ("epochs", ["report", "overwrite"], None),
        ("voc", ["coco", "yolov8"], None),
        ("oembed", ["embed"], "embed"),
        ("x", [], None),
    ],
)
def test_nearest_name_knows_when_nothing_is_near(name: str, known: list[str], nearest: str | None) -> None:
    assert nearest_name(name, known) == nearest


def test_the_remedy_names_the_nearest_or_all_there_are() -> None:
    assert did_you_mean("gud", ["good", "scratch"]) == "did you mean `good`?"
    assert did_you_mean("crack", ["ok", "ng", "ok"]) == "there are ok, ng."
    assert did_you_mean("crack", []) == "there are none."
    assert did_you_mean("zzz", map(str, range(25))).endswith("18, 19 and 5 more.")

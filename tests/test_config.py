"""Options: one source, strict, with sentences that help."""

from __future__ import annotations

from pathlib import Path

import pytest

from kenpin.config import COMMAND_LINE, TrainOptions, read_yaml
from kenpin.errors import OptionError
from kenpin.models import family_names, get_family

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
    for text, words in (("a: 1\nb: 2\na: 3", r"line 3: .*a stands there twice"), ("1: 2", "1 is no name of an option")):
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

"""Options: one source, strict, with sentences that help."""

from __future__ import annotations

from pathlib import Path

import pytest

from kenpin.config import TrainOptions, nearest_name, read_yaml
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
        (_NEEDED | {"validation_share": 1.0}, "`validation_share`: input should be less than 1"),
        (_NEEDED | {"seed": "many"}, "`seed`: input should be a valid integer"),
    ],
)
def test_wrong_values_are_one_sentence_with_the_key(values: dict[str, object], words: str) -> None:
    with pytest.raises(OptionError, match=words) as caught:
        TrainOptions.from_mapping(values)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "- a\n- b", "a: [1", "just words"])
def test_a_file_that_is_no_mapping_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(OptionError, match=r"recipe\.yaml"):
        read_yaml(path)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="no such file"):
        read_yaml(tmp_path / "none.yaml")


def test_nearest_name_knows_when_nothing_is_near() -> None:
    assert nearest_name("qqqq", ["data", "out"]) is None


@pytest.mark.parametrize("name", family_names())
def test_every_option_of_every_family_is_described(name: str) -> None:
    for field, info in get_family(name).Options.model_fields.items():
        assert info.description, f"{name}: {field}"
        assert info.description.endswith("."), f"{name}: {field}"

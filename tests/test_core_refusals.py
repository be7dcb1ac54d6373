"""What ends a training, refuses a picture or a run below the station is said in the language of the station's page."""

from __future__ import annotations

import pytest

from kenpin.data.alignment import NotAlignedError
from kenpin.data.framing import OtherProportionsError
from kenpin.words import Language, Texts
from kenpin.words.recorded import translated
from tests.catalogues import TRANSLATED
from tests.core_sentences import sentences
from tests.tree import PACKAGE

_REACH = (
    "training/", "models/enough.py", "models/naming.py", "models/bases.py", "models/classifier/heads.py",
    "models/mahalanobis/", "models/networks/layers.py", "models/networks/picture_size.py", "models/networks/vision.py",
    "taguchi/_parts.py", "taguchi/_space.py", "taguchi/adjugate.py", "taguchi/gram_schmidt.py", "taguchi/limits.py",
    "taguchi/selection.py", "taguchi/unit_space.py", "quality/costs.py", "quality/threshold.py", "views.py",
    "data/folds.py", "data/framed_set.py", "data/images.py", "data/lineage.py", "data/part_names.py",
    "data/picture_files.py", "data/picture_regions.py", "data/targets.py", "data/tiles_to_learn.py",
    "inspection/nearest.py", "inspection/pictures.py", "run/record.py", "run/seal.py",
)  # fmt: skip
"""Where sentences come from that a page shows: of trainings that a station orders, on data sets that people froze."""
_NOT_THERE = (
    "training/crossfit.py", "training/job.py", "training/launching.py", "training/learning.py", "training/links.py",
    "training/precision.py", "training/processes.py", "training/schedules.py", "training/sharding.py",
    "training/state.py", "training/step.py", "training/trackers.py", "training/view_below.py",
    "training/whole_batch.py",
)  # fmt: skip
"""Of several processes, of a base that is a run, and of folders and options that a station's command never gives."""
_NEVER = (
    "option `--roi`", "option `roi`", "form 7: it", "option `save_every`", "train: give options", "option `from_cases`",
    "option `folds` whole", "leave --way and --label out", "leave --label out", "leave --way out",
    "--overwrite replaces nothing else", "an array of",
    "take method mt or mta", "the moments are those of other items", "no setting", "see taguchi.limits",
    "a limit of 7 cannot judge", "of good parts is impossible", "an orthogonal array", "ridge 7 is impossible",
    "inverse 7 is not known", "see sum_of_fourth_powers", "a share of 7, ", "make no grid",
)  # fmt: skip
"""Of calls in Python, of pages that explain, and of options of a command alone."""
_SAMPLES = {
    "judging.having()": ("run has", "run and other have"),
    "lineage.having()": ("run has", "run and other have"),
    "' and '.join(lacking)": ("3 more ones", "3 more good ones", "3 more good ones and 2 more defective ones"),
    "missing": ("7 of scratch", "7 of scratch, 1 of dent"),
}
_OF_FILE: dict[str, dict[str, tuple[str, ...]]] = {
    "data/framed_set.py": {
        "f'{error}'": (
            "it cannot be brought over the reference of the alignment",
            "it has 7 × 7 pixels, and the mask of its region 7 × 7, in other proportions",
        ),
        "error.remedy": (NotAlignedError.remedy, OtherProportionsError.remedy),
    },
    "data/images.py": {"remedy": ("Copy or export it again from its source",)},
    "data/part_names.py": {
        "column": ("split", "group"),
        "remedy": ("put all pictures of a part into one split", "give a part one group"),
    },
    "models/mahalanobis/selection.py": {"kind": ("good", "defective")},
    "taguchi/_space.py": {"remedy": ("", " or set a ridge")},
    "training/parts.py": {
        "', or '.join(remedies)": tuple(
            f"add 7{further}{fewer}"
            for further in ("", ", or name further good classes with --ok-labels")
            for fewer in ("", ", or take --where pooled or neighbours, for which 7 are enough")
        ),
        "why": (
            "its pictures have boxes and no labels of whole pictures; train a family for boxes, such as florence2",
            "none of its 7 pictures has a label, and classifier learns from labels; put them in class folders such as "
            "a/ok and a/scratch, or train mahalanobis, which needs good parts alone",
            "none of its 1 row has a label, and classifier learns from labels; give each its class, in a column label "
            "of a table, or train mahalanobis, which needs good parts alone",
            "none of its 7 pictures has annotated boxes, and florence2 learns from boxes; annotate them, or train "
            "mahalanobis, which needs good parts alone",
        ),
    },
}
"""What stands in sentences and cannot be read from where they are made, by the expression's source."""


def reaching() -> list[str]:
    """The files whose sentences a page may show."""
    names = sorted(file.relative_to(PACKAGE).as_posix() for file in PACKAGE.rglob("*.py"))
    return [name for name in names if name.startswith(_REACH) and not name.startswith(_NOT_THERE)]


def shown(name: str) -> list[str]:
    """Each way to say each sentence of a file that may come to a page."""
    found = (text for _, text in sentences(name, _SAMPLES | _OF_FILE.get(name, {})))
    return [text for text in dict.fromkeys(found) if not any(words in text for words in _NEVER)]


@pytest.mark.parametrize("language", TRANSLATED)
@pytest.mark.parametrize("name", reaching())
def test_each_core_sentence_that_reaches_a_page_has_a_template(name: str, language: Language) -> None:
    assert [text for text in shown(name) if translated(text, Texts(language)) is None] == []


def test_the_family_is_found_in_the_sources() -> None:
    found = {name: shown(name) for name in reaching()}
    assert sum(map(len, found.values())) > 300
    assert any("needed to learn from" in text for text in found["training/parts.py"])
    assert any("the file is cut off" in text for text in found["data/images.py"])
    assert translated("7.png: nobody knows this. Copy or export it again from its source.", Texts("ja")) is None

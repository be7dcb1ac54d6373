"""Reviewed parts by several pictures become a data set that `--by` reads again, whatever parts and views are called."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kenpin.data.part_names import NameForm, views_of
from kenpin.data.picture_files import hash_of
from kenpin.errors import DatasetError, KenpinError
from kenpin.finished_run import Run
from kenpin.inspection import Line, Policy
from kenpin.records import Verdict
from kenpin.run.record import read_record
from kenpin.station.learning.data_sets import DATA, FrozenDataSet, freeze, load_frozen, read_frozen
from kenpin.station.learning.reviewed import ReviewedPart, ReviewedView
from kenpin.station.learning.steering import with_run
from kenpin.station.running import Station
from kenpin.station.store.queries import find_part
from kenpin.station.who.rights import CONSOLE
from kenpin.words import Texts
from kenpin.words.recorded import translated
from tests.builders import picture_bytes
from tests.catalogues import TRANSLATED
from tests.part_pictures import FORM, VIEWS, draw_parts, trained
from tests.station.conftest import SignIn
from tests.station.test_parts_by_views import form, new, policy, send
from tests.training.test_by_part import parts, run

__all__ = ["new", "parts", "policy", "run"]


def _part(
    folder: Path, number: int, names: tuple[str | None, ...], verdict: str = "PASS", **more: object
) -> ReviewedPart:
    views = []
    for place, name in enumerate(names):
        data = picture_bytes(number * 100 + place)
        file = folder / hash_of(data)
        folder.mkdir(exist_ok=True)
        file.write_bytes(data)
        views.append(ReviewedView(name, hash_of(data), file))
    whole = hash_of("".join(view.content for view in views).encode())
    made = ReviewedPart(
        f"part {number}", whole, views[0].picture, Verdict(verdict), None, None, "ann", 5, sampled=True,
        views=tuple(views),
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]


def _some(folder: Path, names: tuple[str | None, ...] = ("side", "top")) -> list[ReviewedPart]:
    return [_part(folder, number, names, "FAIL" if number % 3 == 2 else "PASS") for number in range(9)]


def _single(part: ReviewedPart) -> ReviewedPart:
    """The same part by its first picture alone."""
    return replace(part, content=part.views[0].content, views=())


def _frozen(parts: list[ReviewedPart], target: Path, by: str | None) -> FrozenDataSet:
    frozen = freeze(parts, target, who="bo", at_us=7, by=by)
    for language in TRANSLATED:
        assert not [note for note in frozen.notes if translated(note, Texts(language)) is None]
    return frozen


FORMS = [
    "{part}_{view}",
    "{part}-{view}-{light}",
    "{lot}_{part}_{view}",
    "*_{part}.{view}",
    "{lot}/{part}-{view}",
    "{view}_{part}",
]


@pytest.mark.parametrize("by", [*FORMS, "serial", "group", "path", "view"])
@pytest.mark.parametrize("names", [("side", "top"), ("top ring", "top spot"), ("a_b", "c d e"), (None, None)])
def test_each_picture_tells_its_part_and_view_again(tmp_path: Path, by: str, names: tuple[str | None, ...]) -> None:
    parts = _some(tmp_path / "kept", names)
    frozen = _frozen(parts, tmp_path / "set", by)
    assert read_frozen(tmp_path / "set") == frozen
    dataset = load_frozen(tmp_path / "set")
    assert dataset.findings == ()
    assert frozen.by is not None
    found: dict[str, set[tuple[str, str | None]]] = {}
    for content, (part, view) in zip(dataset.contents(), views_of(dataset, frozen.by), strict=True):
        found.setdefault(part, set()).add((content, view))
    meant = {frozenset((view.content, view.name) for view in part.views) for part in parts}
    assert {frozenset(views) for views in found.values()} == meant
    splits = dict(zip(dataset.contents(), dataset.column("split"), strict=True))
    assert all(len({splits[view.content] for view in part.views}) == 1 for part in parts)
    assert frozen.counts() == {"train": {"ok": 4, "defective": 2}, "test": {"ok": 2, "defective": 1}}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "set"]


NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=100)


@given(
    names=st.lists(
        st.text(st.characters(codec="utf-8"), min_size=1, max_size=100), min_size=2, max_size=3, unique=True
    ),
    by=st.sampled_from([*FORMS, "serial"]),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_view_of_any_name_is_told_again_or_refused(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], by: str
) -> None:
    folder = tmp_path_factory.mktemp("any")
    parts = [_part(folder / "kept", number, tuple(names)) for number in range(2)]
    try:
        frozen = _frozen(parts, folder / "set", by)
    except KenpinError:
        assert not (folder / "set").exists()
        return
    dataset = load_frozen(folder / "set")
    assert frozen.by is not None
    told = dict(zip(dataset.contents(), (view for _, view in views_of(dataset, frozen.by)), strict=True))
    assert told == {view.content: view.name for part in parts for view in part.views}
    assert {path.name for path in folder.iterdir()} == {"kept", "set"}


def test_parts_with_other_views_and_shared_pictures_are_left_out_and_told(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    parts = _some(kept)
    twin = replace(parts[0], id="twin", content="f" * 32)
    single = replace(_single(_part(kept, 50, ("top",))), id="single")
    odd = [_part(kept, 40, ("top",)), _part(kept, 41, ("top", "under")), twin, single]
    gone = _part(kept, 60, ("side", "top"))
    gone.views[1].picture.unlink()
    frozen = _frozen([*parts, *odd, gone], tmp_path / "set", FORM)
    assert {one.id: one.why for one in frozen.left_out} == {
        "part 40": "it has other views than most parts",
        "part 41": "it has other views than most parts",
        "single": "it has other views than most parts",
        "twin": "a picture of it is that of another view or part",
        "part 60": "its picture is not kept any more",
    }
    assert len(frozen.parts) == 9
    assert any("All views of 3 defective parts have its class" in note for note in frozen.notes)
    alone = freeze([*odd, *map(_single, parts)], tmp_path / "alone", who="bo", at_us=7)
    assert (alone.by, [part.id for part in alone.parts]) == (None, ["single", *(part.id for part in parts)])
    assert sorted(part.id for part in alone.left_out) == ["part 40", "part 41", "twin"]
    with pytest.raises(DatasetError, match="nobody drew a box on any part"):
        freeze(parts, tmp_path / "boxes", who="bo", at_us=7, of_boxes=True, by=FORM)
    later = _frozen(
        [*parts, *(_part(kept, number, ("side", "top")) for number in range(70, 75))], tmp_path / "later", FORM
    )
    again = freeze(parts[::-1], tmp_path / "again", who="bo", at_us=8, by=FORM, earlier=[later])
    split_of = {part.content: part.split for part in later.parts}
    assert all(split_of[part.content] == part.split for part in again.parts)


def test_what_people_say_of_parts_trains_a_run_that_judges_them(
    sign_in: SignIn, station: Station, new: dict[int, dict[str, bytes]], run: Run, tmp_path: Path
) -> None:
    browser = sign_in()
    more = draw_parts(tmp_path / "more", 24, 8, seed=9)
    sent = [*new.values()] + [
        {path.stem.split("_")[1]: path.read_bytes() for path in sorted(more.rglob(f"p9-{number:02d}_*"))}
        for number in range(24)
    ]
    for number, of_part in enumerate(sent):
        key = send(browser, f"part/{number}", form(of_part))["key"]
        with station.store.reading() as connection:
            row = find_part(connection, key)
        assert row is not None
        station.reviewing.review(CONSOLE, key, row.verdict, None, None)
    named = station.learning.freeze(CONSOLE, "parts")
    assert (len(named.frozen.parts), named.frozen.by) == (32, FORM)
    data = station.folder.data_sets / named.name / DATA
    command = station.learning._command("parts", named.name, "mahalanobis", {"base": "toy", "where": "pooled"})
    assert f"--by={FORM}" in command
    learned = trained(data, tmp_path / "learned", where="pooled", ok_labels=named.frozen.ok_labels)
    parts = read_record(Path(learned)).parts
    assert parts == {"by": FORM, "count": 2, "names": list(VIEWS)}
    changed = with_run(Policy.from_mapping({"runs": {"pooled": str(run)}}, "made"), Path(learned))
    with Line(changed, tmp_path / "records") as line:
        assert line.form == NameForm(FORM)
        assert line.judge_part("good", new[6]).verdict is Verdict.PASS


def test_a_column_in_the_data_set_leaves_the_form_of_files_to_the_line(run: Run, parts: Path, tmp_path: Path) -> None:
    frozen = tmp_path / "set"
    reviewed = []
    for number in range(24):
        files = sorted(parts.rglob(f"p0-{number:02d}_*"))
        views = tuple(ReviewedView(path.stem.split("_")[1], hash_of(path.read_bytes()), path) for path in files)
        verdict = Verdict.FAIL if number < 8 else Verdict.PASS
        reviewed.append(
            ReviewedPart(
                f"{number}", f"{number:032x}", files[0], verdict, None, None, "ann", 5, sampled=True, views=views
            )
        )
    _frozen(reviewed, frozen, "{lot}/{part}_{view}")
    learned = trained(frozen / DATA, tmp_path / "learned", where="pooled", by="part", ok_labels=("ok",))
    single = trained(parts, tmp_path / "single", where="pooled", by="picture")
    policy = Policy.from_mapping({"runs": {"pooled": str(run)}}, "made")
    assert with_run(policy, Path(learned)).by == FORM
    assert with_run(with_run(policy, Path(learned)), Path(run)).by == FORM
    assert with_run(with_run(policy, Path(learned)), Path(single)).by is None
    assert with_run(policy, Path(run)).by is None

"""Parts by several pictures on the command line: pictures by their part, and each part's verdict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from kenpin.cli._groups import DATA
from kenpin.records import Judgement, Prediction, Verdict

if TYPE_CHECKING:
    from kenpin.predictor import Predictor
    from kenpin.quality.part_verdicts import SeenView

By = Annotated[
    str | None,
    Parameter(
        group=DATA,
        help="Column, or form of file names such as {part}_{view}, that tells which pictures are of one part; by "
        "default as in the training. For runs that judge by part.",
    ),
]


@dataclass
class PartOfFiles:
    """A part as far as its pictures could be opened."""

    id: str
    views: list[SeenView] = field(default_factory=list)
    is_opened: bool = True
    """Whether all its pictures could be opened."""

    def prediction(self, predictor: Predictor) -> Prediction:
        """Of the part, by its worst view; empty where no picture could be opened."""
        from kenpin.quality.part_verdicts import part_prediction

        assert predictor.views is not None
        return part_prediction(self.id, self.views, predictor.views) if self.views else Prediction(self.id)

    def judgement(self, predictor: Predictor) -> Judgement | None:
        """Its verdict; None without a threshold."""
        from kenpin.quality.part_verdicts import judge_part

        if predictor.threshold is None or predictor.views is None:
            return None
        if not self.is_opened:
            why = "A picture of it cannot be opened, so a person must look."
            return Judgement(self.id, Verdict.REVIEW, None, (why,))
        return judge_part(self.id, self.views, predictor.views, predictor.threshold)


def tell_parts_by(predictor: Predictor, by: str | None, model: object) -> None:
    """Let a run tell parts by another column or form than in its training. model: as the user named it. Raises
    OptionError where it judges single pictures."""
    from kenpin.data.part_names import NameForm, is_form
    from kenpin.errors import OptionError

    if by is None:
        return
    if predictor.views is None:
        raise OptionError(f"option `--by`: {model} judges each picture by itself; leave it out.")
    if is_form(by):
        NameForm(by)
    predictor.views = replace(predictor.views, by=by)


def in_parts(predictor: Predictor, answers: Iterable[Prediction], not_opened: list[str]) -> Iterator[PartOfFiles]:
    """The parts of predicted picture files, in the order in which their first pictures come. not_opened: ids of files
    that could not be opened, filled meanwhile.

    Raises OptionError where a column told the parts in the training, which files have not, DatasetError for a file
    whose name has not the form.
    """
    from kenpin.data.part_names import NameForm, is_form
    from kenpin.errors import DatasetError, OptionError
    from kenpin.quality.part_verdicts import SeenView
    from kenpin.views import View

    assert predictor.views is not None
    by = predictor.views.by
    if not is_form(by):
        raise OptionError(
            f"this run judges parts by {predictor.views}, which a column {by!r} told apart; picture files have none, "
            "so give the form of their names, such as --by {part}_{view}."
        )
    form, parts = NameForm(by), dict[str, PartOfFiles]()

    def view_of(id: str) -> View:
        if (view := form.view_of(id)) is None:
            raise DatasetError(f"{id}: its name has not the form {by}; name it so, or give another form with --by.")
        return view

    for answer in answers:
        part, view = view_of(answer.id)
        parts.setdefault(part, PartOfFiles(part)).views.append(SeenView(view, answer))
    for id in not_opened:
        part, _ = view_of(id)
        parts.setdefault(part, PartOfFiles(part)).is_opened = False
    yield from parts.values()

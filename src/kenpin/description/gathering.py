"""Gathering evidence: what runs predict and judge of pictures, where their maps are hot, and which cases are near."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from operator import or_
from pathlib import Path

from PIL.Image import Image

from kenpin.cases.case import Found
from kenpin.cases.library import CaseLibrary
from kenpin.data.dataset import Dataset
from kenpin.data.images import read_image
from kenpin.data.lineage import NOTHING_SEEN, Lineage
from kenpin.data.ok_labels import guess_ok_labels
from kenpin.description.evidence import Part, Witness, evidence_of, witness_of
from kenpin.errors import CaseLibraryError, ImageError, OptionError
from kenpin.models.contract import Explained, OnError, Progress
from kenpin.models.explaining import maps_of
from kenpin.predictor import Predictor, load_predictor
from kenpin.quality.threshold import judge
from kenpin.records import Example, Judgement, Map, Prediction, Verdict
from kenpin.run.record import space_of
from kenpin.targets import Target

_AT_ONCE = 8
"""Pictures in memory at a time."""


class Gatherer:
    """Runs, and perhaps a library of cases, that give evidence on pictures."""

    def __init__(
        self, predictors: Mapping[str, Predictor], library: CaseLibrary | None = None, *, nearest: int = 3
    ) -> None:
        """predictors: by name; nearest: number of cases for each picture.

        Raises OptionError for a run on tables, CaseLibraryError where no run made the library's vectors.
        """
        for name, predictor in predictors.items():
            if predictor.reads_tables:
                raise OptionError(f"run {name}: it judges rows of a table, not pictures; leave it out.")
        records = [predictor.record for predictor in predictors.values() if predictor.record is not None]
        self._predictors = dict(predictors)
        self._library, self._nearest = library, nearest
        self._embeds = None if library is None else _maker_of(library, predictors)
        classes = [label for record in records for label in record.labels]
        # all of the library's: the possible answers must not show which cases are near
        others = [] if library is None else [label for label in library.stats().by_label if label is not None]
        others = [label for label in sorted(others) if label not in classes]
        self._classes = [*classes, *others]
        self._ok_classes = [
            *(label for record in records for label in record.ok_labels),
            *guess_ok_labels(others),
        ]

    @property
    def lineage(self) -> Lineage:
        """Lineage of the runs, with that of the library's embeddings, which one of them made."""
        return reduce(or_, (predictor.lineage or NOTHING_SEEN for predictor in self._predictors.values()), NOTHING_SEEN)

    def gather(
        self, dataset: Dataset, *, progress: Progress | None = None, on_error: OnError | None = None
    ) -> Iterator[list[Part]]:
        """The pictures with their evidence, in order and a few at a time. One that cannot be opened goes to `on_error`,
        if given. Raises ImageError."""
        for start in range(0, len(dataset), _AT_ONCE):
            stop = min(start + _AT_ONCE, len(dataset))
            opened = list(_opened(dataset.select(range(start, stop)), on_error))
            if opened:
                yield self._parts(opened)
            if progress is not None:
                progress("describing", stop, len(dataset))

    def _parts(self, opened: Sequence[tuple[Example, Image]]) -> list[Part]:
        examples = Dataset.from_examples(example for example, _ in opened)
        heard = [self._witnesses(name, predictor, examples, opened) for name, predictor in self._predictors.items()]
        witnesses = list(zip(*heard, strict=True)) or [()] * len(opened)
        return [
            Part(
                example,
                image,
                evidence_of(
                    of_part,
                    near,
                    metric="cosine" if self._library is None else self._library.metric,
                    classes=self._classes,
                    ok_classes=self._ok_classes,
                ),
            )
            for (example, image), of_part, near in zip(opened, witnesses, self._near(examples), strict=True)
        ]

    def _witnesses(
        self, name: str, predictor: Predictor, examples: Dataset, opened: Sequence[tuple[Example, Image]]
    ) -> list[Witness]:
        witnesses = []
        for prediction, (example, image) in zip(predictor.predict(examples), opened, strict=True):
            threshold = predictor.threshold if predictor.views is None else None  # it says nothing of one picture
            judgement = None if threshold is None else judge(prediction, threshold)
            map_ = _map_against(predictor, prediction, judgement, example, image)
            witness = witness_of(name, prediction, judgement, threshold, size_wh=image.size, map=map_)
            witnesses.append(witness)
        return witnesses

    def _near(self, examples: Dataset) -> list[tuple[Found, ...]]:
        """The nearest cases of each picture, without the picture itself."""
        if self._library is None or self._embeds is None:
            return [()] * len(examples)
        near: list[tuple[Found, ...]] = []
        contents = iter(examples.contents())
        for _, vectors in self._embeds.embed(examples):
            for hits in self._library.search(vectors, k=self._nearest + 1):
                itself = next(contents)
                near.append(tuple(hit for hit in hits if hit.case.id != itself)[: self._nearest])
        return near


def load_gatherer(
    runs: Sequence[Path], cases: str | None = None, *, nearest: int = 3, device: str | None = None
) -> Gatherer:
    """A gatherer of finished runs, by the names of their folders. Raises KenpinError."""
    library = None if cases is None else CaseLibrary.open(cases)
    names = [run.name if [other.name for other in runs].count(run.name) == 1 else str(run) for run in runs]
    predictors = {name: load_predictor(run, device=device) for name, run in zip(names, runs, strict=True)}
    return Gatherer(predictors, library, nearest=nearest)


def _opened(examples: Dataset, on_error: OnError | None) -> Iterator[tuple[Example, Image]]:
    for example in examples:
        try:
            image = read_image(example.image)
        except ImageError as error:
            if on_error is None:
                raise
            on_error(example, error)
            continue
        yield replace(example, size_wh=image.size), image


def _map_against(
    predictor: Predictor, prediction: Prediction, judgement: Judgement | None, example: Example, image: Image
) -> Map | None:
    """The run's map against a part; None where the run passes it, predicts a good class, or has no such map."""
    inspector, record = predictor.model, predictor.record
    passed = judgement is not None and judgement.verdict is Verdict.PASS
    good = record is not None and prediction.label in record.ok_labels
    if passed or good or predictor.target is not Target.LABEL or not isinstance(inspector, Explained):
        return None
    try:
        ((map_,),) = maps_of(inspector, [image], [example])
    except OptionError:  # its network or its method has no maps
        return None
    return map_


def _maker_of(library: CaseLibrary, predictors: Mapping[str, Predictor]) -> Predictor:
    for predictor in predictors.values():
        if predictor.record is not None and space_of(predictor.record) == library.run.id:
            return predictor
    raise CaseLibraryError(
        f"{library.uri}: holds embeddings of run {library.run}, which is not part of the evidence; add the run in "
        f"{library.run.path} to --evidence, or leave the library out."
    )

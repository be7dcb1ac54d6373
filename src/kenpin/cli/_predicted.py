"""What `predict` tells and writes: predictions of named pictures or annotated ones, each as a line and as a row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from kenpin.records import Example, Judgement, Prediction

if TYPE_CHECKING:
    from kenpin.predictor import Predictor


def predicted(
    predictor: Predictor,
    paths: Sequence[str],
    limit: int | None,
    set_aside: Callable[[Example, Exception], None],
    path_of: dict[str, str],
    *,
    annotated: bool,
    measure: Callable[[Iterable[str]], Iterable[Prediction]] | None = None,
) -> Iterator[tuple[Example | None, Prediction]]:
    """Predictions of pictures, or rows of tables; with what is annotated of them where they are of data sets.

    path_of: takes the path of each picture whose id is not its path, where the path is not valid UTF-8; measure:
    predicts picture files in place of the predictor.
    """
    from kenpin.data.files import picture_files

    if not annotated:
        files = paths if predictor.reads_tables else _remembered(islice(picture_files(paths), limit), path_of)
        answers = predictor.predict_files(files, on_error=set_aside) if measure is None else measure(files)
        yield from ((None, one) for one in islice(answers, limit))
        return
    from kenpin.data.loading import load_dataset
    from kenpin.data.targets import annotated as with_boxes
    from kenpin.errors import DatasetError
    from kenpin.targets import Target

    left = limit
    for path in paths:
        known = with_boxes(load_dataset(path), Target.BOXES)
        if not len(known):
            raise DatasetError(f"{path}: no picture in it is annotated with boxes; leave --beside-truth out.")
        known = known.select(range(len(known) if left is None else min(left, len(known))))
        left = None if left is None else left - len(known)
        examples = iter(known)
        for prediction in predictor.predict(known, on_error=set_aside):
            # one that could not be opened has no prediction
            yield next(example for example in examples if example.id == prediction.id), prediction


def _remembered(paths: Iterable[str], path_of: dict[str, str]) -> Iterator[str]:
    from kenpin.data.reading.names import readable

    for path in paths:
        if (id := readable(path)) != path:
            path_of[id] = path
        yield path


def seen_of(predictor: Predictor, paths: Sequence[str], pictures: Sequence[str]) -> list[bool]:
    """Whether the inspector has learned from each of these predicted pictures, or rows of tables: then no decision may
    rest on it."""
    from kenpin.data.dataset import Dataset
    from kenpin.data.loading import load_dataset
    from kenpin.records import ImageSource

    if predictor.lineage is None:
        return [False] * len(pictures)
    if predictor.reads_tables:
        return [was for path in paths for was in predictor.lineage.seen(load_dataset(path))]
    examples = (Example(str(row), ImageSource(path=path)) for row, path in enumerate(pictures))
    return predictor.lineage.seen(Dataset.from_examples(examples))


def decision(judgement: Judgement | None) -> dict[str, Any]:
    return {} if judgement is None else {"verdict": judgement.verdict.value, "reasons": list(judgement.reasons)}


def cells(prediction: Prediction, judgement: Judgement | None) -> tuple[str, ...]:
    verdict = "-" if judgement is None else judgement.verdict.value
    score = "-" if prediction.defect_score is None else f"{prediction.defect_score:.4f}"
    return prediction.id, verdict, _answer(prediction), score


def _answer(prediction: Prediction) -> str:
    """The class, the boxes counted by class, or the words."""
    if prediction.detections is not None:
        found = Counter(prediction.detections.labels)
        return ", ".join(f"{count} × {label}" for label, count in found.items()) or "no box"
    # one line a picture, whatever was answered
    return prediction.label or " ".join((prediction.text or "-").split())

"""The predictor: pictures to predictions, by a trained run or an inspector in training; the only way to predict."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from kenpin import regions  # by its functions, which load scipy when they are first used
from kenpin.data.dataset import Dataset
from kenpin.data.images import displayed_size
from kenpin.data.lineage import Lineage
from kenpin.errors import OptionError, RunError, check_training_installed, first_line, is_training_installed
from kenpin.files import partial_folder
from kenpin.hub.fetching import fetch, folder_of, origin_of
from kenpin.models import get_family
from kenpin.models.calibrated import CalibratedPictures
from kenpin.models.contract import (
    Inspector,
    Judge,
    Localised,
    OnError,
    Progress,
    Promptable,
    ReadsTables,
)
from kenpin.models.outputs import Outputs, vectors_of
from kenpin.models.package import RUN, is_package, open_package
from kenpin.models.passing import decode, engine_of, network_of, outputs_of
from kenpin.models.tables import open_table_run
from kenpin.quality.calibration import least_score
from kenpin.quality.part_verdicts import SeenView, judge_part
from kenpin.quality.threshold import judge
from kenpin.records import Example, ImageSource, Judgement, Map, Prediction, Threshold
from kenpin.records_json import from_json
from kenpin.regions.region import DefectRegion, PxPerMm
from kenpin.run.layout import RECORD
from kenpin.run.lineage import read_lineage
from kenpin.run.record import RunRecord
from kenpin.run.scale import scale_kept
from kenpin.runtime.engines import EngineName, chosen_engine
from kenpin.targets import Target
from kenpin.views import PartViews

if TYPE_CHECKING:  # what reads data sets takes longer to load than it takes to judge a picture
    from kenpin.data.taking import DataSource, Picture


class Predictor:
    """Pictures in, predictions out, in batches."""

    def __init__(
        self,
        model: Judge,
        threshold: Threshold | None = None,
        record: RunRecord | None = None,
        lineage: Lineage | None = None,
        target: Target = Target.LABEL,
        undecided: str | None = None,
        origin: str | None = None,
        px_per_mm: PxPerMm | None = None,
    ) -> None:
        self.model = model
        """What judges: an inspector with its network, or a package."""
        self.labels = model.labels
        self.threshold = threshold
        """The decision that was chosen on the validation pictures."""
        self.record = record
        self.lineage = lineage
        """The lineage of the run and all runs below it; None where it is unknown."""
        self.target = target
        """The target of predictions: the pictures' `label`, their `boxes`, or `text`, the answers to questions."""
        parts = None if record is None else record.parts
        self.views = None if parts is None else from_json(PartViews, parts, f"{RECORD}: parts")
        """The views by which it judges parts; None where it judges each picture by itself."""
        self.px_per_mm = px_per_mm
        """Pixels a millimetre that the run or package keeps, across and down; None where none were given."""
        self.undecided = undecided
        """A sentence on why it gives no verdicts, where it is not the run as it ships."""
        self.origin = origin
        """`owner/name@commit` of what was fetched from the hub; None where its folder was named."""

    @property
    def inspector(self) -> Inspector:
        """The inspector with its network. Raises OptionError for a package, which has none that torch knows."""
        return network_of(self.model)

    @property
    def reads_tables(self) -> bool:
        """Whether it judges rows of a table, not pictures."""
        return isinstance(self.model, ReadsTables) and bool(self.model.table_items)

    @property
    def engine(self) -> str:
        """What computes its frozen network: `torch`, or the name and version of another engine."""
        return engine_of(self.model)

    def prompted(self, prompt: str, max_new_tokens: int | None = None) -> Predictor:
        """The same model with another question; its answers are words, or boxes, and are not judged.

        max_new_tokens: of an answer, at most; None: as many as before. Raises OptionError where the model takes no
        prompts.
        """
        if not isinstance(self.model, Promptable):
            raise OptionError("option `prompt`: this run's model reads no words; take a run of a language model.")
        asked = self.model.prompted(prompt, max_new_tokens)
        return Predictor(
            asked, None, self.record, self.lineage, self.target, self.undecided, self.origin, self.px_per_mm
        )

    @overload  # a path is that of a picture
    def predict(self, pictures: Picture, /) -> Prediction: ...  # type: ignore[overload-overlap]
    @overload
    def predict(self, pictures: list[Any] | tuple[Any, ...], /, **settings: Any) -> list[Prediction]: ...
    @overload
    def predict(self, pictures: DataSource, /, **settings: Any) -> Iterator[Prediction]: ...
    def predict(self, pictures: Any, /, **settings: Any) -> Prediction | list[Prediction] | Iterator[Prediction]:
        """Of one picture its prediction, of a list of them a list, of a data set one prediction an example; in order.

        A picture: the path of its file, a PIL picture, an array of uint8, (h, w) or (h, w, 3), the bytes of a file, or
        an example of a data set.
        A data set: whatever else `kenpin.load_dataset` takes; its predictions come as they are made.
        settings, of several pictures: `progress`, told of each advance; `on_error`, given a picture that cannot be
        opened, which is then left out; `batch_size`. Raises ImageError, DatasetError.
        """
        from kenpin.data.taking import is_picture, of_pictures

        if not is_picture(pictures):
            predictions = self._predictions(_as_dataset(pictures), **settings)
            return list(predictions) if isinstance(pictures, list | tuple) else predictions
        if settings:
            raise OptionError(f"predict: {', '.join(settings)} is for several pictures; leave it out, or give a list.")
        if isinstance(pictures, str | os.PathLike) and (self.reads_tables or Path(pictures).is_dir()):
            where = os.fspath(pictures)
            raise OptionError(f"{where}: is not a picture; predict(kenpin.load_dataset({where!r})) judges a data set.")
        (prediction,) = self._predictions(of_pictures([pictures]))
        return prediction

    __call__ = predict

    @overload
    def judge(self, pictures: Picture | Prediction, /) -> Judgement: ...  # type: ignore[overload-overlap]
    @overload
    def judge(self, pictures: list[Any] | tuple[Any, ...], /, **settings: Any) -> list[Judgement]: ...
    @overload
    def judge(self, pictures: DataSource, /, **settings: Any) -> Iterator[Judgement]: ...
    def judge(self, pictures: Any, /, **settings: Any) -> Judgement | list[Judgement] | Iterator[Judgement]:
        """PASS, FAIL or REVIEW and why, of what `predict` takes, or of a prediction that was made before.

        Raises OptionError where the run has no threshold, and as `predict` does.
        """
        threshold = self.threshold
        if threshold is None:
            raise OptionError("judge: this run has no threshold to judge by; use `predict` for what is in the picture.")
        if self.views is not None:
            raise OptionError(f"judge: this run judges parts by {self.views}, not single pictures; use `judge_part`.")
        predicted = pictures if isinstance(pictures, Prediction) else self.predict(pictures, **settings)
        if isinstance(predicted, Prediction):
            return judge(predicted, threshold)
        judgements = (judge(prediction, threshold) for prediction in predicted)
        return list(judgements) if isinstance(predicted, list) else judgements

    def judge_part(self, views: Mapping[str, Picture] | Sequence[Picture], part: str = "part") -> Judgement:
        """PASS, FAIL or REVIEW of a part by its pictures, and why; the worst one decides, and without one of its views
        it is REVIEW.

        views: pictures by the names of their views, or a list of them where views have none; part: its id. Raises
        OptionError where the run judges single pictures or has no threshold, ImageError.
        """
        if self.views is None or self.threshold is None:
            lacks = "judges single pictures; use `judge`" if self.views is None else "has no threshold to judge by"
            raise OptionError(f"judge_part: this run {lacks}.")
        named = [*views.items()] if isinstance(views, Mapping) else [(None, picture) for picture in views]
        predictions = self.predict([picture for _, picture in named])
        seen = [SeenView(name, prediction) for (name, _), prediction in zip(named, predictions, strict=True)]
        return judge_part(part, seen, self.views, self.threshold)

    def _predictions(
        self,
        dataset: Dataset,
        progress: Progress | None = None,
        on_error: OnError | None = None,
        batch_size: int | None = None,
    ) -> Iterator[Prediction]:
        for examples, outputs in self._outputs(dataset, progress, on_error, batch_size):
            yield from decode(self.model, outputs, examples)

    def embed(
        self,
        dataset: DataSource,
        *,
        progress: Progress | None = None,
        on_error: OnError | None = None,
        batch_size: int | None = None,
    ) -> Iterator[tuple[list[Example], NDArray[np.float32]]]:
        """Batches of examples with a vector each, (n, d), in order: what an embedder learned, else the features of a
        frozen base.

        Raises ImageError as `predict` does, and OptionError where the run has no vectors.
        """
        for examples, outputs in self._outputs(dataset, progress, on_error, batch_size):
            yield examples, vectors_of(outputs).astype(np.float32, copy=False)

    @property
    def localises(self) -> bool:
        """Whether its score is the maximum of a map."""
        return isinstance(self.model, Localised)

    @property
    def fails_on_map(self) -> float | None:
        """The number of its maps from which a part fails; None where none decides."""
        if self.threshold is None or not isinstance(self.model, Localised):
            return None
        return self.model.fails_on_map(self.threshold)

    @property
    def regions_from(self) -> float | None:
        """Number of its map, or score of its boxes before calibration, from which a part fails; None where none
        decides."""
        if self.threshold is None or not self.target.locates:
            return self.fails_on_map
        calibration = self.model.calibration if isinstance(self.model, CalibratedPictures) else None
        cut = self.threshold.fail_from
        return cut if calibration is None else least_score(calibration, cut)

    def measured_files(
        self, paths: Iterable[str | Path], *, px_per_mm: PxPerMm | None = None, on_error: OnError | None = None
    ) -> Iterator[tuple[Prediction, tuple[DefectRegion, ...] | None]]:
        """As `predict_files`, each prediction with the regions against the part, the largest first, in mm too where a
        scale is given; None where the run has no map or boxes, or no number from which these fail."""
        cut = self.regions_from
        finite = cut is not None and math.isfinite(cut)
        for examples, outputs in self._outputs(of_files(paths), None, on_error, None):
            for row, (example, prediction) in enumerate(
                zip(examples, decode(self.model, outputs, examples), strict=True)
            ):
                size_wh = example.size_wh or displayed_size(example.image)
                found: tuple[DefectRegion, ...] | None = None
                if prediction.detections is not None and (finite or cut is None):
                    found = regions.regions_of_detections(prediction.detections, size_wh, cut, px_per_mm)
                elif cut is not None and finite and isinstance(self.model, Localised):
                    found = regions.regions_of_map(self.model.map_of(outputs["map"][row], size_wh), cut, px_per_mm)
                yield prediction, found

    def localise(self, dataset: DataSource, **settings: Any) -> Iterator[tuple[Example, Map]]:
        """Each example with the map that its score is read off; `settings` as for `predict`.

        Raises ImageError, and OptionError where the score is none of a map.
        """
        inspector = self.model
        if not isinstance(inspector, Localised):
            raise OptionError("this run's score does not come from a map; train mahalanobis with --where.")
        settings = {"progress": None, "on_error": None, "batch_size": None} | settings
        for examples, outputs in self._outputs(dataset, **settings):
            for example, grid in zip(examples, outputs["map"], strict=True):
                yield example, inspector.map_of(grid, example.size_wh or displayed_size(example.image))

    def _outputs(
        self, dataset: DataSource, progress: Progress | None, on_error: OnError | None, batch_size: int | None
    ) -> Iterator[tuple[list[Example], Outputs]]:
        yield from outputs_of(
            self.model, _as_dataset(dataset), progress=progress, on_error=on_error, batch_size=batch_size
        )

    def predict_files(self, paths: Iterable[str | Path], **settings: Any) -> Iterator[Prediction]:
        """One prediction a picture file, or for a run on a table a row of each table; `settings` as for `predict`."""
        if self.reads_tables:
            from kenpin.data.loading import load_dataset

            return chain.from_iterable(self._predictions(load_dataset(path), **settings) for path in paths)
        return self._predictions(of_files(paths), **settings)


def of_files(paths: Iterable[str | Path]) -> Dataset:
    """Picture files as a data set without labels; their paths are their ids."""
    return Dataset.from_examples(Example(id=str(path), image=ImageSource(path=str(path))) for path in paths)


def _as_dataset(source: DataSource) -> Dataset:
    if isinstance(source, Dataset):
        return source
    from kenpin.data.loading import as_dataset

    return as_dataset(source)


def load_predictor(
    run: str | Path,
    *,
    device: str | None = None,
    checkpoint: str | int | Path | None = None,
    engine: EngineName = "auto",
) -> Predictor:
    """The predictor of a finished run, or of an earlier state of a run, finished or interrupted.

    run: its folder, or `owner/name@revision` of the hub. checkpoint: the step it was kept at, `last`, `best` (of the
    least validation loss), or its folder; None: what the run ships. engine: that computes frozen networks on a CPU, as
    `kenpin.runtime.chosen_engine` takes it. Raises RunError, OptionError, DownloadError, MissingExtraError.
    """
    folder = folder_of(run)
    if is_package(folder):
        return _of_package(folder, device, checkpoint, engine)
    chosen_engine(engine)
    if checkpoint is None and not is_training_installed() and (table := open_table_run(folder)) is not None:
        rows, record = table
        return _judging(folder, rows, record, rows.target)
    check_training_installed()
    if checkpoint is not None:
        return _of_checkpoint(folder, str(checkpoint), best_device(device), engine)
    from kenpin.models.restoring import restore_run

    inspector, record = restore_run(folder, engine)
    inspector.module.to(best_device(device)).eval()
    return _judging(folder, inspector, record, get_family(record.family).target)


def load(
    run: str | Path, *, revision: str | None = None, device: str | None = None, engine: EngineName = "auto"
) -> Predictor:
    """The predictor of a run or a package: of a folder, or of `owner/name` on the Hugging Face hub.

    revision: a commit, tag or branch of the hub, for a repository alone; `Predictor.origin` tells the commit that it
    got. device, engine: as `load_predictor` takes them. Raises RunError, DownloadError, OptionError, MissingExtraError.

    >>> import kenpin
    >>> kenpin.load("owner/name", revision="v3").origin  # doctest: +SKIP
    'owner/name@6f1b0c4b0e6a52b04f1b1f6c2c5cf0c3b3a1c9d2'
    """
    if revision is not None:
        if Path(run).exists():
            raise OptionError(f"option `revision`: {run} is a folder, which has none; leave it out.")
        run = fetch(os.fspath(run), revision).folder
    return load_predictor(run, device=device, engine=engine)


def _of_package(folder: Path, device: str | None, checkpoint: str | int | Path | None, engine: str) -> Predictor:
    if checkpoint is not None:
        raise OptionError(f"option `checkpoint`: {folder} is a package, which has none; take the run it was made from.")
    package = open_package(folder, device, engine)
    return _judging(folder, package.judge, package.run, package.target, folder / RUN)


def _judging(folder: Path, model: Judge, record: RunRecord, target: Target, scale_in: Path | None = None) -> Predictor:
    """scale_in: folder that keeps the scale, where it is not the run's own."""
    where = f"{folder / RECORD}: threshold"
    threshold = None if record.threshold is None else from_json(Threshold, record.threshold, where)
    scale = scale_kept(scale_in or folder, record.options)
    return Predictor(model, threshold, record, read_lineage(folder), target, origin=origin_of(folder), px_per_mm=scale)


def _of_checkpoint(run: Path, wanted: str, device: Any, engine: str) -> Predictor:
    from kenpin.models.restoring import checkpoint_of, restore_checkpoint

    inspector, record = restore_checkpoint(run, wanted, engine)
    inspector.module.to(device).eval()
    return Predictor(
        inspector,
        record=record,
        lineage=read_lineage(run if run.is_dir() else partial_folder(run)),
        target=get_family(record.family).target,
        undecided=f"{checkpoint_of(run, wanted)}: threshold and calibration of a run belong to its final "
        "weights, so no picture passes or fails by a checkpoint.",
        px_per_mm=scale_kept(run, record.options),
    )


def best_device(wanted: str | None) -> Any:
    """The device asked for, else the first GPU, else the CPU. Raises RunError where it cannot be used."""
    import torch

    name = wanted or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.zeros(0, device=name).device
        if device.type == "meta":
            raise RuntimeError("tensors without values compute nothing")
        return device
    except (RuntimeError, AssertionError) as error:
        raise RunError(
            f"device {name!r} cannot be used ({first_line(error)}); give cpu, or a device that torch lists."
        ) from error

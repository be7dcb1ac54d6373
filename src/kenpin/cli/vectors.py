"""Commands on learned vectors: `embed`, `prototypes`, `scatter`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from kenpin.cli import FINDINGS, _show
from kenpin.cli._cluster import ClusterOptions
from kenpin.cli._groups import DATA, REQUIRED, RUN
from kenpin.cli._reading import ReadOptions
from kenpin.cli.data import Overwrite, PageLanguage
from kenpin.cli.runs import Device, Engine
from kenpin.errors import OptionError
from kenpin.plural import counted
from kenpin.records import Example

if TYPE_CHECKING:
    from kenpin.cluster import ClusterPredictor

Split = Annotated[str | None, Parameter(group=DATA, help="Split to take; by default all.")]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class EmbedOptions(ReadOptions, ClusterOptions):
    """What is embedded, and how."""

    split: Split = None
    device: Device = None
    engine: Engine = "auto"
    overwrite: Overwrite = False


def embed(run: Path, data: str, out: Path, /, *, options: EmbedOptions = EmbedOptions()) -> int:
    """Write the embeddings of a data set's pictures as Parquet and .npz.

    After a stop at any moment, the same command continues. The exit status is 1 where a picture could not be opened.

    Parameters
    ----------
    run:
        Run folder.
    data:
        Data set: folder, file or hub id.
    out:
        Folder to write.
    """
    from kenpin.data.mistaken import refuse_exchanged
    from kenpin.embedding import embed as write_vectors

    def tell(example: Example, error: Exception) -> None:
        _show.say(f"kenpin: {error}")

    refuse_exchanged(run, [data], f"embed RUN DATA {out}")
    dataset = options.load(data)
    if options.split is not None:
        dataset = dataset.required_split(options.split)
    how: dict[str, Any] = {"device": options.device, "engine": options.engine}
    with options.started() as cluster:
        made_by: Path | ClusterPredictor = run
        if cluster is not None:
            from kenpin.cluster import ClusterPredictor

            made_by = ClusterPredictor(cluster, run, **how)
        with _show.progress_line() as progress:
            done = write_vectors(
                made_by, dataset, out, **how, overwrite=options.overwrite, progress=progress, on_error=tell
            )
    count, dimension = done.vectors.shape
    _show.row(f"{out}: {counted(count, 'embedding')} of {counted(dimension, 'number')}.")
    return FINDINGS if done.not_opened else 0


def prototypes(
    run: Path,
    data: str,
    out: Path,
    /,
    *,
    pictures: Annotated[int, Parameter(group=DATA, help="Pictures of each class to keep, at most.")] = 5,
    seed: Annotated[int, Parameter(group=RUN, help="Seed of the sample of pictures.")] = 0,
    reading: ReadOptions = ReadOptions(),
    device: Device = None,
    overwrite: Overwrite = False,
) -> int:
    """Add classes to an embedder from a few pictures, without training, as a new run.

    Parameters
    ----------
    run:
        Run folder of an embedder.
    data:
        Data set with labelled pictures of the classes to add: folder, file or hub id.
    out:
        Run folder to write.
    """
    from kenpin.config import LARGEST_SEED
    from kenpin.prototypes import add_prototypes

    if pictures < 1:
        raise OptionError(f"option `--pictures` is {pictures}; give 1 or more.")
    if not 0 <= seed <= LARGEST_SEED:
        raise OptionError(f"option `--seed` is {seed}; give a number from 0 to {LARGEST_SEED}.")
    dataset = reading.load(data)
    with _show.progress_line() as progress:
        done = add_prototypes(
            run,
            dataset,
            out,
            pictures=pictures,
            seed=seed,
            device=device,
            overwrite=overwrite,
            progress=progress,
        )
    _show.row(str(done))
    return 0


def scatter(
    runs: Annotated[tuple[Path, ...], Parameter(negative=())],
    /,
    *,
    out: Annotated[Path, Parameter(group=REQUIRED, help="HTML file to write.")],
    language: PageLanguage = "en",
    overwrite: Overwrite = False,
) -> int:
    """Draw the embeddings of the same pictures by several runs in a plane, side by side, as one offline HTML file.

    Parameters
    ----------
    runs:
        Run folders with embeddings, evaluated on the same pictures.
    """
    from kenpin.files import check_writable
    from kenpin.hub.fetching import folder_of
    from kenpin.models.package import folder_of_report
    from kenpin.report.scatter import panels_of_runs, write_scatters

    check_writable(out, overwrite)
    shown = tuple(folder_of_report(folder_of(run)) for run in runs)
    _show.row(str(write_scatters(panels_of_runs(shown), out, language=language, overwrite=overwrite)))
    return 0

"""Commands on data sets: `doctor`, `convert`, `split`."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from kenpin.cli import FINDINGS, _show
from kenpin.cli._cluster import ClusterOptions
from kenpin.cli._groups import DATA, OUTPUT, RUN
from kenpin.cli._reading import ReadOptions
from kenpin.errors import OptionError
from kenpin.plural import counted
from kenpin.words import Language

if TYPE_CHECKING:
    from kenpin.data.dataset import Dataset
    from kenpin.data.doctor import Examination
    from kenpin.data.unpacking import Unpacked

_NAMED = 5  # classes that are too rare for a split, of which each is told
Overwrite = Annotated[bool, Parameter(group=OUTPUT, negative=(), help="Replace what is there already.")]
PageLanguage = Annotated[Language, Parameter(group=OUTPUT, help="Language of the page.")]
AllowLoss = Annotated[
    bool,
    Parameter(group=OUTPUT, negative=(), help="Write even if the format cannot carry everything in the data set."),
]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class DoctorOptions(ReadOptions, ClusterOptions):
    """What else is looked for, and where the findings go."""

    suspects: Annotated[
        str | None,
        Parameter(
            group=DATA,
            help="Look for labels that the other pictures contradict, by features of this base: lite0, or what "
            "`kenpin train classifier --base` takes.",
        ),
    ] = None
    out: Annotated[
        Path | None, Parameter(group=OUTPUT, help="Write the findings with their pictures to this HTML file.")
    ] = None
    json: Annotated[Path | None, Parameter(group=OUTPUT, help="Write all findings to this JSON file.")] = None
    language: PageLanguage = "en"
    overwrite: Overwrite = False


def doctor(data: str, other: str | None = None, /, *, options: DoctorOptions = DoctorOptions()) -> int:
    """Examine a data set, or two and what is between them. The exit status is 1 where an error is found, 0 otherwise.

    Parameters
    ----------
    data:
        Data set: folder, file or hub id.
    other:
        Second data set, such as the one to test on: pictures in both are found, and classes that one lacks.
    """
    from kenpin.data.doctor import as_json, examine_pair, pair_as_json, render, render_pair
    from kenpin.files import check_writable, write_json

    check_writable(options.json, options.overwrite)
    check_writable(options.out, options.overwrite)
    check_page(options.out, options.language)
    if other is not None and (options.suspects, options.out, options.cluster) != (None, None, None):
        raise OptionError(
            "options `--suspects`, `--out` and `--cluster` are for one data set; leave the other one out."
        )
    if options.out is not None and options.cluster is not None:
        raise OptionError("option `--out`: the page shows pictures that this machine opens; leave --cluster out.")
    if other is None:
        examination = _examined(data, options)
        text, values, has_errors = render(examination), as_json(examination), examination.has_errors
    else:
        pair = examine_pair(data, other, **options.keywords)
        text, values, has_errors = render_pair(pair), pair_as_json(pair), pair.has_errors
    _show.lines(text)
    if options.json is not None:
        write_json(options.json, values)
    return FINDINGS if has_errors else 0


def check_page(out: Path | None, language: Language) -> None:
    """Refuse a language that no page would be in. Raises OptionError."""
    if out is None and language != "en":
        raise OptionError("option `--language` is that of the page, and none is written; give its file with --out.")


def _examined(data: str, options: DoctorOptions) -> Examination:
    """The doctor's examination of one data set, with suspects and a page where they are asked for."""
    from kenpin.data.doctor import examine_dataset
    from kenpin.data.loading import load_dataset
    from kenpin.report.look import look

    dataset = load_dataset(data, note=lambda finding: None, **options.keywords)
    if options.suspects is not None:
        from kenpin.suspects import find_suspects

        with _show.progress_line() as progress:
            ranked = find_suspects(dataset, base=options.suspects, progress=progress)
        likely = (suspect for suspect in ranked if suspect.is_likely)
        doubted = [suspect.finding(rank) for rank, suspect in enumerate(likely, start=1)]
        dataset = dataset.with_findings([*dataset.findings, *doubted])
    with options.started() as cluster:
        if cluster is not None:
            from kenpin.cluster import examine_on

            with _show.progress_line() as progress:
                return examine_on(cluster, dataset, dataset.findings, progress)
    if options.out is None:
        return examine_dataset(dataset, dataset.findings)
    return look(dataset, options.out, whole=True, language=options.language, overwrite=options.overwrite)


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertOptions(ReadOptions):
    """What a data set is written as, and how it is fetched, unpacked or taken from a video."""

    to: Annotated[
        str | None,
        Parameter(group=OUTPUT, help="Format to write; an archive and an export of Roboflow may be kept as they come."),
    ] = None
    overwrite: Overwrite = False
    allow_loss: AllowLoss = False
    export_format: Annotated[
        str | None,
        Parameter(
            group=DATA, help="Roboflow: coco (the default), yolov8, paligemma, florence2-od; folder for classification."
        ),
    ] = None
    limit_gib: Annotated[
        float | None,
        Parameter(
            group=DATA, help="Archive, and export of Roboflow: largest size, and of its files unpacked; 10 by default."
        ),
    ] = None
    every: Annotated[
        float | None, Parameter(group=DATA, help="Video: seconds from one frame that is written to the next.")
    ] = None
    range: Annotated[
        tuple[float, float] | None,
        Parameter(
            group=OUTPUT,
            help="Black and white of deep grey pictures in their own numbers, 0 4095 for 12 bits: they are rewritten "
            "as unsigned 16-bit ones.",
        ),
    ] = None

    def refuse(self, **why: str) -> None:
        """Raises OptionError for an option that is given and does not apply. why: each option's reason."""
        for name, reason in why.items():
            if getattr(self, name) is not None:
                raise OptionError(f"option `{name.replace('_', '-')}` {reason}. Leave it out.")


def convert(data: str, out: Path, /, *, options: ConvertOptions = ConvertOptions()) -> int:
    """Write a data set in another format, unpack one, take it from a video, or download one from Roboflow.

    Parameters
    ----------
    data:
        Data set: folder, file, hub id, archive, video, or roboflow:workspace/project/version with ROBOFLOW_API_KEY.
    out:
        Folder or file to write.
    """
    from kenpin.data.roboflow import is_reference
    from kenpin.data.unpacking import is_archive
    from kenpin.data.video import is_video

    if is_reference(data) or is_archive(data):
        options.refuse(every="is for a video", range="is for a folder")
        done = _downloaded(data, out, options) if is_reference(data) else _unpacked(data, out, options)
        _show.row(f"{out}: {counted(done.picture_count, 'picture')} as {done.format}.")
        if done.error_count:
            _show.row(f"Errors in it: {done.error_count}; `kenpin doctor {out}` says where.")
        return 0
    options.refuse(export_format="is for roboflow:… alone", limit_gib="is for an archive and for roboflow:… alone")
    if is_video(data):
        return _frames(data, out, options)
    options.refuse(every="is for a video")
    if options.to is None:
        raise OptionError("option `to` is missing. Name the format to write.")
    return _converted(data, out, options.to, options)


def _converted(data: str, out: Path, to: str, options: ConvertOptions) -> int:
    from kenpin.data.grey_range import check_range, rewrite
    from kenpin.data.loading import write_dataset

    kept: list[str] = []

    def in_range(folder: Path) -> None:
        if options.range is not None:
            kept.extend(Path(path).relative_to(folder).as_posix() for path in rewrite(folder, *options.range)[1])

    if options.range is not None:
        check_range(*options.range)
    dataset = options.load(data)
    write_dataset(dataset, out, to, overwrite=options.overwrite, allow_loss=options.allow_loss, then=in_range)
    _show.row(f"{out}: {counted(len(dataset), 'picture')} as {to}.")
    if kept:
        _show.say(
            f"kenpin: kept as they are, for they use more than the range: {', '.join(kept[:4])}"
            f"{f' and {len(kept) - 4} more' if len(kept) > 4 else ''}."
        )
    _tell_formulas(dataset, to)
    return 0


def _downloaded(data: str, out: Path, options: ConvertOptions) -> Unpacked:
    from kenpin.data.roboflow import download_export
    from kenpin.data.unpacking import LIMIT_GIB

    if options.keywords != ReadOptions().keywords:
        raise OptionError(
            "options `format`, `encoding`, `boxes` and `outside` are not for Roboflow. Choose what it exports with "
            "--export-format."
        )
    with _interrupted_when_stopped(), _show.progress_line() as progress:
        return download_export(
            data,
            out,
            export_format=options.export_format or "coco",
            to=options.to,
            overwrite=options.overwrite,
            allow_loss=options.allow_loss,
            limit_gib=LIMIT_GIB if options.limit_gib is None else options.limit_gib,
            progress=progress,
        )


def _unpacked(data: str, out: Path, options: ConvertOptions) -> Unpacked:
    from kenpin.data.unpacking import LIMIT_GIB, unpack_dataset

    options.refuse(export_format="is for roboflow:… alone")
    if options.outside:
        raise OptionError("option `outside` is not for an archive: nothing outside of it is read. Leave it out.")
    with _interrupted_when_stopped(), _show.progress_line() as progress:
        return unpack_dataset(
            data,
            out,
            to=options.to,
            how=options.keywords,
            overwrite=options.overwrite,
            allow_loss=options.allow_loss,
            limit_gib=LIMIT_GIB if options.limit_gib is None else options.limit_gib,
            progress=progress,
        )


def _frames(data: str, out: Path, options: ConvertOptions) -> int:
    from kenpin.data.video import write_frames

    options.refuse(to="is not for a video, whose frames nobody has annotated", range="is not for a video")
    if options.every is None:
        raise OptionError("option `every` is missing. Give the seconds between two frames, --every 0.5 for example.")
    with _interrupted_when_stopped():
        count = write_frames(data, out, every_s=options.every, overwrite=options.overwrite)
    _show.row(f"{out}: {counted(count, 'frame')}, one every {options.every:g} s.")
    return 0


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class SplitOptions(ReadOptions):
    """How a data set is divided, and how it is written."""

    by: Annotated[
        str,
        Parameter(
            group=DATA,
            help="ratio (stratified), order (file order), duplicates (look-alikes stay together), a column, or the "
            "form of file names by part, such as {part}_{view}.",
        ),
    ] = "ratio"
    train: Annotated[float, Parameter(group=DATA, help="Share for training.")] = 0.7
    validation: Annotated[float, Parameter(group=DATA, help="Share for validation.")] = 0.15
    test: Annotated[float, Parameter(group=DATA, help="Share for testing.")] = 0.15
    seed: Annotated[int, Parameter(group=RUN, help="Seed of the random choice.")] = 0
    to: Annotated[
        str | None, Parameter(group=OUTPUT, help="Format to write, csv for example; by default that of the data set.")
    ] = None
    resplit: Annotated[
        bool,
        Parameter(
            group=DATA, negative=(), help="Divide again what is divided already: test pictures may end up in train."
        ),
    ] = False
    overwrite: Overwrite = False
    allow_loss: AllowLoss = False


def split(data: str, out: Path, /, *, options: SplitOptions = SplitOptions()) -> int:
    """Divide a data set into training, validation and test pictures, and write the result.

    Parameters
    ----------
    data:
        Data set: folder, file or hub id.
    out:
        Folder or file to write.
    """
    from kenpin.config import LARGEST_SEED
    from kenpin.data.loading import write_dataset
    from kenpin.data.splitting import rare_class_notes, split_by

    shares = {"train": options.train, "validation": options.validation, "test": options.test}
    ratios = {name: share for name, share in shares.items() if share != 0}
    if len(ratios) < 2 or not all(share >= 0 for share in shares.values()):
        raise OptionError(
            f"shares {', '.join(map(str, shares.values()))}: at least two must be above 0 and none below."
        )
    if not 0 <= options.seed <= LARGEST_SEED:
        raise OptionError(f"option `--seed` is {options.seed}; give a number from 0 to {LARGEST_SEED}.")
    dataset = options.load(data)
    if not options.resplit and set(dataset.splits) - {"train"}:
        raise OptionError(
            f"{data}: is already divided ({', '.join(dataset.splits)}), and dividing it again may move test pictures "
            "into train; use it as it is, or allow that with --resplit."
        )
    divided = split_by(dataset, options.by, ratios, seed=options.seed)
    write_dataset(
        divided, out, options.to or dataset.format, overwrite=options.overwrite, allow_loss=options.allow_loss
    )
    counts = ", ".join(f"{len(divided.of_split(name))} {name}" for name in ratios)
    _show.row(f"{out}: {counts}, divided by {options.by}.")
    rare = rare_class_notes(divided, tuple(ratios))
    for note in rare[:_NAMED]:
        _show.say(f"kenpin: {note}")
    if len(rare) > _NAMED:
        _show.say(f"kenpin: so it is with {counted(len(rare) - _NAMED, 'more class', 'more classes')}.")
    _tell_formulas(divided, options.to or dataset.format)
    return 0


def _tell_formulas(dataset: Dataset, format: str) -> None:
    from kenpin.data.spreadsheets import TABLES, formula_note

    if format in TABLES and (note := formula_note(dataset)) is not None:
        _show.say(f"kenpin: {note}")


@contextmanager
def _interrupted_when_stopped() -> Iterator[None]:
    """Makes the signal that ends a job tidy up as Ctrl-C does."""
    usual = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, usual)

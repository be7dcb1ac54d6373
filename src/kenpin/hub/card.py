"""The model card: what the evaluation found with its intervals, what the threshold rests on, licences, and limits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kenpin.plural import counted
from kenpin.quality.bounds import at_most
from kenpin.records import Evaluation, Threshold
from kenpin.records_json import from_json
from kenpin.report.headline import headline
from kenpin.report.words import interval, percent_at_most, title, value
from kenpin.run.record import RunRecord, base_ids
from kenpin.targets import Target

_TASKS = {
    Target.LABEL: "image-classification",
    Target.BOXES: "object-detection",
    Target.TEXT: "visual-question-answering",
}
_IN_FRONT = {"accuracy": "accuracy", "auroc": "roc_auc", "average_precision": "average_precision"}
"""Measures that the hub lists, by its own names."""
_FEW = 30
"""Parts of a class below which its figures say little."""


@dataclass(frozen=True, slots=True)
class Licences:
    """Under which licences a repository, the base and the data are; None where nobody has said it."""

    own: str | None = None
    base: str | None = None
    data: str | None = None


@dataclass(frozen=True, slots=True)
class CardSubject:
    """What is described: a run, or a package of one."""

    id: str
    """Of the repository."""
    record: RunRecord
    """As it is pushed."""
    evaluation: Evaluation
    trained_seal: str
    """Of the run as it was trained."""
    package: str | None = None
    """What a package is made for, and in which numbers; None: a run."""


def card_of(subject: CardSubject, licences: Licences) -> str:
    """README.md of a repository, with metadata that the hub reads."""
    sections = (
        _what_it_is(subject),
        "## How good it is\n\n" + _figures(subject.evaluation),
        "## What decides\n\n" + _decision(subject.record),
        "## What it was not tested on\n\n" + _limits(subject),
        "## What was noted at the training\n\n" + _training(subject.record),
        "## Use\n\n" + _use(subject),
        "## Base, data and licences\n\n" + _origins(subject, licences),
    )
    return f"---\n{_front(subject, licences)}\n---\n\n" + "\n\n".join(sections) + "\n"


def _front(subject: CardSubject, licences: Licences) -> str:
    """The metadata, as the hub's library writes them."""
    from huggingface_hub import EvalResult, ModelCardData

    record, evaluation = subject.record, subject.evaluation
    bases, data = hub_bases(record), hub_data(record)
    task = _TASKS[evaluation.target]
    results = [
        EvalResult(
            task_type=task,
            dataset_type=data or "private",
            dataset_name=_data_name(record),
            dataset_split=evaluation.split,
            metric_type=kind,
            metric_name=title(name),
            metric_value=round(measure.value, 4),
        )
        for name, kind in _IN_FRONT.items()
        if (measure := evaluation.measures.get(name)) is not None and measure.value is not None
    ]
    about = ModelCardData(
        library_name="kenpin",
        pipeline_tag=task,
        tags=["kenpin", "visual-inspection", record.family],
        license=licences.own,
        base_model=(bases[0] if len(bases) == 1 else bases) or None,
        datasets=None if data is None else [data],
        model_name=subject.id if results else None,
        eval_results=results or None,
    )
    text: str = about.to_yaml()
    return text.strip()


def _what_it_is(subject: CardSubject) -> str:
    record = subject.record
    what = "A package for inspection machines" if subject.package else "A run"
    made = f", made for {subject.package}" if subject.package else ""
    labels = ", ".join(f"`{_code(label)}`" for label in record.labels) or "none"
    good = ", ".join(f"`{_code(label)}`" for label in record.ok_labels)
    return (
        f"# {subject.id}\n\n{what} of [kenpin](https://pypi.org/project/kenpin){made}: family `{record.family}`, "
        f"trained {record.created[:10]}.\n\nClasses: {labels}." + (f" Good parts are those of {good}." if good else "")
    )


def _figures(evaluation: Evaluation) -> str:
    judged = evaluation.judged
    bad = sum(part.defective is True for part in judged)
    lines = [
        f"Measured on {counted(len(judged), 'picture')} of split {evaluation.split}"
        + (f", {bad} of them defective." if any(part.defective is not None for part in judged) else "."),
        "",
        *(f"- {_text(sentence)}" for sentence in headline(evaluation)),
        "",
        "| measure | value | 95 % interval |",
        "|---|---:|---|",
        *(
            f"| {title(name)} | {value(name, measure.value)} | {interval(name, measure) or '–'} |"
            for name, measure in evaluation.measures.items()
            if measure.value is not None
        ),
    ]
    if evaluation.notes:
        lines += ["", *(f"- {_text(note)}" for note in evaluation.notes)]
    return "\n".join(lines)


def _decision(record: RunRecord) -> str:
    if record.threshold is None:
        return "It has no threshold, and gives no verdicts."
    threshold = from_json(Threshold, record.threshold, "threshold")
    review = threshold.review_from
    sentences = [
        f"A part fails from a score of {threshold.fail_from:.6g}"
        + ("." if review is None else f", and is reviewed by a person from {review:.6g}."),
        f"Basis: {_text(threshold.basis)}",
    ]
    if threshold.defect_rate is not None:
        sentences.append(f"Costs were weighed with {threshold.defect_rate:.3%} defective parts.")
    return "\n\n".join(sentences)


def _limits(subject: CardSubject) -> str:
    evaluation = subject.evaluation
    found = [
        "It was tested on those pictures alone. Other products, cameras, lenses, lights and lots were not, and "
        "nothing above promises anything for them: measure it on your own, labelled ones first."
    ]
    if evaluation.split != "test":
        found.append(f"There was no test split: the figures are of {evaluation.split}.")
    few = [f"`{_code(name)}` ({one.support})" for name, one in evaluation.per_class.items() if one.support < _FEW]
    if few:
        found.append(f"Fewer than {_FEW} of these were among them: {', '.join(few)}.")
    for kind, count in (("defective", True), ("good", False)):
        parts = sum(part.defective is count for part in evaluation.judged)
        if (most := at_most(0, parts)) is not None and not few:
            found.append(
                f"Of {counted(parts, f'{kind} part')}, no test can prove a rate below {percent_at_most(most)}."
            )
    seen = sum(part.seen for part in evaluation.judged)
    if seen:
        found.append(f"It has learned from {seen} of the pictures it was measured on.")
    return _list_of(found)


def _training(record: RunRecord) -> str:
    """What the training noted; what a threshold rests on is said where it decides."""
    basis = "" if record.threshold is None else from_json(Threshold, record.threshold, "threshold").basis
    notes = [note for note in record.notes if not basis or basis not in note]
    return _list_of(map(_text, notes)) if notes else "Nothing was noted."


def _list_of(sentences: Iterable[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _use(subject: CardSubject) -> str:
    engine = "train" if subject.package is None else subject.package.split()[0]
    return (
        f'```bash\npip install "kenpin[{engine},hub]"\nkenpin predict {subject.id} new.png\n```\n\n'
        f'```python\nimport kenpin\n\npredictor = kenpin.load("{subject.id}", revision="COMMIT")\n'
        'print(predictor.judge("new.png"))\n```\n\n'
        "A line names the commit that it was approved with; without one the newest is taken."
    )


def _origins(subject: CardSubject, licences: Licences) -> str:
    record = subject.record
    counts: dict[str, dict[str, int]] = record.dataset.get("counts", {})
    splits = ", ".join(f"{name} {sum(of.values())}" for name, of in counts.items())
    commit = f", commit `{record.base_commit}`" if record.base_commit else ""
    rows = [
        ("base", f"`{_code(record.base_id)}`{commit}", licences.base),
        ("data", f"{_text(_data_name(record))}; pictures: {splits}", licences.data),
        ("this repository", "", licences.own),
    ]
    table = [f"| {what} | {name} | {licence or 'not stated'} |" for what, name, licence in rows]
    return "\n".join(
        (
            "| what | which | licence |",
            "|---|---|---|",
            *table,
            "",
            f"Fingerprint of the data: `{record.dataset.get('fingerprint', '')}`. Seal of the run as it was trained: "
            f"`{subject.trained_seal}`; paths of the machine that trained it were taken out since.",
            "",
            "Versions: " + ", ".join(f"{name} {version}" for name, version in record.versions.items()) + ".",
        )
    )


def hub_bases(record: RunRecord) -> list[str]:
    """The ids of those networks of a base that are on the hub."""
    return [*filter(is_hub_id, base_ids(record))]


def hub_data(record: RunRecord) -> str | None:
    """The id of a data set that is on the hub."""
    path = str(record.dataset.get("path") or "").partition("@")[0]
    return path if record.dataset.get("format") == "huggingface" and is_hub_id(path) else None


def is_hub_id(name: str) -> bool:
    """Whether a name has the form of an id on the hub."""
    return name.count("/") == 1 and not name.startswith(("/", ".", "~")) and not name.endswith("/")


def _data_name(record: RunRecord) -> str:
    return str(record.dataset.get("path") or "") or "pictures in memory"


def _text(sentence: str) -> str:
    """A sentence as Markdown shows it, whatever class names are in it."""
    for mark in "\\`*_[]<>|":
        sentence = sentence.replace(mark, f"\\{mark}")
    return " ".join(sentence.split())


def _code(name: str) -> str:
    return " ".join(name.replace("`", "'").replace("|", "\\|").split())

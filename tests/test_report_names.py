"""What a page says is for people: no key of a program, no folder of the machine, no heading over nothing."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from kenpin.evaluation.measures import MEASURES
from kenpin.models import family_names, get_family
from kenpin.records import Measure
from kenpin.report import ReportContent, render_report
from kenpin.report.evolution import write_evolution
from kenpin.report.findings import Findings
from kenpin.report.look import look
from kenpin.report.names import FAMILIES, family_title, field_title, picture_name, without_folders
from kenpin.report.plots import Table
from kenpin.report.provenance import provenance
from kenpin.report.scatter import panels_of_runs, write_scatters
from kenpin.run.evolution import record_snapshot, record_truth
from kenpin.run.record import RunRecord
from kenpin.targets import Target
from kenpin.words import Language, Texts
from tests.catalogues import TRANSLATED
from tests.commands import Run
from tests.pictures import write_parts
from tests.test_box_report import box_content, box_evaluation
from tests.test_report import content, evaluation, full_content

HEADINGS = ("h1", "h2", "h3", "h4")
LABELLING = (*HEADINGS, "th", "dt", "caption", "text", "title", "figcaption", "summary", "legend")
"""Tags whose text names something."""


class Words(HTMLParser):
    """Reads a page: the text in tags that name something, and headings and heads of tables that nothing follows."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.labels: list[str] = []
        self.empty: list[str] = []
        self._open: list[str] = []
        self._over = ""
        """The heading that nothing has followed so far."""
        self._level = ""
        self._rows = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in HEADINGS:
            if tag <= self._level:
                self._check()
            self._level = tag
        if tag == "tbody":
            self._rows = 0
        if tag == "tr":
            self._rows += 1
        if tag in ("img", "svg", "li"):
            self._over = ""
        if tag not in ("meta", "img", "br", "input"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self._open.pop()
        if tag in ("section", "details"):
            self._check()
        if tag == "tbody" and not self._rows:
            self.empty.append("a table without rows")

    def handle_data(self, data: str) -> None:
        if not data.strip() or "style" in self._open:
            return
        if set(self._open) & set(LABELLING):
            self.labels.append(data.strip())
        if set(self._open) & set(HEADINGS):
            self._over = data.strip()
        elif not set(self._open) & {"caption", "thead"}:
            self._over = ""

    def _check(self) -> None:
        if self._over and "header" not in self._open:
            self.empty.append(self._over)
        self._over = ""


def every_key() -> dict[str, Any]:
    """A record with all fields that a run can have, and all settings of all families."""
    options = {name: 1 for family in family_names() for name in get_family(family).Options.model_fields}
    record: dict[str, Any] = dict.fromkeys(RunRecord.model_fields, "x")
    counts = {"train": {"ok": 3}}
    return record | {
        "family": "mahalanobis",
        "base_probe": [0.1],
        "options": options,
        "scores": dict.fromkeys(MEASURES, 0.5),
        "dataset": {"path": "/data/lot", "format": "folders", "fingerprint": "ab", "counts": counts},
        "threshold": {"fail_from": 1.0, "review_from": None, "basis": "by hand", "expected_cost": 1.0},
        "notes": ["A note."],
        "versions": {"scikit-learn": "1.9"},
        "files": {"model/a_b.npz": "c0"},
    }


def pages() -> dict[str, ReportContent]:
    measured = evaluation()
    every_measure = {name: Measure(0.5, 0.4, 0.6) for name in MEASURES}
    of_all = content(run=every_key(), evaluations={"test": measured, "b": measured})
    rows = [{"step": i, "loss": 1.0, **{f"eval_{name}": 0.5 for name in MEASURES}} for i in range(3)]
    return {
        "labels": full_content(),
        "every key": replace(
            of_all, training=rows, evaluations={"test": replace(measured, measures=every_measure), "b": measured}
        ),
        "boxes": box_content(before=box_content(name="lot 6", evaluations={"test": box_evaluation(1)})),
        "further boxes": box_content(evaluations={"test": box_evaluation(), "lot 8": box_evaluation(1)}),
        "nothing measured": content(
            run={}, evaluations={"test": replace(measured, measures={}, curves={}, per_class={}, threshold=None)}
        ),
        "no pictures": content(thumbnails={}),
        "no mistakes": content(
            evaluations={"test": replace(measured, judged=tuple(one for one in measured.judged[:3]))}
        ),
        "nothing judged": content(evaluations={"test": replace(measured, judged=())}),
        "no boxes measured": box_content(
            evaluations={"test": replace(box_evaluation(), measures={}, curves={}, per_class={}, confusion=())}
        ),
        "answers": content(
            evaluations={
                "test": replace(measured, target=Target.TEXT, labels=(), confusion=(), per_class={}, curves={})
            }
        ),
        "clean": content(doctor={"findings": []}),
    }


@pytest.mark.parametrize("kind", pages())
def test_no_heading_stands_over_nothing(kind: str) -> None:
    assert Words(render_report(pages()[kind])).empty == []


def test_a_table_without_rows_is_left_out() -> None:
    found = Findings("drift", "scores", ("Nothing drifts.",), tables=(Table("Drifting parts", ("part", "by"), ()),))
    text = render_report(content(), findings=[found])
    assert Words(text).empty == []
    assert "Drifting parts" not in text


def test_a_heading_over_nothing_is_seen() -> None:
    assert Words("<section><h2>Boxes</h2></section>").empty == ["Boxes"]
    assert Words("<section><h2>Boxes</h2><h3>AP</h3><h3>F1</h3><p>x</p></section>").empty == ["AP"]
    table = "<section><h2>A</h2><table><caption>B</caption><thead><tr><th>C</th></tr></thead><tbody></tbody></table>"
    assert Words(f"{table}</section>").empty == ["a table without rows", "A"]


@pytest.mark.parametrize("kind", pages())
def test_no_name_on_a_page_is_a_key(kind: str) -> None:
    labels = Words(render_report(pages()[kind])).labels
    assert len(labels) > 10
    keys = [one for one in labels if re.search(r"[a-z]_[a-z]", one) and "model/a_b.npz" not in one]
    assert keys == []


def test_every_family_has_a_title() -> None:
    assert set(family_names()) == set(FAMILIES)
    assert family_title("a new one") == "a new one"
    assert {"Settings › learning rate", "Base", "Scores › mAP 50", "Data set › Folder or file"} <= {
        name for name, _ in provenance(every_key())
    }


NAMES = st.from_regex(r"[a-z0-9傷]{1,8}(\.png)?", fullmatch=True)


@given(st.lists(NAMES, min_size=1, max_size=5), st.sampled_from(["", "see ", "(", "“", "`", "a, "]))
def test_of_an_absolute_path_the_name_is_left(parts: list[str], before: str) -> None:
    path = "/" + "/".join(parts)
    assert without_folders(f"{before}{path}: is cut short.") == f"{before}{parts[-1]}: is cut short."
    assert without_folders(before + path[1:]) == before + path[1:], "a relative one is as it was"
    assert picture_name(path) == parts[-1]
    assert picture_name(path[1:]) == path[1:]


def test_what_is_no_path_stays() -> None:
    for text in ("3 m/s, and/or D²/k", "https://example.org/base", "1 / 2", "a/b/c.png", "50 % / 60 %", "n/a"):
        assert without_folders(text) == text
    assert without_folders(r"C:\data\lot 8") == "lot 8"


def test_no_page_tells_where_things_lie_on_the_machine(kenpin: Run, tmp_path: Path) -> None:
    """Pictures outside the data set's folder, so that their ids are whole paths; data, base and runs named as such."""
    pictures = write_parts(tmp_path / "pictures", count=40)
    rows = [f"{path},{path.parent.name}" for path in sorted(pictures.rglob("*.png"))]
    (tmp_path / "listed").mkdir()
    data = tmp_path / "listed" / "list.csv"
    data.write_text("\n".join(["path,label", *rows]))
    runs = [tmp_path / "runs" / name for name in ("one", "two")]
    status, _, err = kenpin("train", "mahalanobis", "--data", data, "--out", runs[0], "--base", "toy")
    assert status == 0, err
    shutil.copytree(runs[0], runs[1])
    assert kenpin("evaluate", runs[0], "--data", data, "--name", "again", "--with-seen")[0] == 0
    finding = {
        "severity": "error",
        "code": "x",
        "where": rows[0].split(",")[0],
        "what": f"as {rows[1]}",
        "remedy": "Go",
    }
    (runs[0] / "doctor.json").write_text(json.dumps({"findings": [finding]}))
    out = tmp_path / "pages"
    assert kenpin("report", runs[0], "--against", runs[1], "--out", out / "report.html")[0] == 0
    write_scatters(panels_of_runs(runs), out / "scatter.html", name="plane")
    drawn = [Image.new("RGB", (32, 24))]
    record_truth(runs[0], [str(pictures / "ok" / "000.png")], drawn)
    record_snapshot(runs[0], 0, 0.0, {"loss": 1.0}, drawn)
    write_evolution(runs[0], out / "evolution.html")
    told = Findings("drift", "scores", (f"{rows[0]} drifts.",), tables=(Table("t", ("part",), ((rows[0],),)),))
    (out / "with.html").write_text(render_report(content(), findings=[told]), "utf-8")
    damaged, copy = pictures / "scratch" / "000.png", pictures / "ok" / "001.png"
    damaged.write_bytes(damaged.read_bytes()[:100])
    shutil.copy(copy, copy.with_name("002.png"))
    assert look(data, out / "look.html").has_errors
    for page in out.iterdir():
        text = re.sub(r'base64,[^"]*', "", page.read_text("utf-8"))
        assert str(tmp_path) not in text, page.name
        assert "000.png" in text or page.name == "scatter.html"
    kept = (out / "report.html").read_text("utf-8")
    assert "Data set › Folder or file" in kept
    assert "list.csv" in kept


def test_cards_bear_the_pictures_name() -> None:
    judged = evaluation()
    moved = tuple(replace(one, id=f"/srv/lot 7/{one.id}") for one in judged.judged)
    text = render_report(content(evaluations={"test": replace(judged, judged=moved)}))
    assert "/srv" not in text
    assert re.search(r"<b>\d+\.png</b>", text)


@pytest.mark.parametrize("language", TRANSLATED)
def test_each_option_of_a_training_has_a_name_in_each_language(language: Language) -> None:
    options = {name for family in family_names() for name in get_family(family).Options.model_fields}
    assert len(options) > 80
    assert [name for name in sorted(options) if 'lang="en"' in field_title(name, Texts(language))] == []

"""Audit packs: every figure stands in the records, what is not there is told, for runs of all kinds and policies."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from kenpin import words
from kenpin.audit import AuditPack, Beside, make_key, read_secret, write_pack
from kenpin.audit.archive import FIGURES
from kenpin.audit.figures import Document, clock
from kenpin.audit.studies import Study, gage_figures
from kenpin.errors import OptionError, OutputExistsError, RunError
from kenpin.export import export_package
from kenpin.inspection.policy import read_policy
from kenpin.report.findings import Findings, findings_to_json
from kenpin.station.folder import StationFolder
from kenpin.station.trail import Trail
from kenpin.station.versions.installing import install_version
from kenpin.studies.gage import study_gage
from kenpin.studies.rows import Rows
from kenpin.training import train
from kenpin.words import Language
from tests.catalogues import TRANSLATED
from tests.commands import Run
from tests.languages import Marking, Shown, outside, without
from tests.models.chat.shapes import joined as chats
from tests.models.chat.shapes import shapes
from tests.pictures import write_parts
from tests.toy_runs import ToyRun, trained

CRITERIA = {
    "intended_use": "covers of 28 mm",
    "measures": {"escape_rate_at_most": {"at_most": 0.9}, "overkill_rate": {"at_most": 0.0, "by": "high"}},
    "defective_parts": 3,
    "gage": {"kappa": 0.5, "effectiveness": 0.5, "missed": 0.5, "false_alarms": 0.5, "repeats": 0.5},
    "drift": {"measure": "distance", "reference": "lot 1", "every": "lot", "on_alarm": "stop the line"},
}


class Page(HTMLParser):
    """Figures of a page, with what is shown; and cells of tables without what is in figures."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.figures: list[tuple[str, str, str]] = []
        self.cells: list[str] = []
        self._figure: tuple[str, str] | None = None
        self._in_cell, self._is_asked = False, False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "data":
            self._figure = values["data-from"] or "", values["value"] or ""
        elif tag == "table":
            self._is_asked = values.get("class") in ("asked", "read")  # of texts; where figures stand is tested below
        elif tag == "td":
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "data":
            self._figure = None
        elif tag == "td":
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        if self._figure is not None:
            self.figures.append((*self._figure, data))
        elif self._in_cell and not self._is_asked:
            self.cells.append(data)


def found_again(source: str, roots: dict[str, Path], packed: dict[str, bytes]) -> Any:
    """What stands where a figure says that it was read: in the run's own file, not in the pack's copy of it."""
    place, _, path = source.partition("#")
    path, *how = path.split(" ")
    if place == "manifest.json":
        _, _, root, name, what = (part.replace("~1", "/").replace("~0", "~") for part in path.split("/"))
        data = (roots[root] if roots[root].is_file() else roots[root] / name).read_bytes()
        return len(data) if what == "bytes" else hashlib.sha256(data).hexdigest()
    root = next((root for root in roots if place.startswith(f"{root}/")), "")
    if not root:
        values = json.loads(packed[place])
    elif place.endswith(".npz"):
        kept = np.load(roots[root] / place.removeprefix(f"{root}/"))
        return int(kept[path].sum())
    else:
        file = roots[root] if roots[root].is_file() else roots[root] / place.removeprefix(f"{root}/")
        text = file.read_text("utf-8")
        if file.suffix == ".yaml":
            values = yaml.safe_load(text)
        elif file.suffix == ".jsonl":
            values = [*map(json.loads, text.splitlines())]
        else:
            values = json.loads(text)
    for part in path.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        values = values[int(key)] if isinstance(values, list) else values[key]
    if how:
        key, _, wanted = how[1].partition("=") if len(how) > 1 else ("", "", "")
        return sum(not key or str(item[key]).lower() == wanted for item in values)
    return values


def check_figures(page: str, roots: dict[str, Path], packed: dict[str, bytes]) -> int:
    """How many figures of a page stand in the records as they are shown; fails at one that does not."""
    shown = Page(page)
    for source, value, text in shown.figures:
        found = found_again(source, roots, packed)
        assert str(found) == value, source
        if isinstance(found, bool) or not isinstance(found, int | float):
            continue
        if number := re.fullmatch(r"(?:at (?:most|least) )?(-?[\d,.]+(?:e[+-]\d+)?)(\s%)?", text):
            read = float(number[1].replace(",", "")) / (100 if number[2] else 1)
            assert read == pytest.approx(found, rel=1e-3, abs=0.0011), (source, text)
    assert not [cell for cell in shown.cells if re.search(r"\d", cell)]
    return len(shown.figures)


def packed_files(out: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(out) as file:
        return {name: file.read(name) for name in file.namelist()}


def _checked(path: Path, out: Path, roots: dict[str, Path], **beside: Any) -> AuditPack:
    pack = write_pack(path, out, beside=Beside(**beside))
    packed = packed_files(out)
    number = check_figures(packed["pack.html"].decode(), roots, packed)
    figures = [one for section in json.loads(packed[FIGURES])["sections"] for one in section["figures"]]
    assert number >= len(figures) > 60
    assert all(found_again(one["from"], roots, packed) == one["value"] for one in figures)
    listed = packed["pack.html"].decode().partition('<section id="figures">')[2]
    rows = re.findall(r'data-from="([^"]*)".*?<code>(.*?)</code></td><td><code>(.*?)</code>', listed)
    assert [unescape(f"{record}#{place}") for _, record, place in rows] == [one["from"] for one in figures]
    assert [unescape(source) for source, _, _ in rows] == [one["from"] for one in figures]
    return pack


def _missing(pack: AuditPack) -> str:
    return " ".join(one.what for _, one in pack.missing)


@pytest.mark.parametrize("family", ["classifier", "mahalanobis", "embedder"])
def test_every_figure_of_the_page_is_in_the_run(toy_run: ToyRun, tmp_path: Path, family: str) -> None:
    run = toy_run(family, tmp_path / "run", **({"epochs": 1.0} if family == "embedder" else {}))
    pack = _checked(run, tmp_path / "p.zip", {"runs/run": run})
    told = _missing(pack)
    for what in (
        "No acceptance criteria",
        "No test split",
        "No gage study",
        "Nobody's approval",
        "not signed",
        "No plan",
    ):
        assert what in told
    assert all(one.remedy for _, one in pack.missing)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["florence2", "paligemma", "vlm"])
def test_every_figure_of_a_language_model_is_in_the_run(tmp_path: Path, family: str) -> None:
    asked = {"data": "-", "dataset": chats(shapes(8, split="train"), shapes(2, first=50, split="validation"))}
    run = trained(family, tmp_path / "run", None, epochs=1.0, **(asked if family == "vlm" else {}))
    pack = _checked(run, tmp_path / "p.zip", {"runs/run": run})
    (scope,) = (one for one in pack.requirements if one.place == "1 scope")
    assert not scope.met


def test_every_figure_of_a_package_is_in_it(toy_run: ToyRun, tmp_path: Path) -> None:
    package = export_package(toy_run("classifier", tmp_path / "run"), tmp_path / "package", to="openvino")
    _checked(package, tmp_path / "p.zip", {"runs/package": package})


@pytest.fixture(scope="module")
def tested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run that was tested by criteria fixed before, a gage study and a check for drift."""
    folder = tmp_path_factory.mktemp("tested")
    write_parts(folder / "parts" / "train", count=24)
    write_parts(folder / "parts" / "test", count=9, first=500)
    (folder / "c.yaml").write_text(yaml.safe_dump(CRITERIA))
    train(
        "classifier",
        data=str(folder / "parts"),
        out=folder / "run",
        base="toy",
        criteria=folder / "c.yaml",
        report=False,
    )
    rows = ["part,appraiser,trial,verdict,reference"]
    for part in range(20):
        truth = "ok" if part % 2 else "ng"
        wrong = "ng" if part % 2 else "ok"
        rows += [f"{part},kenpin,1,{truth},{truth}", f"{part},kenpin,2,{wrong if part == 3 else truth},{truth}"]
        rows += [f"{part},佐藤,1,{truth},{truth}", f"{part},佐藤,2,{truth},{truth}"]
    (folder / "gage.csv").write_text("\n".join(rows))
    rng = np.random.default_rng(0)
    for name in ("old", "new"):
        lines = [f"{number},{score}" for number, score in enumerate(rng.normal(size=300))]
        (folder / f"{name}.csv").write_text("\n".join(["id,distance", *lines]))
    return folder


def _studied(folder: Path, kenpin: Run) -> tuple[Path, Path]:
    gage, drift = folder / "gage.json", folder / "drift.json"
    assert kenpin("gage", folder / "gage.csv", "--json", gage, "--overwrite")[0] == 0
    reference = ("--reference", folder / "old.csv", "--json", drift, "--overwrite")
    assert kenpin("drift", folder / "new.csv", *reference)[0] in (0, 1)
    return gage, drift


@pytest.mark.parametrize(
    ("appraiser", "found"), [("The inspector", 1), ("inspector", 1), ("nobody", 0), (None, 1), ("the inspector", 0)]
)
def test_criteria_name_who_gave_no_name_as_earlier_ones_did(appraiser: str | None, found: int) -> None:
    rows = [
        {"part": str(part), "trial": str(trial), "verdict": "ok" if part % 2 else "ng", "reference": "ok"}
        for part in range(4)
        for trial in (1, 2)
    ]
    findings = study_gage(Rows(rows, "table.csv"))
    study = Study(findings, Document("gage.json", findings_to_json(findings)))
    assert len([*gage_figures(study, "repeats", appraiser)]) == found


def test_criteria_are_checked_on_the_figures_of_the_records(tested: Path, kenpin: Run, tmp_path: Path) -> None:
    pack = _checked(tested / "run", tmp_path / "p.zip", {"runs/run": tested / "run"}, studies=_studied(tested, kenpin))
    (checked,) = pack.checked
    evaluation = json.loads((tested / "run" / "evaluation.json").read_text())
    measures = evaluation["measures"]
    results = {what: met for what, _, _, met in checked.results}
    assert results["Escapes, at most (one-sided 95 %)"] is (measures["escape_rate_at_most"]["value"] <= 0.9)
    assert results["Overkills: OK parts failed, upper end of its interval"] is False
    assert results["Defective parts tested"] is True
    assert results["Gage: kappa with the truth, kenpin"] is True
    assert results["Gage: false alarms on OK parts, kenpin"] is True
    assert not checked.is_met
    told = _missing(pack)
    assert "criteria" not in told
    assert "No test split" not in told
    met = {(one.framework, one.place) for one in pack.requirements if one.met}
    assert ("EU GMP Annex 22 (draft 2025)", "4 acceptance criteria") in met
    assert ("EU GMP Annex 22 (draft 2025)", "6 independence") not in met  # the doctor was not asked
    assert "Not all acceptance criteria are met" in packed_files(tmp_path / "p.zip")["pack.html"].decode()


def test_each_requirement_is_met_by_a_section_that_is_there_or_is_yours(
    tested: Path, kenpin: Run, tmp_path: Path
) -> None:
    studies = _studied(tested, kenpin)
    for beside in (Beside(), Beside(studies=studies)):
        pack = write_pack(tested / "run", tmp_path / "p.html", beside=beside, overwrite=True)
        sections = {section.id for section in pack.sections}
        assert {met.section for one in pack.requirements for met in one.met} <= sections
        assert all(one.met or one.yours for one in pack.requirements)
    page = (tmp_path / "p.html").read_text("utf-8")
    assert all(f'id="{anchor}"' in page for anchor in re.findall(r'href="#([^"]+)"', page))
    for framework in ("IATF 16949:2016", "VDA 5 (2021)", "EU GMP Annex 22 (draft 2025)", "EU 2024/1689 (AI Act)"):
        assert framework in page


def test_criteria_given_at_the_audit_prove_nothing(toy_run: ToyRun, tmp_path: Path) -> None:
    run = toy_run("classifier", tmp_path / "run")
    (tmp_path / "c.yaml").write_text("measures: {escape_rate_at_most: {at_most: 1.0}}")
    pack = _checked(run, tmp_path / "p.zip", {"runs/run": run}, criteria=tmp_path / "c.yaml")
    assert "set after the parts had been tested" in _missing(pack)
    assert not pack.checked[0].is_met
    page = packed_files(tmp_path / "p.zip")["pack.html"].decode()
    assert "it is not shown that they were fixed before" in page


def _station(folder: Path, run: Path) -> Path:
    """A station with an approved version; returns the version's policy."""
    station = StationFolder(folder / "station")
    (folder / "policy.yaml").write_text(f"runs:\n  look: {run}\nrules:\n  - FAIL if look FAIL\n")
    policy = install_version(station, "cover", 1, read_policy(folder / "policy.yaml"))
    station.trails.mkdir()
    trail = Trail(station.trail("node-1"), "node-1")
    about = {"product": "cover", "version": 1}
    trail.append("ito", "version-installed", {**about, "origin": "set up"})
    trail.append("sato", "version-approved", {**about, "reason": "tested on lot 7"})
    trail.append("sato", "version-approved", {"product": "lid", "version": 1, "reason": "another product"})
    trail.append("sato", "version-switched", {**about, "reason": "tested on lot 7"})
    trail.append("sato", "reference-set", {**about, "from_us": 1, "to_us": 2, "reason": "a level week"})
    trail.close()
    return policy


def test_a_policy_of_a_station_has_its_runs_and_who_approved_it(toy_run: ToyRun, tmp_path: Path) -> None:
    policy = _station(tmp_path, toy_run("classifier", tmp_path / "run"))
    station = tmp_path / "station"
    roots = {"policy": policy, "runs/look": policy.parent / "runs" / "look", "station": station}
    pack = _checked(policy, tmp_path / "p.zip", roots)
    assert (pack.subject.product, pack.subject.version) == ("cover", 1)
    told = _missing(pack)
    assert "approval" not in told
    assert "No records" not in told
    page = packed_files(tmp_path / "p.zip")["pack.html"].decode()
    assert "tested on lot 7" in page
    assert "another product" not in page
    (operation,) = (one for one in pack.requirements if one.place == "Art. 12 (2) a")
    assert operation.met
    (approved,) = (one for one in pack.requirements if one.place == "10 operation")
    assert not approved.met  # there is no plan against drift


def test_a_policy_of_several_runs_has_a_section_of_each(toy_run: ToyRun, tmp_path: Path) -> None:
    one, other = toy_run("classifier", tmp_path / "one"), toy_run("mahalanobis", tmp_path / "other")
    (tmp_path / "policy.yaml").write_text("runs: {look: one, distance: {run: other, fail_from: 3}}\n")
    roots = {"policy": tmp_path / "policy.yaml", "runs/look": one, "runs/distance": other}
    pack = _checked(tmp_path / "policy.yaml", tmp_path / "p.zip", roots)
    assert {"run-1-data", "run-2-data", "run-1-acceptance", "run-2-evaluation"} <= {one.id for one in pack.sections}


def test_what_cannot_be_audited_is_refused_in_a_sentence(kenpin: Run, toy_run: ToyRun, tmp_path: Path) -> None:
    run = toy_run("classifier", tmp_path / "run")
    other = findings_to_json(Findings("threshold", "rows.csv", ("Threshold 1.",)))
    (tmp_path / "judge.json").write_text(json.dumps(other), "utf-8")
    for words_, said in (
        (("absent", "--out", "p.zip"), "no such run, package or policy"),
        ((run, "--out", "p.txt"), ".html or .zip"),
        ((run, "--out", run / "p.zip"), "name another place"),
        ((run, "--out", "p.zip", "--station", tmp_path), "is of a policy"),
        ((run, "--out", "p.zip", "--records", tmp_path), "holds no records"),
        ((run, "--out", "p.zip", "--criteria", "absent.yaml"), "no such file"),
        ((run, "--out", "p.zip", "--with", run / "run.json"), "holds no findings"),
        ((run, "--out", "p.zip", "--with", tmp_path / "judge.json"), "holds findings of the kind threshold"),
        ((run, "--out", "p.zip", "--password-file", "x"), "--sign"),
        ((run, "--out", "p.zip", "--sign", "absent.key"), "no such file"),
    ):
        status, _, told = kenpin("audit", *words_)
        assert (status, told.count("\n")) == (2, 1)
        assert said in told
        assert not [*tmp_path.glob("p.*")]
    (tmp_path / "p.zip").write_text("mine")
    with pytest.raises(OutputExistsError):
        write_pack(run, tmp_path / "p.zip")
    (run / "model" / "added.json").write_text("{}")
    with pytest.raises(RunError, match="was not written by the training"):
        write_pack(run, tmp_path / "q.zip")


def test_a_link_in_a_run_is_refused(toy_run: ToyRun, tmp_path: Path) -> None:
    run = toy_run("classifier", tmp_path / "run")
    (run / "notes.txt").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="a link or no file"):
        write_pack(run, tmp_path / "p.zip")
    with pytest.raises(OptionError):
        write_pack(tmp_path / "nothing", tmp_path / "p.zip")


# ---- languages ----

_DATA = {"test", "train", "validation", "ok", "scratch", "run", "toy", "folders", "criteria.json", "cpu", "json", "zip"}
_DATA |= {
    "c.yaml",
    "covers of 28 mm",
    "lot 1",
    "lot",
    "stop the line",
    "distance",
    "gage",
    "drift",
    "new",
    "sbom.cdx.json",
}
_DATA |= {"svm", "sbom.cdx.json", "figures.json", "IATF", "VDA", "SHA", "kenpin audit", "kenpin audit key"}
_IN_ENGLISH = re.compile(r"kenpin [a-z]+[^。；，]*|--?[a-z][\w-]*(?: [A-Z]+)?|[A-Z]{3,}")
"""Commands and symbols, which are alike in all languages."""


def _shown(folder: Path, language: Language, **how: Any) -> tuple[Shown, set[str]]:
    """The page of the run, without its figures; and names in it that are data."""
    out = folder / "p.html"
    pack = write_pack(how.pop("run"), out, language=language, **how)
    page = out.read_text("utf-8").partition('<script type="application/json"')[0] + "</body></html>"
    page = re.sub(r"<data [^>]*>.*?</data>|<code>.*?</code>", " ", page, flags=re.S)
    names = set(re.findall(r'<th scope="row">([\w./+-]+)</th>', page)) | {clock(pack.made)}
    if (key := how.get("key")) is not None:
        names |= {key.public.name, key.public.text}
    return Shown(page), names


@pytest.mark.parametrize("signed", [False, True])
def test_every_fixed_text_of_the_page_is_in_the_catalogue(
    tested: Path, kenpin: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signed: bool
) -> None:
    studies = _studied(tested, kenpin) if signed else ()
    make_key(tmp_path / "k.key", "")
    marking = Marking()
    monkeypatch.setattr(words, "translations", lambda language: marking)
    key = read_secret(tmp_path / "k.key", "") if signed else None
    shown, names = _shown(tmp_path, "ja", run=tested / "run", beside=Beside(studies=studies), key=key)
    assert any("«" in text for text in shown.texts)
    assert not {rest for text in shown.texts if (rest := outside(text, _DATA | names))}


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_page_in_another_language_has_no_english_sentence(
    tested: Path, kenpin: Run, tmp_path: Path, language: Language
) -> None:
    studies = Beside(studies=_studied(tested, kenpin))
    shown, names = _shown(tmp_path, language, run=tested / "run", beside=studies)
    assert shown.language == language
    texts = [_IN_ENGLISH.sub(" ", without(text, _DATA | names)) for text in shown.texts]
    assert not [text for text in texts if re.search(r"[A-Za-z]+ [a-z]+ [a-z]+", text)]

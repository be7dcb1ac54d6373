"""The commands on decisions: what they print, what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.commands import Run
from tests.quality.published import MANUAL


def test_plan(kenpin: Run) -> None:
    status, out, _ = kenpin("plan", "--escape-rate", "0.05", "--overkill-rate", "0.02", "--allowed", "1")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()] == ["93", "236"]


def write_manual(path: Path) -> None:
    """The measurements of AIAG's manual as a table, with made verdicts."""
    lines = ["part,appraiser,trial,value,verdict,reference"]
    for (part, appraiser, trial), value in np.ndenumerate(MANUAL):
        verdict = "NG" if abs(value) > 1 else "OK"
        reference = "NG" if abs(MANUAL[part].mean()) > 1 else "OK"
        lines.append(f"{part},{'ABC'[appraiser]},{trial},{value},{verdict},{reference}")
    path.write_text("\n".join(lines), "utf-8")


def test_gage_of_a_table(kenpin: Run) -> None:
    write_manual(Path("study.csv"))
    status, out, _ = kenpin("gage", "study.csv")
    assert status == 0
    assert "%GRR 27.9: acceptable for some uses; it tells 4 categories of parts apart." in out
    assert "The interaction may be chance" in out
    assert out.count("effectiveness") == 3
    assert out.count("Cohen’s kappa") == 3


def test_gage_of_a_tolerance_and_of_few_parts(kenpin: Run) -> None:
    write_manual(Path("study.csv"))
    status, out, _ = kenpin("gage", "study.csv", "--tolerance", "8")
    assert status == 0
    assert "Six deviations of the gage take 22.7 % of the tolerance 8: acceptable for some uses." in out
    assert "10 parts are few: AIAG studies verdicts on 50 or more" in out
    assert "AIAG measures" not in out
    assert kenpin("gage", "study.csv", "--tolerance", "0")[0] == 2


def test_gage_tells_inspectors_apart_by_their_files(kenpin: Run) -> None:
    for name in ("old", "new"):
        rows = [{"id": f"{part}-{trial}.png", "verdict": "PASS"} for part in range(3) for trial in range(2)]
        Path(f"{name}.json").write_text(json.dumps({"predictions": rows}))
    mapping = [f"{part}-{trial}.png,{part},{trial}" for part in range(3) for trial in range(2)]
    Path("map.csv").write_text("id,part,trial\n" + "\n".join(mapping))
    status, out, _ = kenpin("gage", "old.json", "new.json", "--mapping", "map.csv")
    assert status == 0
    assert "old gives the same verdict on 3 of 3 parts" in out
    assert "new gives the same verdict on 3 of 3 parts" in out


def test_gage_of_predictions_beside_a_person(kenpin: Run) -> None:
    rows = [
        {"id": f"shots/{part}-{trial}.png", "verdict": "PASS" if part < 2 else "FAIL", "distance": part + trial / 10}
        for part in range(4)
        for trial in range(2)
    ]
    Path("said.json").write_text(json.dumps({"predictions": rows}))
    mapping = [f"{part}-{trial}.png;{part};{trial}" for part in range(4) for trial in range(2)]
    Path("map.csv").write_text("id;part;trial\n" + "\n".join(mapping))
    person = [f"{part},Aiko,{trial},{'良品' if part < 2 else 'scratch'}" for part in range(4) for trial in range(2)]
    Path("person.csv").write_text("part,appraiser,trial,verdict\n" + "\n".join(person), "utf-8")
    status, out, _ = kenpin("gage", "said.json", "person.csv", "--mapping", "map.csv")
    assert status == 0
    assert "The inspector, Aiko Cohen’s kappa" in " ".join(out.split())
    assert "The inspector gives the same verdict on 4 of 4 parts in every trial." in out
    assert "1.000" in out
    assert "Gage R&R of distance" in out


SCORES = [0.02, 0.05, 0.08, 0.11, 0.30, 0.35, 0.62, 0.40, 0.71, 0.88]


def write_scores() -> None:
    Path("said.csv").write_text("id,defect_score\n" + "\n".join(f"{i}.png,{score}" for i, score in enumerate(SCORES)))
    truth = "\n".join(f"{i}.png,{'良品' if i < 7 else 'crack'}" for i in range(10))
    Path("truth.csv").write_text(f"id,label\n{truth}", "utf-8")


def test_judge_by_costs(kenpin: Run) -> None:
    write_scores()
    words = ("judge", "said.csv", "--truth", "truth.csv", "--cost-review", "0.3")
    status, out, _ = kenpin(*words, "--test", "said.csv", "--out", "judged.html")
    assert status == 0
    lines = out.splitlines()
    assert lines[0] == "FAIL from 0.665, REVIEW from 0.375, PASS below."
    assert lines[1] == "Expected cost 0.06 per part; 0.1 if nothing were reviewed."
    assert lines[2] == "On said.csv: 6 PASS, 2 FAIL, 2 REVIEW; cost 0.06 per part."
    assert lines[3] == (
        "0 of 3 defective parts escaped (at most 63.2 %, one-sided 95 %) and 0 of 7 good parts were failed "
        "(at most 34.9 %)."
    )
    assert (
        lines[4]
        == "3 defective parts are too few: even with no escape among them, up to 63.2 % of such parts could escape."
    )
    assert lines[lines.index("On said.csv: 6 PASS, 2 FAIL, 2 REVIEW; cost 0.06 per part.", 3) : -1] == lines[2:6]
    assert Path("judged.html").read_text("utf-8").count("<svg") == 1
    Path("costs.yaml").write_text("cost_escape: 0.5\n")
    plain = ("judge", "said.csv", "--truth", "truth.csv")
    assert "FAIL from 0.665, PASS below." in kenpin(*plain, "--config", "costs.yaml")[1]
    assert "FAIL from 0.375, PASS below." in kenpin(*plain)[1]


def test_judge_knows_the_truth_of_an_evaluation(kenpin: Run) -> None:
    rows = [
        {"id": str(i), "label": "a" if i < 7 else "b", "defective": i >= 7, "prediction": {"defect_score": score}}
        for i, score in enumerate(SCORES)
    ]
    Path("evaluation.json").write_text(json.dumps({"judged": rows}))
    assert "FAIL from 0.375" in kenpin("judge", "evaluation.json")[1]
    status, out, _ = kenpin("judge", "evaluation.json", "--ok-labels", "b", "--cost-escape", "0.01")
    assert status == 0
    assert "7 of 7 defective parts escaped" in out


def write_verdicts(path: Path, verdicts: str, *, ids: str = "{}.png") -> None:
    """The scores as an evaluation, ten parts judged by a letter each: P, F or R."""
    words = {"P": "PASS", "F": "FAIL", "R": "REVIEW"}
    rows = [
        {"id": ids.format(i), "label": "ok" if i < 7 else "crack", "defective": i >= 7, "verdict": words[letter],
         "prediction": {"defect_score": SCORES[i]}, "path": f"parts/{i}.png"}
        for i, letter in enumerate(verdicts)
    ]  # fmt: skip
    path.write_text(json.dumps({"judged": rows}))


def test_judge_against_an_earlier_run(kenpin: Run) -> None:
    write_verdicts(Path("before.json"), "FFFFPPPPPP")
    write_verdicts(Path("now.json"), "PPPPPPFPFF")
    status, out, _ = kenpin("judge", "now.json", "--against", "before.json")
    assert status == 0
    assert "Against before.json, by the verdicts of both runs on 10 parts:" in out
    assert "Escapes in 3 NG parts: 3 before, 1 now (2 corrected, 0 new)." in out
    assert "Overkills in 7 OK parts: 4 before, 1 now (4 corrected, 1 new)." in out
    assert "p = 0.38 (exact McNemar test)" in out
    table = out[out.index("Wrong decisions on the same parts") :].splitlines()
    assert [len(line.split("  ")) > 8 for line in table[1:4]] == [True] * 3
    assert table[2].startswith("escapes in NG parts")


def test_runs_on_copies_are_matched_by_their_pictures(kenpin: Run) -> None:
    Path("parts").mkdir()
    for i in range(10):
        Path(f"parts/{i}.png").write_bytes(bytes([max(i, 1)] * 9))  # 0 and 1 are the same picture: nothing tells which
    write_verdicts(Path("before.json"), "P" * 10, ids="old/{}.png")
    write_verdicts(Path("now.json"), "P" * 10, ids="new/{}.png")
    assert "both runs on 8 parts" in kenpin("judge", "now.json", "--against", "before.json")[1]
    for path in Path("parts").iterdir():
        path.unlink()
    status, _, err = kenpin("judge", "now.json", "--against", "before.json")
    assert (status, err.count("\n")) == (2, 1)
    assert "none of its parts is in now.json" in err


def test_words_that_are_no_verdicts_are_not_compared(kenpin: Run) -> None:
    write_verdicts(Path("now.json"), "P" * 10)
    Path("before.csv").write_text("id,verdict\n0.png,OK")
    status, _, err = kenpin("judge", "now.json", "--against", "before.csv")
    assert status == 2
    assert "'OK' is not a verdict; give PASS, FAIL or REVIEW" in err
    Path("before.csv").write_text("id,defect_score\n0.png,1")
    assert "has no `verdict`" in kenpin("judge", "now.json", "--against", "before.csv")[2]


def test_judge_without_truth_is_refused(kenpin: Run) -> None:
    write_scores()
    status, _, err = kenpin("judge", "said.csv")
    assert status == 2
    assert "row 1 has no true label" in err
    status, _, err = kenpin("judge", "said.csv", "--truth", "truth.csv", "--cost-escpe", "3")
    assert status == 2
    assert "did you mean --cost-escape?" in err


def write_predictions(path: Path, distances: NDArray[np.float64]) -> None:
    rows = [
        {"id": f"{path.stem}{i:04d}.png", "verdict": "FAIL" if distance > 3 else "PASS", "distance": distance}
        for i, distance in enumerate(distances.tolist())
    ]
    path.write_text(json.dumps({"predictions": rows}))


def test_drift_names_the_first_part_that_tripped(kenpin: Run) -> None:
    generator = np.random.default_rng(0)
    write_predictions(Path("before.json"), generator.gamma(4, 0.25, 500))
    write_predictions(Path("quiet.json"), generator.gamma(4, 0.25, 300))
    changed = np.concatenate([generator.gamma(4, 0.25, 100), 2 + generator.gamma(4, 0.25, 100)])
    write_predictions(Path("changed.json"), changed)
    status, out, _ = kenpin("drift", "quiet.json", "--reference", "before.json", "--arl", "10000")
    assert (status, out.count("no alarm")) == (0, 3)
    status, out, _ = kenpin("drift", "changed.json", "--reference", "before.json", "--out", "drift.html")
    assert status == 1
    first = int(out.split("changed")[1][:4])
    assert 100 <= first < 110
    assert "Mean distance of lots: ALARM first at lot 3, whose first part is changed0100.png" in out
    assert "Share of FAIL in lots: ALARM first at lot 3" in out
    assert out.startswith(f"Something drifted, first seen at changed{first:04d}.png (part {first + 1}) by EWMA")
    assert Path("drift.html").read_text("utf-8").count("<svg") == 3
    assert kenpin("drift", "quiet.json", "--reference", "before.json", "--out", "drift.html")[0] == 2


def test_drift_of_lots_that_a_table_names_and_of_vectors(kenpin: Run) -> None:
    generator = np.random.default_rng(1)
    distances = generator.gamma(4, 0.25, 300)
    write_predictions(Path("before.json"), distances[:200])
    write_predictions(Path("now.json"), distances[200:] * np.repeat([1, 1.5], 50))
    lots = "\n".join(f"now{i:04d}.png,{'early' if i < 50 else 'late'}" for i in range(100))
    Path("lots.csv").write_text(f"id,shift\n{lots}")
    np.save("a.npy", generator.normal(size=(60, 5)))
    np.savez("b.npz", vectors=generator.normal(size=(60, 5)) + 1, ids=np.array(["x"]))
    words = ("drift", "now.json", "--reference", "before.json", "--mapping", "lots.csv", "--lot", "shift")
    status, out, _ = kenpin(*words, "--reference-vectors", "a.npy", "--vectors", "b.npz")
    assert status == 1
    assert "Mean distance of lots: ALARM first at lot late, whose first part is now0050.png" in out
    assert "Embeddings: ALARM, they differ from the reference (energy test of 60 against 60, p = 0.001)" in out
    assert "EWMA of the embeddings’ distance from the reference: ALARM first at embedding" in out
    both = kenpin(*words, "--score", "distance", "--score", "other")[2]
    assert "100 parts without `distance` and `other` are left out" in both
    status, _, err = kenpin(*words, "--vectors", "b.npy")
    assert status == 2
    assert "give both --vectors and --reference-vectors" in err
    Path("b.npy").write_bytes(b"no array")
    status, _, err = kenpin(*words, "--vectors", "b.npy", "--reference-vectors", "a.npy")
    assert status == 2
    assert "b.npy: cannot be read as embeddings" in err
    np.savez("c.npz", other=np.zeros(3))
    assert "c.npz: cannot be read" in kenpin(*words, "--vectors", "c.npz", "--reference-vectors", "a.npy")[2]
    np.save("d.npy", np.zeros(3))
    assert "of shape (3,)" in kenpin(*words, "--vectors", "d.npy", "--reference-vectors", "a.npy")[2]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("part,trial\n1,1", "no row has a verdict or a value"),
        ("part,trial,verdict\n1,1,OK\n1", "line 3: has more or fewer cells"),
        ("part,trial,verdict\n,1,OK", "row 1 has no `part`"),
        ("part,trial,value\n1,1,two", "has 'two' for `value`; give a finite number"),
        ("part,trial,value\n1,1,2\n1,1,3", "The inspector has part 1 in trial 1 twice"),
        ("part,trial,value\n1,1,2\n1,2,3\n2,1,3", "has not measured part 2 in trial 2"),
        ("part,trial,verdict,reference\n1,1,OK,OK\n1,2,OK,NG", "part 1 is both OK and NG"),
        ("part,trial,verdict", "holds no row"),
    ],
)
def test_a_table_that_cannot_be_studied_is_refused(kenpin: Run, text: str, sentence: str) -> None:
    Path("study.csv").write_text(text)
    status, out, err = kenpin("gage", "study.csv")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert sentence in err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("drift", "none.json", "--reference", "none.json", "--lot-size", "0"), "`--lot-size` is 0"),
        (("drift", "none.json", "--reference", "none.json"), "none.json: there is no such file"),
        (("gage", "none.csv"), "none.csv: there is no such file"),
        (("plan",), "give --escape-rate, --overkill-rate or both"),
        (("plan", "--escape-rate", "5"), "`--escape-rate` is '5'; give a number below 1"),
        (("plan", "--escape-rate", "0.05", "--allowed", "-1"), "`--allowed` is '-1'; give a number from 0 up"),
    ],
)
def test_misuse_is_one_sentence(kenpin: Run, words: tuple[str, ...], sentence: str) -> None:
    status, out, err = kenpin(*words)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert sentence in err

"""The studies in Python: arrays and rows in, the figures of the commands out, nothing printed."""

from __future__ import annotations

import numpy as np
import pytest

from kenpin.errors import DatasetError, OptionError
from kenpin.studies import Embeddings, Rows, study_drift, study_gage, study_threshold, with_truth
from tests.quality.published import MANUAL
from tests.quality.test_commands import SCORES


def test_gage_of_arrays() -> None:
    part, appraiser, trial = np.indices(MANUAL.shape).reshape(3, -1)
    rows = Rows.of(part=part, appraiser=appraiser, trial=trial, value=MANUAL.ravel())
    found = study_gage(rows, tolerance=8, name="manual")
    assert (found.kind, found.name, found.alarm) == ("gage", "manual", False)
    assert found.sentences[0] == "%GRR 27.9: acceptable for some uses; it tells 4 categories of parts apart."
    assert found.sentences[1].startswith("Six deviations of the gage take 22.7 % of the tolerance 8")
    with pytest.raises(DatasetError, match="rows: no row has `width`; name a column of numbers"):
        study_gage(rows, value="width")


def test_threshold_of_arrays() -> None:
    rows = Rows.of(defect_score=SCORES, defective=np.arange(10) >= 7)
    found = study_threshold(rows, cost_escape=10, cost_overkill=1, cost_review=0.3, test=rows)
    assert found.sentences[0] == "FAIL from 0.665, REVIEW from 0.375, PASS below."
    assert found.sentences[1] == "Expected cost 0.06 per part; 0.1 if nothing were reviewed."
    assert found.sentences.count("On rows: 6 PASS, 2 FAIL, 2 REVIEW; cost 0.06 per part.") == 2
    assert len(found.lines) == 1
    scored, truth = Rows.of(defect_score=SCORES), Rows.of(label=["良品"] * 7 + ["crack"] * 3)
    named = study_threshold(with_truth(scored, truth), cost_escape=10, cost_overkill=1, cost_review=0.3, test=rows)
    assert named == found
    with pytest.raises(DatasetError, match="row 1 has no true label"):
        study_threshold(scored, cost_escape=10, cost_overkill=1)


def test_drift_of_arrays() -> None:
    generator = np.random.default_rng(0)
    before, quiet = generator.gamma(4, 0.25, 500), generator.gamma(4, 0.25, 300)
    changed = np.concatenate([generator.gamma(4, 0.25, 100), 2 + generator.gamma(4, 0.25, 100)])
    reference = Rows.of(distance=before)
    still = study_drift(Rows.of(distance=quiet), reference, arl=10_000)
    assert not still.alarm
    assert still.sentences[0] == "Nothing drifted: 300 parts against 500."
    found = study_drift(
        Rows.of("line 3", distance=changed, shift=np.repeat(["early", "late"], 100)), reference, lot="shift"
    )
    assert found.alarm
    assert found.name == "line 3"
    assert "Mean distance of lots: ALARM first at lot late, whose first part is 101, above" in " ".join(found.sentences)
    ids = [str(number) for number in range(60)]
    moved = tuple(Embeddings(generator.normal(size=(60, 5)) + far, ids) for far in (1, 0))
    found = study_drift(Rows.of(distance=quiet), reference, arl=10_000, embeddings=(moved[0], moved[1]))
    assert found.alarm
    assert (
        "Embeddings: ALARM, they differ from the reference (energy test of 60 against 60, p = 0.001)."
        in found.sentences
    )
    with pytest.raises(OptionError, match="`lot_size` is 0"):
        study_drift(reference, reference, lot_size=0)

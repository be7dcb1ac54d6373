"""kenpin's side: a task on standard input, its figures on standard output."""

from __future__ import annotations

import json
import resource
import sys
import time

task = json.load(sys.stdin)

import torch  # noqa: E402

from kenpin.data.dataset import Dataset  # noqa: E402
from kenpin.data.lineage import NOTHING_SEEN  # noqa: E402
from kenpin.models.contract import Fitted, Task  # noqa: E402
from kenpin.models.mahalanobis import FAMILY, MahalanobisOptions  # noqa: E402
from kenpin.predictor import Predictor  # noqa: E402
from kenpin.records import Example, ImageSource  # noqa: E402


def _pictures(paths: list[str]) -> Dataset:
    return Dataset.from_examples([Example(id=path, image=ImageSource(path), label="good") for path in paths])


options = {name: task[name] for name in ("base", "beside", "where", "layers", "place_items") if name in task}
settled = FAMILY.settled(MahalanobisOptions.from_mapping({"data": "-", "out": "-"} | options))  # as a training does
inspector = FAMILY.create(settled, Task(("good",), ("good",)))
assert isinstance(inspector, Fitted)
started, cpu = time.perf_counter(), time.process_time()
inspector.fit(_pictures(task["fit"]), NOTHING_SEEN, lambda doing, done, total: None)
fitted, fitted_cpu = time.perf_counter(), time.process_time()
scores = [one.defect_score for one in Predictor(inspector).predict(_pictures(task["score"]))]
scored, scored_cpu = time.perf_counter(), time.process_time()

probe = None
if not {"base", "beside"} & {*task}:  # both sides have the same network, which they show by a few of its numbers
    ramp = torch.linspace(-1, 1, 3 * 224 * 224).view(1, 3, 224, 224)
    with torch.inference_mode():
        probe = inspector.module.stage_outputs(ramp)[4][0, :16, 7, 7].tolist()  # type: ignore[operator]
figures = {
    "fit_s": fitted - started,
    "fit_cpu_s": fitted_cpu - cpu,
    "score_s": scored - fitted,
    "score_cpu_s": scored_cpu - fitted_cpu,
    "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    "scores": scores,
    "probe": probe,
}
print(json.dumps(figures))

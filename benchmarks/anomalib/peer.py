"""anomalib's side, run by its own interpreter: a task on standard input, its figures on standard output."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

sys.path.pop(0)  # this folder's name would hide the package
task = json.load(sys.stdin)

import numpy as np  # noqa: E402
import torch  # noqa: E402
from anomalib.models.image.padim.torch_model import PadimModel  # type: ignore[import-not-found]  # noqa: E402
from anomalib.models.image.patchcore.torch_model import PatchcoreModel  # type: ignore[import-not-found]  # noqa: E402
from PIL import Image  # noqa: E402

BATCH = 32  # pictures at a time, anomalib's default


def _picture(path: str) -> torch.Tensor:
    pixels = np.asarray(Image.open(path).convert("RGB").resize((224, 224), Image.Resampling.BILINEAR), np.float32)
    return torch.from_numpy(pixels / 127.5 - 1).permute(2, 0, 1)


def _batches(paths: list[str]) -> Iterator[torch.Tensor]:
    """Pictures, opened by two threads while the network computes."""
    with ThreadPoolExecutor(2) as pool:
        groups = [paths[start : start + BATCH] for start in range(0, len(paths), BATCH)]
        waiting = [pool.map(_picture, group) for group in groups[:2]]
        for number in range(len(groups)):
            if number + 2 < len(groups):
                waiting.append(pool.map(_picture, groups[number + 2]))
            yield torch.stack(list(waiting[number]))


torch.manual_seed(0)
layers = [f"blocks.{block}" for block in task["blocks"]]
shared = {"backbone": "tf_efficientnet_lite0", "layers": layers, "pre_trained": False}
padim = task["method"] == "padim"
model = PadimModel(n_features=task["items"], **shared) if padim else PatchcoreModel(**shared)
published = torch.load(task["weights"], weights_only=True)
# both list the layers in the order of computation; the features end before the head
for own, other in zip(model.feature_extractor.state_dict().values(), published.values(), strict=False):
    own.copy_(other)

started, cpu = time.perf_counter(), time.process_time()
model.train()
model.feature_extractor.eval()
with torch.inference_mode():
    for batch in _batches(task["fit"]):
        model(batch)
    if padim:
        model.fit()
    else:
        model.subsample_embedding(task["coreset"])
    fitted, fitted_cpu = time.perf_counter(), time.process_time()
    model.eval()
    scores = [float(score) for batch in _batches(task["score"]) for score in model(batch).pred_score.flatten()]
    scored, scored_cpu = time.perf_counter(), time.process_time()
    ramp = torch.linspace(-1, 1, 3 * 224 * 224).view(1, 3, 224, 224)
    probe = model.feature_extractor(ramp)["blocks.4"][0, :16, 7, 7]
figures = {
    "fit_s": fitted - started,
    "fit_cpu_s": fitted_cpu - cpu,
    "score_s": scored - fitted,
    "score_cpu_s": scored_cpu - fitted_cpu,
    "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    "scores": scores,
    "probe": probe.tolist(),
}
print(json.dumps(figures))

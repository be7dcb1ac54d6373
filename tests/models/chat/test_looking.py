"""What sees the picture in a chat model: on an engine and kept, with equal answers and an equal loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from kenpin.models.contract import Task
from kenpin.models.vlm import FAMILY
from kenpin.models.vlm.options import VlmOptions
from kenpin.records import Example, ImageSource
from kenpin.runtime import version_of

if version_of("openvino") is None:
    pytest.skip("the extra openvino is not installed", allow_module_level=True)
ASKED = ("what is it?", "a dent", "a scratch")


def _chat(engine: str) -> Any:
    values = {"data": "-", "out": "-", "base": "toy", "tuning": "lora", "engine": engine, "max_new_tokens": 12}
    return FAMILY.create(VlmOptions.from_mapping(values), Task((), (), questions=ASKED[:1], answers=ASKED[1:]))


def test_answers_and_losses_are_those_of_torch_and_each_picture_is_seen_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KENPIN_CACHE", str(tmp_path))
    images = [Image.new("RGB", (70, 50), colour) for colour in ("red", "green")]
    examples = [Example(str(row), ImageSource(), prefix=ASKED[0], suffix=ASKED[1 + row]) for row in (0, 1)]
    by_torch, on_engine = _chat("torch"), _chat("openvino")
    batch = by_torch.encode_questions(images, examples) | by_torch.encode_targets(examples)
    with torch.inference_mode():
        losses = [float(one.total_loss(one.module.eval(), batch)) for one in (by_torch, on_engine)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-5)
        monkeypatch.setattr(type(on_engine._looking._frozen), "begin", lambda *_: pytest.fail("seen a second time"))
        answers = [one.infer(batch)["tokens"].tolist() for one in (by_torch, on_engine)]
    assert answers[0] == answers[1]
    assert "pixel_values" not in on_engine._seen(batch)

"""Moves of axes, written so that engines have fast code for them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from kenpin.models.networks import converting
from kenpin.models.networks.converting import moved, write_network
from kenpin.runtime import load_network
from kenpin.runtime.network import NETWORK_FILES


@given(data=st.data(), count=st.integers(1, 7))
def test_a_move_is_the_permutation(data: st.DataObject, count: int) -> None:
    shape = data.draw(st.lists(st.integers(1, 4), min_size=count, max_size=count))
    axes = data.draw(st.permutations(range(count)))
    tensor = torch.arange(torch.Size(shape).numel()).reshape(shape)
    assert torch.equal(moved(tensor, axes), tensor.permute(*axes))


class _Windows(nn.Module):
    """Windows of a picture, their channels first, and attention between them."""

    def forward(self, rows: Tensor) -> Tensor:
        count, height, width, channels = rows.shape
        windows = rows.float().view(count, height // 2, 2, width // 2, 2, channels).permute(0, 1, 3, 2, 4, 5)
        tokens = windows.reshape(count, -1, 4 * channels).transpose(1, 2)
        heads = tokens.reshape(count, 2, -1, tokens.shape[-1]).transpose(-1, -2)
        return (heads @ heads.transpose(2, 3)).permute(0, -1, 1, 2).flatten(1)


@pytest.mark.parametrize("engine", ["openvino", "onnx"])
def test_a_network_that_moves_axes_is_converted(engine: str, tmp_path: Path) -> None:
    pytest.importorskip({"openvino": "openvino", "onnx": "onnxscript"}[engine])
    rows = torch.arange(3 * 8 * 12 * 5, dtype=torch.uint8).reshape(3, 8, 12, 5)
    write_network(engine, _Windows(), rows[:1], tmp_path, ["features"])
    network = load_network(engine, tmp_path / NETWORK_FILES[engine], threads=1)
    torch.testing.assert_close(torch.from_numpy(network(rows.numpy())["features"]), _Windows()(rows))


@pytest.mark.parametrize("engine", ["openvino", "onnx"])
def test_an_engine_that_errs_is_noticed(engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip({"openvino": "openvino", "onnx": "onnxscript"}[engine])
    monkeypatch.setattr(converting, "load_calls", lambda *_, **__: lambda rows: [rows.astype("f4").sum((1, 2)) * 1.01])
    with pytest.raises(RuntimeError, match="differ from torch's"):
        write_network(engine, _Sums().eval(), torch.ones(1, 2, 3, 4), tmp_path, ["features"])


class _Sums(nn.Module):
    def forward(self, rows: Tensor) -> Tensor:
        return rows.float().sum((1, 2))

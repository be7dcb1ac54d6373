"""PaliGemma's arithmetic and files against the reference's own numbers, within the tolerances stated with them."""

from __future__ import annotations

import copy
import json
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from numpy.typing import NDArray
from torch import Tensor

from kenpin.errors import OptionError, OutputExistsError, ShapeError
from kenpin.models.language.generation import Asked, generate_answers
from kenpin.models.paligemma import npz
from kenpin.models.paligemma.npz import model_from_npz, npz_from_model
from kenpin.models.paligemma.prefix_lm import prompt_inputs, teacher_forced_logits
from kenpin.models.paligemma.reference import (
    TextRow,
    encode_text,
    per_example_loss,
    preprocess_image,
)
from kenpin.training.schedules import cosine_with_warmup

Arrays = dict[str, NDArray[Any]]
FOLDER = Path(__file__).parent / "golden"
FACTS = json.loads((FOLDER / "paligemma_tiny_a.json").read_text("utf-8"))
TOLERANCE = FACTS["suggested_tolerance"]
LENGTH = FACTS["config"]["seqlen"]
IDS = {name: FACTS["config"]["special_tokens"][name] for name in ("newline", "bos", "eos")}
NAMES: list[str] = FACTS["config"]["param_names"]
ATTENTION = [name for name in NAMES if name.startswith("llm/layers/attn/")]
QUERY = "params/llm/layers/attn/q_einsum/w"


def _arrays(path: Path) -> Arrays:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


GOLDEN = _arrays(FOLDER / "paligemma_tiny_a.npz")
CHECKPOINT = {name: array for name, array in GOLDEN.items() if name.startswith("params/")}
PIXELS = torch.from_numpy(GOLDEN["train/image"]).permute(0, 3, 1, 2)
TRAIN = TextRow(*(torch.from_numpy(GOLDEN[f"train/{name}"]).long() for name in ("text", *TextRow._fields[1:])))
PROMPTS = [text[mask == 1].tolist() for text, mask in zip(GOLDEN["eval/text"], GOLDEN["eval/mask_input"], strict=True)]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("paligemma") / "tiny.npz"
    np.savez(path, **CHECKPOINT)  # type: ignore[arg-type]
    return path


@pytest.fixture(scope="session")
def shared_model(checkpoint: Path) -> Any:
    """Read only: tests that train take `model`."""
    return model_from_npz(checkpoint)


@pytest.fixture
def model(shared_model: Any) -> Any:
    return copy.deepcopy(shared_model)


def _places(model: Any) -> dict[str, int]:
    vision = model.config.vision_config
    return {
        "image_id": model.config.image_token_id,
        "picture_tokens": (vision.image_size // vision.patch_size) ** 2,
    }


def _logits(model: Any, row: TextRow) -> Tensor:
    places: dict[str, Any] = {**_places(model), "pixel_values": PIXELS}
    return teacher_forced_logits(model, row.tokens, row.mask_ar, row.mask_input, **places)


def _answers(model: Any, pixels: Tensor, prompts: list[list[int]]) -> list[list[int]]:
    inputs = prompt_inputs(prompts, device=pixels.device, **_places(model)) | {"pixel_values": pixels}
    asked = Asked(inputs, IDS["eos"], 0, range(0))
    answers = generate_answers(model, asked, grammar=None, beams=1, max_new_tokens=10)
    return [_until_eos(row) for row in answers.tokens.numpy()]


def _loss(model: Any) -> Tensor:
    return per_example_loss(_logits(model, TRAIN), TRAIN.tokens, TRAIN.mask_loss).mean()


def _stack(rows: Iterable[TextRow]) -> TextRow:
    return TextRow(*(torch.stack(column) for column in zip(*rows, strict=True)))


def _close(found: Any, expected: Any, tolerance: str) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE[tolerance])


# ---- picture and text ----


@pytest.mark.parametrize("example", range(4))
def test_picture(example: int) -> None:
    _close(preprocess_image(GOLDEN[f"pre/raw_{example}"], 28), PIXELS[example], "image")


def test_a_picture_with_one_channel_is_grey() -> None:
    grey = GOLDEN["pre/raw_2"]
    assert torch.equal(preprocess_image(grey[..., None], 28), preprocess_image(grey, 28))


@pytest.mark.parametrize("pixels", [np.zeros((4, 4, 2), np.uint8), np.zeros((4, 4), np.uint16), np.zeros(4, np.uint8)])
def test_other_pictures_are_refused(pixels: Any) -> None:
    with pytest.raises(ShapeError, match="give uint8"):
        preprocess_image(pixels, 28)


def test_rows_to_learn_from() -> None:
    rows = _stack(
        encode_text(example["prefix_ids"], example["suffix_ids"], LENGTH, **IDS) for example in FACTS["train_examples"]
    )
    for found, expected in zip(rows, TRAIN, strict=True):
        assert torch.equal(found, expected)


@pytest.mark.parametrize("suffix", [None, []])
def test_rows_to_be_answered(suffix: list[int] | None) -> None:
    rows = _stack(encode_text(example["prefix_ids"], suffix, LENGTH, **IDS) for example in FACTS["eval_examples"])
    assert np.array_equal(rows.tokens, GOLDEN["eval/text"])
    assert np.array_equal(rows.mask_ar, GOLDEN["eval/mask_ar"])
    assert np.array_equal(rows.mask_input, GOLDEN["eval/mask_input"])
    assert not rows.mask_loss.any()


# ---- scores ----


def test_picture_tokens(shared_model: Any) -> None:
    with torch.no_grad():
        _close(shared_model.get_image_features(PIXELS).pooler_output, GOLDEN["train/zimg"], "zimg")


def test_logits(shared_model: Any) -> None:
    valid = GOLDEN["train/valid_logits"]
    with torch.no_grad():
        _close(_logits(shared_model, TRAIN).numpy()[valid], GOLDEN["train/logits"][valid], "logits")


def test_losses(shared_model: Any) -> None:
    with torch.no_grad():
        losses = per_example_loss(_logits(shared_model, TRAIN), TRAIN.tokens, TRAIN.mask_loss)
    _close(losses, GOLDEN["train/example_loss"], "loss")
    _close(losses.mean(), GOLDEN["train/loss"], "loss")


def test_loss_of_a_row_without_answer_is_nothing() -> None:
    tokens = torch.ones(1, 3, dtype=torch.long)
    assert per_example_loss(torch.randn(1, 2, 5), tokens, torch.zeros(1, 3)).tolist() == [0.0]


def test_padding_changes_no_score(shared_model: Any) -> None:
    example = FACTS["train_examples"][0]
    with torch.no_grad():
        short, long = (
            _logits(shared_model, _stack([encode_text(**example, length=length, **IDS)] * 4)) for length in (12, 30)
        )
    torch.testing.assert_close(long[:, :11], short, rtol=0, atol=TOLERANCE["logits"])


def test_the_prefix_is_seen_both_ways_and_the_suffix_forwards_only(shared_model: Any) -> None:
    def logits(prefix: list[int], suffix: list[int]) -> Tensor:
        with torch.no_grad():
            return _logits(shared_model, _stack([encode_text(prefix, suffix, 10, **IDS)] * 4))

    first = logits([200, 201, 202], [300, 301, 302])
    later_suffix = logits([200, 201, 202], [300, 301, 400])
    # positions: bos 0, prefix 1-3, newline 4, suffix 5-7
    assert torch.equal(first[:, :7], later_suffix[:, :7])
    assert not torch.equal(first[:, 7], later_suffix[:, 7])
    later_prefix = logits([200, 201, 402], [300, 301, 302])
    assert ((first - later_prefix)[:, :2].abs().amax(dim=(0, 2)) > 1e-3).all()


# ---- training ----


def _train(model: Any, rates: Iterable[float]) -> list[float]:
    """Plain SGD on the language model's attention; the loss before each step."""
    losses = []
    weights = [p for name, p in model.named_parameters() if "language_model" in name and "self_attn" in name]
    optimiser = torch.optim.SGD(weights)
    for rate in rates:
        optimiser.param_groups[0]["lr"] = rate
        optimiser.zero_grad()
        loss: Any = _loss(model)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def _published(model: Any, folder: Path) -> Arrays:
    npz_from_model(model, folder / "out.npz", torch.float32)
    return _arrays(folder / "out.npz")


def test_gradients_of_all_arrays(model: Any, tmp_path: Path) -> None:
    loss: Any = _loss(model)
    loss.backward()
    for weight in model.parameters():
        weight.data = weight.grad
    gradients = _published(model, tmp_path)
    for name in ATTENTION:
        _close(gradients[f"params/{name}"], GOLDEN[f"grad/{name}"], "grads")
    _close([np.linalg.norm(gradients[f"params/{name}"]) for name in NAMES], GOLDEN["grad/norms"], "grads")


def _check_trained(model: Any, folder: Path, stage: str) -> None:
    trained = _published(model, folder)
    for name in NAMES:
        if name in ATTENTION:
            _close(trained[f"params/{name}"], GOLDEN[f"{stage}/params/{name}"], "sgd_params")
        else:
            assert np.array_equal(trained[f"params/{name}"], CHECKPOINT[f"params/{name}"].astype(np.float32))


def test_one_step(model: Any, tmp_path: Path) -> None:
    _train(model, [float(GOLDEN["sgd1/lr"])])
    _check_trained(model, tmp_path, "sgd1")
    with torch.no_grad():
        _close(_loss(model), GOLDEN["sgd1/loss_after"], "loss")


def test_eight_steps_of_the_schedule(model: Any, tmp_path: Path) -> None:
    losses = _train(model, [cosine_with_warmup(step, 65, 0.03, 0.10) for step in range(1, 9)])
    _close(losses, GOLDEN["sgd8/losses"], "loss")
    _check_trained(model, tmp_path, "sgd8")


@pytest.mark.parametrize("base", ["0.01", "0.03"])
def test_schedule(base: str) -> None:
    rates = [cosine_with_warmup(int(step), 65, float(base), 0.10) for step in GOLDEN["sched/steps"]]
    _close(rates, GOLDEN[f"sched/base_{base}"], "sched")
    assert int(np.argmax(rates)) == int(GOLDEN["sched/warmup_steps"])


def test_schedule_at_its_edges() -> None:
    assert cosine_with_warmup(0, 10, 1.0, 0.0) == 1.0
    assert cosine_with_warmup(1, 10, 1.0, 0.001) == 1.0  # a warm-up of one step, not of none
    assert cosine_with_warmup(0, 10, 1.0, 0.001) == 0.0
    assert cosine_with_warmup(1, 1, 1.0, 0.10) == 1.0
    for impossible in (1.0, 1.5, -0.1):
        with pytest.raises(OptionError, match="warm-up"):
            cosine_with_warmup(1, 10, 1.0, impossible)


# ---- answers ----


def _until_eos(tokens: NDArray[Any]) -> list[int]:
    ids: list[int] = tokens.tolist()
    return ids[: ids.index(IDS["eos"]) + 1] if IDS["eos"] in ids else ids


def test_greedy_answers(shared_model: Any) -> None:
    answers = _answers(shared_model, PIXELS, PROMPTS)
    assert answers == [_until_eos(tokens) for tokens in GOLDEN["decode/tokens"]]


def test_an_answer_does_not_depend_on_its_batch(shared_model: Any) -> None:
    together = _answers(shared_model, PIXELS, PROMPTS)
    for pixels, prompt, answer in zip(PIXELS, PROMPTS, together, strict=True):
        assert _answers(shared_model, pixels[None], [prompt]) == [answer]


def test_scores_of_the_greedy_answers(shared_model: Any) -> None:
    answers = [_until_eos(tokens) for tokens in GOLDEN["decode/tokens"]]
    examples = zip(FACTS["eval_examples"], answers, strict=True)
    # encode_text ends every suffix with an eos of its own: only the scores before it are the answer's
    rows = _stack(encode_text(example["prefix_ids"], answer, 24, **IDS) for example, answer in examples)
    with torch.no_grad():
        logits = _logits(shared_model, rows)
    for i, (prompt, answer) in enumerate(zip(PROMPTS, answers, strict=True)):
        own = logits[i, len(prompt) - 1 :][: len(answer)]
        _close(own[0], GOLDEN["eval/first_logits"][i], "logits")
        scores = own.log_softmax(-1)[range(len(answer)), answer]
        _close(scores, GOLDEN["decode/logp_f32cache"][i, : len(answer)], "logits")


# ---- files ----


def _as_bfloat16(array: NDArray[Any]) -> NDArray[Any]:
    bits: NDArray[Any] = torch.from_numpy(array).to(torch.bfloat16).view(torch.int16).numpy()
    return bits.view("V2")


@pytest.mark.parametrize(
    ("dtype", "convert"),
    [
        (torch.float16, lambda array: array),
        (torch.float32, lambda array: array.astype(np.float32)),
        (torch.bfloat16, _as_bfloat16),
    ],
)
def test_what_is_read_is_written_back_byte_for_byte(
    dtype: torch.dtype, convert: Callable[[NDArray[Any]], NDArray[Any]], tmp_path: Path
) -> None:
    arrays = {name: convert(array) for name, array in CHECKPOINT.items()}
    np.savez(tmp_path / "in.npz", **arrays)  # type: ignore[arg-type]
    npz_from_model(model_from_npz(tmp_path / "in.npz"), tmp_path / "out.npz", dtype)
    npz_from_model(model_from_npz(tmp_path / "in.npz", dtype), tmp_path / "own_type.npz")
    for written in (_arrays(tmp_path / "out.npz"), _arrays(tmp_path / "own_type.npz")):
        assert written.keys() == arrays.keys()
        for name, array in arrays.items():
            assert (written[name].dtype, written[name].shape) == (array.dtype, array.shape)
            assert written[name].tobytes() == array.tobytes()


def test_bfloat16_is_read_as_numbers(shared_model: Any, tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", **{name: _as_bfloat16(array) for name, array in CHECKPOINT.items()})  # type: ignore[arg-type]
    found = model_from_npz(tmp_path / "in.npz").state_dict()
    for name, weight in shared_model.state_dict().items():
        assert found[name].dtype == torch.float32
        assert torch.equal(found[name], weight.bfloat16().float())


def test_the_notebooks_own_file_has_no_prefix_two_types_and_may_be_compressed(
    shared_model: Any, tmp_path: Path
) -> None:
    arrays = {name: GOLDEN[f"params/{name}"] for name in NAMES}
    arrays |= {name: arrays[name].astype(np.float32) for name in ATTENTION}
    np.savez_compressed(tmp_path / "in.npz", **arrays)  # type: ignore[arg-type]
    found = model_from_npz(tmp_path / "in.npz")
    assert all(torch.equal(found.state_dict()[name], weight) for name, weight in shared_model.state_dict().items())


def test_configuration_is_the_stated_one(shared_model: Any) -> None:
    config = shared_model.config.to_dict()
    for name, value in FACTS["hf_config"].items():
        parts = value if isinstance(value, dict) else {}
        assert all(config[name][part] == expected for part, expected in parts.items())
        assert parts or config[name] == value
    vision, text = config["vision_config"], config["text_config"]
    assert vision["layer_norm_eps"] == FACTS["config"]["vit_layernorm_eps"]
    assert text["rms_norm_eps"] == FACTS["config"]["llm"]["norm_eps"]
    assert text["rope_parameters"]["rope_theta"] == FACTS["config"]["llm"]["rope_max_wavelength"]
    assert vision["hidden_act"] == text["hidden_act"] == "gelu_pytorch_tanh"
    assert shared_model.lm_head.weight is shared_model.get_input_embeddings().weight
    assert not shared_model.training


def _odd_model() -> Any:
    """No two axes of one size, several key heads, and heads that do not fill the width: a swapped axis shows."""
    sizes = {
        "image_layers": 2, "image_width": 6, "image_heads": 2, "image_head_size": 3, "image_mlp": 5, "patches": 9,
        "patch_height": 4, "patch_width": 4, "layers": 3, "width": 10, "heads": 6, "kv_heads": 2, "head_size": 8,
        "mlp": 7, "vocabulary": 11,
    }  # fmt: skip
    torch.manual_seed(0)
    model = transformers.PaliGemmaForConditionalGeneration(npz._config(sizes))
    for weight in model.parameters():
        torch.nn.init.normal_(weight)
    return model


def test_axes_of_unlike_sizes(tmp_path: Path) -> None:
    model = _odd_model()
    npz_from_model(model, tmp_path / "odd.npz")
    again = model_from_npz(tmp_path / "odd.npz")
    assert npz._sizes_of(again.config) == npz._sizes_of(model.config)
    weights, arrays = model.state_dict(), _arrays(tmp_path / "odd.npz")
    assert all(torch.equal(again.state_dict()[name], weight) for name, weight in weights.items())
    # each layout once more, as the product that it stands for
    layer = {n.removeprefix("model.language_model.layers.2.self_attn."): w for n, w in weights.items()}
    x, heads = torch.randn(10), torch.randn(6, 8)
    query, both, out = (torch.from_numpy(arrays[f"params/{name}"])[2] for name in sorted(ATTENTION, reverse=True))
    torch.testing.assert_close(torch.einsum("d,ndh->nh", x, query).flatten(), layer["q_proj.weight"] @ x)
    torch.testing.assert_close(torch.einsum("d,kdh->kh", x, both[0]).flatten(), layer["k_proj.weight"] @ x)
    torch.testing.assert_close(torch.einsum("d,kdh->kh", x, both[1]).flatten(), layer["v_proj.weight"] @ x)
    torch.testing.assert_close(torch.einsum("nh,nhd->d", heads, out), layer["o_proj.weight"] @ heads.flatten())


def test_rows_that_only_transformers_has_are_left_out(model: Any, tmp_path: Path) -> None:
    model.resize_token_embeddings(576, mean_resizing=False)
    npz_from_model(model, tmp_path / "out.npz", torch.float16, vocabulary=512)
    written = _arrays(tmp_path / "out.npz")
    assert all(written[name].tobytes() == array.tobytes() for name, array in CHECKPOINT.items())


# ---- wrong files ----


def _changed(name: str, array: Any) -> Arrays:
    return CHECKPOINT | {f"params/{name}": array}


def _without(name: str) -> Arrays:
    return {key: array for key, array in CHECKPOINT.items() if key != f"params/{name}"}


HALF = np.float16
WRONG = {
    "missing": (_without("img/head/bias"), "array params/img/head/bias is missing; give a whole"),
    "extra": (CHECKPOINT | {"params/llm/x": np.ones(2, HALF)}, "array params/llm/x belongs to no .* remove it"),
    "prefix on some": (_without("img/head/bias") | {"img/head/bias": np.ones(64, HALF)}, "params/img/head/bias is mis"),
    "results": (GOLDEN, "array decode/logp belongs to no"),
    "integers": (_changed("img/head/bias", np.ones(64, int)), "params/img/head/bias is of type int64; write it as"),
    "pickled": (
        _changed("img/head/bias", np.array([{}] * 64)),
        "params/img/head/bias holds Python objects, which are never loaded",
    ),
    "axes": (_changed("llm/layers/mlp/linear", np.ones((2, 64), HALF)), r"\(2, 64\); .* layers, mlp, width"),
    "empty": (_changed("llm/final_norm/scale", np.ones(0, HALF)), r"final_norm/scale has shape \(0,\)"),
    "width": (_changed("img/embedding/bias", np.ones(31, HALF)), r"embedding/bias has shape \(31,\), .*\(32,\)"),
    "layers": (_changed("llm/layers/mlp/linear", np.ones((3, 128, 64), HALF)), r"linear has .*\(2, 128, 64\)"),
    "one gate": (_changed("llm/layers/mlp/gating_einsum", np.ones((2, 1, 64, 128), HALF)), r"gating.*\(2, 2, 64, 128"),
    "colours": (_changed("img/embedding/kernel", np.ones((14, 14, 1, 32), HALF)), r"kernel .*\(14, 14, 3, 32\)"),
    "oblong patches": (_changed("img/embedding/kernel", np.ones((14, 7, 3, 32), HALF)), "patches are square"),
    "oblong pictures": (_changed("img/pos_embedding", np.ones((1, 6, 32), HALF)), "pictures are square"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_file_is_one_sentence(kind: str, tmp_path: Path) -> None:
    arrays, sentence = WRONG[kind]
    np.savez(tmp_path / "wrong.npz", **arrays)  # type: ignore[arg-type]
    _refused(tmp_path / "wrong.npz", sentence)


def _refused(path: Path, sentence: str) -> None:
    with pytest.raises(OptionError, match=sentence) as caught:
        model_from_npz(path)
    assert path.name in str(caught.value)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_none_is_one_sentence(checkpoint: Path, tmp_path: Path) -> None:
    _refused(tmp_path / "absent.npz", "cannot be read as an .npz checkpoint .*No such file")
    (tmp_path / "text.npz").write_text("no archive")
    _refused(tmp_path / "text.npz", "cannot be read as an .npz checkpoint .*not a zip")
    whole = checkpoint.read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    _refused(tmp_path / "cut.npz", "cannot be read as an .npz checkpoint")
    place = whole.index(CHECKPOINT[QUERY].tobytes())
    (tmp_path / "bent.npz").write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    _refused(tmp_path / "bent.npz", f"array {QUERY} cannot be read .*copy the file again")
    with zipfile.ZipFile(tmp_path / "other.npz", "w") as archive:
        archive.writestr("params/readme", "no array")
    _refused(tmp_path / "other.npz", "cannot be read as an .npz checkpoint")


def test_the_published_sizes_are_understood_without_reading_them(tmp_path: Path) -> None:
    published = {
        "image_layers": 27, "image_width": 1152, "image_heads": 16, "image_head_size": 72, "image_mlp": 4304,
        "patches": 256, "patch_height": 14, "patch_width": 14, "layers": 18, "width": 2048, "heads": 8, "kv_heads": 1,
        "head_size": 256, "mlp": 16384, "vocabulary": 257152, "1": 1, "2": 2, "3": 3,
    }  # fmt: skip
    with zipfile.ZipFile(tmp_path / "headers.npz", "w") as archive:
        for array in npz._ARRAYS:
            header = {"descr": "<f2", "fortran_order": False, "shape": array.shape(published)}
            np.lib.format.write_array_header_1_0(buffer := BytesIO(), header)
            archive.writestr(f"params/{array.name}.npy", buffer.getvalue())
    shapes = {f"params/{array.name}": array.shape(published) for array in npz._ARRAYS}
    sizes = npz._sizes("headers.npz", "params/", shapes)
    assert sizes == published
    config = npz._config(sizes)
    assert (config.vision_config.image_size, config.image_token_id) == (224, 257152)
    with torch.device("meta"):
        weights = transformers.PaliGemmaForConditionalGeneration(config).state_dict()
    for array in npz._ARRAYS:
        for _, weight in array.weights_in(sizes):
            assert list(weights.pop(weight).shape) == array.weight_shape(sizes)
    assert weights.keys() == {"lm_head.weight"}
    _refused(tmp_path / "headers.npz", r"array params/img/embedding/kernel states the shape \(14, 14, 3, 1152\)")


def test_weights_that_transformers_names_otherwise_do_not_stay_random(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    renamed = [
        replace(array, weights=("model.language_model.last_norm.weight",)) if "final_norm" in array.name else array
        for array in npz._ARRAYS
    ]
    monkeypatch.setattr(npz, "_ARRAYS", renamed)
    with pytest.raises(RuntimeError, match=r"names model\.language_model.* differently"):
        model_from_npz(checkpoint)


# ---- models that cannot be written ----


def _unwritable(model: Any, folder: Path, sentence: str, dtype: torch.dtype | None = None) -> None:
    with pytest.raises(OptionError, match=sentence):
        npz_from_model(model, folder / "out.npz", dtype)
    assert list(folder.iterdir()) == []


def test_numbers_that_the_type_cannot_hold_are_refused(model: Any, tmp_path: Path) -> None:
    model.model.language_model.norm.weight.data[3] = 1e6
    _unwritable(model, tmp_path, "llm/final_norm/scale would hold .* not finite in torch.float16", torch.float16)
    _unwritable(model, tmp_path, "cannot be torch.int8", torch.int8)
    npz_from_model(model, tmp_path / "out.npz", torch.bfloat16)


def test_a_model_with_adapters_is_refused(model: Any, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    adapted = get_peft_model(model, LoraConfig(target_modules=["q_proj"]))
    _unwritable(adapted, tmp_path, "with the weight base_model.*merge adapters")


def test_a_model_with_a_head_of_its_own_is_refused(model: Any, tmp_path: Path) -> None:
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight + 1)
    _unwritable(model, tmp_path, "lm_head of its own")


def test_nothing_is_overwritten_unasked(shared_model: Any, tmp_path: Path) -> None:
    (tmp_path / "out.npz").write_text("mine")
    with pytest.raises(OutputExistsError, match=r"out\.npz: already exists"):
        npz_from_model(shared_model, tmp_path / "out.npz")
    assert (tmp_path / "out.npz").read_text() == "mine"
    npz_from_model(shared_model, tmp_path / "out.npz", torch.float16, overwrite=True)
    assert _arrays(tmp_path / "out.npz").keys() == CHECKPOINT.keys()

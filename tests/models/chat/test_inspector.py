"""A chat model asked about pictures: what it is given, what it learns from, and that it answers the same either way."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from kenpin.errors import LabelError, OptionError
from kenpin.models import get_family
from kenpin.models.contract import Conversational, Questioned, Task, Trainable
from kenpin.models.language.losses import IGNORED
from kenpin.models.vlm import FAMILY, ChatInspector
from kenpin.records import Example, ImageSource, Sampling
from tests.models.chat.bases import BASES
from tests.models.chat.shapes import QUESTION, shapes

TASK = Task((), (), questions=(QUESTION,), answers=("red circle, upper left",))
PICTURES = [Image.new("RGB", (100, 60), (200, 30, 30)), Image.new("RGB", (64, 90), (30, 30, 200))]
EXAMPLES = [
    Example("a", ImageSource(), suffix="red circle, upper left"),
    Example("b", ImageSource(), prefix="And which colour would you say it is?", suffix="blue"),
]


@pytest.fixture(scope="session", params=["toy", *BASES])
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A base of each class; `toy`, or a folder as a hub would give it."""
    name: str = request.param
    return name if name == "toy" else str(BASES[name](tmp_path_factory.mktemp("bases") / name))


def inspector_on(base: str, task: Task = TASK, **values: Any) -> ChatInspector:
    options = get_family("vlm").Options.from_mapping({"data": "-", "out": "-", "base": base, **values})
    made = get_family("vlm").create(options, task)
    assert isinstance(made, ChatInspector)
    return made


def batch_of(inspector: ChatInspector, places: Sequence[int] = (0, 1)) -> dict[str, Tensor]:
    images, examples = [PICTURES[i] for i in places], [EXAMPLES[i] for i in places]
    return inspector.encode_questions(images, examples) | inspector.encode_targets(examples)


def test_it_is_what_the_protocols_promise(base: str) -> None:
    inspector = inspector_on(base)
    assert isinstance(inspector, Trainable)
    assert isinstance(inspector, Questioned)
    assert isinstance(inspector, Conversational)


def test_prompts_are_those_of_the_bases_own_processor(base: str) -> None:
    inspector = inspector_on(base)
    processor = inspector.source.processor
    chat = [{"role": "user", "content": [{"type": "image", "image": PICTURES[0]}, {"type": "text", "text": QUESTION}]}]
    theirs = processor.apply_chat_template(
        chat, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )
    ours = inspector.encode(PICTURES[:1])
    for name, values in ours.items():
        assert torch.equal(values.flatten(), theirs[name].flatten()), name


def test_exactly_the_answer_and_its_end_are_learned(base: str) -> None:
    inspector = inspector_on(base)
    labels = inspector.encode_targets(EXAMPLES)["labels"]
    tokenizer = inspector.source.tokenizer
    for row, example in zip(labels, EXAMPLES, strict=True):
        learned = row[row != IGNORED]
        assert tokenizer.decode(learned[:-1]).strip() == example.suffix
        assert int(learned[-1]) == tokenizer.eos_token_id
        assert torch.equal(row[: len(learned)], learned), "padding stands behind the end"
    assert int(inspector.loss_count({"labels": labels})) == int((labels != IGNORED).sum())


def test_the_loss_is_of_the_answer_as_its_template_writes_it(base: str) -> None:
    """Against transformers' own loss on the whole chat, written by the template and labelled by hand."""
    inspector = inspector_on(base)
    source, example = inspector.source, EXAMPLES[0]
    image = {"type": "image", "image": PICTURES[0]}
    chat = [
        {"role": "user", "content": [image, {"type": "text", "text": QUESTION}]},
        {"role": "assistant", "content": [{"type": "text", "text": example.suffix}]},
    ]
    whole = source.processor.apply_chat_template(chat, tokenize=True, return_dict=True, return_tensors="pt")
    asked = source.processor.apply_chat_template(
        chat[:1], add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )
    start = asked["input_ids"].shape[1]
    answer = inspector.encode_targets([example])["labels"][0]
    end = start + len(answer)
    assert torch.equal(whole["input_ids"][0, start:end], answer), "joined, prompt and answer are the template's text"
    labels = torch.full_like(whole["input_ids"], IGNORED)
    labels[0, start:end] = answer
    given = {name: whole[name] for name in inspector.encode(PICTURES[:1])}
    with torch.inference_mode():
        theirs = source.network(**given, labels=labels).loss
        batch = batch_of(inspector, [0])
        ours = inspector.total_loss(inspector.module, batch) / inspector.loss_count(batch)
    assert float(ours) == pytest.approx(float(theirs), rel=1e-5)


def test_what_stands_before_an_answer_teaches_nothing_of_itself(base: str) -> None:
    """Each logit comes from what stands before it alone: tokens behind it change nothing, ignored ones neither."""
    inspector = inspector_on(base)
    batch = batch_of(inspector)
    changed = dict(batch)
    changed["labels"] = batch["labels"].clone()
    changed["labels"][0, -1] = int(batch["labels"][0, 0])
    with torch.inference_mode():
        one, other = (inspector.answer_logits(inspector.module, each) for each in (batch, changed))
        longer = dict(batch)
        padding = torch.full((2, 3), IGNORED)
        longer["labels"] = torch.cat([batch["labels"], padding], dim=1)
        padded = inspector.total_loss(inspector.module, longer)
        plain = inspector.total_loss(inspector.module, batch)
    torch.testing.assert_close(one[0], other[0], rtol=1e-5, atol=1e-5)
    assert float(padded) == pytest.approx(float(plain), rel=1e-5)


@pytest.mark.parametrize("loss", ["token", "example"])
def test_company_and_padding_change_no_loss_and_no_answer(base: str, loss: str) -> None:
    inspector = inspector_on(base, loss=loss)
    with torch.inference_mode():
        together = inspector.total_loss(inspector.module, batch_of(inspector))
        alone = [inspector.total_loss(inspector.module, batch_of(inspector, [i])) for i in (0, 1)]
    assert float(together) == pytest.approx(float(sum(alone)), rel=1e-4)
    questions = [QUESTION, "And which colour would you say it is?"]
    said = inspector.answer(PICTURES, questions, max_new_tokens=4)
    assert said == [inspector.answer([PICTURES[i]], [questions[i]], max_new_tokens=4)[0] for i in (0, 1)]


def test_an_answer_streamed_is_the_answer(base: str) -> None:
    inspector = inspector_on(base)
    pieces = list(inspector.stream(PICTURES[0], QUESTION, max_new_tokens=12))
    assert "".join(pieces).strip() == inspector.answer(PICTURES[:1], [QUESTION], max_new_tokens=12)[0]


def test_a_stream_that_nobody_reads_to_the_end_ends() -> None:
    inspector = inspector_on("toy")
    # by lot: the likeliest words of a random model may be none that show
    pieces = inspector.stream(PICTURES[0], QUESTION, sampling=Sampling(1.0, 0.0, 0), max_new_tokens=100_000)
    assert next(pieces) is not None
    pieces.close()  # type: ignore[attr-defined]


def test_what_fails_while_streaming_is_raised_where_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    inspector = inspector_on("toy")

    def fail(**given: Any) -> None:
        raise RuntimeError("no room")

    monkeypatch.setattr(inspector.module, "generate", fail)
    with pytest.raises(RuntimeError, match="no room"):
        list(inspector.stream(PICTURES[0], QUESTION))


def test_drawn_answers_are_the_seeds_and_min_p_holds_them_to_the_likely() -> None:
    inspector = inspector_on("toy")

    def drawn(seed: int, min_p: float = 0.0, temperature: float = 1.0) -> list[str]:
        sampling = Sampling(temperature, min_p, seed)
        return inspector.answer(PICTURES, [QUESTION] * 2, sampling=sampling, max_new_tokens=12)

    state = torch.get_rng_state()
    assert drawn(1) == drawn(1) != drawn(2)
    assert torch.equal(torch.get_rng_state(), state), "nobody else's random numbers are disturbed"
    greedy = inspector.answer(PICTURES, [QUESTION] * 2, max_new_tokens=12)
    assert drawn(1, min_p=1.0) == drawn(2, min_p=1.0) == greedy
    assert drawn(1, temperature=1e-4) == greedy


def test_answers_of_a_schema_are_of_it() -> None:
    schema = {
        "type": "object",
        "properties": {"finding": {"enum": ["傷", "none"]}, "sure": {"type": "boolean"}},
        "required": ["finding", "sure"],
        "additionalProperties": False,
    }
    for said in inspector_on("toy").answer(PICTURES, [QUESTION] * 2, schema=schema):
        answer = json.loads(said)
        assert answer["finding"] in ("傷", "none")
        assert isinstance(answer["sure"], bool)


def test_a_smaller_picture_is_what_the_network_sees() -> None:
    """A detail that falls into one pixel is gone, and nothing else decides."""
    fine = [Image.new("RGB", (64, 64), (120, 120, 120)) for _ in range(2)]
    fine[1].paste((0, 0, 0), (8, 8, 10, 10))
    sharp, blurred = (inspector_on("toy", picture_px=px).encode(fine)["pixel_values"] for px in (None, 4))
    assert (sharp[0] - sharp[1]).abs().max() > 0.5
    assert (blurred[0] - blurred[1]).abs().max() < 0.1


@pytest.mark.parametrize("text", ["look at <image>", "end it </s> here"])
def test_texts_that_spell_out_special_tokens_are_refused(text: str) -> None:
    inspector = inspector_on("toy")
    with pytest.raises(OptionError, match="means something else"):
        inspector.answer(PICTURES[:1], [text])
    from kenpin.data.dataset import Dataset

    answered = Dataset.from_examples([Example("one.png", ImageSource(), suffix=text)])
    with pytest.raises(LabelError, match=r"one\.png"):
        inspector.check(answered)


def moved(tuning: str, **values: Any) -> tuple[set[str], ChatInspector]:
    """Names of the parameters that one step changes."""
    inspector = inspector_on("toy", tuning=tuning, **values)
    before = {name: values.clone() for name, values in inspector.module.named_parameters()}
    inspector.module.train()
    batch = batch_of(inspector)
    for _ in range(2):  # adapters begin with a zero, behind which nothing moves in the first step
        loss = inspector.total_loss(inspector.module, batch) / inspector.loss_count(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        weights = [weight for weight in inspector.module.parameters() if weight.requires_grad]
        torch.optim.SGD(weights, lr=0.5).step()
    return {n for n, values in inspector.module.named_parameters() if not torch.equal(values, before[n])}, inspector


def test_lora_moves_adapters_on_the_language_models_attention_alone() -> None:
    names, _ = moved("lora")
    assert names
    assert all("lora_" in name and "language_model" in name and "self_attn" in name for name in names)


def test_lora_moves_whole_layers_where_it_is_told() -> None:
    names, _ = moved("lora", lora_whole=("lm_head",))
    assert any("lm_head" in name for name in names)
    assert all("lora_" in name or "lm_head" in name for name in names)


def test_full_tuning_moves_what_sees_and_what_speaks() -> None:
    names, inspector = moved("full")
    still = {name for name, _ in inspector.module.named_parameters()} - names
    # the key biases of softmax attention have no gradient: adding a constant to all scores changes nothing
    still = {name for name in still if not name.endswith("k_proj.bias")}
    # LLaVA looks at a layer of its vision part, not at what comes behind it
    assert all("post_layernorm" in name for name in still)


def test_an_untrained_base_is_asked_without_a_run(base: str) -> None:
    asked = FAMILY.untrained(base, dtype="float32", prompt=QUESTION)
    assert not any("lora" in name for name, _ in asked.module.named_parameters())
    assert isinstance(asked.answer(PICTURES[:1], [QUESTION], max_new_tokens=3)[0], str)


def test_a_base_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="cannot be loaded as a chat model"):
        inspector_on("no/such-model")
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "config.json").write_text('{"model_type": "vit"}')
    save_file({}, tmp_path / "base" / "model.safetensors")
    with pytest.raises(OptionError, match="cannot be loaded as a chat model"):
        inspector_on(str(tmp_path / "base"))


def test_a_base_without_a_chat_template_is_refused(tmp_path: Path) -> None:
    folder = BASES["llava"](tmp_path / "llava")
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(OptionError, match="no chat template"):
        inspector_on(str(folder))


def test_pictures_without_a_question_are_asked_what_was_asked_most() -> None:
    inspector = inspector_on("toy")
    assert inspector.question == QUESTION
    plain, own = (
        inspector.encode_questions(PICTURES[:1], [Example("a", ImageSource(), prefix=prefix)])["input_ids"]
        for prefix in (None, QUESTION)
    )
    assert torch.equal(plain, own)
    other = inspector.prompted("Is it blue?").encode(PICTURES[:1])["input_ids"]
    assert not torch.equal(plain, other)


def test_the_check_tells_what_is_asked_and_how_long_answers_are() -> None:
    data = shapes(6)
    notes = " ".join(inspector_on("toy", Task((), (), answers=tuple(data.column("suffix")))).check(data))
    assert "The longest answer takes" in notes
    short = inspector_on("toy", max_new_tokens=2).check(data)
    assert "raise --max-new-tokens" in " ".join(short)

"""Generated answers keep to the grammar, and the probabilities told with them are the model's own."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutput

from kenpin.codecs import florence2, paligemma
from kenpin.models.language.generation import Answers, Asked, generate_answers
from kenpin.models.language.writing import NEIGHBOURHOOD, Ending, Ids, Logs, write_answers
from tests.models.language.toys import LABELS, Toy, make_toy

SIZE_WH = (640, 479)
TOYS = [make_toy(florence2), make_toy(paligemma)]
PROMPTS = ["detect", "detect scratch ; a ; b", "x", "detect 不良", "what is this?", "?"]
BUDGET = 22
SEEDS = range(3)
by_place = pytest.mark.parametrize("place", range(len(TOYS)), ids=["florence2", "paligemma"])
by_seed = pytest.mark.parametrize("seed", SEEDS)
by_beams = pytest.mark.parametrize("beams", [1, 3])
by_freedom = pytest.mark.parametrize("free", [False, True], ids=["constrained", "free"])


@cache
def _model(place: int, seed: int) -> Any:
    return TOYS[place].model(seed)


def _answers(
    toy: Toy, inputs: dict[str, Tensor], model: Any, *, beams: int, budget: int, free: bool = False
) -> Answers:
    asked = Asked(inputs, toy.end, toy.pad, toy.locations, toy.start)
    return generate_answers(model, asked, grammar=None if free else toy.grammar, beams=beams, max_new_tokens=budget)


@cache
def _batch(place: int, seed: int, beams: int, free: bool, budget: int = BUDGET) -> Answers:
    """What an untrained model answers to all prompts, each about another picture."""
    toy = TOYS[place]
    return _answers(toy, toy.inputs(seed, PROMPTS), _model(place, seed), beams=beams, budget=budget, free=free)


def _length(toy: Toy, tokens: list[int]) -> int:
    return tokens.index(toy.end) + 1 if toy.end in tokens else len(tokens)


@by_place
@by_beams
@by_seed
@pytest.mark.parametrize("budget", [1, 8, 15, BUDGET])
def test_untrained_models_say_nothing_but_sound_answers(place: int, beams: int, seed: int, budget: int) -> None:
    toy = TOYS[place]
    for tokens in _batch(place, seed, beams, False, budget).tokens.tolist():
        length = _length(toy, tokens)
        decoded = toy.codec.decode(toy.text(tokens[: length - 1]), SIZE_WH)
        assert length <= budget
        assert tokens[length - 1] == toy.end
        assert set(tokens[length:]) <= {toy.pad}
        assert decoded.rejected == ()
        assert set(decoded.detections.labels) <= set(LABELS)


@by_place
def test_untrained_models_say_something(place: int) -> None:
    """Or the test above would show nothing."""
    rows = [_batch(place, seed, beams, False).tokens.tolist() for seed in SEEDS for beams in (1, 3)]
    texts = [TOYS[place].text(tokens) for batch in rows for tokens in batch]
    assert len({label for text in texts for label in LABELS if label in text}) >= 3
    assert sum(text.count("<loc") >= 8 for text in texts) >= 6


@by_place
@by_beams
@by_freedom
@by_seed
def test_probabilities_are_those_of_teacher_forcing(place: int, beams: int, free: bool, seed: int) -> None:
    toy = TOYS[place]
    inputs = toy.inputs(seed, PROMPTS)
    answers = _batch(place, seed, beams, free)
    for row, (tokens, told, masses) in enumerate(zip(*answers, strict=True)):
        length = _length(toy, tokens.tolist())
        own = toy.logits(_model(place, seed), toy.one(inputs, row), tokens[:length]).log_softmax(1)
        expected = own[torch.arange(length), tokens[:length]]
        torch.testing.assert_close(told[:length], expected, rtol=0, atol=1e-4)
        near = [_mass(toy, own[step], int(token)) for step, token in enumerate(tokens[:length])]
        torch.testing.assert_close(masses[:length], torch.stack(near), rtol=0, atol=1e-4)
        assert not told[length:].any()
        assert not masses[length:].any()


def _mass(toy: Toy, log_probabilities: Tensor, token: int) -> Tensor:
    if token not in toy.locations:
        return log_probabilities[token]
    reach = round(len(toy.locations) * NEIGHBOURHOOD)
    near = [id for id in range(token - reach, token + reach + 1) if id in toy.locations]
    return log_probabilities[near].exp().sum().log()


@by_place
@by_beams
@by_freedom
def test_an_answer_does_not_depend_on_its_batch(place: int, beams: int, free: bool) -> None:
    toy = TOYS[place]
    inputs = toy.inputs(1, PROMPTS)
    together = _batch(place, 1, beams, free)
    for row in (0, 1, 2):
        alone = _answers(toy, toy.one(inputs, row), _model(place, 1), beams=beams, free=free, budget=BUDGET)
        length = alone.tokens.shape[1]
        assert together.tokens[row, :length].tolist() == alone.tokens[0].tolist()
        assert set(together.tokens[row, length:].tolist()) <= {toy.pad}
        torch.testing.assert_close(together.log_masses[row, :length], alone.log_masses[0], rtol=0, atol=1e-4)


@by_place
@by_freedom
def test_beams_find_likelier_answers(place: int, free: bool) -> None:
    """Likelier per token, as beam search ranks them; not every one, but on the whole."""

    def mean(beams: int) -> float:
        batches = [_batch(place, seed, beams, free) for seed in SEEDS]
        rows = [row for batch in batches for row in zip(batch.tokens.tolist(), batch.log_probabilities, strict=True)]
        return sum(float(told.sum()) / _length(TOYS[place], tokens) for tokens, told in rows) / len(rows)

    assert mean(3) > mean(1)


@by_place
@by_beams
def test_free_answers_are_those_of_plain_generation(place: int, beams: int) -> None:
    toy = TOYS[place]
    inputs = toy.inputs(2, PROMPTS)
    start = {"decoder_input_ids": torch.tensor([toy.start] * len(PROMPTS))} if toy.start else {}
    plain = _model(place, 2).generate(
        **inputs,
        **start,
        do_sample=False,
        num_beams=beams,
        early_stopping=beams > 1,
        max_new_tokens=BUDGET,
        eos_token_id=toy.end,
        pad_token_id=toy.pad,
    )
    prompt = len(toy.start) or inputs["input_ids"].shape[1]
    answers = _batch(place, 2, beams, True)
    for mine, theirs in zip(answers.tokens.tolist(), plain[:, prompt:].tolist(), strict=True):
        length = _length(toy, theirs)
        assert mine[:length] == theirs[:length]


@by_place
@by_beams
@by_freedom
def test_settings_of_the_checkpoint_change_nothing(place: int, beams: int, free: bool) -> None:
    toy = TOYS[place]
    model = copy.deepcopy(_model(place, 0))
    model.generation_config.update(
        no_repeat_ngram_size=3, forced_bos_token_id=5, forced_eos_token_id=6, repetition_penalty=2.0, length_penalty=3.0
    )
    answers = _answers(toy, toy.inputs(0, PROMPTS), model, beams=beams, budget=BUDGET, free=free)
    assert torch.equal(answers.tokens, _batch(place, 0, beams, free).tokens)


class _Reread:
    """`Steps` that reads prompt and answer anew for every token."""

    def __init__(self, place: int, seed: int) -> None:
        self.toy, self.model = TOYS[place], _model(place, seed)
        self.inputs = self.toy.inputs(seed, PROMPTS)
        self.rows = [(picture, torch.empty(0, dtype=torch.int64)) for picture in range(len(PROMPTS))]

    def first(self) -> Logs:
        return self._logs()

    def further(self, parents: Ids, tokens: Ids) -> Logs:
        before = [self.rows[parent] for parent in parents]
        pairs = zip(before, tokens, strict=True)
        self.rows = [(picture, torch.cat([text, torch.tensor([token])])) for (picture, text), token in pairs]
        return self._logs()

    def _logs(self) -> Logs:
        found = []
        for picture, text in self.rows:
            padded = torch.cat([text, torch.tensor([0])])  # the last one is only predicted
            found.append(self.toy.logits(self.model, self.toy.one(self.inputs, picture), padded)[-1].log_softmax(0))
        return torch.stack(found).numpy()


@by_place
@by_beams
@by_freedom
def test_answers_are_the_same_whatever_computes_the_tokens(place: int, beams: int, free: bool) -> None:
    toy, grammar = TOYS[place], None if free else TOYS[place].grammar
    ending = Ending(toy.end, toy.pad, toy.locations)
    found = write_answers(_Reread(place, 1), ending, grammar=grammar, beams=beams, max_new_tokens=15)
    wanted = _batch(place, 1, beams, free, 15)
    assert found.tokens.tolist() == wanted.tokens.tolist()
    torch.testing.assert_close(torch.from_numpy(found.log_masses), wanted.log_masses, rtol=0, atol=1e-4)


@by_beams
def test_an_encoder_may_have_spoken_before(beams: int) -> None:
    toy, model = TOYS[0], _model(0, 0)
    inputs = toy.inputs(0, PROMPTS)
    with torch.no_grad():
        said = model(**inputs, decoder_input_ids=torch.tensor([toy.start] * len(PROMPTS))).encoder_last_hidden_state
    given = {"encoder_outputs": BaseModelOutput(said), "attention_mask": inputs["attention_mask"]}
    assert torch.equal(
        _answers(toy, given, model, beams=beams, budget=BUDGET).tokens, _batch(0, 0, beams, False).tokens
    )


def test_a_vocabulary_without_locations() -> None:
    toy = replace(TOYS[1], locations=range(0))
    answers = _answers(toy, toy.inputs(0, PROMPTS), _model(1, 0), beams=1, budget=4, free=True)
    assert torch.equal(answers.log_masses, answers.log_probabilities)

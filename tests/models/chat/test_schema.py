"""Whatever logits say, an answer held to a schema is whole, valid and no longer than promised."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from transformers import LlamaConfig, LlamaForCausalLM

from kenpin.errors import OptionError
from kenpin.models.language.toy import toy_tokenizer
from kenpin.models.vlm.schema import SchemaProcessor, longest_answer

LABELS = (
    "scratch",
    "キズ",
    "solder-bridge",
    "C1.2 (void)",
    'a "quote"',
    "傷/汚れ",
    "back\\slash",
    "tab\tbed",
    "é😀",
    "two\nlines\u2028",
)
PAD, END, TURN_END = 0, 2, 3
TOKENIZER = toy_tokenizer(
    [*LABELS, "the part has a scratch at the upper left", '{"finding": "none", "place": "'],
    specials=["<pad>", "<s>", "</s>", "<turn>"],
    marks=["<image>"],
    pad="<pad>",
    bos="<s>",
    eos="</s>",
)
SURPLUS = 7  # columns of a network's vocabulary that no token has
COLUMNS = len(TOKENIZER) + SURPLUS

SCALARS = st.one_of(
    st.lists(st.sampled_from(LABELS), min_size=1, unique=True).map(lambda words: {"enum": words}),
    st.sampled_from(LABELS).map(lambda word: {"const": word}),
    st.integers(0, 12).map(lambda most: {"type": "string", "maxLength": most}),
    st.integers(1, 5).map(lambda least: {"type": "string", "minLength": least, "maxLength": least + 3}),
    st.tuples(st.integers(-300, 20), st.integers(0, 1200)).map(
        lambda ends: {"type": "integer", "minimum": ends[0], "maximum": ends[0] + ends[1]}
    ),
    st.sampled_from([{"type": "boolean"}, {"type": "null"}]),
)


def _objects(parts: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    properties = st.dictionaries(st.sampled_from(["finding", "場所", 'odd "key"', "x"]), parts, max_size=4)
    return st.tuples(properties, st.booleans()).map(
        lambda made: {
            "type": "object",
            "properties": made[0],
            "required": list(made[0]) if made[1] else list(made[0])[:1],
            "additionalProperties": False,
        }
    )


def _arrays(parts: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(parts, st.integers(0, 3)).map(
        lambda made: {"type": "array", "items": made[0], "maxItems": made[1]}
    )


SCHEMAS = _objects(st.recursive(SCALARS, lambda parts: _objects(parts) | _arrays(parts), max_leaves=5))


def is_valid(value: Any, schema: dict[str, Any]) -> bool:
    """Whether a value is one that the schema describes: an independent reading of the keywords used here."""
    if "enum" in schema or "const" in schema:
        return value in schema.get("enum", [schema.get("const")]) and not isinstance(value, bool)
    match schema["type"]:
        case "object":
            parts = schema["properties"]
            return (
                isinstance(value, dict)
                and set(schema["required"]) <= value.keys() <= parts.keys()
                and all(is_valid(one, parts[name]) for name, one in value.items())
            )
        case "array":
            return (
                isinstance(value, list)
                and len(value) <= schema["maxItems"]
                and all(is_valid(one, schema["items"]) for one in value)
            )
        case "string":
            return isinstance(value, str) and schema.get("minLength", 0) <= len(value) <= schema["maxLength"]
        case "integer":
            return type(value) is int and schema["minimum"] <= value <= schema["maximum"]
        case "boolean":
            return isinstance(value, bool)
    return value is None


def random_answers(schema: dict[str, Any], rows: int, seed: int, spread: float = 3.0) -> tuple[list[str], int]:
    """Answers drawn from random logits, and the number of steps that the longest took; a network's way of writing."""
    generator = torch.Generator().manual_seed(seed)
    processor = SchemaProcessor(TOKENIZER, schema, ends=[END, TURN_END])
    prompt = torch.full((rows, 5), PAD)
    written, over = prompt, torch.zeros(rows, dtype=torch.bool)
    while not over.all():
        scores = processor(written, spread * torch.randn(rows, COLUMNS, generator=generator))
        drawn = scores.softmax(1).multinomial(1, generator=generator)[:, 0].where(~over, PAD)
        written = torch.cat([written, drawn[:, None]], dim=1)
        over |= (drawn == END) | (drawn == TURN_END)
        assert written.shape[1] - prompt.shape[1] <= processor.max_new_tokens, "an answer would be cut off"
    texts = TOKENIZER.batch_decode(written[:, 5:], skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return texts, written.shape[1] - prompt.shape[1]


@settings(max_examples=30, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(schema=SCHEMAS, seed=st.integers(0, 2**16), rows=st.integers(1, 5))
def test_any_schema_holds(schema: dict[str, Any], seed: int, rows: int) -> None:
    answers, steps = random_answers(schema, rows, seed)
    for answer in answers:
        assert is_valid(json.loads(answer), schema), answer
        plain = json.dumps(json.loads(answer), ensure_ascii=False)
        # JSON has a number -0, Python has not
        assert answer.replace("-0", "0") == plain.replace("-0", "0"), "there is free white space or an escape"
    assert steps <= longest_answer(schema)


DESCRIPTION: dict[str, Any] = {
    "type": "object",
    "properties": {
        "finding": {"enum": [*LABELS, "none"]},
        "cause": {"type": "string", "maxLength": 20},
        "repair": {"type": "string", "minLength": 1, "maxLength": 12},
        "confidence": {"type": "integer", "minimum": 0, "maximum": 100},
    },
    "required": ["finding", "cause", "repair", "confidence"],
    "additionalProperties": False,
}


def test_random_answers_are_valid_and_say_everything() -> None:
    said = [json.loads(answer) for answer in random_answers(DESCRIPTION, 200, seed=0)[0]]
    assert all(is_valid(one, DESCRIPTION) for one in said)
    assert {one["finding"] for one in said} == {*LABELS, "none"}, "an admitted word is never reached"


def test_the_bound_is_reached_by_the_worst_text() -> None:
    schema = {"type": "string", "maxLength": 6}
    worst = json.dumps("😀" * 6, ensure_ascii=False).encode()
    assert longest_answer(schema) == len(worst) + 1
    assert longest_answer(DESCRIPTION) > max(random_answers(DESCRIPTION, 50, 99)[1], 100)


def test_generates_through_transformers_with_rows_of_different_length() -> None:
    torch.manual_seed(0)
    network = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=COLUMNS, hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
            num_key_value_heads=2, max_position_embeddings=512, bos_token_id=1, eos_token_id=END, pad_token_id=PAD,
        )
    ).eval()  # fmt: skip
    asked = TOKENIZER(["what is it?", "x"], return_tensors="pt", padding=True, padding_side="left")
    for sampling in ({"do_sample": False}, {"do_sample": True, "temperature": 1.5, "min_p": 0.001}):
        processor = SchemaProcessor(TOKENIZER, DESCRIPTION, ends=[END])
        written = network.generate(
            input_ids=asked["input_ids"], attention_mask=asked["attention_mask"], logits_processor=[processor],
            max_new_tokens=processor.max_new_tokens, **sampling,
        )[:, asked["input_ids"].shape[1] :]  # fmt: skip
        for answer in TOKENIZER.batch_decode(written, skip_special_tokens=True, clean_up_tokenization_spaces=False):
            assert is_valid(json.loads(answer), DESCRIPTION)


def test_greedy_answers_are_the_likeliest_admitted_ones() -> None:
    processor = SchemaProcessor(TOKENIZER, {"enum": ["yes", "no"]})
    scores = torch.zeros(1, COLUMNS)
    admitted = processor(torch.zeros(1, 0, dtype=torch.long), scores).isfinite()[0].nonzero()[:, 0].tolist()
    assert [TOKENIZER.decode([token]) for token in admitted] == ['"']


def test_pydantic_agrees_with_what_counts_as_valid() -> None:
    from typing import Literal

    from pydantic import BaseModel, ConfigDict, Field

    class Said(BaseModel):
        model_config = ConfigDict(extra="forbid", strict=True)
        finding: Literal[(*LABELS, "none")]  # type: ignore[valid-type]
        cause: str = Field(max_length=20)
        repair: str = Field(min_length=1, max_length=12)
        confidence: int = Field(ge=0, le=100)

    for answer in random_answers(DESCRIPTION, 40, 5)[0]:
        TypeAdapter(Said).validate_json(answer)


@pytest.mark.parametrize(
    ("schema", "named"),
    [
        ({"type": "string"}, "`maxLength`"),
        ({"type": "number"}, "'number'"),
        ({"type": "integer", "minimum": 0}, "`maximum`"),
        ({"type": "array", "items": {"type": "null"}}, "`maxItems`"),
        ({"type": "object", "properties": {}}, "`additionalProperties`"),
        ({"$ref": "#/x"}, "None"),
        ({"enum": []}, "not among strings"),
        ({"enum": ["a\x01b"]}, "control character"),
        ({"const": "a\x7f"}, "control character"),
        (
            {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False},
            "schema.a",
        ),
    ],
)
def test_a_schema_without_bounds_is_refused(schema: dict[str, Any], named: str) -> None:
    with pytest.raises(OptionError, match=named):
        SchemaProcessor(TOKENIZER, schema)

"""Florence-2's language model as two networks for an engine: one reads picture and question, one writes a token."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kenpin.errors import first_line
from kenpin.models.florence2.decoding import READ, STEP, Words, answers_of
from kenpin.models.language.writing import Written
from kenpin.models.networks.converting import Input, write_calls
from kenpin.models.networks.kept_networks import kept_network
from kenpin.models.networks.on_engine import update_by_weights
from kenpin.runtime.calls import Calls, load_calls
from kenpin.runtime.network import NETWORK_FILES

_log = logging.getLogger(__name__)


class PictureReading(nn.Module):
    """Picture tokens, (n, p, width) -> keys and values of picture and question for each layer that writes, each
    (n, heads, p + q, head width)."""

    encoder: Any
    layers: Any
    words: Tensor

    def __init__(self, network: Any, question: Sequence[int]) -> None:
        super().__init__()
        self.encoder, self.layers = network.get_encoder(), network.model.language_model.decoder.layers
        with torch.no_grad():
            words = network.get_input_embeddings()(torch.tensor([list(question)]))
        self.register_buffer("words", words.float(), persistent=False)

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """See the class."""
        given = torch.cat([features, self.words.expand(features.shape[0], -1, -1)], dim=1)
        seen = self.encoder(inputs_embeds=given).last_hidden_state
        attentions = [layer.encoder_attn for layer in self.layers]
        return tuple(
            _by_head(project(seen), attention)
            for attention in attentions
            for project in (attention.k_proj, attention.v_proj)
        )


class TokenStep(nn.Module):
    """One further token of each row; n pictures have b rows each.

    tokens (n, b), position (1,), past (t, 2 layers, n b, heads, head width): keys and values of the tokens before;
    seen: those of `PictureReading`. -> log-probabilities of the next token (n, b, vocabulary), and the keys and values
    of this one.
    """

    decoder: Any
    head: Any

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.decoder, self.head = network.model.language_model.decoder, network.lm_head

    def forward(self, tokens: Tensor, position: Tensor, past: Tensor, *seen: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        decoder = self.decoder
        positions = decoder.embed_positions
        x = decoder.layernorm_embedding(
            decoder.embed_tokens(tokens) + nn.functional.embedding(position + positions.offset, positions.weight)
        )
        n, b, width = x.shape
        before = past.permute(1, 2, 3, 0, 4)
        new: list[Tensor] = []
        for number, layer in enumerate(decoder.layers):
            own, other = layer.self_attn, layer.encoder_attn
            row = x.reshape(n * b, 1, width)
            key, value = (_by_head(project(row), own) for project in (own.k_proj, own.v_proj))
            new += (key, value)
            keys, values = (torch.cat([before[2 * number + i], (key, value)[i]], dim=2) for i in (0, 1))
            heard = _attended(_by_head(own.q_proj(row), own), keys, values)
            x = layer.self_attn_layer_norm(x + own.out_proj(heard.reshape(n, b, width)))
            heard = _attended(_by_head(other.q_proj(x), other), seen[2 * number], seen[2 * number + 1])
            x = layer.encoder_attn_layer_norm(x + other.out_proj(heard.transpose(1, 2).reshape(n, b, width)))
            x = layer.final_layer_norm(x + layer.fc2(layer.activation_fn(layer.fc1(x))))
        return self.head(x).log_softmax(dim=-1), torch.stack(new)[:, :, :, 0]


def write_steps(engine: str, network: Any, question: Sequence[int], tokens: int, folder: Path, *, half: bool) -> None:
    """Write both networks into folders below this one. tokens: of a picture. Raises whatever the converters raise."""
    width, layers = network.config.text_config.d_model, network.model.language_model.decoder.layers
    attention = layers[0].self_attn
    heads, size = attention.num_heads, attention.head_dim
    names = [f"{what}_{number}" for number in range(len(layers)) for what in ("keys", "values")]
    (folder / READ).mkdir()
    features = torch.zeros(2, tokens, width)
    write_calls(
        engine,
        PictureReading(network, question).eval(),
        {"features": (features, (0,))},
        names,
        folder / READ,
        half=half,
    )
    # each a tensor of its own: the exporter for onnx takes the same one for the same input
    seen: dict[str, Input] = {name: (torch.zeros(2, heads, tokens + len(question), size), (0,)) for name in names}
    given: dict[str, Input] = {
        "tokens": (torch.zeros(2, 3, dtype=torch.int64), (0, 1)),
        "position": (torch.zeros(1, dtype=torch.int64), ()),
        "past": (torch.zeros(2, len(names), 6, heads, size), (0, 2)),
    }
    (folder / STEP).mkdir()
    write_calls(engine, TokenStep(network).eval(), given | seen, ("logs", "new"), folder / STEP, half=half)


class StepsOnEngine:
    """The language model of a run that is trained, on the engine that sees the picture. It is an aid and never a
    condition: where the engine cannot take it, torch computes it."""

    def __init__(self, network: Any, question: Sequence[int], words: Words) -> None:
        self._network, self._question, self._words = network, question, words
        self._calls: tuple[Calls, Calls] | None = None
        self._is_refused = False

    def answers_of(self, key: str, features: Tensor) -> Written | None:
        """Answers for the tokens of pictures, (n, p, width); None where torch has to write them. key: of the engine."""
        if self._calls is None and not self._is_refused:
            try:
                self._calls = self._loaded(key, features.shape[1])
            except Exception as error:  # noqa: BLE001 converters raise whatever breaks first
                self._is_refused = True
                _log.warning("%s cannot take the language model (%s); torch computes it.", key, first_line(error))
        if self._calls is None:
            return None
        return answers_of(*self._calls, features.numpy(), self._words)

    def _loaded(self, key: str, tokens: int) -> tuple[Calls, Calls]:
        engine, threads = key.split()[0], torch.get_num_threads()
        digest = hashlib.blake2b(f"{key} {torch.__version__} {tokens} {self._question}".encode(), digest_size=16)
        update_by_weights(digest, self._network)

        def convert(folder: Path) -> None:
            write_steps(engine, self._network, self._question, tokens, folder, half=False)

        folder = kept_network(digest.hexdigest(), convert)
        file = NETWORK_FILES[engine]
        read, step = (load_calls(engine, folder / name / file, threads=threads) for name in (READ, STEP))
        return read, step


def _by_head(x: Tensor, attention: Any) -> Tensor:
    """(n, t, width) -> (n, heads, t, head width)."""
    n, t, _ = x.shape
    heads: tuple[int, int] = (attention.num_heads, attention.head_dim)
    split: Tensor = x.reshape(n, t, *heads).transpose(1, 2)
    return split


def _attended(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    # written out: OpenVINO 2026.4 computes torch's own function wrongly for one query and a growing number of keys
    shares = (query @ keys.transpose(2, 3) * query.shape[-1] ** -0.5).softmax(dim=-1)
    heard: Tensor = shares @ values
    return heard

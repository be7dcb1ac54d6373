"""Options of every training: the one source of its settings for command line, YAML file and Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from kenpin.decision_options import DecisionOptions
from kenpin.regions.by_picture import as_kept, is_by_picture
from kenpin.regions.region import scale_of
from kenpin.runtime.engines import EngineName
from kenpin.strict_options import InGroup, OptionGroup

LARGEST_SEED = 2**32 - 1
"""Largest seed that every library accepts."""
TOY = "toy is a tiny random network, to try the command in seconds"
"""The toy base in the help of every option `base`."""


OF_DATA = ("data_format", "data_encoding", "data_boxes", "data_outside")
"""Options that settle how a data set is read."""


class TrainOptions(DecisionOptions):
    """Options of every `kenpin train`, whatever the family."""

    group: ClassVar[OptionGroup] = "run"

    data: Annotated[str, InGroup("data")] = Field(description="Data set: folder, file or hub id.")
    out: Annotated[Path, InGroup("output")] = Field(description="Run folder to write; must not exist.")
    data_format: Annotated[str | None, InGroup("data")] = Field(
        None, description="Format of the data set, where it cannot be told from its files."
    )
    data_encoding: Annotated[str | None, InGroup("data")] = Field(
        None, description="Encoding of its texts, such as cp932, where it is not Unicode and is in doubt."
    )
    data_boxes: Annotated[str | None, InGroup("data")] = Field(
        None,
        description="What the four numbers of its boxes are, whatever its format says: xyxy, xywh, cxcywh or yxyx, as "
        "pixels, or as fractions with -unit behind it.",
    )
    data_outside: Annotated[bool, InGroup("data")] = Field(
        False, description="Its links and annotations may lead to pictures outside its folder."
    )
    validation_share: Annotated[float, InGroup("data")] = Field(
        0.2, gt=0, lt=1, description="Share of the training pictures kept for validation where the data set names none."
    )
    leave_out: Annotated[tuple[str, ...], InGroup("data")] = Field(
        (),
        description="Splits that this run must not look at, so that runs built on it can be tested on them.",
    )
    by: Annotated[str, InGroup("decision")] = Field(
        "picture",
        description="What is judged: each picture; or each part by its worst view, where a column such as group or "
        "serial, or the form of file names, such as {part}_{view}, tells which pictures are of one part.",
    )
    decide_by: Annotated[Literal["unseen", "chosen"], InGroup("decision")] = Field(
        "unseen",
        description="Pictures that decide: those that the runs below have not seen; or those too that these runs were "
        "chosen by, so that figures look too good.",
    )
    folds: Annotated[Literal["last", "whole"], InGroup("decision")] = Field(
        "last",
        description="What is trained again for each fold of held-out parts: the last inspector alone; or the whole "
        "chain, the runs that it is built on too.",
    )
    calibrate: Annotated[Literal["none", "isotonic", "platt"], InGroup("decision")] = Field(
        "none",
        description="Calibrate scores, so that each is the share of such parts that are defective, or of such boxes "
        "that are right: by a rising curve (isotonic), or by a logistic one, for few pictures (platt).",
    )
    criteria: Annotated[Path | None, InGroup("decision")] = Field(
        None,
        description="YAML file of acceptance criteria, fixed in the run with its hash and time before anything is "
        "judged.",
    )
    seed: int = Field(0, ge=0, le=LARGEST_SEED, description="Seed of every random choice.")
    device: str | None = Field(None, description="Device such as cpu or cuda:0; by default the best available.")
    engine: EngineName = Field(
        "auto",
        description="Program that computes frozen networks on a CPU: openvino, onnx or torch; auto: the first of them "
        "that is installed.",
    )
    resume: bool = Field(False, description="Continue a run that was interrupted.")
    overwrite: Annotated[bool, InGroup("output")] = Field(False, description="Replace the run folder if it exists.")
    report: Annotated[bool, InGroup("output")] = Field(True, description="Write report.html into the run folder.")

    def idle(self) -> frozenset[str]:
        """Names of the options that have no effect beside the values of the others."""
        return frozenset()


VIEW = ("align", "object", "roi", "roi_default", "tile_px")
"""Options that say what of pictures is looked at."""


class ViewOptions(TrainOptions):
    """What of pictures is looked at: tiles, a region of interest, the part without its background."""

    group: ClassVar[OptionGroup] = "model"

    roi: str | None = Field(
        None,
        description="Region of interest: a mask picture, white where it is to be looked at, as large as the pictures "
        "or in their proportions. By picture: a folder of masks that are named as the pictures, or column:NAME, a "
        "column of the data set with mask files or polygons [[x, y], ...].",
    )
    roi_default: str | None = Field(
        None,
        description="Region of pictures that `roi` by picture has none for: a mask picture, or whole; by default they "
        "are refused.",
    )
    align: str | None = Field(
        None,
        description="Picture of a part over which every picture is brought first, turned by at most 10 degrees and "
        "shifted; one that does not fit is refused.",
    )
    object: Literal["none", "brightness"] = Field(
        "none",
        description="Look at the part alone: what is brighter, or darker, than the border of its picture (brightness).",
    )
    px_per_mm: tuple[float, ...] | None = Field(
        None,
        description="Pixels a millimetre of the pictures as they are taken; given twice, across and down. Kept with "
        "the run, whose regions are then measured in mm too.",
    )
    tile_px: int | None = Field(
        None,
        ge=16,
        description="Look at pictures in square tiles with this side, in pixels of the picture, which are brought to "
        "the network's size each; by default at each picture as a whole.",
    )
    overlap: Annotated[float, InGroup("advanced")] = Field(
        0.25, ge=0, le=0.75, description="Share of its side that a tile has in common with the next, at least."
    )

    @field_validator("px_per_mm")
    @classmethod
    def _is_a_scale(cls, numbers: tuple[float, ...] | None) -> tuple[float, ...] | None:
        scale_of(numbers)
        return numbers

    @field_validator("roi")
    @classmethod
    def _folder_is_told(cls, roi: str | None) -> str | None:
        return None if roi is None else as_kept(roi)

    @model_validator(mode="after")
    def _default_is_of_regions(self) -> Self:
        if self.roi_default is not None and not is_by_picture(self.roi):
            raise ValueError(
                "`roi_default` goes with a `roi` by picture, a folder of masks or column:NAME; leave it out."
            )
        return self

    @property
    def has_view(self) -> bool:
        """Whether anything but pictures as they are is looked at."""
        return self.first_set(VIEW) is not None

    @field_validator("object", mode="before")
    @classmethod
    def _features_are_of_maps(cls, value: Any) -> Any:
        """What one family alone can do is refused with the reason."""
        if value == "features" and value not in get_args(cls.model_fields["object"].annotation):
            raise ValueError(
                "features finds the part among the cells of good parts, of which this family learns nothing; take "
                "brightness, or train mahalanobis with `where`."
            )
        return value

    @model_validator(mode="after")
    def _overlap_is_of_tiles(self) -> Self:
        if self.tile_px is None and self.first_set(("overlap",)) is not None:
            raise ValueError("`overlap` does nothing without `tile_px`; leave it out, or give both.")
        return self


class NetworkOptions(TrainOptions):
    """Which network sees the pictures, and how."""

    group: ClassVar[OptionGroup] = "model"

    base: str = Field("lite0", description="Network whose outputs are features.")
    layers: tuple[Annotated[int, Field(ge=0)], ...] | None = Field(
        None,
        min_length=1,
        description="Layers of the base whose outputs are features: stages 0 to 6 of lite0; 1 to the last of another "
        "network.",
    )
    picture_px: int | None = Field(
        None, ge=16, le=4_096, description="Side in pixels to which pictures are brought; by default the base's own."
    )


class FeatureOptions(ViewOptions, NetworkOptions):
    """Options of families that decide by features of a pretrained network."""


_TUNINGS = ("full", "frozen-vision", "attention", "lora", "projector", "qlora", "head")
"""Ways of tuning, from the most memory to the least."""


class GradientOptions(TrainOptions):
    """Further options of every family that is trained by gradients."""

    group: ClassVar[OptionGroup] = "training"

    epochs: float = Field(10.0, gt=0, description="Passes over the training pictures.")
    batch_size: int = Field(16, ge=1, description="Pictures of a batch, which is divided among the processes.")
    accumulate: Annotated[int, InGroup("advanced")] = Field(
        1, ge=1, description="Batches whose gradients are summed before the weights change."
    )
    optimiser: Literal["adamw", "sgd"] = Field("adamw", description="AdamW, or plain gradient descent.")
    learning_rate: float = Field(2e-4, gt=0, description="Peak learning rate.")
    schedule: Literal["constant", "linear", "cosine", "step"] = Field(
        "linear", description="Course of the learning rate; step divides it by ten every `step_epochs` epochs."
    )
    step_epochs: float | None = Field(None, gt=0, description="Epochs between the steps of schedule step.")
    warmup_share: Annotated[float, InGroup("advanced")] = Field(
        0.1, ge=0, lt=1, description="Share of the steps over which the rate rises."
    )
    weight_decay: Annotated[float, InGroup("advanced")] = Field(
        0.01, ge=0, description="Weight decay, decoupled in AdamW."
    )
    clip_norm: Annotated[float | None, InGroup("advanced")] = Field(
        1.0, gt=0, description="Largest norm of the gradient of a step; none: no clipping."
    )
    precision: Annotated[Literal["auto", "fp32", "bf16", "fp16"], InGroup("advanced")] = Field(
        "auto", description="Number format of the arithmetic; auto takes what the device computes natively."
    )
    recompute: Annotated[bool, InGroup("advanced")] = Field(
        False,
        description="Compute what a layer makes of a batch again for its gradient, in place of keeping it: the same is "
        "learned with less memory, in about a third more time.",
    )
    evaluate_every: Annotated[int | None, InGroup("advanced")] = Field(
        None, ge=1, description="Steps between evaluations; by default once an epoch."
    )
    save_every: Annotated[int | None, InGroup("advanced")] = Field(
        None,
        ge=1,
        description="Steps between checkpoints, a multiple of `evaluate_every`; by default the same. A new best "
        "checkpoint is always saved.",
    )
    save_total_limit: Annotated[int | None, InGroup("advanced")] = Field(
        2, ge=1, description="Checkpoints kept, the best one always among them; none: all of them."
    )
    keep: Literal["best", "last"] = Field(
        "best", description="Which weights the run keeps: those with the lowest validation loss, or the last ones."
    )
    patience: int | None = Field(
        5, ge=1, description="Evaluations without improvement after which training stops; none: never."
    )
    tracker: Annotated[Literal["none", "tensorboard", "wandb", "mlflow"], InGroup("output")] = Field(
        "none", description="Where the training curves are sent besides metrics.jsonl."
    )
    workers: Annotated[int, InGroup("run")] = Field(
        0, ge=0, description="Processes that read pictures while the network trains."
    )
    processes: Annotated[int, InGroup("run")] = Field(
        1,
        ge=1,
        description="Processes of this machine that learn together, each on a GPU of its own or on the CPU; what is "
        "learned is the same. Under torchrun, which starts them itself, leave it out.",
    )
    shard: Annotated[bool, InGroup("run")] = Field(
        False,
        description="Divide weights, gradients and optimiser states among the processes, for a network that is too "
        "large for one device.",
    )

    def memory_savings(self, half: str, answer_tokens: int) -> Iterator[dict[str, Any]]:
        """Changes of these options that save memory, each on its own; those that affect the training least come first.

        half: the 16-bit precision that the device computes in, `bf16` or `fp16`, or else `fp32`; answer_tokens: length
        of the longest answer with its prompt, 0 where no words are learned.
        """
        if self.processes > 1 and not self.shard:
            yield {"shard": True}
        yield from self.smaller_formats(half)
        tuning = getattr(self, "tuning", None)
        if tuning is not None:
            known = get_args(type(self).model_fields["tuning"].annotation)
            yield from ({"tuning": name} for name in _TUNINGS[_TUNINGS.index(tuning) + 1 :] if name in known)

    def smaller_formats(self, half: str) -> Iterator[dict[str, Any]]:
        """Changes to smaller number formats, with the same trained parameters; half: as for `memory_savings`."""
        if self.precision == "fp32" and half != "fp32":
            yield {"precision": "auto"}

    @model_validator(mode="after")
    def _steps_have_a_length(self) -> Self:
        if (self.schedule == "step") != (self.step_epochs is not None):
            raise ValueError("schedule step and `step_epochs` go together; give both or neither.")
        return self


class CaseOptions(TrainOptions):
    """Options of learning from known cases by their verdicts and labels."""

    group: ClassVar[OptionGroup] = "data"

    from_cases: str | None = Field(
        None,
        description="Library of known cases to learn from in place of a data set; unwanted ones are pushed away.",
    )

    @model_validator(mode="before")
    @classmethod
    def _take_the_library_for_the_data(cls, values: Any) -> Any:
        library = values.get("from_cases") if isinstance(values, Mapping) else None
        if library is None:
            return values
        if values.get("data", library) != library or any(map(values.get, OF_DATA)):
            raise ValueError(f"`from_cases` is in place of `data` and {', '.join(OF_DATA)}; leave these out.")
        return {**values, "data": library}


FlipRule = Literal["off", "same", "on"] | dict[str, str]


class TransformOptions(TrainOptions):
    """How training pictures may be transformed; nothing that could change a label happens unless the class map allows
    it."""

    group: ClassVar[OptionGroup] = "augmentation"

    flip_horizontal: FlipRule = Field(
        "off",
        description="Mirror left and right: off; same (no class changes); or, in YAML, the class that each class "
        "becomes, `forbid` for one that must not be mirrored.",
    )
    flip_vertical: FlipRule = Field("off", description="Mirror top and bottom; values as for `flip_horizontal`.")
    crop: Literal["off", "same"] = Field(
        "off", description="Cut 80 to 100 % of the area at random: off; same (no class changes by it)."
    )
    rotate_degrees: float = Field(0.0, ge=0, le=180, description="Largest random rotation either way.")
    brightness: float = Field(0.1, ge=0, lt=1, description="Largest relative change of brightness.")
    contrast: float = Field(0.1, ge=0, lt=1, description="Largest relative change of contrast.")


class AugmentOptions(GradientOptions, TransformOptions):
    """Options of a training by gradients, for each step of which pictures are transformed anew."""


class CopyOptions(TransformOptions):
    """Options of a fit in one pass, which may learn from transformed copies of its pictures."""

    augmented_copies: int = Field(
        0,
        ge=0,
        le=64,
        description="Copies of each picture that are learned from beside it, each transformed as the options of "
        "augmentation allow: for few pictures.",
    )

"""What the operator of a station sets: `station.yaml` in its folder, with defaults that need no file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from kenpin.errors import OptionError
from kenpin.records import Verdict
from kenpin.station.folder import CONSOLE_NODE, check_name, check_product
from kenpin.strict_options import StrictOptions
from kenpin.words import Language
from kenpin.yaml_file import read_yaml

Share = Annotated[float, Field(ge=0, le=1)]


class ProductSettings(StrictOptions):
    """A product: what judges it at first, and what its errors cost."""

    policy: Path | None = Field(
        None, description="Policy of its first version, from the station's folder; without it: set up in a browser."
    )  # fmt: skip
    title: str | None = Field(None, description="Its name on the pages.")
    escape_cost: float = Field(10.0, ge=0, description="Cost of a defective part that passes.")
    overkill_cost: float = Field(1.0, ge=0, description="Cost of a good part that fails.")
    review_from_cost: float = Field(
        1.0,
        ge=0,
        description="Expected cost of a verdict from which people look at the part; at REVIEW always.",
    )
    reviewed_passes: Share = Field(
        0.02, description="Chance with which a part that passes is drawn for review, for an honest rate of escapes."
    )
    reviewed_fails: Share = Field(
        0.05, description="Chance with which a part that fails is drawn for review, for an honest rate of overkills."
    )
    second_reviews: Share = Field(
        0.1, description="Chance with which a reviewed part is reviewed by a second person who does not see the first."
    )
    reference_parts: int = Field(
        500,
        ge=250,
        le=20_000,
        description="Parts at the beginning of a version that its control charts take for normal.",
    )
    false_alarm_parts: int = Field(
        100_000,
        ge=1_000,
        description="Parts between two false alarms of all control charts together, on average.",
    )


class RetentionRule(StrictOptions):
    """Which pictures are removed after a time; records are never removed."""

    after_days: float = Field(gt=0, description="Days after the part was judged.")
    verdicts: tuple[Verdict, ...] = Field(tuple(Verdict), description="Verdicts of the parts.")
    reviewed: bool | None = Field(
        None, description="Only pictures of parts that people reviewed, or only of others; without it both."
    )
    larger_than_bytes: int = Field(0, ge=0, description="Only pictures of this size and more.")


class NearestSettings(StrictOptions):
    """When the nearest unit space tells a part's product."""

    limit: float = Field(
        100.0, gt=0, description="How many times as far as its usual good part a product may be, and still be near."
    )
    margin: float = Field(1.5, ge=1, description="Factor by which the next product must be farther.")


class Limits(StrictOptions):
    """What the station takes at a time."""

    picture_bytes: int = Field(64 * 1024**2, gt=0, description="Largest picture that is taken, in bytes.")
    part_bytes: int = Field(
        256 * 1024**2, gt=0, description="Largest part by several pictures that is taken, in bytes of all of them."
    )
    upload_bytes: int = Field(2 * 1024**3, gt=0, description="Largest upload of a set of pictures, in bytes.")
    waiting_parts: int = Field(64, gt=0, description="Parts that may wait to be judged; beyond it the answer is 429.")
    waiting_bytes: int = Field(512 * 1024**2, gt=0, description="Bytes of their files.")
    free_bytes: int = Field(
        1024**3, ge=0, description="Free bytes on the disk below which no parts are taken, so that records are safe."
    )


class StationSettings(StrictOptions):
    """The settings of a station."""

    node: str = Field("node-1", description="Name of this process: several on one store have a name each.")
    store: str | None = Field(
        None, description="URL of the store, such as postgresql://kenpin@db/kenpin; by default SQLite in the folder."
    )
    host: str = Field("127.0.0.1", description="Address to listen at; without an account it is always 127.0.0.1.")
    port: int = Field(8470, ge=0, le=65535, description="Port to listen at; 0: any free one.")
    hosts: tuple[str, ...] = Field(
        (), description="Names by which browsers reach it, besides its address and localhost."
    )
    proxies: tuple[str, ...] = Field(
        (),
        description="Addresses of proxies before it, whose `X-Forwarded-For` is believed: else all who come through "
        "one have its address.",
    )
    language: Language = Field("en", description="Language of whoever has not chosen one.")
    products: dict[str, ProductSettings] = Field(default_factory=dict, description="Products by their names.")
    choose_product: Literal["request", "nearest"] = Field(
        "request",
        description="What tells the product of a part that comes without one: nothing, so that it is refused where "
        "there are several (request), or the nearest unit space (nearest).",
    )
    nearest: NearestSettings = Field(NearestSettings(), description="When the nearest unit space tells it.")
    limits: Limits = Field(Limits(), description="What it takes at a time.")
    retention: tuple[RetentionRule, ...] = Field((), description="Which pictures are removed after a time.")
    sources: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Sources of parts by their names: `kind`, and what that kind takes."
    )
    sinks: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Sinks of records by their names: `kind`, and what that kind takes."
    )
    demonstration: bool = Field(False, description="Whether every page says that parts and people are made up.")
    four_eyes: bool = Field(
        True, description="Whether another person than the one who started a training must approve its version."
    )

    @field_validator("node")
    @classmethod
    def _node_names_files(cls, node: str) -> str:
        if node == CONSOLE_NODE:
            raise OptionError(f"node {node!r} is the console, whose commands write a trail too; choose another.")
        return check_name(node, "node")  # an OptionError is a ValueError, which pydantic takes up

    @field_validator("products")
    @classmethod
    def _products_are_products(cls, named: dict[str, Any]) -> dict[str, Any]:
        for name in named:
            check_product(name)
        return named

    @field_validator("sources", "sinks")
    @classmethod
    def _names_name_files(cls, named: dict[str, Any]) -> dict[str, Any]:
        for name in named:
            check_name(name, "its name")
        return named


def read_settings(file: Path) -> StationSettings:
    """The settings in a YAML file; the defaults where there is none. Raises OptionError."""
    if not file.exists():
        return StationSettings()
    settings = StationSettings.from_mapping(read_yaml(file), str(file))
    products = {
        name: product if product.policy is None else product.model_copy(update={"policy": file.parent / product.policy})
        for name, product in settings.products.items()
    }
    return settings.model_copy(update={"products": products})

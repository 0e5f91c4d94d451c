"""The recipe: everything that decides a run, frozen, from YAML, with every default spelled out once resolved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from isoscope import kinds
from isoscope.domain import Operator
from isoscope.errors import RecipeError, nearest
from isoscope.overrides import merge
from isoscope.parameters import Component, one_line, resolve
from isoscope.preparation import Preparation, check_sides
from isoscope.schedule import Shape

__all__ = [
    "DomainRecipe", "Inference", "Normalisation", "Output", "Recipe", "Term", "Training", "parse", "resolved",
]  # fmt: skip

Normalisation = Literal["frozen", "dense", "tile"]
_Type = Literal["uint8", "uint16", "uint32", "int8", "int16", "int32", "float16", "float32", "float64"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DomainRecipe(_Part):
    """How one domain's images are prepared and what counts as content in them."""

    prepare: Preparation = Field(Preparation(), description="done on reading; limits and threshold count from it")
    grey: bool = Field(False, description="turn RGB into luminance (Rec. 601) on reading")
    percentiles: tuple[float, float] = Field((0.1, 99.9), description="data-set percentiles that become the limits")
    limits: tuple[tuple[float, float], ...] | None = Field(
        None, description="grey values per channel, prepared; none: measured"
    )
    polarity: Literal["auto", "bright", "dark"] = Field("auto", description="content against background")
    saliency: Operator = Field("mean", description="operator that finds content")
    saliency_channel: int = Field(0, ge=0, description="channel for the operator 'channel'")
    threshold: float | None = Field(None, description="grey value that separates content; none: Otsu, measured")

    @field_validator("limits", "percentiles")
    @classmethod
    def _enclose_something(cls, value: Any, info: ValidationInfo) -> Any:
        pairs = [value] if info.field_name == "percentiles" else value or ()
        if not all(low < high for low, high in pairs):
            raise ValueError("expected the lower before the higher, and unequal")
        if info.field_name == "percentiles" and not 0 <= value[0] < value[1] <= 100:
            raise ValueError("expected percentiles from 0 to 100")
        return value


class Term(BaseModel):
    """One weighted loss. Other keys are the loss plug-in's own parameters."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)

    weight: float = Field(1.0, ge=0)
    schedule: Shape = "constant"
    speed: float = 6.0
    floor: float = 0.0
    share: float = Field(1.0, gt=0, le=1, description="part of the steps that compute it, at weight / share then")
    use: str | None = Field(None, description="the loss plug-in; none: the term's own name")

    def component(self, label: str) -> Component:
        """The loss plug-in of this term."""
        return Component.model_validate({"name": self.use or label, **(self.__pydantic_extra__ or {})})


class Training(_Part):
    """How long, on what patches, how exactly."""

    steps: int = Field(2000, ge=1)
    minutes: float | None = Field(None, gt=0, description="fit the steps to this time; they are recorded as they go")
    passes: float | None = Field(
        None, gt=0, description="over the target's pixels, at most, but never under 600 steps; none: no limit"
    )
    batch: int = Field(4, ge=1)
    patch: int = Field(64, ge=8, description="side in pixels")
    patches: int | None = Field(None, ge=1, description="so many of each side, chosen by the seed; none: every place")
    seed: int = Field(0, ge=0)
    augmentation: Literal["none", "flips", "dihedral"] = Field(
        "dihedral", description="symmetries that patches are drawn in; flips: those that keep rows rows"
    )
    stain_mixing: Literal["none", "macenko", "reinhard"] = Field("none", description="target patches in others' stains")
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    average: float = Field(0.999, ge=0, lt=1, description="decay of the moving average of generators; 0: none")
    finish: float = Field(0.1, ge=0, lt=1, description="last fraction trained with frozen normalisation statistics")
    calibration: int = Field(16, ge=1, description="training patches that the frozen statistics are taken from")
    checkpoint_every: int = Field(500, ge=1)
    watchdog: Literal["record", "stop", "restart"] = Field("restart", description="if content and background swap")
    restarts: int = Field(3, ge=0, description="with the next seed, at most; then stop")
    keep: Literal["best", "last"] = Field("best", description="the model: best by criteria without truth, or last")
    ram_gib: float = Field(
        4.0, gt=0, description="memory for images: a side that fits into half is held, a larger one read in blocks"
    )


class Inference(_Part):
    """How predictions are made. With frozen or dense statistics tiling never changes the picture."""

    tiling: Component = Component(name="overlap")
    tile: int | None = Field(None, ge=1, description="side of the kept core in pixels; none: as the network needs")
    normalisation: Normalisation = Field(
        "frozen", description="statistics: of the training set; dense: over the image; tile: each tile's own"
    )
    precision: Literal["float32", "bfloat16"] = Field("float32", description="of the networks, in prediction")


class Output(_Part):
    """What comes out."""

    planes: Literal["xy", "stack"] = Field("xy", description="each plane by itself, or all planes as channels")
    context: int = Field(0, ge=0, le=16, description="planes above and below that the networks see too, in xy (2.5D)")
    decode: Literal["intensity"] = "intensity"
    dtype: _Type | None = Field(None, description="numpy type; none: the target's")
    codec: Literal["zstd", "blosc", "gzip", "none"] = "zstd"


class Recipe(_Part):
    """Everything that decides a run."""

    version: Literal[1] = 1
    task: str = "custom"
    preset: str = "default"
    source: DomainRecipe = DomainRecipe()
    target: DomainRecipe = DomainRecipe()
    method: Component = Component(name="c2gan")
    losses: dict[str, Term] = Field(default_factory=dict)
    training: Training = Training()
    inference: Inference = Inference()
    output: Output = Output()

    @model_validator(mode="after")
    def _planes_that_have_neighbours(self) -> Self:
        if self.output.context and (self.output.planes == "stack" or self.source.prepare.sides):
            raise ValueError("expected no output.context with planes of stacks as channels, or seen from the side")
        return self

    @model_validator(mode="before")
    @classmethod
    def _empty_sections(cls, value: Any) -> Any:
        """An empty section of a YAML file is None there; it means the defaults."""
        return {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else value

    def to_yaml(self) -> str:
        """The recipe as YAML, every key written."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)

    def replaced(self, **changes: Any) -> Self:
        """A copy with nested changes, validated."""
        return type(self).model_validate(merge(self.model_dump(), changes))


def _fields(loc: tuple[Any, ...]) -> dict[str, Any]:
    """The keys that may stand where `loc` points, for the suggestion in an error."""
    model: Any = Recipe
    for part in loc[:-1]:
        inner = model.model_fields[part].annotation if part in getattr(model, "model_fields", {}) else None
        # an optional section is a union with none
        model = next((m for m in (inner, *get_args(inner)) if hasattr(m, "model_fields")), Recipe)
    return dict(model.model_fields)


def parse(values: Mapping[str, Any], where: str = "recipe") -> Recipe:
    """Validate a mapping as a recipe.

    Raises:
        RecipeError: one line that names the key and the nearest valid one.
    """
    try:
        return Recipe.model_validate(dict(values))
    except ValidationError as error:
        raise RecipeError(one_line(error, _fields(error.errors()[0]["loc"]), where)) from None


def resolved(recipe: Recipe) -> Recipe:
    """The recipe with every plug-in's parameters spelled out.

    Raises:
        PluginError: for an unknown plug-in.
        RecipeError: for an unknown or wrong parameter.
    """
    if recipe.task != "custom" and recipe.task not in kinds.tasks:
        raise RecipeError(f"no task is called {recipe.task!r}; {nearest(recipe.task, kinds.tasks)}")
    check_sides(recipe.source.prepare, recipe.target.prepare)
    losses = {}
    for label, term in recipe.losses.items():
        component = resolve(kinds.losses, term.component(label))
        own = {k: getattr(term, k) for k in Term.model_fields}
        losses[label] = {**own, "use": component.name, **component.parameters}
    return recipe.replaced(
        method=resolve(kinds.methods, recipe.method).model_dump(),
        losses=losses,
        inference={"tiling": resolve(kinds.tilings, recipe.inference.tiling).model_dump()},
    )

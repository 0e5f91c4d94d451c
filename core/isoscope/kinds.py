"""The contracts of every kind of plug-in, and one registry for each.

A factory's positional-only arguments come from the core; its keyword-only arguments are the user's and are validated
from their annotations (`parameters`). Everything a factory returns must satisfy the protocol named beside it here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

from isoscope.reading import ReadOptions
from isoscope.registry import Registry
from isoscope.volume import Header, Layout, Sink, Volume

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from isoscope.cycle import Cycle
    from isoscope.domain import Domain
    from isoscope.recipe import Recipe
    from isoscope.tiling import Grid, Tile

__all__ = [
    "REGISTRIES", "Adversarial", "Direction", "Discriminator", "Generator", "Loss", "Method", "Store", "Task", "Tiling",
    "discriminators", "generators", "losses", "methods", "stores", "tasks", "tilings",
]  # fmt: skip

Direction: TypeAlias = Literal["a2b", "b2a"]

Generator: TypeAlias = "Callable[..., nn.Module]"
"""`(inputs: Domain, outputs: Domain, /, *, ...) -> nn.Module`: [N, C_in, H, W] -> [N, C_out, H, W], normalised values.

It carries `stride: int`, the multiple that H and W must have. It must accept any such size from 16 px and two
strides on. The module may offer:

- `fit(inputs, outputs)`, called once before training with unpaired patches of both domains; patches of one image
  follow each other;
- `describe() -> Mapping[str, Quantity]`, its parameters that have a physical meaning, with their units: shown when a
  run starts and ends, and stored with the model;
- `volumetric = True`, if where planes are channels too (`output.context`; C-major, by z) it takes any number of them
  and gives as many: volumes are then predicted in blocks of planes;
- noise, where one image has many answers: with `pixel_noise: int` and `image_noise: int` it is also called as
  `(x, z)`, z unit Gaussian [N, pixel_noise + image_noise, H, W]: first so many maps that are white, then so many that
  are one number all over an image. Without z it draws them in training and takes zeros in evaluation."""

Discriminator: TypeAlias = "Callable[..., nn.Module]"
"""`(inputs: Domain, /, *, ...) -> nn.Module`: [N, C, H, W] -> scores [N, 1, h, w], without a final sigmoid.

The module carries `field: int`, the side in pixels of what one score sees."""

Task: TypeAlias = "Callable[[Domain, Domain], Recipe]"
"""`(source: Domain, target: Domain, /) -> Recipe`: what to do with two such domains. Only the fields it sets count."""


@runtime_checkable
class Loss(Protocol):
    """One term of the generators' objective.

    It may offer:

    - `meet(networks: Mapping[Direction, nn.Module], source, target)`, called once, before anything is optimised, with
      the generators, for a module that needs to know their features;
    - `needs_scale = True`, if it looks at `Cycle.distribution_b`: the forward generator then has twice the channels.
    """

    def __call__(self, cycle: Cycle, /) -> Tensor:
        """A scalar with gradients. It may be an nn.Module: its parameters are then optimised and saved too."""


@runtime_checkable
class Adversarial(Loss, Protocol):
    """A loss that also says what the discriminators minimise."""

    def discriminator(self, real: Tensor, fake: Tensor, /) -> Tensor:
        """A scalar, from the scores of real and of pooled fake images (raw scores, [N, 1, h, w])."""


class Method(Protocol):
    """How one optimisation step is made. Also an nn.Module: `state_dict` covers networks, losses and image pools.

    It may offer `prepare(patches_a, patches_b)`, called once before the first step with patches [N, C, H, W] of both
    domains, for whatever is estimated rather than learned.

    Built as `factory(source: Domain, target: Domain, terms: Terms, patch: tuple[int, int], /, *, ...)`.
    """

    directions: tuple[Direction, ...]
    pairing: Literal["independent", "matched"]

    def optimisers(self) -> Mapping[str, torch.optim.Optimizer]:
        """The optimisers by name, always the same objects."""

    def generator(self, direction: Direction, /) -> nn.Module:
        """The network that maps one domain to the other."""

    def step(self, real_a: Tensor, real_b: Tensor, u: float, /) -> dict[str, Tensor]:
        """One optimisation step on two batches [N, C, H, W] at progress u in [0, 1); detached scalars by name."""


class Tiling(Protocol):
    """How a region of the output is covered with tiles."""

    def __call__(self, region: tuple[slice, slice], grid: Grid, /) -> Iterator[Tile]:
        """Tiles whose `write` areas lie in the region and whose weights add up to one on each of its pixels."""


class Store(Protocol):
    """Reads and writes one family of file formats.

    It may say in `ledger: str` where in its finished outputs a `writing.ledger` lies, for `isoscope verify`, and by
    `virtual = True` that the images it claims are made when they are read: their paths have a colon, and nothing there.
    """

    suffixes: tuple[str, ...]
    writes: tuple[str, ...]

    def claims(self, path: Path, /) -> bool:
        """Whether this path is one of ours; looks at the name and, for folders, at what marks a store inside."""

    def open(self, path: Path, options: ReadOptions = ReadOptions(), /) -> list[Volume]:
        """The images in the file, without reading pixels. Axes, level and series are the store's to obey or refuse.

        A volume whose chunks are decoded whole should say so in `layout`: training reads large images accordingly.

        Raises:
            DataError: one line with what was got, what was expected and the remedy.
        """

    def create(
        self, path: Path, header: Header, layout: Layout, /, *,
        fingerprint: Mapping[str, Any] | None = None, resume: bool = False,
    ) -> Sink:  # fmt: skip
        """Start an image, or go on with one. Nothing appears under `path` before `Sink.close`.

        Args:
            path: the output's final name.
            header: what the image is.
            layout: how it is cut; formats without shards may take it as a hint.
            fingerprint: all that decides the grey values, JSON-serialisable; with it, what is written outlives
                `Sink.abort` and a kill. The store adds shape, type and layout itself.
            resume: go on where a sink of the same fingerprint was stopped, if there was one. Else what an earlier one
                left under a temporary name is removed, unless a living process still writes there.

        Raises:
            DataError: if the format cannot hold such an image, or what is there was begun with another fingerprint.
        """


generators: Registry[Any] = Registry("generators", ("inputs", "outputs"))
discriminators: Registry[Any] = Registry("discriminators", ("inputs",))
losses: Registry[Callable[..., Loss]] = Registry("losses", ())
tilings: Registry[Callable[..., Tiling]] = Registry("tilings", ())
tasks: Registry[Task] = Registry("tasks", ("source", "target"))
methods: Registry[Callable[..., Method]] = Registry("methods", ("source", "target", "terms", "patch"))
stores: Registry[Callable[..., Store]] = Registry("stores", ())

REGISTRIES: dict[str, Registry[Any]] = {
    r.kind: r for r in (generators, discriminators, losses, tilings, tasks, methods, stores)
}

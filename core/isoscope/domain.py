"""What is known of one of the two image sets: its channels, grey values and what counts as content."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Domain", "Operator"]

Operator = Literal["mean", "channel", "optical_density", "local_std", "gradient_energy"]


class Domain(BaseModel):
    """One image domain, as measured over the whole data set and completed by the recipe.

    Attributes:
        name: a short name for messages and outputs.
        channels: channels the networks see (planes of a stack count as channels).
        channel_names: names of the channels, where the files have any.
        depth: z planes of the volumes.
        context: planes on each side of a plane that are channels beside it: 2 context + 1 for one of the image.
        dtype: numpy name of the grey values' type.
        rgb: the channels are red, green and blue.
        limits: (low, high) grey values per channel that map to -0.9 and 0.9.
        saliency: operator that turns the channels into one map s (method.md 2.3).
        saliency_channel: which channel of a plane, for the operator "channel".
        threshold: t_X in the domain's own grey values, or in units of s for operators other than mean and channel.
        polarity: +1 content brighter than background, -1 darker, 0 not determined.
        foreground: fraction of pixels that counts as content.
        pixel_size: (z, y, x) in `unit`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    channels: int
    channel_names: tuple[str, ...] = ()
    depth: int = 1
    context: int = 0
    dtype: str = "float32"
    rgb: bool = False
    limits: tuple[tuple[float, float], ...]
    saliency: Operator = "mean"
    saliency_channel: int = 0
    threshold: float = 0.0
    polarity: Literal[-1, 0, 1] = 0
    foreground: float = 0.0
    pixel_size: tuple[float, float, float] | None = None
    unit: str = "micrometer"

    @property
    def planes(self) -> int:
        """How many planes of a volume its channels hold of each channel of an image."""
        return 2 * self.context + 1

    @property
    def plane(self) -> Domain:
        """The same domain, of single planes."""
        if not self.context:
            return self
        return self.model_copy(
            update={"channels": self.channels // self.planes, "limits": self.limits[:: self.planes], "context": 0}
        )

    def by_plane(self, x: Tensor) -> Tensor:
        """Each plane by itself: [N, C x planes, H, W] -> [N x planes, C, H, W]."""
        if not self.context:
            return x
        n, _, h, w = x.shape
        return x.reshape(n, -1, self.planes, h, w).transpose(1, 2).flatten(0, 1)

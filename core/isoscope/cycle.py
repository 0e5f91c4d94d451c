"""What one training step saw, computed on first access and only once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, Literal, cast

from torch import Tensor, nn

from isoscope.domain import Domain
from isoscope.errors import RecipeError

__all__ = ["Cycle", "Side"]

Side = Literal["a", "b"]


class Cycle:
    """The images of one step: G maps a to b, F maps b to a (Li et al. 2019).

    Attributes:
        real_a, real_b: the two independent batches, [N, C_A, H, W] and [N, C_B, H, W], network values.
        fake_b, rec_a: G(a) and F(G(a)); fake_a, rec_b: F(b) and G(F(b)). One generator pass each.
        scores: scores of the fakes by the discriminators that exist, keyed "b" and "a".
        source, target: limits, polarity, threshold of the domains of a and b.
        u: progress in [0, 1).
    """

    def __init__(
        self, real_a: Tensor, real_b: Tensor, forward: nn.Module, backward: nn.Module, *,
        source: Domain, target: Domain, u: float = 0.0,
        discriminators: dict[Side, nn.Module] | None = None,
        perturb: Callable[[Tensor], Tensor] = lambda x: x,
    ) -> None:  # fmt: skip
        self.real_a, self.real_b = real_a, real_b
        self.source, self.target, self.u = source, target, u
        self._forward, self._backward = forward, backward
        self._discriminators = discriminators or {}
        self._perturb = perturb

    @cached_property
    def fake_b(self) -> Tensor:
        """G(a)."""
        return self._forward(self.real_a).float()  # type: ignore[no-any-return]

    @cached_property
    def fake_a(self) -> Tensor:
        """F(b)."""
        return self._backward(self.real_b).float()  # type: ignore[no-any-return]

    @cached_property
    def rec_a(self) -> Tensor:
        """F(G(a)), the intermediate perturbed so that nothing can be hidden in it (Chu et al. 2017)."""
        return self._backward(self._perturb(self.fake_b)).float()  # type: ignore[no-any-return]

    @cached_property
    def rec_b(self) -> Tensor:
        """G(F(b)), likewise."""
        return self._forward(self._perturb(self.fake_a)).float()  # type: ignore[no-any-return]

    @cached_property
    def scores(self) -> dict[Side, Tensor]:
        """Raw scores [N, 1, h, w] of the fakes, by the side they imitate."""
        fakes: dict[Side, Callable[[], Tensor]] = {"a": lambda: self.fake_a, "b": lambda: self.fake_b}
        return {side: d(fakes[side]()).float() for side, d in self._discriminators.items()}

    def identity(self, side: Side) -> Tensor:
        """G(b) for side "b", F(a) for side "a": what a generator does to an image of its own output domain."""
        if self.source.channels != self.target.channels:
            raise RecipeError(
                f"identity needs equal channels, got {self.source.channels} and {self.target.channels}; leave it out"
            )
        net, real = (self._forward, self.real_b) if side == "b" else (self._backward, self.real_a)
        return net(real).float()  # type: ignore[no-any-return]

    def features(self, side: Side, image: Literal["real", "fake"] = "real") -> list[Tensor]:
        """Feature maps of the generator that reads images of `side`, for that side's real or fake image."""
        net = self._forward if side == "a" else self._backward
        if not hasattr(net, "features"):
            raise RecipeError(f"generator {type(net).__name__} offers no features; choose another, such as resnet")
        pictures = {"a": (self.real_a, "fake_a"), "b": (self.real_b, "fake_b")}
        real, fake = pictures[side]
        maps: list[Tensor] = cast("Any", net).features(real if image == "real" else getattr(self, fake))
        return maps

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
        real_a, real_b: the two batches, [N, C_A, H, W] and [N, C_B, H, W], network values.
        fake_b, rec_a: G(a) and F(G(a)); fake_a, rec_b: F(b) and G(F(b)). One generator pass each.
        scores: scores of the fakes by the discriminators that exist, keyed "b" and "a".
        source, target: limits, polarity, threshold of the domains of a and b.
        u: progress in [0, 1).
        matched: a and b show the same places, so that b is what G(a) should be; else they are independent.

    Images of a way back that the method does not have are refused with a RecipeError when a loss asks for them.
    """

    def __init__(
        self, real_a: Tensor, real_b: Tensor, forward: nn.Module, backward: nn.Module | None, *,
        source: Domain, target: Domain, u: float = 0.0,
        discriminators: dict[Side, nn.Module] | None = None,
        perturb: Callable[[Tensor], Tensor] = lambda x: x, matched: bool = False,
    ) -> None:  # fmt: skip
        self.real_a, self.real_b = real_a, real_b
        self.source, self.target, self.u, self.matched = source, target, u, matched
        self._forward, self._way_back = forward, backward
        self._discriminators = discriminators or {}
        self._perturb = perturb

    @property
    def _backward(self) -> nn.Module:
        if self._way_back is None:
            raise RecipeError(
                "got a method that learns no way back; expected one that maps B to A too, which this loss looks at; "
                "leave it out, or choose method c2gan"
            )
        return self._way_back

    @cached_property
    def distribution_b(self) -> tuple[Tensor, Tensor]:
        """Mean and scale of each pixel of G(a), [N, C_B, H, W] each, from a generator that estimates both."""
        if not hasattr(self._forward, "distribution"):
            raise RecipeError(
                f"got generator {type(self._forward).__name__}, which says no scale; expected a mean and a scale of "
                f"each pixel; choose method supervised"
            )
        mean, scale = cast("Any", self._forward).distribution(self.real_a)
        return mean.float(), scale.float()

    @cached_property
    def fake_b(self) -> Tensor:
        """G(a)."""
        if hasattr(self._forward, "distribution"):  # one pass for both
            return self.distribution_b[0]
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

    @cached_property
    def truth_b(self) -> Tensor:
        """What G(a) should be: b, where both batches show the same places."""
        if not self.matched:
            raise RecipeError(
                "got unpaired images; expected pairs, as this loss compares with the truth; leave it out, or choose "
                "method supervised"
            )
        return self.real_b

    def identity(self, side: Side) -> Tensor:
        """G(b) for side "b", F(a) for side "a": what a generator does to an image of its own output domain."""
        if self.source.channels != self.target.channels:
            raise RecipeError(
                f"identity needs equal channels, got {self.source.channels} and {self.target.channels}; leave it out"
            )
        net, real = (self._forward, self.real_b) if side == "b" else (self._backward, self.real_a)
        return net(real).float()  # type: ignore[no-any-return]

    def features(self, side: Side, picture: Tensor | None = None) -> list[Tensor]:
        """Feature maps [N, C, h, w] of the generator that reads images of `side`, finest first.

        Args:
            side: "a" for G, "b" for F.
            picture: with as many channels as that side's images; none: the real one.
        """
        net = self._forward if side == "a" else self._backward
        if not hasattr(net, "features"):
            raise RecipeError(f"generator {type(net).__name__} offers no features; choose another, such as resnet")
        real = self.real_a if side == "a" else self.real_b
        maps: list[Tensor] = cast("Any", net).features(real if picture is None else picture)
        return maps

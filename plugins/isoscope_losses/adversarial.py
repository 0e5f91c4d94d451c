"""What generators and discriminators play for. Every loss is a mean over images and patch scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from isoscope.cycle import Cycle

__all__ = ["bce", "hinge", "lsgan"]

Label = Annotated[float, Field(gt=0, le=1)]


class LeastSquares:
    """Least squares (Mao et al. 2017) towards a real label that may be below one."""

    def __init__(self, label: float) -> None:
        self.label = label

    def __call__(self, cycle: Cycle) -> Tensor:
        """Sum over both generators of E[(D(fake) - label)^2]."""
        return sum(((s - self.label).square().mean() for s in cycle.scores.values()), cycle.real_a.new_zeros(()))

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Half of E[(D(real) - label)^2] + E[D(fake)^2]."""
        return 0.5 * ((real - self.label).square().mean() + fake.square().mean())


class CrossEntropy:
    """Binary cross-entropy from logits, as the c2GAN paper states; generators maximise log D(fake)."""

    def __init__(self, label: float) -> None:
        self.label = label

    def _towards(self, scores: Tensor, label: float) -> Tensor:
        return F.binary_cross_entropy_with_logits(scores, scores.new_full((), label).expand_as(scores))

    def __call__(self, cycle: Cycle) -> Tensor:
        """Sum over both generators of -E[log D(fake)]."""
        return sum((self._towards(s, self.label) for s in cycle.scores.values()), cycle.real_a.new_zeros(()))

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """-E[log D(real)] - E[log(1 - D(fake))]."""
        return self._towards(real, self.label) + self._towards(fake, 0.0)


class Hinge:
    """Hinge loss (Lim & Ye 2017)."""

    def __call__(self, cycle: Cycle) -> Tensor:
        """Sum over both generators of -E[D(fake)]."""
        return sum((-s.mean() for s in cycle.scores.values()), cycle.real_a.new_zeros(()))

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """E[max(0, 1 - D(real))] + E[max(0, 1 + D(fake))]."""
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def lsgan(*, label: Label = 0.9) -> LeastSquares:
    """Least-squares adversarial loss.

    Args:
        label: the score of a real image; 0.9 in the released c2GAN settings, 1.0 in UTOM's.
    """
    return LeastSquares(label)


def bce(*, label: Label = 1.0) -> CrossEntropy:
    """Binary cross-entropy, as printed in the c2GAN paper.

    Args:
        label: the target for real images; below 1 is one-sided label smoothing.
    """
    return CrossEntropy(label)


def hinge() -> Hinge:
    """Hinge adversarial loss."""
    return Hinge()

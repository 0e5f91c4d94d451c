"""What a prediction counts on its way."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Tally"]


@dataclass(slots=True)
class Tally:
    """Pixels made and clipped, shards that were there already, and grey values read that training never saw.

    Attributes:
        pixels: grey values made.
        clipped: of these, those that did not fit the output's type.
        skipped: shards that were there already.
        read: grey values that tiles were computed from; those in the halos of several shards count in each.
        unfamiliar: of these, those beyond all that training knew.
    """

    pixels: int = 0
    clipped: int = 0
    skipped: int = 0
    read: int = 0
    unfamiliar: int = 0

    @property
    def clipped_fraction(self) -> float | None:
        """Of the pixels; None where shards were there already, of which nobody knows."""
        return self.clipped / self.pixels if self.pixels and not self.skipped else None

    @property
    def unfamiliar_fraction(self) -> float | None:
        """Of the grey values read; None as for `clipped_fraction`."""
        return self.unfamiliar / self.read if self.read and not self.skipped else None

    def add(self, other: Tally) -> None:
        """Count what another counted, too."""
        self.pixels += other.pixels
        self.clipped += other.clipped
        self.skipped += other.skipped
        self.read += other.read
        self.unfamiliar += other.unfamiliar

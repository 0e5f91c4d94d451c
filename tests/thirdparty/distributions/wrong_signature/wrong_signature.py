"""Losses that the core cannot call, or that fail when it does."""

NUMBER = 0.5


def demanding(cycle, /):
    """A loss itself, where a factory of losses is expected."""
    return cycle.fake_b.mean()


def greedy(**anything):
    """Takes whatever the user writes, so that no mistake can be told."""
    return demanding


def failing(*, power: float = 1.0):
    """Fails as soon as it is called."""
    raise LookupError("no calibration\nfor this microscope")

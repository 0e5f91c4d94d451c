"""Mean brightness stays: a loss in ten lines."""


def brightness(*, power: float = 2.0):
    """The mean of each output is that of its input; `power` is that of the difference."""

    def loss(cycle):
        return (cycle.fake_b.mean((1, 2, 3)) - cycle.real_a.mean((1, 2, 3))).abs().pow(power).mean()

    return loss

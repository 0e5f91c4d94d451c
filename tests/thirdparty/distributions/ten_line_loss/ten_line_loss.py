"""Edges stay where they are: a domain loss by an outsider."""


def edges(*, backward: float = 1.0):
    def loss(cycle):
        there = (cycle.real_a.diff(dim=-1).abs() - cycle.fake_b.diff(dim=-1).abs()).abs().mean()
        return there + backward * (cycle.real_b.diff(dim=-1).abs() - cycle.fake_a.diff(dim=-1).abs()).abs().mean()

    return loss

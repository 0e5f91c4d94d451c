"""Labels of the rank of content: in their place, from no pair, and counted among all images."""

import pytest
import torch
from torch import nn

from isoscope import kinds
from isoscope.cycle import Cycle
from isoscope.testing import check_loss, example_domain


class Says(nn.Module):
    """A generator whose answer is given beforehand."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, x):
        return self.answer


def fields(seed=0, side=64):
    """Grey values at random, and those of other places in another order: [1, 1, H, W] and [1, 2, H, W]."""
    draw = torch.Generator().manual_seed(seed)
    a = torch.rand(1, 1, side, side, generator=draw) * 1.8 - 0.9
    b = torch.rand(1, 2, side, side, generator=draw).square() * 1.8 - 0.9
    return a, b


def judged(answer, a, b, *, polarity=1, **parameters):
    source, target = example_domain(1, polarity=polarity), example_domain(2)
    loss = kinds.losses["ranked"](**{"blur": 0.0, **parameters})
    loss.meet({}, source, target)
    return float(loss(Cycle(a, b, Says(answer), None, source=source, target=target)))


def in_order_of(a, b):
    """The pixels of each channel of b in the places that have their rank in a."""
    made = torch.empty_like(b)
    made.flatten(2)[0, :, a.flatten().argsort()] = b.flatten(2)[0].sort(1).values
    return made


@pytest.mark.parametrize("error", ["absolute", "squared"])
def test_options_conform(error):
    check_loss(lambda: kinds.losses["ranked"](error=error, blur=0.0))


def test_labels_of_the_rank_of_content_are_what_is_asked_for():
    a, b = fields()
    assert judged(in_order_of(a, b), a, b) < 0.02 < 0.3 < judged(b, a, b)


def test_dark_content_gets_the_strongest_labels_too():
    a, b = fields()
    assert judged(in_order_of(-a, b), a, b, polarity=-1) < 0.02 < 0.3 < judged(in_order_of(a, b), a, b, polarity=-1)


def test_a_patch_without_content_gets_no_label_because_it_is_the_most_salient_of_its_batch():
    a, b = fields()
    empty = torch.full_like(a, -0.9)
    source, target = example_domain(1), example_domain(2)
    loss = kinds.losses["ranked"](blur=0.0)
    loss.meet({}, source, target)
    loss(Cycle(a, b, Says(b), None, source=source, target=target))
    dark = b.amin((2, 3), keepdim=True).expand_as(b)
    assert float(loss(Cycle(empty, b, Says(dark), None, source=source, target=target))) < 0.02


def test_what_was_seen_is_kept_with_the_run():
    a, b = fields()
    source, target = example_domain(1), example_domain(2)
    first, second = (kinds.losses["ranked"](blur=0.0) for _ in range(2))
    for loss in (first, second):
        loss.meet({}, source, target)
    first(Cycle(a, b, Says(b), None, source=source, target=target))
    second.load_state_dict(first.state_dict())
    torch.manual_seed(1)
    one = first(Cycle(a, b, Says(b), None, source=source, target=target))
    torch.manual_seed(1)
    assert torch.equal(one, second(Cycle(a, b, Says(b), None, source=source, target=target)))

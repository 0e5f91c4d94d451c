from types import SimpleNamespace

import torch
from example_brightness import brightness

from isoscope import kinds
from isoscope.testing import check_loss


def test_it_is_found_and_generators_can_learn_from_it():
    check_loss(kinds.losses["brightness"])


def test_it_is_the_squared_difference_of_means():
    seen = SimpleNamespace(real_a=torch.zeros(2, 1, 4, 4), fake_b=torch.full((2, 1, 4, 4), 3.0))
    assert brightness()(seen) == 9

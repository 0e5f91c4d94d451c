"""Terms are summed by weight, schedule and share, and what weighs nothing costs nothing."""

import pytest
import torch

from isoscope.cycle import Cycle
from isoscope.errors import PluginError, RecipeError
from isoscope.recipe import Term
from isoscope.terms import Terms
from isoscope.testing import example_domain


def cycle():
    grey, x = example_domain(), torch.ones(1, 1, 8, 8)
    return Cycle(x, x, lambda v: 3 * v, lambda v: v, source=grey, target=grey)


def test_a_share_of_the_steps_computes_a_term_and_on_average_it_weighs_as_much():
    rare = Terms({"cycle": Term(weight=2.0, share=0.25), "saliency": Term(share=0.25)})
    torch.manual_seed(0)
    found = [rare(cycle()) for _ in range(400)]
    totals = torch.stack([total for total, _ in found])
    seen = [set(parts) for _, parts in found]
    assert {frozenset(s) for s in seen} == {frozenset(), frozenset({"cycle", "saliency"})}, "at the same steps"
    assert sum(map(bool, seen)) / 400 == pytest.approx(0.25, abs=0.06)
    always = Terms({"cycle": Term(weight=2.0), "saliency": Term()})(cycle())[0]
    assert totals.mean().item() == pytest.approx(always.item(), rel=0.25)


def test_terms_that_are_always_computed_draw_nothing():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    Terms({"cycle": Term()})(cycle())
    assert torch.equal(before, torch.get_rng_state())


def test_discriminators_have_no_rare_terms_and_none_of_no_weight():
    with pytest.raises(RecipeError, match="share"):
        Terms({"lsgan": Term(share=0.5)})
    assert not list(Terms({"lsgan": Term(weight=0.0)}).adversarial())
    assert list(Terms({"lsgan": Term(weight=0.1)}).adversarial())


def test_a_loss_that_crashes_is_named_and_one_out_of_memory_is_not_blamed():
    terms = Terms({"l1": Term()})

    def crash(cycle):
        raise error

    terms.losses["l1"] = crash
    error = RuntimeError("shapes cannot\nbe multiplied")
    with pytest.raises(PluginError, match=r"^losses\.l1: losses plug-in 'l1' of isoscope .*shapes cannot be multi"):
        terms(cycle())
    error = torch.OutOfMemoryError("no room")
    with pytest.raises(torch.OutOfMemoryError):
        terms(cycle())
    error = RecipeError("no features")
    with pytest.raises(RecipeError, match=r"^losses\.l1: no features$"):
        terms(cycle())

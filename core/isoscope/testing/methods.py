"""What every method must do."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from isoscope.domain import Domain
from isoscope.recipe import Term
from isoscope.terms import Terms
from isoscope.testing.examples import example_domain, require, seed

__all__ = ["check_method"]

_LOSSES = {"lsgan": Term(), "cycle": Term(weight=10.0)}


def _check_optimisers(method: Any) -> None:
    """Protects learning and resuming: what no optimiser holds never moves, what two hold moves twice."""
    first, second = method.optimisers(), method.optimisers()
    same = bool(first) and all(first[k] is second.get(k) for k in first)
    require(same, "optimisers() must give the same optimisers every time, at least one")
    held = [id(p) for o in first.values() for g in o.param_groups for p in g["params"]]
    require(len(held) == len(set(held)), "a parameter is held by two optimisers; it would move twice per step")
    lost = [name for name, p in method.named_parameters() if p.requires_grad and id(p) not in set(held)]
    require(not lost, f"no optimiser holds {', '.join(lost[:3])}; give them to one, or freeze them")


def _check_generators(method: Any, domains: Mapping[str, tuple[Domain, Domain]], patch: int) -> None:
    known = method.directions and set(method.directions) <= set(domains)
    require(bool(known), f"method maps {method.directions}; expected some of {', '.join(domains)}")
    require(
        method.pairing in ("independent", "matched"), f"method pairs {method.pairing!r}; expected how batches match"
    )
    for direction in method.directions:
        inputs, outputs = domains[direction]
        shape = tuple(method.generator(direction)(torch.zeros(1, inputs.channels, patch, patch)).shape)
        want = (1, outputs.channels, patch, patch)
        require(shape == want, f"generator {direction} returned shape {shape}; expected {want}")


def _check_step(method: Any, a: Tensor, b: Tensor) -> None:
    """Protects the loop: it reports and compares plain numbers, and prediction uses what the step has changed."""
    before = copy.deepcopy({d: method.generator(d).state_dict() for d in method.directions})
    parts = method.step(a, b, 0.0)
    plain = bool(parts) and all(v.ndim == 0 and not v.requires_grad and bool(v.isfinite()) for v in parts.values())
    require(plain, f"step() returned {parts}; expected detached finite scalars by name")
    for direction, old in before.items():
        network = method.generator(direction)
        learns = any(p.requires_grad for p in network.parameters())
        moved = any(not torch.equal(v, old[k]) for k, v in network.state_dict().items())
        require(moved or not learns, f"a step left generator {direction} as it was")


def _check_resume(method: Any, twin: Any, a: Tensor, b: Tensor) -> None:
    """Protects resumed runs: `state_dict` and the optimisers are all that a checkpoint holds."""
    twin.load_state_dict(copy.deepcopy(method.state_dict()))
    for name, optimiser in method.optimisers().items():
        twin.optimisers()[name].load_state_dict(copy.deepcopy(optimiser.state_dict()))
    for one in (method, twin):
        seed(7)
        one.step(a, b, 0.5)
    mine, theirs = method.state_dict(), twin.state_dict()
    differ = [k for k in mine if not torch.equal(mine[k], theirs[k])]
    require(not differ, f"a resumed method goes another way ({', '.join(differ[:3])}); register all state as buffers")


@torch.random.fork_rng(devices=[])
def check_method(
    factory: Callable[..., Any], *, source: Domain | None = None, target: Domain | None = None,
    losses: Mapping[str, Term] | None = None, patch: int = 32,
) -> None:  # fmt: skip
    """Check that a method makes steps, that its steps teach, and that it goes on from a checkpoint as if never stopped.

    Protects from: parameters that no optimiser holds, generators that do not learn, and state that is not saved.

    Args:
        factory: `(source, target, terms, patch, /, *, ...) -> Method`, best with small networks.
        source: a domain A it accepts; none: one 8-bit channel.
        target: a domain B it accepts; none: likewise.
        losses: the recipe's losses; none: `lsgan` and `cycle`.
        patch: side in pixels.
    """
    a, b = source or example_domain(), target or example_domain()

    def make(number: int) -> Any:
        seed(number)
        return factory(a, b, Terms(dict(losses or _LOSSES)), (patch, patch))

    method = make(0)
    _check_optimisers(method)
    _check_generators(method, {"a2b": (a, b), "b2a": (b, a)}, patch)
    batches = [torch.rand(2, d.channels, patch, patch) * 1.8 - 0.9 for d in (a, b)]
    _check_step(method, *batches)
    _check_resume(method, make(1), *batches)

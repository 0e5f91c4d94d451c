"""Supervised training and contrastive translation: their formulas, what they refuse, and that runs go on."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import nn

from isoscope import checkpoint, inference, kinds
from isoscope.controls import CONTROLS
from isoscope.cycle import Cycle
from isoscope.errors import DataError, Interrupted, RecipeError
from isoscope.parameters import build
from isoscope.presets import preset
from isoscope.proposal import propose
from isoscope.recipe import Recipe, Term
from isoscope.terms import Terms
from isoscope.testing import check_loss, check_method, example_domain
from isoscope.training import train
from isoscope.volume import ArrayVolume, Header
from isoscope_controls.supervised import Estimate
from isoscope_losses.contrastive import contrast

ONE = example_domain()
STEPS = 6
few = settings(max_examples=20, deadline=None)


class Same(nn.Module):
    """A generator that changes nothing and whose features are its input."""

    stride = 1

    def features(self, x):
        return [x, 2 * x]

    def forward(self, x):
        return x


def method_of(name, component, losses, source=ONE, target=ONE, patch=32, generator="unet", **more):
    terms = Terms({k: Term.model_validate(v) for k, v in losses.items()})
    keys = {"forward": component(generator), **more}
    if name == "cut":
        keys["discriminator"] = component("patchgan")
    return build(kinds.methods, component(name, **keys), source, target, terms, (patch, patch))


# --- losses


def test_l1_is_the_mean_distance_to_the_truth(images):
    a, b = images(), images()
    cycle = Cycle(a, b, Same(), None, source=ONE, target=ONE, matched=True)
    assert kinds.losses["l1"]()(cycle).item() == pytest.approx((a - b).abs().mean().item())


def likelihood(mean, scale, truth):
    """The Laplace loss of constant images."""

    class Sure(Same):
        def distribution(self, x):
            return torch.full_like(x, mean), torch.full_like(x, scale)

    x = torch.zeros(1, 1, 4, 4)
    cycle = Cycle(x, torch.full_like(x, truth), Sure(), None, source=ONE, target=ONE, matched=True)
    return kinds.losses["laplace"]()(cycle).item()


@given(st.floats(-0.9, 0.9), st.floats(0.01, 1), st.floats(-0.9, 0.9))
@few
def test_laplace_is_the_negative_log_likelihood(mean, scale, truth):
    density = torch.distributions.Laplace(mean, scale).log_prob(torch.tensor(truth)).item()
    assert likelihood(mean, scale, truth) == pytest.approx(-density, abs=1e-4)


def test_the_best_scale_is_the_error():
    losses = [likelihood(0.0, scale, 0.2) for scale in (0.1, 0.19, 0.2, 0.21, 0.4)]
    assert min(losses) == losses[2]


@pytest.mark.parametrize("name", ["l1", "laplace"])
def test_losses_that_need_the_truth_refuse_unpaired_images(name, images):
    cycle = Cycle(images(), images(), Same(), Same(), source=ONE, target=ONE)
    with pytest.raises(RecipeError, match=r"^got unpaired images; expected pairs.*method supervised$"):
        kinds.losses[name]()(cycle)


def test_a_scale_is_asked_only_of_those_who_have_one(images):
    cycle = Cycle(images(), images(), Same(), None, source=ONE, target=ONE, matched=True)
    with pytest.raises(RecipeError, match="got generator Same, which says no scale"):
        kinds.losses["laplace"]()(cycle)


def test_contrast_is_the_cross_entropy_of_the_paper():
    """Park et al. 2020, Eq. 2: -log exp(v v+ / t) / (exp(v v+ / t) + sum exp(v v- / t)), for each place."""
    q, k = (nn.functional.normalize(torch.randn(2, 5, 3), dim=-1) for _ in range(2))
    expected = []
    for image in range(2):
        for place in range(5):
            scores = torch.exp(k[image] @ q[image, place] / 0.07)
            expected.append(-torch.log(scores[place] / scores.sum()))
    assert contrast(q, k, 0.07).item() == pytest.approx(torch.stack(expected).mean().item(), rel=1e-5)


def met(source=ONE, target=ONE, network=None, **parameters):
    loss = kinds.losses["patchnce"](width=8, **parameters)
    loss.meet({"a2b": network or Same()}, source, target)
    return loss


def nce(loss, made, real, other=None):
    class Makes(Same):
        def forward(self, x):
            return made if x is real else x

    torch.manual_seed(0)
    cycle = Cycle(real, real if other is None else other, Makes(), None, source=ONE, target=ONE)
    return loss(cycle).item()


def test_content_in_place_costs_less_than_content_displaced(images):
    real, loss = images(side=16), met(identity=False)
    for head in loss.heads:
        nn.init.orthogonal_(head[0].weight)
        nn.init.orthogonal_(head[2].weight)
    assert nce(loss, real, real) < nce(loss, real.roll(8, 3), real)


class Leaning(Same):
    """Features that a mirror changes: differences to the right neighbour."""

    def features(self, x):
        return [x - x.roll(1, 3)]


@pytest.mark.parametrize(("network", "felt"), [(Same(), False), (Leaning(), True)])
def test_mirrored_keys_come_back_in_place(network, felt, images):
    """Features of single pixels must not feel a mirror there and back; others tell that there was one."""
    real = images(side=16)
    torch.manual_seed(3)
    loss = met(network=network, identity=False, flip=True, patches=10_000)  # all, so that no place is drawn
    values = set()
    for seed in range(8):
        torch.manual_seed(seed)
        value = loss(Cycle(real, real, network, None, source=ONE, target=ONE)).item()
        values.add(round(value, 4))
    assert len(values) == 1 + felt


def test_keys_get_no_gradient_and_heads_do(images):
    class Scaled(Same):
        def __init__(self):
            super().__init__()
            self.factor = nn.Parameter(torch.tensor(0.5))

        def forward(self, x):
            return x * self.factor

    network, loss = Scaled(), met(identity=False)
    real = images(side=16).requires_grad_()
    cycle = Cycle(real, real, network, None, source=ONE, target=ONE)
    cycle.__dict__["fake_b"] = (real.detach() * network.factor).requires_grad_()
    loss(cycle).backward()
    assert real.grad is None
    assert network.factor.grad is not None
    assert all(p.grad is not None for p in loss.heads.parameters())


@pytest.mark.parametrize(
    ("layers", "count", "chosen"), [(None, 3, [0, 1, 2]), (None, 13, [0, 3, 6, 9, 12]), ((0, 2), 3, [0, 2])]
)
def test_maps_are_those_named_or_spread_over_the_depth(layers, count, chosen, images):
    class Deep(Same):
        def features(self, x):
            return [x] * (count - 1)

    assert met(network=Deep(), layers=layers).chosen == chosen


def test_patchnce_conforms_in_all_its_forms():
    for parameters in ({"identity": False}, {"flip": True}, {"layers": (1,)}, {"patches": 2000}):
        check_loss(lambda given=parameters: kinds.losses["patchnce"](**given))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: met(target=example_domain(3)), "got 1 channels in the source and 3 in the target"),
        (lambda: met(layers=(0, 7)), "got layer 7 of 3 maps; expected some of 0 to 2"),
        (lambda: met(network=nn.Identity()), "Identity offers no features"),
    ],
)
def test_patchnce_refuses_what_it_cannot_compare(make, said):
    with pytest.raises(RecipeError, match=said):
        make()


def test_patchnce_needs_a_method_that_shows_it_the_generator(images):
    with pytest.raises(RecipeError, match="got a method that shows it no generator"):
        kinds.losses["patchnce"]()(Cycle(images(), images(), Same(), None, source=ONE, target=ONE))


def test_c2gan_can_use_patchnce_too(make_method, images):
    method = make_method(losses={"lsgan": {}, "cycle": {}, "patchnce": {"width": 8}})
    held = {id(p) for g in method.optimisers()["generators"].param_groups for p in g["params"]}
    assert {id(p) for p in method.terms.parameters()} <= held
    assert method.step(images(), images(), 0.0)["patchnce"].isfinite()


# --- methods


@pytest.mark.parametrize("generator", ["unet", "resnet"])
@pytest.mark.parametrize(("name", "losses"), [
    ("supervised", {"l1": {}}), ("supervised", {"laplace": {}}), ("supervised", {"l1": {}, "laplace": {"weight": 0.1}}),
    ("cut", {"lsgan": {}, "patchnce": {"width": 8}}),
    ("cut", {"hinge": {}, "patchnce": {"width": 8, "identity": False, "flip": True}}),
    ("cut", {"patchnce": {"width": 8}}),
])  # fmt: skip
def test_controls_conform(name, losses, generator, component, factory):
    networks = {"forward": component(generator)}
    if name == "cut":
        networks |= {"discriminator": component("patchgan"), "pool": 1}
    check_method(factory("methods", name, **networks), losses={k: Term.model_validate(v) for k, v in losses.items()})


@pytest.mark.parametrize("losses", [{"l1": {}}, {"laplace": {}}])
def test_supervised_maps_any_channels_to_any(losses, component, images):
    source, target = example_domain(13), example_domain(3)
    method = method_of("supervised", component, losses, source, target)
    assert method.step(images(13), images(3), 0.0).keys() == losses.keys()
    assert method.generator("a2b")(images(13)).shape == (2, 3, 32, 32)


def test_an_estimate_has_twice_the_channels_in_training_and_predicts_the_mean(component, images):
    network = method_of("supervised", component, {"laplace": {}}).generator("a2b")
    assert isinstance(network, Estimate)
    x = images()
    both = network.network(x)
    mean, scale = network.distribution(x)
    assert both.shape[1] == 2
    assert torch.equal(network(x), both[:, :1])
    assert torch.equal(mean, both[:, :1])
    assert (scale > 1e-3).all()
    assert (scale < 1).all()


def test_an_estimate_passes_once_through_its_network(component, images, passes):
    method = method_of("supervised", component, {"l1": {}, "laplace": {}})
    seen = passes(method.forward_net.network)
    method.step(images(), images(), 0.0)
    assert len(seen) == 1


def test_a_laplace_term_of_no_weight_needs_no_scale(component):
    assert not isinstance(
        method_of("supervised", component, {"l1": {}, "laplace": {"weight": 0}}).generator("a2b"), Estimate
    )


@pytest.mark.parametrize(
    ("name", "losses", "said"),
    [
        ("supervised", {"l1": {}, "lsgan": {}}, "got losses.lsgan for method supervised, which has no discriminators"),
        ("supervised", {"cycle": {}}, "^losses.cycle: got a method that learns no way back.*choose method c2gan$"),
        ("supervised", {"saliency": {}}, "^losses.saliency: got a method that learns no way back"),
        ("cut", {"lsgan": {}, "l1": {}}, "^losses.l1: got unpaired images; expected pairs"),
        ("cut", {"lsgan": {}, "identity": {}}, "^losses.identity: got a method that learns no way back"),
        ("cut", {"patchnce": {"layers": (9,)}}, "^losses.patchnce: got layer 9"),
    ],
)
def test_losses_that_a_method_cannot_serve_are_refused_before_the_first_step(name, losses, said, component, images):
    with pytest.raises(RecipeError, match=said):
        method_of(name, component, losses).prepare(images(), images())


@pytest.mark.parametrize("name", ["supervised", "cut"])
def test_methods_of_one_direction_refuse_the_other_and_unfit_patches(name, component):
    losses = {"l1": {}} if name == "supervised" else {"lsgan": {}}
    with pytest.raises(RecipeError, match="learns a2b only"):
        method_of(name, component, losses).generator("b2a")
    with pytest.raises(RecipeError, match=r"training\.patch=30 does not fit"):
        method_of(name, component, losses, patch=30)


@pytest.mark.parametrize("name", ["supervised", "cut"])
def test_a_generator_that_cannot_learn_is_refused(name, component):
    with pytest.raises(RecipeError, match="nothing to learn"):
        method_of(name, component, {"l1": {}}, example_domain(3), ONE, generator="luminance")


# --- presets


@pytest.mark.parametrize("name", CONTROLS)
def test_a_control_has_the_networks_rates_and_length_of_ours(name):
    ours, control = preset("auto", 64), preset(name, 64)
    assert control["method"]["forward"] == ours["method"]["forward"]
    # without an adversary the rate is that of `denoise`, which has none either
    assert control["method"].get("rate") == (1e-3 if name == "supervised" else ours["method"].get("rate"))
    assert control["training"].items() >= ours["training"].items()
    assert "saliency" not in control["losses"]


def test_controls_are_as_published():
    assert CONTROLS["cyclegan"](preset("cpu"))["losses"] == {
        "lsgan": {"weight": 1.0, "label": 1.0},
        "cycle": {"weight": 10.0},
    }
    one, fast = (CONTROLS[name](preset("default"))["losses"]["patchnce"] for name in ("cut", "fastcut"))
    assert one == {"weight": 1.0, "identity": True, "flip": False, "layers": [0, 2, 3, 4, 8]}
    assert fast == {"weight": 10.0, "identity": False, "flip": True, "layers": [0, 2, 3, 4, 8]}
    defaults = kinds.losses["patchnce"]()
    assert (defaults.patches, defaults.temperature, defaults.width) == (256, 0.07, 256)


SMALL = {"training": {"steps": STEPS, "patch": 32, "batch": 1, "calibration": 2, "precision": "float32"}}


@pytest.mark.parametrize("name", CONTROLS)
def test_a_control_repeats_from_its_settled_recipe(name, volumes):
    once = propose(*volumes, task="denoise", preset=name).recipe
    assert propose(*volumes, user=once.model_dump(mode="json")).recipe == once
    assert "camera" not in str(once.method), "what the task proposes for c2gan is not the control's"


@pytest.mark.parametrize("base", ["cpu", "default", "released", "utom"])
@pytest.mark.parametrize("method", ["supervised", "cut", {"name": "cut"}])
def test_naming_a_method_is_enough(base, method, volumes):
    recipe = propose(*volumes, task="denoise", preset=base, user={"method": method}).recipe
    name = method if isinstance(method, str) else method["name"]
    assert (recipe.preset, recipe.method.name) == (base, name)
    assert set(recipe.losses) == {"supervised": {"l1"}, "cut": {"lsgan", "patchnce"}}[name]
    assert recipe.method.parameters["forward"]["name"] == preset(base)["method"]["forward"]["name"]
    assert propose(*volumes, user=recipe.model_dump(mode="json")).recipe == recipe


@pytest.mark.parametrize(
    ("words", "forward"),
    [
        ({"preset": "supervised"}, "tint"),
        ({"preset": "cpu", "user": {"method": "supervised"}}, "tint"),
        ({"preset": "released", "user": {"method": "supervised"}}, "resnet"),
        ({"preset": "cyclegan"}, "unet"),
    ],
)
def test_supervised_learns_the_generator_of_the_task_and_what_is_published_its_own(words, forward, volumes):
    grey = volumes[0][0].read(type("All", (), {"slices": ...}))[0, 0, 0]
    colour = [ArrayVolume(np.stack([grey, 255 - grey, grey // 2]), "CYX", rgb_header(grey.shape))]
    recipe = propose(volumes[0], colour, task="coloration", **words).recipe
    found = recipe.method.parameters["forward"]
    assert (found["name"] if isinstance(found, dict) else found.name) == forward
    assert propose(volumes[0], colour, user=recipe.model_dump(mode="json")).recipe == recipe


def rgb_header(size):
    return Header("colour", (1, 3, 1, *size), np.dtype("uint8"), "CYX", rgb=True)


def test_the_user_wins_over_a_control(volumes):
    user = {"method": {"name": "supervised", "rate": 1e-3}, "losses": {"laplace": {}, "l1": {"weight": 0}}}
    recipe = propose(*volumes, task="denoise", preset="cpu", user=user).recipe
    assert recipe.method.parameters["rate"] == 1e-3
    assert recipe.losses["l1"].weight == 0


# --- whole runs


@pytest.fixture(scope="module")
def matched(true_pair):
    """Pairs of two fields, 8 bit."""
    grey = lambda v: ArrayVolume((255 * v[0, 0]).clamp(0, 255).numpy().astype(np.uint8), "YX")  # noqa: E731
    fields = [true_pair(seed) for seed in (0, 10)]
    return [grey(a) for a, _ in fields], [grey(b) for _, b in fields]


@pytest.fixture(scope="module")
def recipe_of(matched):
    """recipe_of(preset, **keys): small, with instance norms that freeze within the run."""

    def make(name, **more):
        unet = {"name": "unet", "width": 4, "depth": 1, "norm": "instance"}
        method = {"forward": unet}
        if name in ("cut", "fastcut"):
            method["discriminator"] = {"width": 4}
        if name == "cyclegan":
            method |= {"backward": unet, "discriminator": {"width": 4}, "pool": 2}
        training = {**SMALL["training"], "finish": 0.3, "checkpoint_every": 4}
        user = {"method": method, "training": training, **more}
        return propose(*matched, task="denoise", preset=name, user=user).recipe

    return make


def state(folder):
    home = checkpoint.latest(folder / "checkpoints")
    return load_file(home / "state.safetensors")


FORMS = {
    "supervised": {}, "cut": {}, "fastcut": {"losses": {"patchnce": {"layers": [0, 1]}}}, "cyclegan": {},
    "laplace": {"losses": {"laplace": {}, "l1": {"weight": 0}}},
    "few": {"training": {**SMALL["training"], "patches": 3}},
}  # fmt: skip
BASE = {"laplace": "supervised", "few": "supervised"}


@pytest.mark.parametrize("name", FORMS)
def test_runs_resume_to_the_bit(name, recipe_of, matched, tmp_path):
    recipe = recipe_of(BASE.get(name, name), **FORMS[name])
    straight = train(recipe, *matched, tmp_path / "straight")
    for start, stop in pairwise((0, 1, 3, 5)):
        done = iter(range(start + 1, STEPS + 1))
        with pytest.raises(Interrupted):
            train(
                recipe, *matched, tmp_path / "run", stop=lambda done=done, at=stop: next(done) == at, resume=start > 0
            )
    resumed, whole = train(recipe, *matched, tmp_path / "run", resume=True), state(straight)
    again = state(resumed)
    assert again.keys() == whole.keys()
    assert [k for k in whole if not torch.equal(again[k], whole[k])] == []
    assert (resumed / "history.csv").read_bytes() == (straight / "history.csv").read_bytes()
    files = [{p.name: p.read_bytes() for p in (f / "model").iterdir()} for f in (resumed, straight)]
    assert files[0] == files[1]


@pytest.mark.parametrize("name", ["supervised", "laplace", "cut"])
def test_predictions_have_the_shape_of_the_input_and_no_way_back(name, recipe_of, matched, tmp_path):
    recipe = recipe_of(BASE.get(name, name), **FORMS[name])
    run = train(recipe.replaced(training={"steps": 2}), *matched, tmp_path / "run")
    given = np.random.default_rng(0).integers(0, 255, (37, 41)).astype(np.uint8)
    assert inference.load(run).predict(given).shape == (37, 41)
    with pytest.raises(DataError, match="maps a2b only"):
        inference.load(run, "b2a")


def test_supervised_learns_what_pairs_show(matched, recipe_of, tmp_path):
    unet = {"width": 8, "norm": "none"}
    small = recipe_of("supervised").replaced(method={"rate": 2e-3, "forward": unet})
    recipe = small.replaced(training={"steps": 120, "batch": 4})
    run = train(recipe, *matched, tmp_path / "run")
    a, b = (v[0].read(type("All", (), {"slices": ...}))[0, 0, 0].astype(float) for v in matched)
    made = inference.load(run).predict(a.astype(np.uint8)).astype(float)
    assert np.abs(made - b).mean() < 0.6 * np.abs(a - b).mean()


def test_matched_batches_show_the_same_places_and_symmetries(matched, recipe_of, tmp_path):
    from isoscope.run import Run

    twice = [ArrayVolume(v.read(type("All", (), {"slices": ...}))[0, 0, 0], "YX") for v in matched[0]]
    for patches in (None, 4):
        recipe = recipe_of("supervised").replaced(training={"patches": patches})
        run = Run(recipe, matched[0], twice, tmp_path)
        for step in range(5):
            places = [[s.place(step, n) for n in range(s.batch)] for s in run.samplers]
            assert places[0] == places[1]


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        ([(64, 64)], [(64, 64)] * 2, "got 1 images in the source and 2 in the target; expected pairs"),
        ([(64, 64)], [(64, 60)], r"got a0 of 1 plane of 64 x 64 px and b0 of 1 plane of 64 x 60 px as a pair"),
        ([(2, 64, 64)], [(3, 64, 64)], "2 planes of 64 x 64 px .* 3 planes of 64 x 64 px"),
    ],
)
def test_images_that_are_no_pairs_are_refused_in_one_line(source, target, said, recipe_of, tmp_path):
    def volumes(shapes, name):
        values = [np.random.default_rng(n).integers(0, 255, s).astype(np.uint8) for n, s in enumerate(shapes)]
        return [named(v, f"{name}{n}") for n, v in enumerate(values)]

    with pytest.raises(DataError, match=said) as caught:
        train(recipe_of("supervised"), volumes(source, "a"), volumes(target, "b"), tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def named(values, name):
    from dataclasses import replace

    volume = ArrayVolume(values, "ZYX"[-values.ndim :])
    return ArrayVolume(values, "ZYX"[-values.ndim :], replace(volume.header, name=name))


def test_equal_names_in_another_order_are_refused(recipe_of, tmp_path):
    values = [np.random.default_rng(n).integers(0, 255, (64, 64)).astype(np.uint8) for n in range(2)]
    one, other = ([named(v, name) for v, name in zip(values, order, strict=True)] for order in ("xy", "yx"))
    with pytest.raises(DataError, match="got x and y as a pair, but there is a x on both sides"):
        train(recipe_of("supervised"), one, other, tmp_path / "run")


def test_recipes_know_the_new_key(tmp_path):
    assert Recipe().training.patches is None

"""What the released codes do differently, row by row of the method's table, and that isoscope does not.

Each test says in its docstring what it guards against. Rows on resuming bytes (10) and on splitting (21) are held
elsewhere.
"""

import csv
import inspect
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from isoscope import inference, kinds, schedule
from isoscope.cycle import Cycle
from isoscope.errors import Interrupted
from isoscope.frames import Frames
from isoscope.inference import Predictor
from isoscope.intensity import Intensity
from isoscope.normalisation import layers
from isoscope.pace import Pace
from isoscope.patches.sampling import Sampler
from isoscope.presets import preset
from isoscope.recipe import DomainRecipe
from isoscope.saliency import soft_mask
from isoscope.survey import survey
from isoscope.testing import check_discriminator, check_loss, example_domain
from isoscope.training import train
from isoscope.volume import ArraySink, ArrayVolume

SALIENCY = kinds.losses["saliency"]
SIZES = (1, 3, 53, 31, 33)
"""One pixel, fewer than the padding, prime, just below and just above a tile of 32 px."""


class Same(nn.Module):
    """A generator that changes nothing, so that only the framework could."""

    stride = 1

    def forward(self, x):
        return x


class Times(nn.Module):
    """A generator of one parameter."""

    stride = 1

    def __init__(self, factor):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, x):
        return x * self.factor


def gradients(loss, cycle, *networks):
    """The gradient of a loss for each one-parameter network; 0 where none arrives."""
    loss(cycle).backward()
    return [0.0 if n.factor.grad is None else n.factor.grad.item() for n in networks]


# --- rows 1 to 7: the saliency constraint ---


def test_row_1_saliency_of_each_domain_reaches_its_own_generator(images):
    """Released: the second term compared b with G(b), so F had no saliency gradient at all."""
    one, loss = example_domain(), SALIENCY()
    forward, backward = Times(0.6), Times(0.4)
    given = {"source": one, "target": one}
    a, b = images(), images()
    assert all(gradients(loss, Cycle(a, b, forward, backward, **given), forward, backward))
    for name, alone in (("fake_a", forward), ("fake_b", backward)):
        forward.factor.grad = backward.factor.grad = None
        cycle = Cycle(a, b, forward, backward, **given)
        cycle.__dict__[name] = getattr(cycle, name).detach()
        reached = gradients(loss, cycle, forward, backward)
        assert [g != 0 for g in reached] == [alone is forward, alone is backward]


def test_row_2_saliency_agrees_with_finite_differences(images):
    """Released in 2019: masks of comparisons, whose gradient is exactly zero whatever their weight."""
    one, loss = example_domain(), SALIENCY()
    a, b = images(), images()

    def value(factor):
        network = Times(factor)
        return loss(Cycle(a, b, network, Same(), source=one, target=one)), network

    measured, network = value(0.6)
    measured.backward()
    higher, lower = (value(0.6 + h)[0].item() for h in (1e-3, -1e-3))
    assert network.factor.grad.item() == pytest.approx((higher - lower) / 2e-3, rel=0.02)


def test_row_2_conformance_refuses_hard_masks():
    """Released in 2019: nothing told that the term, weighted 100 times the cycle, taught nothing."""

    def hard():
        return lambda cycle: ((cycle.real_a > 0).float() - (cycle.fake_b > 0).float()).abs().mean()

    with pytest.raises(AssertionError, match="gradient"):
        check_loss(hard)


def test_row_3_thresholds_follow_their_domain_not_the_generator(cycle_of):
    """Released (UTOM): the fakes' thresholds were exchanged, G(a) was cut at alpha and F(b) at beta."""
    a = torch.rand(2, 1, 32, 32) * 80 + 40
    b = torch.rand(2, 1, 32, 32) * 80 + 120
    dim, bright = example_domain(threshold=80.0), example_domain(threshold=160.0)
    x, y = (Intensity(dim.limits).normalise(v) for v in (a, b))
    shift = 80 * 1.8 / 255
    step = (x, x + shift, y, y - shift)  # a perfect translator adds 80 grey levels
    assert SALIENCY()(cycle_of(*step, dim, bright)).item() == pytest.approx(0, abs=1e-5)
    assert SALIENCY()(cycle_of(*step, bright, dim)).item() > 0.3


def test_row_4_thresholds_follow_the_grey_scale(field):
    """Released: 58 and 32, or 70 and 220, typed into the source for one 8-bit data set."""
    shallow = (field(0)[0, 0].numpy() * 200 + 20).astype(np.uint8)
    deep = shallow.astype(np.uint16) * 257
    domains = [survey([ArrayVolume(v, "YX")], DomainRecipe(polarity="bright"), "source") for v in (shallow, deep)]
    assert domains[1].threshold == pytest.approx(257 * domains[0].threshold, rel=1e-5)
    masks = [
        soft_mask(Intensity(d.limits).normalise(torch.from_numpy(v.astype(np.float32))[None, None]), d, 10.0)
        for d, v in zip(domains, (shallow, deep), strict=True)
    ]
    torch.testing.assert_close(masks[0], masks[1], rtol=0, atol=1e-4)


def unit_domain(dark, threshold):
    return example_domain(limits=((0.0, 1.0),), threshold=threshold, polarity=-1 if dark else 1)


@pytest.mark.parametrize("dark_a", [False, True])
@pytest.mark.parametrize("dark_b", [False, True])
def test_row_5_polarity_is_read_for_each_domain(dark_a, dark_b, true_pair, cycle_of):
    """Released: the polarity flag existed and was never read (c2GAN), or A was bright and B dark for good (UTOM)."""
    grey_a, grey_b = true_pair(0, dark_a, dark_b)
    source, target = unit_domain(dark_a, 0.475), unit_domain(dark_b, 0.5)
    a, b = Intensity(source.limits).normalise(grey_a), Intensity(target.limits).normalise(grey_b)

    def each_term(source, target):
        both = SALIENCY()(cycle_of(a, b, b, a, source, target)).item()
        return both / 2  # a true pair mapped both ways: the two terms are equal

    assert each_term(source, target) < 0.15
    wrong_a, wrong_b = unit_domain(not dark_a, 0.475), unit_domain(not dark_b, 0.5)
    assert each_term(wrong_a, target) > 0.8
    assert each_term(source, wrong_b) > 0.8


def test_row_6_saliency_is_zero_for_equal_masks_and_one_for_opposite_ones(cycle_of):
    """No row of the released codes: what any right wiring of Eq. 6 must satisfy."""
    one = example_domain()
    x = torch.where(torch.rand(2, 1, 16, 16) > 0.5, 10.0, -10.0)
    assert SALIENCY()(cycle_of(x, x, x, x, one, one)).item() == 0
    assert SALIENCY()(cycle_of(x, -x, x, x, one, one)).item() == pytest.approx(1)
    assert SALIENCY()(cycle_of(x, -x, x, -x, one, one)).item() == pytest.approx(2)


@pytest.mark.parametrize("name", ["saliency", "cycle", "identity", "lsgan"])
def test_row_6_renaming_the_domains_leaves_a_loss_unchanged(name, images):
    """Released: the two directions of the saliency term were wired differently (rows 1 and 3)."""
    dark, bright = example_domain(threshold=90.0, polarity=-1), example_domain(threshold=150.0)
    a, b, forward, backward = images(), images(), Times(0.7), Times(-0.4)
    judges = {"a": Times(2.0), "b": Times(3.0)}
    there = Cycle(a, b, forward, backward, source=dark, target=bright, discriminators=judges)
    renamed = {"a": judges["b"], "b": judges["a"]}
    back = Cycle(b, a, backward, forward, source=bright, target=dark, discriminators=renamed)
    loss = kinds.losses[name]()
    assert loss(there).item() == pytest.approx(loss(back).item(), rel=1e-6)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(("many", "few"), [(1, 3), (3, 1), (13, 3)])
def test_row_7_channel_counts_may_differ_in_any_grey_type(many, few, dtype, make_method):
    """Released: masks per channel, equal channels and 8-bit decoding; its own 13 -> 3 task could not run."""
    batches, domains = [], []
    for side, channels in enumerate((many, few)):
        pixels = np.random.default_rng(side).integers(0, 250, (channels, 40, 48)).astype(dtype)
        axes, planes = ("ZYX", "stack") if channels == 13 else ("CYX", "xy")
        volume = ArrayVolume(pixels, axes)
        domain = survey([volume], DomainRecipe(polarity="bright"), "side", planes)
        sampler = Sampler([volume], domain, patch=32, batch=2, seed=0, side=side, planes=planes)
        batches.append(sampler(0))
        domains.append(domain)
    assert [b.shape[1] for b in batches] == [many, few]
    parts = make_method(*domains).step(*batches, 0.0)
    assert {"lsgan", "cycle", "saliency", "discriminators"} <= set(parts)
    assert all(v.isfinite() for v in parts.values())


# --- rows 8 to 11: weights, rates and batches ---


def trace(recipe, volumes, folder, stop_after=None):
    """What each step of a run was made with: {step: (u, rate of the generators)}; resumed once if stopped."""
    seen = {}

    def note(run, done):
        rate = run.method.optimisers()["generators"].param_groups[0]["lr"]
        seen[done] = (run.pace.u(done - 1), rate)

    if stop_after:
        answers = iter([False] * (stop_after - 1) + [True])
        with pytest.raises(Interrupted):
            train(recipe, *volumes, folder, preview=note, stop=lambda: next(answers))
    train(recipe, *volumes, folder, preview=note, resume=bool(stop_after))
    return seen


@pytest.fixture(scope="module")
def straight_and_resumed(tmp_path_factory, small_recipe, volumes):
    recipe = small_recipe(steps=6, checkpoint_every=1)
    home = tmp_path_factory.mktemp("rows")
    return trace(recipe, volumes, home / "straight"), trace(recipe, volumes, home / "resumed", stop_after=3)


def test_row_8_a_resumed_run_meets_the_weights_of_the_straight_run(straight_and_resumed):
    """Released: the decay restarted on resuming, from a spent term (c2GAN) or from weight 50 again (UTOM)."""
    straight, resumed = straight_and_resumed
    assert sorted(straight) == sorted(resumed) == [1, 2, 3, 4, 5, 6]
    weights = [[schedule.weight(u, "exp") for u, _ in run.values()] for run in (straight, resumed)]
    assert weights[0] == weights[1]
    assert weights[0][0] == 1
    assert weights[0] == sorted(weights[0], reverse=True)


def test_row_8_the_weight_a_step_uses_is_the_schedule_at_its_u(make_method, images):
    """Released: the weight also depended on when this sitting of the run had begun."""
    method = make_method(losses={"cycle": {}, "saliency": {"weight": 5.0, "schedule": "exp", "speed": 6.0}})
    a, b = images(), images()

    def total_at(u):
        cycle = Cycle(a, b, method.forward_net, method.backward_net, source=method.source, target=method.target, u=u)
        total, parts = method.terms(cycle)
        return ((total - parts["cycle"]) / parts["saliency"]).item()

    for u in (0.5, 0.0, 0.25, 0.5):  # in no order, for nothing may be remembered
        assert total_at(u) == pytest.approx(5 * np.exp(-6 * u), rel=1e-4)


def test_row_8_a_resumed_time_budget_keeps_its_pieces():
    """Released: total steps were those of the current sitting, so u jumped."""
    pace = Pace.fixed(100)
    pace.replan(40, 60)
    again = Pace([tuple(p) for p in pace.pieces])
    us = [again.u(k) for k in range(61)]
    assert us == [pace.u(k) for k in range(61)]
    assert us == sorted(us)
    assert (us[0], us[40], us[60]) == (0, 0.4, 1)


def test_row_9_rate_is_constant_to_the_knee_and_ends_at_zero(straight_and_resumed):
    """Released: the rate falls from step 100,000 on, where the README's run ends: it never fell."""
    assert all(schedule.rate(u, 0.5) == 1 for u in (0.0, 0.2, 0.5))
    falling = [schedule.rate(u, 0.5) for u in np.linspace(0.5, 1, 9)]
    np.testing.assert_allclose(np.diff(falling), -1 / 8)
    assert schedule.rate(1.0, 0.5) == 0
    straight, resumed = straight_and_resumed
    assert [r for _, r in straight.values()] == [r for _, r in resumed.values()]
    assert [r for _, r in straight.values()] == pytest.approx([2e-4 * schedule.rate(k / 6, 0.5) for k in range(6)])


@pytest.mark.parametrize("name", ["default", "paper", "released", "utom"])
def test_row_9_the_last_step_of_a_preset_moves_almost_nothing(name):
    """Released: the last step had the full rate."""
    keys = preset(name)
    steps, knee = keys["training"]["steps"], keys["method"].get("knee", 0.5)
    assert schedule.rate((steps - 1) / steps, knee) < 1e-3


def test_row_11_one_draw_per_domain_and_step(tmp_path, small_recipe, volumes, monkeypatch):
    """Released: every step drew two batches, one to generate from and one to judge with."""
    drawn, original = [], Sampler.__call__
    monkeypatch.setattr(Sampler, "__call__", lambda self, step: drawn.append((self.side, step)) or original(self, step))
    train(small_recipe(steps=4, finish=0.0), *volumes, tmp_path / "run")
    training = [d for d in drawn if d[0] < 10]  # the others calibrate the frozen statistics
    assert len(training) == len(set(training))
    assert {(side, step) for side in (0, 1) for step in range(4)} <= set(training)
    assert all(step <= 4 for _, step in training)  # at most one is read ahead


def test_row_11_pools_are_fed_with_the_fakes_of_the_same_step(make_method, images, passes):
    """Released: the discriminators saw pooled fakes of another batch than the generators were trained on."""
    method = make_method()
    watched = {k: passes(n) for k, n in (("g", method.forward_net), ("f", method.backward_net), *method.pools.items())}
    a, b = images(), images()
    method.step(a, b, 0.0)
    assert len(watched["g"]) == len(watched["f"]) == 2  # four generator passes, no more
    for network, pool, real in (("g", "b", a), ("f", "a", b)):
        (fake,) = [y for x, y in watched[network] if torch.equal(x, real)]
        ((pooled, _),) = watched[pool]
        assert torch.equal(pooled, fake)


# --- rows 12 to 14: networks ---


@pytest.mark.parametrize("name", ["resnet", "unet"])
def test_row_12_no_norm_means_no_norm_anywhere(name, factory):
    """Released: the option did not reach the residual blocks, which kept their norms."""
    one = example_domain()
    network = factory("generators", name, norm="none")(one, one)
    judge = factory("discriminators", "patchgan", norm="none")(one)
    left = [type(m).__name__ for n in (network, judge) for m in n.modules() if "Norm" in type(m).__name__]
    assert left == []
    assert [*layers(factory("generators", name)(one, one))]


@pytest.mark.parametrize(("name", "field"), [("patchgan", 70), ("patchgan94", 94)])
def test_row_13_a_discriminator_sees_the_field_it_declares(name, field, factory):
    """Released: 94 px in one code and 70 px in the other, said in neither."""
    one = example_domain()
    make = factory("discriminators", name)
    assert make(one).field == field
    check_discriminator(make, inputs=one)


PUBLISHED = {
    "released": ("patchgan94", "lsgan", 0.9, "exp", 0.0, "transposed", 1),
    "paper": ("patchgan94", "bce", 1.0, "constant", 0.0, "transposed", 1),
    "utom": ("patchgan", "lsgan", 1.0, "exp", 0.0, None, 1),
    "default": ("patchgan", "lsgan", 0.9, "exp", 0.02, None, 4),
    "cpu": ("patchgan", "lsgan", 0.9, "exp", 0.02, None, 4),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_row_13_presets_say_what_they_set(name):
    """Released: field, label and decay were constants in the source, other ones in each code."""
    keys = preset(name)
    method, losses, training = keys["method"], keys["losses"], keys["training"]
    adversarial = next(k for k in losses if k in ("lsgan", "bce"))
    schedule_of = losses["saliency"].get("schedule", "constant")
    noise, batch = method.get("noise", 0.02), training["batch"]
    found = (method["discriminator"]["name"], adversarial, losses[adversarial]["label"], schedule_of)
    assert (*found, noise, method["forward"].get("upsample"), batch) == PUBLISHED[name]
    assert losses["cycle"]["weight"] == 10
    assert method["forward"] == method["backward"]
    assert "identity" not in losses


def test_row_13_presets_pin_saliency_rates_and_depths():
    """Released: weights, slopes and rates were constants in the source as well."""
    saliency = {name: preset(name)["losses"]["saliency"] for name in PUBLISHED}
    assert saliency["released"] == {"weight": 5.0, "schedule": "exp", "speed": 6.0}
    assert saliency["paper"] == {"weight": 5.0}
    assert (saliency["utom"]["weight"], saliency["utom"]["slope"]) == (50.0, 100.0)
    assert saliency["default"] == saliency["cpu"] == {**saliency["released"], "floor": 0.05}
    assert (preset("cpu")["method"]["rate"], preset("cpu")["method"]["knee"]) == (4e-4, 0.6)
    assert [preset("released", patch)["method"]["forward"]["blocks"] for patch in (128, 256)] == [6, 9]


def axis_spectrum(image, axis):
    """Mean power along one axis, windowed, so that a smooth image does not leak into its fine periods."""
    lines = np.moveaxis(image - image.mean(), axis, -1)
    return (np.abs(np.fft.rfft(lines * np.hanning(lines.shape[-1]))) ** 2).mean(0)


def checkerboard(image):
    """Diagnostic D8: power at periods of 2 and 4 px over that of the bins beside them, the worst of both axes."""
    ratios = []
    for axis in (0, 1):
        power = axis_spectrum(image, axis)
        for peak in (image.shape[axis] // 2, image.shape[axis] // 4):
            beside = [k for k in range(peak - 8, peak + 9) if abs(k - peak) > 2 and k < len(power)]
            ratios.append(power[peak - 1 : peak + 2].max() / power[beside].mean())
    return max(ratios)


def checkerboard_of(network, field):
    """D8 of a network's answer to a smooth field, away from the border."""
    with torch.no_grad():
        y = network(field(3, 160) * 1.8 - 0.9)
    return checkerboard(y[0, 0, 16:144, 16:144].double().numpy())


@pytest.mark.parametrize("name", ["resnet", "unet"])
@pytest.mark.parametrize("norm", ["instance", "none"])
def test_row_14_resize_and_convolution_draw_no_checkerboard(name, norm, factory, field):
    """Released: transposed 3x3 kernels of stride 2 overlap unevenly and print a pattern of their own."""
    one = example_domain()
    width = 8  # with very few channels a single kernel's own spectrum would be measured
    network = factory("generators", name, norm=norm, width=width)(one, one)
    assert checkerboard_of(network, field) < 2


def test_row_14_the_diagnostic_sees_the_checkerboard_of_transposed_kernels(factory, field):
    """Released: as above; here to show that the test beside this one could fail."""
    one = example_domain()
    network = factory("generators", "resnet", width=8, upsample="transposed")(one, one)
    assert checkerboard_of(network, field) > 4


def test_row_14_training_draws_no_checkerboard(make_method, component, true_pair, field):
    """Released: transposed 3x3 kernels, which have to learn the pattern away again."""
    resnet = component("resnet", width=8).model_dump()
    method = make_method(forward=resnet, backward=resnet, rate=2e-3)
    a, b = true_pair(0)[0] * 1.8 - 0.9, true_pair(50)[1] * 1.8 - 0.9
    for step in range(25):
        y, x = 4 * (step % 8), 4 * (step // 8)
        method.step(a[..., y : y + 32, x : x + 32], b[..., x : x + 32, y : y + 32], step / 25)
    assert checkerboard_of(method.forward_net, field) < 2


# --- rows 15 to 17: grey values and truths ---


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_row_15_normalisation_can_be_undone(dtype):
    """Released: slices stretched to 8 bit one by one, so that grey values were lost before training."""
    top = np.iinfo(dtype).max
    grey = torch.arange(0, top + 1, max(1, top // 4096)).float().reshape(1, 1, -1)
    intensity = Intensity(((0.02 * top, 0.7 * top),))
    back = intensity.grey_values(intensity.normalise(grey))
    assert (back - grey).abs().max() < 1


def test_row_15_crops_keep_their_brightness_to_each_other():
    """Released: minimum and maximum of each slice, so a dim slice came out as bright as any."""
    plane = np.repeat(np.array([[40], [160]], np.uint8), 32, axis=0) + np.zeros((1, 64), np.uint8)
    volume = ArrayVolume(plane, "YX")
    domain = survey([volume], DomainRecipe(polarity="bright"), "source")
    sampler = Sampler([volume], domain, patch=32, batch=64, seed=0, side=0)
    patches = Intensity(domain.limits).grey_values(sampler(0))
    origins = [sampler.place(0, i)[2] for i in range(64)]
    expected = [plane[y : y + 32].mean() for y in origins]
    np.testing.assert_allclose(patches.mean((1, 2, 3)).numpy(), expected, atol=1e-3)
    assert np.ptp(expected) > 20


def test_row_16_predictions_keep_a_constant_added_to_a_tile(model_of, grey_image):
    """Released: float tiles were saved stretched to their own minimum and maximum."""
    predictor = Predictor(model_of(Same()))
    image = grey_image(48, 80)
    image[:, 40:] = image[:, :40] + 15  # two tiles that differ by a constant
    out = predictor.predict(image, tile=40)
    np.testing.assert_allclose(out[:, 40:] - out[:, :40], 15, atol=1e-3)
    np.testing.assert_allclose(out, image, atol=1e-3)


FORBIDDEN = ("target", "truth", "ground", "reference", "label", "answer", "paired")


def test_row_17_inference_cannot_be_given_a_target():
    """Released: each predicted tile was stretched to the minimum and maximum of its ground truth when stitched."""
    functions = [f for _, f in inspect.getmembers(inference, inspect.isfunction)]
    functions += [f for _, f in inspect.getmembers(Predictor, inspect.isfunction)]
    functions += [kinds.Tiling.__call__, kinds.Store.create, kinds.Store.open]
    names = {p for f in functions for p in inspect.signature(f).parameters}
    assert {"model", "volume", "tile"} <= names
    assert [n for n in names if any(word in n.lower() for word in FORBIDDEN)] == []


def test_row_17_a_model_predicts_from_its_own_folder_alone(run_folder, grey_image):
    """Released: stitching read the ground truth; neighbours ask for images of B to run at all (CUT #45)."""
    image = grey_image(40, 56).astype(np.uint8)
    out = inference.load(run_folder, device="cpu").predict(image)
    assert (out.shape, out.dtype) == ((40, 56), np.uint8)


# --- rows 18 to 20: tiles ---


@pytest.mark.parametrize("height", SIZES)
@pytest.mark.parametrize("width", SIZES)
def test_row_18_output_has_the_size_of_the_input_and_no_empty_frame(height, width, frozen_model, grey_image):
    """Released: edges beyond whole tiles dropped, an outer frame left at zero, inputs resized to the training size."""
    out = Predictor(frozen_model).predict(grey_image(height, width), tile=32)
    assert out.shape == (height, width)
    assert all(edge.any() for edge in (out[0], out[-1], out[:, 0], out[:, -1]))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("tiling", kinds.tilings)
def test_row_18_nothing_is_resampled(size, tiling, model_of, grey_image):
    """Released: any input was resized to the training size and back."""
    image = grey_image(size, 97)
    out = Predictor(model_of(Same())).predict(image, tile=32, tiling=tiling)
    np.testing.assert_allclose(out, image, atol=1e-3)


def shuffled_overlap():
    tiles = kinds.tilings["overlap"]()

    def shuffled(region, grid):
        found = list(tiles(region, grid))
        return iter([found[i] for i in np.random.default_rng(5).permutation(len(found))])

    return shuffled


def test_row_19_the_order_of_tiles_does_not_matter(frozen_model, grey_image, added):
    """Released (UTOM): border tiles were pasted whole over their neighbours, the last one won."""
    added(kinds.tilings, "shuffled", shuffled_overlap)
    image, predictor = grey_image(150, 131), Predictor(frozen_model)
    straight = predictor.predict(image, tile=32)
    assert predictor.predict(image, tile=32, tiling="shuffled").tobytes() == straight.tobytes()


@pytest.mark.parametrize("tiling", kinds.tilings)
def test_row_19_the_order_of_shards_does_not_matter(tiling, frozen_model, grey_image):
    """Released (UTOM): likewise; here for what is written, not only for what is computed."""
    volume = ArrayVolume(grey_image(70, 1100), "YX")
    made = inference.plan(frozen_model, volume, tile=256, tiling=tiling)
    assert len(made.jobs) > 1
    arrays = []
    for jobs in (made.jobs, made.jobs[::-1]):
        sink = ArraySink(made.header)
        inference.stream(replace(made, jobs=jobs), frozen_model, volume, sink)
        arrays.append(sink.array.tobytes())
    assert arrays[0] == arrays[1]


def uneven(height, width):
    """An image whose left is dark and flat and whose right is bright and rough: statistics differ between tiles."""
    rng = np.random.default_rng(2)
    ramp = np.linspace(0.02, 1, width)
    return (20 + 200 * ramp * rng.uniform(0, 1, (height, width)) ** 2).astype(np.float32)


def worst_tiling_error(model):
    """Largest difference between tiled and whole over three tile sizes, in parts of the output's range."""
    image, predictor = uneven(96, 160), Predictor(model)
    whole = predictor.predict(image, tile=512)
    errors = [np.abs(predictor.predict(image, tile=t) - whole).max() for t in (20, 32, 64)]
    return max(errors) / np.ptp(whole)


def test_row_20_the_tile_size_does_not_change_the_picture(frozen_model):
    """Released: instance-norm statistics were those of each tile, so brightness jumped from tile to tile."""
    assert worst_tiling_error(frozen_model) < 1e-3


def test_row_20_statistics_per_tile_fail_the_same_test(frozen_model):
    """Released: as above; here to show that the test beside this one could fail."""
    found = list(layers(frozen_model.network))
    try:
        for layer in found:
            layer.mode = "instance"
        assert worst_tiling_error(frozen_model) > 1e-2
    finally:
        for layer in found:
            layer.mode = "frozen"


def test_row_20_a_trained_run_predicts_alike_whole_and_tiled(run_folder):
    """Released: the statistics of training were not kept, so prediction had no choice but the tile's own."""
    predictor = inference.load(run_folder, device="cpu")
    assert all(layer.mode == "frozen" for layer in layers(predictor.model.network))
    image = uneven(96, 160).astype(np.uint8)
    whole = predictor.predict(image).astype(int)
    tiled = predictor.predict(image, tile=20).astype(int)
    assert np.abs(tiled - whole).max() <= 1  # 8-bit output: a rounding may fall either way


# --- row 22: augmentation and log ---


def coded(side=40):
    """Three channels that differ by constants, every pixel with a value of its own."""
    base = np.arange(side * side, dtype=np.float32).reshape(1, side, side)
    return np.concatenate([base, base + 10_000, base + 20_000])


@pytest.fixture
def dihedral():
    """dihedral(seed): a sampler of turned and mirrored patches."""
    volume = ArrayVolume(coded(), "CYX")
    domain = example_domain(3, limits=((0.0, 30_000.0),) * 3)

    def make(seed):
        return Sampler([volume], domain, patch=16, batch=64, seed=seed, side=0, augmentation="dihedral")

    return make


def test_row_22_augmentation_acts_on_all_channels_alike(dihedral):
    """Released: no augmentation at all."""
    sampler = dihedral(0)
    patches = [sampler.patch_at(0, i) for i in range(64)]
    assert all(np.array_equal(p[1], p[0] + 10_000) and np.array_equal(p[2], p[0] + 20_000) for p in patches)
    corners = {tuple(int(np.argsort(p[0][[0, 0, -1, -1], [0, -1, 0, -1]])[i]) for i in range(4)) for p in patches}
    assert len(corners) == 8  # all symmetries of the square occur, none else
    frames = Frames(sampler.frames[0].volume)
    for i, p in enumerate(patches):
        _, frame, y, x, _ = sampler.place(0, i)
        assert set(p.ravel()) == set(frames.read(frame, slice(y, y + 16), slice(x, x + 16)).ravel())


def test_row_22_the_same_seed_draws_the_same_batches(dihedral):
    """Released: no augmentation, so nothing had to be repeatable about it; ours has to be."""
    one, two, other = dihedral(3), dihedral(3), dihedral(4)
    assert torch.equal(two(7), one(7))  # asked for out of order: a pure function of seed and step
    assert torch.equal(one(0), two(0))
    assert not torch.equal(one(0), other(0))
    assert not torch.equal(one(0), one(1))


def test_row_22_the_log_is_plain_numbers(run_folder):
    """Released: tensors printed at every step."""
    with (run_folder / "history.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert list(rows[0]) == ["step", "u", "lsgan", "cycle", "saliency", "discriminators"]
    assert int(rows[-1]["step"]) == 6
    assert all(np.isfinite(float(v)) for v in rows[-1].values())

"""Arms beside each other: checked first, made once, told with intervals."""

import contextlib
import csv
import dataclasses
import json

import numpy as np
import pytest
from torch import nn

from isoscope import comparison, kinds, training
from isoscope.baselines import offers
from isoscope.comparison import Bootstrap, ImageSets, Scored, Watch, document, enter, sheet, write_csv
from isoscope.errors import DataError, Interrupted, RecipeError

# --- intervals


def test_an_interval_holds_the_mean_and_narrows_with_more_images():
    widths = []
    for n in (5, 50):
        scores = np.random.default_rng(0).normal(30, 2, (1, n))
        low, high = Bootstrap(n).interval(scores)
        assert low < scores.mean() < high
        widths.append(high - low)
    assert widths[1] < widths[0]


def test_the_interval_of_a_mean_is_that_of_theory():
    scores = np.random.default_rng(1).normal(30, 2, (1, 100))
    low, high = Bootstrap(100).interval(scores)
    assert high - low == pytest.approx(2 * 1.96 * scores.std() / 10, rel=0.1)


def test_a_paired_difference_does_not_feel_how_hard_the_images_are():
    images = np.random.default_rng(0).normal(25, 6, (1, 12))
    low, high = Bootstrap(12).difference(images + 1 + 0.1 * np.random.default_rng(1).normal(size=(1, 12)), images)
    assert 0.9 < low < high < 1.1


def test_seeds_are_resampled_too():
    steady, moody = (np.full((3, 8), 20.0) + shift for shift in (0, np.array([[-3.0], [0], [3]])))
    bootstrap = Bootstrap(8, 3)
    assert np.ptp(bootstrap.interval(steady)) == pytest.approx(0, abs=1e-9)
    assert np.ptp(bootstrap.interval(moody)) > 2
    assert np.ptp(bootstrap.difference(moody + 1, moody)) == pytest.approx(0, abs=1e-9)


def test_where_nothing_can_be_resampled_nothing_is_said():
    one = np.array([[30.0]])
    assert Bootstrap(1).interval(one) is None
    assert Bootstrap(1).difference(one, one) is None
    assert Bootstrap(2).interval(np.array([[30.0, np.nan]])) is None


def test_an_arm_that_lost_a_seed_is_still_compared():
    whole, partial = np.full((3, 4), 2.0), np.full((2, 4), 3.0)
    assert Bootstrap(4, 3).difference(partial, whole) == pytest.approx((1, 1))


# --- who takes part


@pytest.fixture(scope="module")
def sets(blobs, source, target):
    inputs = [blobs(seed + 20, noise=12.0, name=f"test{seed}") for seed in range(3)]
    truths = [blobs(seed + 20, noise=0.0, name=f"truth{seed}") for seed in range(3)]
    pairs = [blobs(seed + 10, noise=12.0, name=f"pair{seed}") for seed in range(2)], target
    return ImageSets(source, target, inputs, truths, pairs)


@pytest.fixture(scope="module")
def entered(sets, tiny):
    """entered(name, split, seeds, **keys): tiny recipes; the same are settled once."""
    known = {}

    def make(name="ours", split=None, seeds=1, **more):
        keys = tiny(training={"steps": 3, "checkpoint_every": 2, "finish": 0.0}, **more)
        call = repr((name, id(split), seeds, keys))
        if call not in known:
            known[call] = enter(name, keys, split or sets, task="denoise", preset="cpu", seeds=seeds)
        return known[call]

    return make


class Paired(nn.Module):
    """The smallest method that learns from pairs: a gain."""

    directions, pairing = ("a2b",), "matched"

    def __init__(self, source, target, terms, patch, /, *, wrong: bool = False):
        super().__init__()
        self.net = nn.Conv2d(1, 1, 1)
        self.net.stride, self.wrong, self.seen = 1, wrong, []

    def optimisers(self):
        return {}

    def generator(self, direction, /):
        return self.net

    def step(self, a, b, u, /):
        Paired.last = (a, b)
        return {"loss": (a - b).abs().mean() * (float("nan") if self.wrong else 1.0)}


def paired(source, target, terms, patch, /, *, wrong: bool = False):
    return Paired(source, target, terms, patch, wrong=wrong)


@pytest.fixture
def paired_method():
    kinds.methods.add("paired", paired)
    yield {"method": {"name": "paired"}}
    kinds.methods.remove("paired")


def test_each_seed_is_an_entrant(entered):
    assert [e.seed for e in entered(seeds=3)] == [0, 1, 2]
    assert not any(e.matched for e in entered())


def test_methods_that_need_pairs_are_known_before_anything_is_trained(entered, sets, paired_method):
    (entrant,) = entered(**paired_method)
    assert entrant.matched
    without = dataclasses.replace(sets, pairs=None)
    with pytest.raises(DataError, match="method paired learns from pairs, got none; expected --pairs-source"):
        entered(split=without, **paired_method)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"test_truth": 2}, "got 3 and 2 test images"),
        ({"test_source": 0, "test_truth": 0}, "got 0 and 0 test images"),
    ],
)
def test_a_test_that_does_not_match_is_refused(sets, changes, said):
    shorter = {name: getattr(sets, name)[:n] for name, n in changes.items()}
    with pytest.raises(DataError, match=said):
        dataclasses.replace(sets, **shorter).check()


def test_test_images_that_were_learned_from_are_refused(sets):
    sets.check()
    for changes, said in (
        ({"test_truth": [sets.target[0], *sets.test_truth[1:]]}, "clean0 of --test-truth is clean0 of --target too"),
        ({"source": [sets.test_source[1]]}, "test1 of --test-source is test1 of --source too"),
        ({"pairs": (sets.test_source[:2], sets.target)}, "test0 of --test-source is test0 of --pairs-source too"),
    ):
        with pytest.raises(DataError, match=said):
            dataclasses.replace(sets, **changes).check()


def test_a_test_of_other_channels_is_refused_before_training(sets, entered, blobs):
    for part in ("test_source", "test_truth"):
        other = dataclasses.replace(sets, **{part: [blobs(0, channels=2)] * 3})
        with pytest.raises(DataError, match=f"ours: --{part.replace('_', '-')} has 2 channels, expected 1"):
            entered(split=other)


# --- running


@pytest.fixture
def counting(monkeypatch):
    """Folders that were trained in, in order."""
    trained, real = [], training.train

    def train(recipe, source, target, folder, **more):
        trained.append((folder.parent.name.rpartition("-")[0], bool(more.get("resume"))))
        return real(recipe, source, target, folder, **more)

    monkeypatch.setattr(training, "train", train)
    return trained


def few(sets, *names):
    found = offers(sets.source, sets.target, sets.pairs)
    return {name: found[name] for name in names}


def test_every_arm_is_scored_and_made_only_once(sets, entered, counting, tmp_path):
    arms = few(sets, "input", "Gaussian")
    first = comparison.run(entered(), arms, sets, tmp_path)
    assert [s.name for s in first] == ["input", "Gaussian", "ours"]
    assert [len(s.images) for s in first] == [3, 3, 3]
    assert first[2].steps == 3
    untouched = dict.fromkeys(arms, pytest.fail)  # called, they would fail
    assert comparison.run(entered(), untouched, sets, tmp_path) == first
    assert counting == [("ours-s0", False)]
    more = comparison.run([*entered(seeds=2), *entered("wider", method={"pool": 3})], untouched, sets, tmp_path)
    assert more[:3] == first
    assert counting[1:] == [("ours-s1", False), ("wider-s0", False)]


def test_the_test_set_decides_scores_but_not_training(sets, entered, counting, tmp_path):
    comparison.run(entered(), {}, sets, tmp_path)
    fewer = dataclasses.replace(sets, test_source=sets.test_source[:2], test_truth=sets.test_truth[:2])
    (scored,) = comparison.run(entered(), {}, fewer, tmp_path)
    assert len(scored.images) == 2
    assert counting == [("ours-s0", False), ("ours-s0", True)]
    assert scored.steps == 3


def test_a_comparison_can_be_moved(sets, entered, counting, tmp_path):
    first = comparison.run(entered(), {}, sets, tmp_path / "here")
    (tmp_path / "here").rename(tmp_path / "there")
    (moved,) = comparison.run(entered(), {}, sets, tmp_path / "there")
    assert moved.images == first[0].images
    assert "there" in moved.predictions[0]
    assert len(counting) == 1


def test_supervised_arms_learn_from_pairs(sets, entered, paired_method, tmp_path):
    (scored,) = comparison.run(entered(**paired_method), {}, sets, tmp_path)
    a, b = Paired.last
    assert np.corrcoef(a.flatten(), b.flatten())[0, 1] > 0.5
    assert len(scored.images) == 3


class Stopping:
    """Says stop from the n-th time on that it is asked."""

    def __init__(self, after):
        self.left = after

    def __call__(self):
        self.left -= 1
        return self.left < 0


def test_a_stop_keeps_what_is_done_and_the_same_call_goes_on(sets, entered, tmp_path):
    arms, stops = few(sets, "input"), 0
    whole = comparison.run(entered(), arms, sets, tmp_path / "whole")
    resumed = None
    while resumed is None:
        with contextlib.suppress(Interrupted):
            resumed = comparison.run(entered(), arms, sets, tmp_path / "part", watch=Watch(stop=Stopping(stops)))
            break
        stops += 1
    assert stops > 3
    assert [s.images for s in resumed] == [s.images for s in whole]


def test_a_stop_says_that_the_same_command_goes_on(sets, entered, tmp_path):
    with pytest.raises(Interrupted, match="the same command goes on"):
        comparison.run(entered(), {}, sets, tmp_path, watch=Watch(stop=Stopping(1)))


def test_a_training_that_fails_stops_only_itself(sets, entered, paired_method, tmp_path):
    broken = entered("broken", method={"name": "paired", "wrong": True})
    failed, fine = comparison.run([*broken, *entered()], {}, sets, tmp_path)
    assert "became nan" in failed.failed
    assert len(fine.images) == 3
    told = document([failed, fine])
    assert told["reference"] == "ours"
    assert told["arms"][0]["mean"] == {}
    with pytest.raises(DataError, match="none of broken could be scored"):
        document([failed])


def test_mistakes_of_the_user_are_not_taken_for_failures(sets, entered, monkeypatch, tmp_path):
    def refuse(*_, **__):
        raise DataError("no")

    monkeypatch.setattr(training, "train", refuse)
    with pytest.raises(DataError, match="no"):
        comparison.run(entered(), {}, sets, tmp_path)


# --- telling


def scored(name, values, kind="recipe", seed=0):
    images = tuple({"name": f"i{n}", "psnr_affine": v, "ssim": None} for n, v in enumerate(values))
    return Scored(name, kind, images=images, data_range=(0.0, 255.0), seed=seed)


def test_the_document_says_means_intervals_and_differences():
    arms = [
        scored("filter", [30, 32, 34], "baseline"),
        scored("ours", [31, 33, 35]),
        scored("ours", [33, 35, 37], seed=1),
    ]
    told = document(arms)
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told["reference"] == "ours"
    filters, ours = told["arms"]
    assert [len(arm["seeds"]) for arm in told["arms"]] == [1, 2]
    assert ours["mean"]["psnr_affine"] == 34
    assert ours["difference"] == {}
    assert filters["difference"]["psnr_affine"]["mean"] == -2
    low, high = filters["difference"]["psnr_affine"]["interval"]
    assert low == pytest.approx(-3)
    assert high == pytest.approx(-1)
    assert ours["mean"]["ssim"] is None
    assert ours["interval"]["ssim"] is None


def test_the_reference_can_be_chosen():
    arms = [scored("filter", [30, 32], "baseline"), scored("ours", [31, 33])]
    assert document(arms, "filter")["arms"][1]["difference"]["psnr_affine"]["mean"] == 1
    with pytest.raises(DataError, match=r"called 'filtre'; did you mean 'filter'"):
        document(arms, "filtre")


def test_the_csv_has_a_row_for_every_score(tmp_path):
    write_csv(tmp_path / "s.csv", [scored("filter", [30, 32], "baseline"), scored("ours", [31, 33], seed=4)])
    rows = list(csv.DictReader((tmp_path / "s.csv").read_text().splitlines()))
    assert [(r["arm"], r["seed"], r["image"], r["psnr_affine"]) for r in rows][2] == ("ours", "4", "i0", "31")
    assert len(rows) == 4


def test_the_sheet_shows_best_median_and_worst_beside_the_truth(sets, tmp_path):
    arms = comparison.run([], few(sets, "input", "Gaussian"), sets, tmp_path)
    rows = sheet(arms, sets, "input", "psnr_affine")
    values = [i["psnr_affine"] for i in arms[0].images]
    order = np.argsort(values)[::-1]
    assert [title.split(",")[0] for title, _ in rows] == [f"test{n}" for n in order]
    assert [title.split(", ")[1] for title, _ in rows] == [f"{w} of 3 for input" for w in ("best", "median", "worst")]
    for _, cells in rows:
        assert [c.title for c in cells] == ["input", "Gaussian", "truth"]
        assert cells[-1].error is None
        assert cells[0].picture.shape == cells[0].error.shape == (160, 160, 3)


def test_arms_of_one_image_have_a_sheet_too(sets, tmp_path):
    one = dataclasses.replace(sets, test_source=sets.test_source[:1], test_truth=sets.test_truth[:1])
    arms = comparison.run([], few(one, "input"), one, tmp_path)
    ((title, _),) = sheet(arms, one, "input", "psnr_affine")
    assert title == "test0"


def test_a_recipe_that_cannot_stand_is_refused(entered):
    with pytest.raises(RecipeError):
        entered(method={"rate": -1})


def test_files_name_arms_by_what_they_are(sets, tmp_path):
    arms = comparison.run([], few(sets, "input"), sets, tmp_path)
    folder = next((tmp_path / "arms").iterdir())
    assert folder.name.startswith("input-")
    assert arms[0].predictions[0].startswith(str(folder))

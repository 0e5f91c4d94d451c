from functools import partial

import pytest

from isoscope import kinds
from isoscope.testing import check_generator

pytest.importorskip("monai", reason="MONAI is not installed: pip install monai")


@pytest.mark.parametrize("residuals", [0, 2])
def test_it_is_found_trains_saves_and_tiles(residuals):
    check_generator(partial(kinds.generators["monai_unet"], width=4, residuals=residuals))

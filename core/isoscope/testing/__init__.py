"""Conformance checks for plug-in authors, one function per kind: call it from a test of your own.

    from isoscope.testing import check_loss
    from my_package import my_loss

    def test_my_loss():
        check_loss(my_loss)

Each raises AssertionError with one line that says what was found and what the framework relies on. Give a
`functools.partial` where a factory needs parameters, or to keep a network small in tests.
"""

from __future__ import annotations

from isoscope.testing.discriminators import check_discriminator
from isoscope.testing.examples import example_domain
from isoscope.testing.generators import check_generator
from isoscope.testing.losses import check_loss
from isoscope.testing.methods import check_method
from isoscope.testing.stores import check_store
from isoscope.testing.tasks import check_task
from isoscope.testing.tilings import check_tiling

__all__ = [
    "check_discriminator",
    "check_generator",
    "check_loss",
    "check_method",
    "check_store",
    "check_task",
    "check_tiling",
    "example_domain",
]

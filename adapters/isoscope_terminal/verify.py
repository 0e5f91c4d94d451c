"""`isoscope verify`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isoscope_terminal import options
from isoscope_terminal.facts import counted
from isoscope_terminal.progress import Live
from isoscope_terminal.stopping import stoppable
from isoscope_terminal.voice import Voice, complain

if TYPE_CHECKING:
    from isoscope.writing.verification import Fault, Report

__all__ = ["verify"]

_DAMAGED = 2


def verify(
    outputs: Annotated[list[str], typer.Argument(metavar="OUT...", help="Files, stores, folders or quoted globs.")],
    as_json: options.Json = False,
) -> None:
    """Check that outputs are whole and still what was written: each file of OME-Zarr by size and checksum.

    Of unfinished ones it says what is missing. TIFF, PNG and stores of others are only decoded: they hold no checksums.
    Exit code 2 if anything is damaged or missing.
    """
    reports = _examined(outputs)
    for report in reports:
        for line in _complaints(report):
            complain(f"error: {report.output}: {line}")
        for line in _remarks(report):
            complain(f"warning: {report.output}: {line}")
    ill = sum(not report.well for report in reports)
    text = "\n".join([*map(_told, reports), "all is well" if not ill else f"not well: {counted(ill, 'output')}"])
    Voice(as_json).finish(text, {"well": not ill, "outputs": [_facts(report) for report in reports]})
    if ill:
        raise typer.Exit(_DAMAGED)


def _examined(given: Sequence[str]) -> list[Report]:
    from isoscope.writing.verification import examine, outputs

    roots = list(dict.fromkeys(root for where in given for root in outputs(where)))
    with stoppable() as stop, Live("verifying") as live:
        return [examine(root, progress=partial(live.update, detail=root.name), stop=stop) for root in roots]


def _complaints(report: Report) -> Iterator[str]:
    """A line for each thing that is damaged or missing, but one for all that an unfinished output lacks."""
    yield from (_line(report, fault) for fault in report.damaged)
    if report.state == "finished":
        yield from (_line(report, fault) for fault in report.missing)
    elif report.state == "unfinished":
        yield f"is unfinished{_lacks(report)}; finish it with {_again(report)}"


def _line(report: Report, fault: Fault) -> str:
    if fault.file is None or fault.part == "ledger":  # whoever found that said what can be done
        return fault.what
    return f"{fault.file} {fault.what}; repair it with {_again(report)}"


def _lacks(report: Report) -> str:
    missing = [fault.part for fault in report.missing]
    first = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
    return f", {counted(len(missing), 'part')} of {report.parts} missing: {first}" if missing else ""


def _again(report: Report) -> str:
    """The command that made the output, as far as the ledger tells."""
    command = "predict" if "model" in report.fingerprint else "convert" if "crop" in report.fingerprint else None
    return f"isoscope {command} ... --resume" if command else "the command that made it and --resume"


def _remarks(report: Report) -> Iterator[str]:
    """What is worth knowing, and no damage."""
    from isoscope.writing.ledger import HIDDEN
    from isoscope.writing.orphans import is_temporary

    for name in report.leftover:
        ours = name == HIDDEN or is_temporary(report.output / name)
        yield f"{name} " + (
            f"was left by a killed process; {_again(report)} removes it" if ours else "is not part of it"
        )
    if report.remade:
        yield f"{counted(len(report.remade), 'part')} repaired with other bytes than first written, by the same plan"


def _told(report: Report) -> str:
    """The report in one line."""
    if report.state == "decoded":
        return f"{report.output}: {_decoded(report)}"
    sound = report.parts - len({fault.part for fault in (*report.damaged, *report.missing)})
    said = f"{sound} of {counted(report.parts, 'part')} as written"
    return "; ".join([f"{report.output}: {report.state}, {said}", *report.notes])


def _decoded(report: Report) -> str:
    if report.damaged:
        return "cannot be decoded"
    return (
        f"{counted(report.parts, 'image')} decoded whole, at full resolution; there are no checksums in it, so whether "
        "the values are those that were written cannot be told"
    )


def _facts(report: Report) -> dict[str, Any]:
    return {**asdict(report), "output": str(report.output), "well": report.well}

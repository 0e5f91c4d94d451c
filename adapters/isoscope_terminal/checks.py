"""What is checked before training: that the images are those of their split, and that the two domains fit together."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isoscope.errors import DataError
from isoscope_terminal.progress import Live
from isoscope_terminal.voice import Voice, complain

if TYPE_CHECKING:
    from isoscope.proposal import Proposal
    from isoscope.splits.mismatch import Finding
    from isoscope.volume import Volume

__all__ = ["check_split", "compared", "facts_of", "refuse_failures", "say_findings", "warned"]

_MANIFEST = "manifest.json"
_log = logging.getLogger(__name__)


def check_split(source: str, target: str, voice: Voice) -> list[str]:
    """Hold the images against every manifest beside them or above; the manifests.

    Raises:
        DataError: if an image changed since the split, plays another part in it, or is in both domains.
    """
    from isoscope.sources import find
    from isoscope.splits.manifest import check

    paths = find(source), find(target)
    found = _manifests([*paths[0], *paths[1]])
    for manifest in found:
        with Live(f"checking against {manifest}") as live:
            check(manifest, *paths, progress=live.update)
        voice.say(f"every image is what {manifest} says of it")
    return [str(path) for path in found]


def _manifests(images: Iterable[Path]) -> list[Path]:
    folders = {folder for image in images for folder in image.absolute().parents[:2]}
    return sorted(path for folder in folders if (path := folder / _MANIFEST).is_file() and _is_ours(path))


def _is_ours(path: Path) -> bool:
    """Others call files so, too: a web page, an export. Ours says of its images which parts they play."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        _log.warning("%s cannot be read (%s): nobody has checked the images against it", path, error)
        return False
    return isinstance(document, dict) and {"seed", "items"} <= set(document)


def compared(proposal: Proposal, source: Sequence[Volume], target: Sequence[Volume]) -> list[Finding]:
    """How the domains fit together: content, pixel size, objects, and images in both."""
    from isoscope.preparation.prepared import prepared
    from isoscope.splits.mismatch import compare

    recipe = proposal.recipe
    sides = prepared(source, recipe.source.prepare), prepared(target, recipe.target.prepare)
    return compare(*sides, proposal.source, proposal.target)


def warned(findings: Iterable[Finding]) -> list[str]:
    """What does not fit, a line each."""
    return [finding.message for finding in findings if finding.level != "ok"]


def say_findings(findings: Iterable[Finding], voice: Voice) -> None:
    """Tell every finding; warnings even to those who want quiet."""
    for finding in findings:
        if finding.level == "ok":
            voice.say(f"{finding.id}: {finding.message}")
        elif finding.level == "warn":
            complain(f"warning: {finding.id}: {finding.message}")


def refuse_failures(findings: Iterable[Finding]) -> None:
    """Refuse to train on domains that cannot be learned from.

    Raises:
        DataError: with the first such finding.
    """
    for finding in findings:
        if finding.level == "fail":
            raise DataError(f"{finding.id}: {finding.message}")


def facts_of(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """The findings, ready for JSON."""
    return [{"id": f.id, "level": f.level, "message": f.message, "values": f.values} for f in findings]

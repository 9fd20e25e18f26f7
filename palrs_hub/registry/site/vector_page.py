"""What a vector's page shows: every number as text, and bars as shares of the longest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from palrs_hub.evidence import MAX_SIDE_EFFECT
from palrs_hub.plots import selection_plot
from palrs_hub.registry.index import side_effect_of
from palrs_hub.registry.markdown import SECTIONS, render, sections
from palrs_hub.registry.site.snippets import snippets_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from palrs_hub.evidence import Evaluation
    from palrs_hub.manifest import Manifest
    from palrs_hub.registry.entry import Entry
    from palrs_hub.registry.facts import Sample


@dataclass(frozen=True)
class Page:
    """All that a page is made of.

    Attributes:
        card: The curator's card, Markdown.
    """

    entry: Entry
    manifest: Manifest
    samples: tuple[Sample, ...]
    card: str


@dataclass(frozen=True)
class Bar:
    """One arm of an evaluation; ``width`` in percent."""

    name: str
    kind: str
    width: str
    text: str


@dataclass(frozen=True)
class Named:
    """A name, a value, and a word on it."""

    name: str
    value: str
    note: str


def context(page: Page, index: Any) -> dict[str, Any]:  # noqa: ANN401 - an IndexEntry
    """The names that the template uses."""
    manifest = page.manifest
    has_grid = manifest.selection is not None and manifest.selection.cells
    parts = sections(page.card)
    return {
        "entry": page.entry,
        "manifest": manifest,
        "index": index,
        "tiles": list(_tiles(manifest)),
        "evaluations": [_evaluation(e) for e in manifest.evaluations],
        "samples": page.samples,
        "side_effects": list(_side_effects(manifest)),
        # Its texts are escaped where it is drawn.
        "plot": Markup(selection_plot(manifest, inline=True)) if has_grid else None,
        "lineage": list(_lineage(page.entry, manifest)),
        "snippets": snippets_of(page.entry, manifest),
        "card": [
            (name, Markup(render(parts[name], below=2))) for name in SECTIONS if name in parts
        ],
    }


def _tiles(manifest: Manifest) -> Iterator[Named]:
    first = manifest.interventions[0]
    if manifest.evaluations:
        e = manifest.evaluations[0]
        unsteered = e.baselines.get("unsteered")
        note = (
            "unsteered: not reported" if unsteered is None else f"{_shown(unsteered, e)} unsteered"
        )
        yield Named(f"{e.metric}, steered", _shown(e.value, e), note)
    layers = ", ".join(str(change.layer) for change in manifest.interventions[:6])
    more = ", …" if len(manifest.interventions) > 6 else ""
    yield Named("layer", f"{layers}{more}", f"of blocks 0 to {manifest.base_model.num_blocks - 1}")
    span = first.coefficient_range
    usable = f"usable: {span[0]:g} to {span[1]:g}" if span else "usable range not validated"
    yield Named("coefficient", f"{first.coefficient:g}", usable)
    effect = side_effect_of(manifest)
    if effect is None:
        yield Named("side effect", "–", "not measured on neutral text")
    else:
        yield Named("side effect", f"{effect:.2g}", f"nats per token; bound {MAX_SIDE_EFFECT:g}")
    yield Named("made from", f"{manifest.data.pairs:,}", "preference pairs")


def _evaluation(e: Evaluation) -> dict[str, Any]:
    arms = {"steered": e.value, **e.baselines}
    top = 1.0 if _is_share(e) else max(max(arms.values()), 1e-300)
    return {
        "task": e.task,
        "metric": e.metric,
        "split": e.split,
        "samples": f"{e.samples:,}",
        "higher_is_better": e.higher_is_better,
        "gain": _gain(e),
        "bars": [
            Bar(
                name,
                "is-steered" if name == "steered" else "other",
                f"{min(max(100 * (value / top), 0.0), 100.0):.2f}",
                _shown(value, e),
            )
            for name, value in arms.items()
        ],
    }


def _gain(e: Evaluation) -> str | None:
    parts = []
    if e.gain is not None:
        low, high = _signed(e.gain.low, e), _signed(e.gain.high, e)
        interval = f"{100 * e.gain.confidence:g} % interval {low} to {high}"
        parts.append(f"gain {_signed(e.gain.difference, e)} ({interval})")
    if e.worse is not None:
        parts.append(f"{e.worse:.1%} made worse".replace("%", " %"))
    return "; ".join(parts) or None


def _side_effects(manifest: Manifest) -> Iterator[tuple[str, str]]:
    effect = side_effect_of(manifest)
    if effect is None:
        yield "Neutral text", "not measured"
    else:
        against = "within" if effect <= MAX_SIDE_EFFECT else "beyond"
        yield (
            "Neutral text",
            f"{effect:.3g} nats per token from the unsteered model's predictions, {against} the "
            f"bound of {MAX_SIDE_EFFECT:g}",
        )
    worse = _worse(manifest)
    if worse is not None and manifest.selection is not None:
        yield "Made worse", f"{worse:.0%} of {manifest.selection.pairs} validation pairs"
    for e in manifest.evaluations[1:]:
        before = e.baselines.get("unsteered")
        beside = "" if before is None else f", unsteered {_shown(before, e)}"
        yield f"{e.task}: {e.metric}", f"{_shown(e.value, e)} steered{beside}"


def _worse(manifest: Manifest) -> float | None:
    change, selection = manifest.interventions[0], manifest.selection
    place = (manifest.method.switches.get("position"), change.layer, change.coefficient)
    cells = () if selection is None else selection.cells
    return next((c.worse for c in cells if (c.position, c.layer, c.coefficient) == place), None)


def _lineage(entry: Entry, manifest: Manifest) -> Iterator[Named]:
    base, data = manifest.base_model, manifest.data
    yield Named(
        "base model",
        str(entry.base_model.repo or entry.base_model.path),
        f"{f'commit {base.revision[:12]}; ' if base.revision else ''}{base.architecture}, "
        f"{base.num_blocks} blocks, width {base.hidden_size}, {base.dtype}",
    )
    revision = f" at {data.revision}" if data.revision else ""
    yield Named(
        "data", f"{data.name}{revision}", f"{data.pairs:,} pairs; sha256 {data.sha256[:12]}…"
    )
    switches = ", ".join(f"{name} {value}" for name, value in manifest.method.switches.items())
    yield Named("method", manifest.method.name, switches or "no switches")
    source = entry.source
    pinned = f"commit {source.commit[:12]}; " if source.commit else ""
    yield Named("vector", str(source.repo or source.path), f"{pinned}sha256 {entry.sha256[:12]}…")


def _is_share(e: Evaluation) -> bool:
    return all(0 <= value <= 1 for value in (e.value, *e.baselines.values()))


def _signed(value: float, e: Evaluation) -> str:
    return f"{100 * value:+.1f} points" if _is_share(e) else f"{value:+.4g}"


def _shown(value: float, e: Evaluation) -> str:
    return f"{value:.1%}".replace("%", " %") if _is_share(e) else f"{value:.4g}"

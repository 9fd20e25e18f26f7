"""The playground's page, in Gradio."""

from __future__ import annotations

import math
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from palrs_hub.app.session import STEERED, UNSTEERED, Knobs, Session, Shown, with_coefficients
from palrs_hub.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from palrs_hub.vector import SteeringVector

MAX_NEW_TOKENS: Final = 128

_PRESENCE: Final = (
    "How strongly a vector's direction is present at each token, as the unsteered model reads both "
    "texts: the residual stream's component along it, as a share of the largest one."
)

_DOWNLOAD: Final = """(file) => {
    const link = document.createElement("a");
    link.href = file.url;
    link.download = file.orig_name;
    link.click();
}"""

Highlighted = list[tuple[str, float]]


def gradio() -> Any:  # noqa: ANN401 - the module
    """Gradio itself.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        import gradio as module
    except ImportError as error:
        raise MissingExtraError("The playground", "app") from error
    return module


def page(session: Session) -> Any:  # noqa: ANN401 - gradio.Blocks
    """A prompt, a slider for each vector, both texts, and where each of their tokens points."""
    gr = gradio()
    with gr.Blocks(title="palrs-hub playground", analytics_enabled=False) as blocks:
        gr.Markdown("# Steering playground")
        prompt = gr.Textbox(label="Prompt", elem_id="prompt")
        sliders = [_slider(gr, vector, n) for n, vector in enumerate(session.vectors)]
        length = gr.Slider(1, 512, MAX_NEW_TOKENS, step=1, label="Longest answer, in tokens")
        button = gr.Button("Generate", variant="primary", elem_id="generate")
        with gr.Row():
            texts = [
                gr.Textbox(label=name, lines=6, elem_id=name.lower())
                for name in ("Unsteered", "Steered")
            ]
        gr.Markdown(_PRESENCE)
        names = [f"{n + 1}. {vector.manifest.name}" for n, vector in enumerate(session.vectors)]
        which = gr.Dropdown(
            names, value=names[0], label="Direction", type="index", elem_id="direction"
        )
        with gr.Row():
            views = [
                gr.HighlightedText(label=name, elem_id=f"presence-{number}")
                for number, name in enumerate(("In the unsteered text", "In the steered text"))
            ]
        save = gr.Button("Save these settings as packages", elem_id="save")
        made = gr.File(visible="hidden")
        knobs, shown = gr.State(session.knobs()), gr.State(None)
        # A DownloadButton would hand out what its last click made, with the settings of then.
        save.click(lambda hold: str(packed(session, hold)), knobs, made).then(
            None, made, None, js=_DOWNLOAD
        )
        _wire(gr, session, prompt, length, button, sliders, which, texts, views, knobs, shown)
    return blocks


def _wire(
    gr: Any,  # noqa: ANN401 - Gradio's own
    session: Session,
    prompt: Any,  # noqa: ANN401
    length: Any,  # noqa: ANN401
    button: Any,  # noqa: ANN401
    sliders: list[Any],
    which: Any,  # noqa: ANN401
    texts: list[Any],
    views: list[Any],
    knobs: Any,  # noqa: ANN401
    shown: Any,  # noqa: ANN401
) -> None:
    def generate(text: str, tokens: int, hold: Knobs) -> Iterator[tuple[str, str, Any]]:
        if not text:
            raise gr.Error("Write a prompt first.")
        for now in session.stream(text, hold, max_new_tokens=int(tokens)):
            yield now.texts[UNSTEERED], now.texts[STEERED], (text, now)

    def look(made: tuple[str, Shown] | None, number: int) -> tuple[Highlighted, ...]:
        return ([], []) if made is None else in_shares(*session.presence(*made, number))

    def turn(hold: Knobs, *values: float) -> None:
        hold.values = list(values)

    run: dict[str, Any] = {
        "fn": generate,
        "inputs": [prompt, length, knobs],
        "outputs": [*texts, shown],
        "concurrency_id": "model",
    }
    seen: dict[str, Any] = {"fn": look, "inputs": [shown, which], "outputs": views}
    gr.on([button.click, prompt.submit], trigger_mode="once", **run).then(**seen)
    for slider in sliders:
        # It reaches a generation that is under way; then comes one that has it throughout.
        slider.change(turn, [knobs, *sliders], None, queue=False)
        slider.change(trigger_mode="always_last", **run).then(**seen)
    which.change(**seen)


def in_shares(*rows: Highlighted) -> tuple[Highlighted, ...]:
    """Components from -1 to 1, the largest of all rows being 1, which is what can be coloured."""
    largest = max((abs(value) for row in rows for _, value in row), default=0.0) or 1.0
    return tuple([(text, value / largest) for text, value in row] for row in rows)


def packed(session: Session, knobs: Knobs) -> Path:
    """A zip file with a package for each vector, at the coefficients that the knobs are at."""
    folder = Path(tempfile.mkdtemp(prefix="palrs-hub-app-"))
    for number, vector in enumerate(session.vectors):
        name = f"{number + 1}-{vector.manifest.name}"
        with_coefficients(vector, knobs.values[number]).save_pretrained(folder / "packages" / name)
    return Path(shutil.make_archive(str(folder / "steering-vectors"), "zip", folder / "packages"))


def scale(reach: float) -> tuple[float, float]:
    """The end and the step of a slider that reaches so far, both without a tail of digits.

    The step is 1, 2 or 5 times a power of ten and at most a fortieth of the way; zero is on it.
    """
    exponent = math.floor(math.log10(reach / 40))
    mantissa = max(m for m in (1, 2, 5) if m <= reach / 40 / 10.0**exponent * (1 + 1e-9))
    steps = math.ceil(reach / (mantissa * 10.0**exponent) - 1e-9)
    return float(f"{mantissa * steps}e{exponent}"), float(f"{mantissa}e{exponent}")


def _slider(gr: Any, vector: SteeringVector, number: int) -> Any:  # noqa: ANN401 - Gradio's own
    change = vector.manifest.interventions[0]
    low, high = change.coefficient_range or (0.0, 2 * abs(change.coefficient))
    bound, step = scale(max(abs(low), abs(high), abs(change.coefficient)) * 1.5 or 1.0)
    known = f"helped from {low:g} to {high:g}" if change.coefficient_range else "no range is known"
    return gr.Slider(
        -bound,
        bound,
        change.coefficient,
        step=step,
        label=f"{vector.manifest.name}: coefficient",
        info=f"layer {change.layer}, {change.operation}, {change.unit}; {known}",
        elem_id=f"coefficient-{number}",
    )

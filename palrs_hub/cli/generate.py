"""``palrs-hub generate``: text from the steered model, beside the unsteered one if asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from palrs_hub.cli.options import (
    device_option,
    dtype_option,
    json_option,
    local_option,
    placed,
    revision_option,
    signature_option,
    token_option,
)

if TYPE_CHECKING:
    from palrs_hub.steer import Steering


@click.command("generate")
@click.argument("vector_id", metavar="ID")
@click.option("--prompt", "prompts", multiple=True, required=True, help="Repeat for several.")
@click.option("--coefficient", type=float, help="Instead of the vector's own.")
@click.option("--compare", is_flag=True, help="Show the unsteered model beside.")
@click.option("--model", help="Use this model instead of the one that the vector names.")
@click.option("--max-new-tokens", type=click.IntRange(min=1), default=128, show_default=True)
@click.option("--strict", is_flag=True, help="Refuse on warnings too.")
@revision_option
@signature_option
@dtype_option
@device_option
@token_option
@local_option
@json_option
def command(
    vector_id: str,
    prompts: tuple[str, ...],
    coefficient: float | None,
    compare: bool,
    model: str | None,
    max_new_tokens: int,
    strict: bool,
    revision: str | None,
    require_signature: str | None,
    dtype: str,
    device: str,
    token: str | None,
    local_files_only: bool,
    as_json: bool,
) -> None:
    """Generate greedily with the vector ID: a folder, org/name or org/name@revision."""
    from palrs_hub.cli import output
    from palrs_hub.generation import complete
    from palrs_hub.steer import suspended

    steered, tokenizer, steering = _load(
        vector_id,
        model,
        revision=revision,
        require_signature=require_signature,
        token=token,
        local_files_only=local_files_only,
        coefficient=coefficient,
        strict=strict,
        dtype=dtype,
        device=device,
    )
    texts = complete(steered, tokenizer, prompts, max_new_tokens=max_new_tokens)
    plain: list[str | None] = [None] * len(texts)
    if compare:
        with suspended(steered):
            plain = list(complete(steered, tokenizer, prompts, max_new_tokens=max_new_tokens))
    if as_json:
        _show_json(steering, prompts, texts, plain)
        return
    output.show_findings(steering.findings)
    title = f"steered, coefficient {steering.coefficient}"
    for prompt, text, other in zip(prompts, texts, plain, strict=True):
        output.show_line(f"> {prompt}")
        if other is None:
            output.show_text(title, text)
        else:
            output.show_beside(("unsteered", other), (title, text))


def _load(
    vector_id: str,
    model: str | None,
    *,
    revision: str | None,
    require_signature: str | None,
    token: str | None,
    local_files_only: bool,
    coefficient: float | None,
    strict: bool,
    dtype: str,
    device: str,
) -> tuple[Any, Any, Steering]:
    from palrs_hub.auto import base_of
    from palrs_hub.loading import load_model_and_tokenizer
    from palrs_hub.vector import SteeringVector

    vector = SteeringVector.from_pretrained(
        vector_id,
        revision=revision,
        token=token,
        local_files_only=local_files_only,
        require_signature=require_signature,
    )
    name, pinned = base_of(vector, model)
    where: dict[str, Any] = {
        "revision": pinned,
        "token": token,
        "local_files_only": local_files_only,
    }
    loaded, tokenizer = load_model_and_tokenizer(name, dtype=dtype, **where)
    loaded = placed(loaded, device)
    steering = vector.attach(loaded, coefficient, tokenizer=tokenizer, strict=strict)
    return loaded, tokenizer, steering


def _show_json(
    steering: Steering, prompts: tuple[str, ...], texts: list[str], plain: list[str | None]
) -> None:
    from palrs_hub.cli import output

    rows = zip(prompts, texts, plain, strict=True)
    output.show_json(
        {
            "vector": steering.vector.source,
            "coefficient": steering.coefficient,
            "findings": [vars(finding) for finding in steering.findings],
            "generations": [
                {"prompt": prompt, "steered": text, "unsteered": other}
                for prompt, text, other in rows
            ],
        }
    )

"""A running vLLM server, asked a self-test's questions as any client of OpenAI's would."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any, Final

from palrs_hub.errors import SteeringError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from palrs_hub.engines.selftest import Ask

# What a server of vLLM allows unless it is told otherwise.
LOG_PROBABILITIES: Final = 20
_TIMEOUT_SECONDS: Final = 120
_MAX_BYTES: Final = 16 * 1024 * 1024
_TOKEN: Final = "token_id:"


def asked_of_server(url: str, *, model: str | None = None, api_key: str | None = None) -> Ask:
    """Ask a server for the likeliest next tokens.

    Args:
        url: Where it is, for instance ``http://127.0.0.1:8000``.
        model: The name under which it serves the model; by default the only one.
        api_key: Its key.

    Raises:
        UsageError: There is no such server, or it serves several models and none was named.
        SteeringError: It does not answer as vLLM does.
    """
    server = url.rstrip("/").removesuffix("/v1")
    if not server.startswith(("http://", "https://")):
        raise UsageError(f"A server's address begins with http:// or https://; found {url!r:.80}.")
    name = model or _only_model(_fetch(f"{server}/v1/models", None, api_key))

    def ask(prompt: Sequence[int]) -> Mapping[int, float]:
        body = {
            "model": name,
            "prompt": list(prompt),
            "max_tokens": 1,
            "temperature": 0.0,
            "logprobs": LOG_PROBABILITIES,
            "return_tokens_as_token_ids": True,
        }
        answer = _fetch(f"{server}/v1/completions", body, api_key)
        try:
            (row,) = answer["choices"][0]["logprobs"]["top_logprobs"]
            return {int(token.removeprefix(_TOKEN)): float(value) for token, value in row.items()}
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise SteeringError(
                f"{server} should answer with log-probabilities by token id, as vLLM does; it "
                f"answered {str(answer)!r:.200}."
            ) from error

    return ask


def _only_model(answer: dict[str, Any]) -> str:
    found = [entry.get("id") for entry in answer.get("data", []) if isinstance(entry, dict)]
    if len(found) != 1 or not isinstance(found[0], str):
        raise UsageError(f"Name the served model with `--served-model`: {found!r:.200}.")
    return found[0]


def _fetch(url: str, body: dict[str, Any] | None, api_key: str | None) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"}
    if api_key:
        headers["Authorization"] = f"Bearer {api_key}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:
            found = json.loads(answer.read(_MAX_BYTES))
    except urllib.error.HTTPError as error:
        with error:
            said = error.read(2000).decode(errors="replace")
        raise SteeringError(f"{url} refused ({error.code}): {said!r:.300}") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"No server of vLLM answers at {url}: {error!s:.200}") from error
    if not isinstance(found, dict):
        raise SteeringError(f"{url} should answer with a JSON object.")
    return found

"""The HTTP route by which a running server's steering is read and changed.

vLLM adds it only where ``VLLM_PLUGINS`` names this plugin. It stands below ``/v1``, where the
server's ``--api-key`` guards it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import Field, ValidationError

from palrs_hub.fields import Finite, Strict

if TYPE_CHECKING:
    from argparse import Namespace

ROUTE: Final = "/v1/palrs-hub/steering"
MAX_BODY_BYTES: Final = 16_384


class Choice(Strict):
    """The body of a request that changes the steering.

    Attributes:
        vector: The vector's name; None to steer with none.
        coefficient: Instead of its own.
    """

    vector: Annotated[str, Field(max_length=256)] | None
    coefficient: Finite | None = None


class SteeringEndpoint:
    """vLLM's protocol of an endpoint plugin."""

    name = "palrs_hub"
    required_tasks = ("generate",)

    def attach_router(self, app: FastAPI) -> None:
        """Add the route."""
        app.add_api_route(ROUTE, _show, methods=["GET"])
        app.add_api_route(ROUTE, _change, methods=["POST"])

    async def init_state(self, engine_client: Any, state: Any, args: Namespace) -> None:  # noqa: ANN401
        """Keep the way to the engine, which the route uses."""
        state.palrs_hub_engine = engine_client


async def _show(request: Request) -> JSONResponse:
    found = await request.app.state.palrs_hub_engine.collective_rpc("palrs_hub_state")
    return JSONResponse(found[0])


async def _change(request: Request) -> JSONResponse:
    body = await request.body()
    engine = request.app.state.palrs_hub_engine
    (before, *_) = await engine.collective_rpc("palrs_hub_state")
    try:
        choice = Choice.model_validate_json(body[:MAX_BODY_BYTES])
    except ValidationError:
        return _refused('Expected {"vector": NAME or null, "coefficient": number or null}.')
    if choice.vector is not None and choice.vector not in before["vectors"]:
        return _refused(f"No such vector. Vectors: {', '.join(before['vectors'])}.")
    if choice.coefficient == 0:
        return _refused('A coefficient of 0 steers nothing; say so with {"vector": null}.')
    # No request may have a part computed with one steering and a part with another.
    await engine.pause_generation(mode="wait")
    try:
        arguments = (choice.vector, choice.coefficient)
        found = await engine.collective_rpc("palrs_hub_choose", args=arguments)
        await engine.reset_prefix_cache()
    finally:
        await engine.resume_generation()
    return JSONResponse(found[0])


def _refused(message: str) -> JSONResponse:
    return JSONResponse({"error": message}, status_code=400)

"""What a worker of vLLM can be asked over ``collective_rpc``: what steers, and to change it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from palrs_hub.engines.vllm_plugin.live import LiveSteering


class SteeringWorker:
    """For ``--worker-extension-cls``: vLLM mixes it into its worker.

    Whoever changes the steering must drop the prefix cache, which holds what the old one computed.
    """

    def palrs_hub_state(self) -> dict[str, Any]:
        """What steers the model of this worker."""
        return self._palrs_hub_steering().state.as_json()

    def palrs_hub_choose(
        self, name: str | None, coefficient: float | None = None
    ) -> dict[str, Any]:
        """Let another vector steer, or none; see ``LiveSteering.choose``."""
        return self._palrs_hub_steering().choose(name, coefficient).as_json()

    def _palrs_hub_steering(self) -> LiveSteering:
        steering: LiveSteering = self.get_model().palrs_hub_steering  # type: ignore[attr-defined]
        return steering

"""Attaches vectors to a loaded model, and detaches them without a trace."""

from __future__ import annotations

from palrs_hub.steer.attaching import attach
from palrs_hub.steer.candidates import adding, adding_by_row
from palrs_hub.steer.handle import Steering, attached, suspended
from palrs_hub.steer.rows import Row
from palrs_hub.steer.watch import prompt_tokens

__all__ = [
    "Row",
    "Steering",
    "adding",
    "adding_by_row",
    "attach",
    "attached",
    "prompt_tokens",
    "suspended",
]

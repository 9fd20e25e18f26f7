"""The playground: vectors tried in a browser, steered beside unsteered; Gradio is the extra app."""

from __future__ import annotations

from palrs_hub.app.launch import launch
from palrs_hub.app.session import Knobs, Session, Shown, with_coefficients
from palrs_hub.app.space import write_space

__all__ = ["Knobs", "Session", "Shown", "launch", "with_coefficients", "write_space"]

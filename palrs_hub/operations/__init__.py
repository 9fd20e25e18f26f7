"""What steering does to the residual stream: OPERATIONS is the table; one file an operation."""

from __future__ import annotations

from typing import Final

from palrs_hub.operations.add import ADD
from palrs_hub.operations.clamp import CLAMP
from palrs_hub.operations.norm_preserving_add import NORM_PRESERVING_ADD
from palrs_hub.operations.operation import Constants, Operation
from palrs_hub.operations.project_out import PROJECT_OUT

__all__ = ["OPERATIONS", "Constants", "Operation"]

_TABLE = (ADD, NORM_PRESERVING_ADD, PROJECT_OUT, CLAMP)
OPERATIONS: Final[dict[str, Operation]] = {operation.name: operation for operation in _TABLE}

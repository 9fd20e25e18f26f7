"""The bridge to lm-evaluation-harness: any of its tasks, on every arm of an experiment, in one run.

The harness builds the prompts, scores the answers and computes its own metrics and standard errors,
as its task files say; palrs-hub only steers the model that it is given, and pairs the samples that
it logs. This package alone imports ``lm_eval``, and does so when it is called.
"""

from palrs_hub.harness.load import HarnessTasks, LoadedTasks, load_tasks
from palrs_hub.harness.measure import KIND, measure_with_harness

__all__ = ["KIND", "HarnessTasks", "LoadedTasks", "load_tasks", "measure_with_harness"]

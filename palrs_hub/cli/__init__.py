"""The command line: COMMANDS is the table, one file a command; ``output`` alone prints.

Exit codes: 0 done; 1 a defect of palrs-hub; 2 wrong usage; 3 unusable input (pairs, package);
4 model and vector do not fit, or the model cannot be steered; 5 the Hub refused or did not answer;
6 the embedded Hub cannot run; 7 an optional dependency is missing; 130 interrupted.
"""

from palrs_hub.cli.main import COMMANDS, cli, main

__all__ = ["COMMANDS", "cli", "main"]

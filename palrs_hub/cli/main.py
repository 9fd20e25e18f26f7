"""The group of commands, loaded one at a time so that help and small commands answer at once."""

from __future__ import annotations

import importlib
import sys
import warnings
from typing import TYPE_CHECKING, Final, TextIO

import click

from palrs_hub.errors import PalrsHubError

if TYPE_CHECKING:
    from collections.abc import Sequence

# name -> one line of help; the command is ``command`` in the file that FILES names, else in
# palrs_hub/cli/<name>.py.
COMMANDS: Final[dict[str, str]] = {
    "extract": "Extract a vector from preference pairs.",
    "merge": "Join sums that several machines read into a vector.",
    "select": "Choose a vector's coefficient again, and draw the grid.",
    "info": "Show what a vector says of itself.",
    "check": "Check a vector against a model.",
    "push": "Send a vector to the Hub.",
    "pull": "Fetch a vector from the Hub and verify it.",
    "search": "Find vectors on the Hub.",
    "versions": "List the revisions of a vector on the Hub.",
    "diff": "Compare two vectors.",
    "import": "Make a vector of another tool's file.",
    "export": "Write a vector for another tool or engine.",
    "vllm": "Serve a steered model with vLLM.",
    "selftest": "See whether an engine steers as an export says.",
    "generate": "Generate with a vector, beside the unsteered model if asked.",
    "app": "Try vectors in a browser, steered beside unsteered.",
    "eval": "Evaluate a vector on problems, or verify what it claims.",
    "reproduce": "Extract a vector again, and compare.",
    "sign": "Sign a vector.",
    "verify": "Verify who signed a vector.",
    "card": "Show a vector's card, or preview it rendered.",
    "registry": "Add to a curated registry, check it, publish it.",
    "serve": "Run a Hub of your own.",
    "demo": "Show the whole way on the model that comes along.",
}

# ``import`` is a keyword of Python: no module can be imported by that name.
FILES: Final[dict[str, str]] = {"import": "import_vector"}

INTERRUPTED: Final = 130


def load_command(name: str) -> click.Command:
    """Import one command of COMMANDS."""
    command: click.Command = importlib.import_module(
        f"palrs_hub.cli.{FILES.get(name, name)}"
    ).command
    return command


class _LazyGroup(click.Group):
    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        return load_command(name) if name in COMMANDS else None

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _show_version(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        from palrs_hub import __version__

        click.echo(f"palrs-hub {__version__}")
        context.exit()


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 2 usage, 3 unusable input, 4 model and vector do not fit, "
    "5 Hub, 6 embedded Hub, 7 missing extra, 130 interrupted.",
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_show_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """palrs-hub: steering vectors, extracted, proven, shared and loaded."""


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """A sentence instead of a file name, a line number and a line of our code."""
    from palrs_hub.cli import output

    output.show_warning(str(message))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; bad input never ends in a traceback."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        return _run(words)


def _run(words: list[str]) -> int:
    try:
        result = cli.main(args=words, prog_name="palrs-hub", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except PalrsHubError as error:
        from palrs_hub.cli import output

        output.show_error(error, as_json="--json" in words)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted.", err=True)
        return INTERRUPTED
    return result if isinstance(result, int) else 0

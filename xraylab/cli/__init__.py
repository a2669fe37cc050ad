"""The command line of xraylab.

Modules that import Keras are imported within the commands, so that ``--help`` is fast.
"""

import shlex
import sys

import typer

from xraylab import __version__
from xraylab.cli.console import show
from xraylab.cli.evaluation import bench, calibrate, evaluate
from xraylab.cli.export import export
from xraylab.cli.listing import data, doctor, models, recipes
from xraylab.cli.predict import predict
from xraylab.cli.results import results
from xraylab.cli.training import delete, resume, runs, train

OUT_OF_TIME = 75
"""Exit status of a training that reached its time limit and can be resumed: ``EX_TEMPFAIL`` of
``sysexits.h``, after which job schedulers repeat a command."""

app = typer.Typer(
    name="xraylab",
    help="Multi-label chest X-ray classification, for teaching and research. "
    "Not a medical device: never for diagnosis.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for function in (
    doctor, models, data, recipes, train, resume, runs, delete, evaluate, calibrate, predict, bench,
    export,
):  # fmt: skip
    app.command()(function)
app.add_typer(results)


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"xraylab {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version."
    ),
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error."),
):
    """Options that precede any command."""


def main() -> None:
    """Run the command line.

    Exit status: 0 done, 1 error, 2 invalid command line, 75 training interrupted by its time
    limit, 130 training interrupted by Ctrl-C or SIGTERM; both interruptions leave a checkpoint.
    """
    try:
        app()
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        # It is recognised by its name, because importing it would import Keras.
        if type(error).__name__ != "TrainingInterrupted":
            if "--debug" in sys.argv[1:2]:
                raise
            show(f"Error: {error}", stderr=True)
            show("xraylab --debug … shows the traceback", stderr=True)
            sys.exit(1)
        name = next(word for word in sys.argv[1:] if not word.startswith("-"))
        new = name == "train" and "--resume" not in sys.argv
        again = shlex.join(["xraylab", *sys.argv[1:], *(["--resume"] if new else [])])
        show(f"\n{error}", stderr=True)
        show(f"The same command{' with --resume' if new else ''} continues:\n{again}", stderr=True)
        sys.exit(OUT_OF_TIME if getattr(error, "out_of_time", False) else 130)

"""The command line: a thin face of the package.

Long imports wait until a command needs them, so that ``--help`` answers at once.
"""

import shlex
import sys

import typer

from xraylab import __version__
from xraylab.cli.bench import bench
from xraylab.cli.calibrate import calibrate
from xraylab.cli.listing import data, doctor
from xraylab.cli.models import models
from xraylab.cli.recipes import recipes
from xraylab.cli.results import results
from xraylab.cli.runs import delete, resume, runs
from xraylab.cli.train import evaluate, train

TIME_IS_UP = 75
"""Exit status of a command that stopped before its time was over, and can go on: EX_TEMPFAIL of
sysexits.h, by which schedulers know that the same command is worth another try."""

app = typer.Typer(
    name="xraylab",
    help="Multi-label chest X-ray classification, for teaching and research. "
    "Not a medical device: never for diagnosis.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (doctor, models, data, recipes, train, runs, resume, evaluate, calibrate, delete):
    app.command()(command)
app.command()(bench)
app.add_typer(results)


def _print_version(asked: bool):
    if asked:
        typer.echo(f"xraylab {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version."
    ),
    debug: bool = typer.Option(False, "--debug", help="Show the whole traceback of an error."),
):
    """Options that stand before any command."""


def main():
    """Run the command line; errors meant for people are printed without a traceback.

    Exit status: 0 done, 1 an error told in words, 2 a command that cannot be read, 75 stopped with
    a checkpoint because its time was up, 130 stopped with a checkpoint by Ctrl-C or SIGTERM.
    """
    # Imported here: a failure to import it must not hide the help.
    from rich.console import Console

    console = Console(stderr=True, soft_wrap=True)
    try:
        app()
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        if "--debug" in sys.argv[1:2]:
            raise
        if type(error).__name__ == "TrainingInterrupted":  # importing it would start a back end
            console.print(f"\n{error}", markup=False, highlight=False)
            began = "train" in sys.argv and "--resume" not in sys.argv
            command = shlex.join(["xraylab", *sys.argv[1:], *(["--resume"] if began else [])])
            console.print(
                f"The same command{' with --resume' if began else ''} continues:\n{command}",
                markup=False,
                highlight=False,
            )
            sys.exit(TIME_IS_UP if error.out_of_time else 130)
        console.print("[bold red]Error[/]", end=" ")
        console.print(str(error), markup=False, highlight=False)
        console.print("[dim]xraylab --debug … shows the traceback[/]", highlight=False)
        sys.exit(1)

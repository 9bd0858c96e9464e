"""The command without the training package: `python -m SarcopeniaAssessLib assess …`.

Only click is imported here, so that every `--help` is instant. `SarcopeniaTraining.cli` takes this group
and adds its own verbs to it.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from SarcopeniaAssessLib import __version__
from SarcopeniaAssessLib.console import PROGRAM, complain, printable, use_utf8
from SarcopeniaAssessLib.errors import SarcopeniaError
from SarcopeniaAssessLib.lazy_verbs import LazyGroup

_INTERRUPTED = 130
LAZY_VERBS = {
    "overview": (
        "SarcopeniaAssessLib.overview.overview_command:overview",
        "Make one page of an output folder; bring decisions back from the module.",
    ),
    "inbox": (
        "SarcopeniaAssessLib.archive.inbox_command:inbox",
        "Listen for CT studies, assess them, send segmentation and report back.",
    ),
    "models": (
        "SarcopeniaAssessLib.models_command:models",
        "List, inspect, check, import and download segmentation models.",
    ),
}
_Command = TypeVar("_Command", bound=Callable[..., Any])

_ABOUT_L3 = (
    "Where L3 is: auto, found in the CT alone; slice:K, the K-th slice from the feet, 0-based; s:MM, the "
    "superior coordinate in mm (RAS); labels:FILE[=V], a vertebra label map. Omitted: auto; of a "
    "mask, its only slice."
)
_PATIENT = (
    click.option(
        "--sex",
        type=click.Choice(["male", "female", "dicom"], case_sensitive=False),
        help="Whose cut-offs apply; dicom (the default): what the input says. Never guessed.",
    ),
    click.option("--age", type=float, metavar="YEARS", help="Age in years."),
    click.option("--height", type=float, metavar="METRES", help="Height in metres, for the SMI."),
    click.option("--weight", type=float, metavar="KG", help="Weight in kilograms."),
)
_PLACE = (
    click.option("--l3", metavar="SPEC", help=_ABOUT_L3),
    click.option("--series", metavar="UID", help="Which series of a DICOM folder that holds several."),
    click.option("--case", metavar="NAME", help="The case's name; by default the input's."),
    click.option(
        "--criterion",
        "criteria",
        multiple=True,
        metavar="NAME",
        help="An id of Criteria.json; the first given decides the status. Default: bhardwaj2025.",
    ),
)
_OUTPUT = (
    click.option(
        "--out", type=click.Path(), metavar="DIR", help="Write results to DIR/CASE and DIR/assessments.csv."
    ),
    click.option("--resume", is_flag=True, help="Keep cases that are there, if they were asked for alike."),
    click.option(
        "--overwrite", is_flag=True, help="Replace cases that are there, but none that is accepted."
    ),
    click.option("--json", "as_json", is_flag=True, help="Print records as JSON Lines."),
    click.option("--debug", is_flag=True, help="Show tracebacks of failures."),
)


def _with(*groups: Sequence[Callable[[_Command], _Command]]) -> Callable[[_Command], _Command]:
    """Options shared by verbs, in the order of their help."""

    def decorate(command: _Command) -> _Command:
        for option in reversed([each for group in groups for each in group]):
            command = option(command)
        return command

    return decorate


@click.group(
    cls=LazyGroup,
    lazy=LAZY_VERBS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name=PROGRAM)
def cli() -> None:
    """Skeletal muscle area at L3 from CT, and what published cut-offs say of it. Research use only."""


@cli.command()
@click.argument("inputs", metavar="CT...", nargs=-1, required=True, type=click.Path())
@_with(_PATIENT, _PLACE)
@click.option("--model", metavar="NAME|FILE", help="A model of `models list`, or a .safetensors file.")
@click.option(
    "--device", default="auto", metavar="NAME", help="auto, cpu, cuda[:N] or mps.", show_default=True
)
@click.option(
    "--untiled", is_flag=True, help="Show the network the whole plane at once: quicker, not quite equal."
)
@click.option(
    "--jobs", type=click.IntRange(min=1), default=1, metavar="N", help="Inputs at a time.", show_default=True
)
@click.option(
    "--each",
    is_flag=True,
    help="CT is a folder of studies: each of its entries is a case.",
)
@click.option(
    "--cluster",
    metavar="auto|ADDRESS",
    help="On a Ray cluster that shares CTs and DIR, instead of --jobs.",
)
@click.option(
    "--keep-identity", is_flag=True, help="Let SEG and SR say who the patient is, as the CT's header does."
)
@_with(_OUTPUT)
def assess(inputs: tuple[str, ...], jobs: int, cluster: str | None, **options: Any) -> int:
    """Assess CTs: NIfTI, NRRD or MetaImage files; DICOM files, folders, zip archives, DICOMDIRs.

    A .csv or .json file lists studies, a row each, with what is known of the patient (docs/many.md).
    """
    if options["keep_identity"] and options["out"] is None:
        complain("--keep-identity has no effect: nothing is written; give --out DIR")
    from SarcopeniaAssessLib.command import tasks_of

    tasks = tasks_of(inputs, options["case"], each=options.pop("each"))
    return _run(tasks, options, jobs, cluster)


@cli.command()
@click.argument("mask", metavar="MASK", type=click.Path())
@click.option("--label", type=int, metavar="V", help="Which value is the muscle, if there are several.")
@click.option("--ct", type=click.Path(), metavar="CT", help="The CT that it was drawn on, for HU.")
@_with(_PATIENT, _PLACE, _OUTPUT)
def measure(mask: str, label: int | None, ct: str | None, **options: Any) -> int:
    """Measure an existing mask, drawn by any tool: NIfTI, NRRD or MetaImage."""
    from SarcopeniaAssessLib.batch import Task
    from SarcopeniaAssessLib.case_names import case_name, safe_name

    case = safe_name(options["case"]) if options["case"] else case_name(mask)
    return _run([Task(case, mask, is_mask=True, label=label, ct=ct)], options)


@cli.command()
@click.argument("path", metavar="PATH", type=click.Path())
def verify(path: str) -> int:
    """Work a result folder, an output folder or an audit log out again, and tell what contradicts."""
    from pathlib import Path

    from SarcopeniaAssessLib.verification import verify_path

    found = verify_path(Path(path).expanduser())
    for each in found:
        for finding in each.findings:
            complain(f"{each.name}: {finding.message}")
        if each.said:
            click.echo(printable(each.said))
    return int(not all(each.is_whole for each in found))


@cli.command()
def doctor() -> int:
    """Say what this computer has and lacks; the report names no person and no path."""
    from SarcopeniaAssessLib.doctor import examine
    from SarcopeniaAssessLib.wording import RESEARCH_SENTENCE

    checks = examine()
    for check in checks:
        click.echo(str(check))
    click.echo(RESEARCH_SENTENCE)
    return int(any(check.ok is False for check in checks))


@cli.command(hidden=True)
@click.option("--folder", type=click.Path(), metavar="DIR", help="The exchange folder.")
@click.option("--idle", type=float, metavar="SECONDS", help="End after so long without a request.")
def worker(folder: str | None, idle: float | None) -> int:
    """Answer a program's requests on standard input: what the Slicer module starts."""
    from pathlib import Path

    from SarcopeniaAssessLib.worker import IDLE_S, serve

    return serve(None if folder is None else Path(folder), IDLE_S if idle is None else idle)


def _run(tasks: list[Any], options: dict[str, Any], jobs: int = 1, cluster: str | None = None) -> int:
    from pathlib import Path

    from SarcopeniaAssessLib.assessment import GivenFacts
    from SarcopeniaAssessLib.batch import Request
    from SarcopeniaAssessLib.command import run
    from SarcopeniaAssessLib.console import Console
    from SarcopeniaAssessLib.results import Existing

    if options["resume"] and options["overwrite"]:
        raise click.UsageError("--resume keeps and --overwrite replaces; give one of them")
    if (options["resume"] or options["overwrite"]) and options["out"] is None:
        raise click.UsageError("--resume and --overwrite concern an output folder; give --out DIR")
    existing = Existing.RESUME if options["resume"] else Existing.REFUSE
    sex = options["sex"]
    request = Request(
        facts=GivenFacts(
            None if sex == "dicom" else sex, options["age"], options["height"], options["weight"]
        ),
        l3=options["l3"],
        series=options["series"],
        model=options.get("model"),
        device=options.get("device", "auto"),
        untiled=options.get("untiled", False),
        criteria=options["criteria"],
        out=None if options["out"] is None else Path(options["out"]),
        existing=Existing.OVERWRITE if options["overwrite"] else existing,
        keep_identity=options.get("keep_identity", False),
    )
    console = Console(len(tasks), as_json=options["as_json"], debug=options["debug"])
    return run(tasks, request, console, jobs, cluster)


def _share_processors() -> None:
    """Let torch's threads sleep while they wait for each other, unless the user has said otherwise.

    They spin by default: free on idle processors, tenfold slower beside another program (docs/benchmarks.md).
    Read when torch is first imported, which no command does before this.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def run_group(group: click.Command, arguments: Sequence[str] | None = None, *, program: str = PROGRAM) -> int:
    """Run a command or a group of them; every failure is one line on standard error.

    Parameters
    ----------
    program:
        What the user has called, as its help and its usage errors name it.

    Returns
    -------
    The exit status; 2 for usage errors, 130 when interrupted.
    """
    use_utf8()
    _share_processors()
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return int(group.main(given, prog_name=program, standalone_mode=False) or 0)
    except OSError as error:  # standard output is closed or full; flushing at exit would complain again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            complain(f"The output cannot be written ({error.strerror}); send it elsewhere, or give --out")
        return 2
    except (click.Abort, KeyboardInterrupt):
        complain("interrupted; what was finished is whole, go on with --resume")
        return _INTERRUPTED
    except Exception as error:
        if "--debug" in given and not isinstance(error, click.ClickException):
            traceback.print_exception(error)
        complain(_in_words(error))
        return 2


def _in_words(error: Exception) -> str:
    if isinstance(error, click.ClickException):
        context = getattr(error, "ctx", None)
        verb = context.command_path if context is not None else PROGRAM
        words = "No verb is given" if isinstance(error, click.exceptions.NoArgsIsHelpError) else ""
        return f"{words or error.format_message().rstrip('.')}; see `{verb} --help`"
    if isinstance(error, SarcopeniaError):
        return f"{error.problem}; {error.remedy}"
    return f"Something unexpected happened ({type(error).__name__}); run again with --debug and report it"


def main() -> None:
    """Run the command, as `python -m SarcopeniaAssessLib`."""
    sys.exit(run_group(cli))


if __name__ == "__main__":
    main()

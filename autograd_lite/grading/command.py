"""`python -m autograd_lite grade`: homework in which gradients are derived by hand.

grade new FOLDER [--from NAME]      an assignment to begin with, its skeleton and solution
grade check ASSIGNMENT              try it: the solution, and mistakes made on purpose
grade ASSIGNMENT SUBMISSIONS        marks of a folder of scripts, notebooks, folders, zips
grade otter ASSIGNMENT FOLDER       tests of otter-grader, one for each question
grade --gradescope [FOLDER]         inside Gradescope: /autograder
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from pathlib import Path

from ..sandbox.process import held
from ..work import bar
from . import check, summary, writers
from .assignment import Assignment
from .batch import grade, safely
from .marks import Marks
from .submission import read, submissions

SHIPPED = Path(__file__).parent / "assignments"
FILES = ("assignment.py", "solution.py")


def main(arguments: list[str]) -> int:
    """Run the command: 0, 1 where an assignment does not hold, 2 for what makes no sense, 130 after
    Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m autograd_lite grade",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", nargs="*", help=argparse.SUPPRESS)
    names = sorted(path.name for path in SHIPPED.iterdir() if path.is_dir())
    parser.add_argument("--from", dest="source", default="mlp", choices=names, help="default: mlp")
    parser.add_argument("--out", type=Path, help="where marks go; default: results")
    parser.add_argument("--jobs", type=int, help="processes; default: the cores, with joblib")
    parser.add_argument("--gradescope", action="store_true", help="write results/results.json")
    options = parser.parse_args(arguments)
    try:
        match options.what:
            case [] | [_] if options.gradescope:
                return for_gradescope(Path(*(options.what or ["/autograder"])))
            case ["new", folder]:
                return new(Path(folder), SHIPPED / options.source)
            case ["check", path]:
                return checked(Path(path))
            case ["otter", path, folder]:
                print(*writers.otter(Assignment.load(path), path, Path(folder)), sep="\n")
                return 0
            case [path, folder] if path not in ("new", "check", "otter"):
                return graded(
                    Path(path), Path(folder), options.out or Path("results"), options.jobs
                )
    except (ValueError, OSError, ImportError) as error:
        parser.error(str(error))
    parser.print_help()
    return 2


def new(folder: Path, source: Path) -> int:
    """Copy an assignment; what is there already stays, and is an error."""
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"{folder} is not empty")
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.glob("*.py")):
        shutil.copyfile(path, folder / path.name)
        print(folder / path.name)
    (skeleton,) = (p.name for p in source.glob("*.py") if p.name not in FILES)
    print(
        f"\nStudents get {skeleton}. Change assignment.py, then try it:\n"
        f"    python -m autograd_lite grade check {folder / 'assignment.py'}\n"
        "With what they hand in, one file or folder for each, in a folder:\n"
        f"    python -m autograd_lite grade {folder / 'assignment.py'} submissions"
    )
    return 0


def checked(path: Path) -> int:
    """Try an assignment: its solution must get all points, before mistakes are made on purpose."""
    work = Assignment.load(path)
    if (path.parent / "solution.py").exists():
        solution = safely(work, read(path.parent / "solution.py", work.file))
        print(f"The solution gets {solution.points:g} of {solution.most:g} points.")
        if solution.points < solution.most:
            print(solution)
            return 1
    found = []
    with bar("grade check", unit="mistake") as drawn:
        for one in check.planted(work):
            found.append(one)
            if drawn is not None:
                drawn.update()
    print(check.told(found))
    return 0


def graded(path: Path, folder: Path, out: Path, jobs: int | None) -> int:
    """Grade a folder of submissions."""
    work = Assignment.load(path)
    handed = submissions(folder, work.file)
    if not handed:
        raise ValueError(f"{folder} is empty")
    print(f"Each submission runs in a process of its own. {held()}", file=sys.stderr)
    start = time.perf_counter()
    found: list[Marks] = []
    ended = False
    try:
        found.extend(grade(work, handed, jobs))
    except KeyboardInterrupt:  # what there is by then is written
        ended = True
    seconds = time.perf_counter() - start
    by_name = {one.student: one for one in handed}
    writers.write(found, out, lambda student: safely(work, by_name[student]))
    print(summary.text(found))
    whole = f"{len(found)} of {len(handed)}" if ended else f"{len(found)}"
    print(f"{whole} in {seconds:.0f} s; {out / 'marks.csv'}, {out / 'summary.html'}")
    return 130 if ended else 0


def for_gradescope(base: Path) -> int:
    """Grade the one submission of a Gradescope container: source/assignment.py judges it."""
    work = Assignment.load(base / "source" / "assignment.py")
    marks = safely(work, read(base / "submission", work.file, student="submission"))
    (base / "results").mkdir(exist_ok=True)
    text = json.dumps(writers.gradescope(marks), indent=1, allow_nan=False)
    (base / "results" / "results.json").write_text(text, encoding="utf-8")
    return 0

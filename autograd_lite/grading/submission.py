"""What students hand in: a script or a notebook, alone, in a folder or in a zip file."""

from __future__ import annotations

import json
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

LONGEST = 1 << 20  # bytes of a script; a notebook holds pictures too
LARGEST = 32 << 20
NO_CODE = re.compile(r"^(\s*)[%!?].*$|^(\s*)\S+\?\s*$", re.MULTILINE)  # magics, shells, help
HIDDEN = ("__MACOSX", ".", "__pycache__")


@dataclass(frozen=True)
class Submission:
    """The code of a student, as cells with a name each; `error` is why there is none."""

    student: str
    cells: tuple[tuple[str, str], ...] = ()
    error: str = ""


def submissions(folder: str | Path, file: str) -> list[Submission]:
    """A submission for each file or folder in a folder, by name; of a zip file of them too.

    >>> import tempfile
    >>> home = Path(tempfile.mkdtemp())
    >>> _ = (home / "ada.py").write_text("def gradients(): ...")
    >>> (home / "bob").mkdir()
    >>> [(s.student, s.error) for s in submissions(home, "net.py")]
    [('ada', ''), ('bob', 'There is no net.py, and no other script or notebook.')]
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder of submissions")
    entries = sorted(p for p in folder.iterdir() if not p.name.startswith(HIDDEN))
    return [read(entry, file) for entry in entries]


def read(path: str | Path, file: str, student: str = "") -> Submission:
    """The submission in a script, a notebook, a folder or a zip file."""
    path = Path(path)
    student = student or (path.name if path.is_dir() else path.stem)
    try:
        if path.is_symlink():
            raise Refused("It is a link, which is not followed.")
        if path.is_dir():
            return Submission(student, of_folder(path, file))
        if path.suffix.lower() == ".zip":
            return Submission(student, of_zip(path, file))
        return Submission(student, cells_of(path.name, bounded(path)))
    except Refused as why:
        return Submission(student, error=str(why))
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        return Submission(student, error=f"It cannot be read: {error}")


class Refused(Exception):
    """What was handed in is no submission, and why."""


def bounded(path: Path) -> bytes:
    with open(path, "rb") as data:
        return within(path.name, data.read(LARGEST + 1))


def within(name: str, data: bytes) -> bytes:
    most = LARGEST if name.endswith(".ipynb") else LONGEST
    if len(data) > most:
        raise Refused(f"{name} is larger than {most >> 20} MiB.")
    return data


def of_folder(path: Path, file: str) -> tuple[tuple[str, str], ...]:
    inside = {p.relative_to(path).as_posix(): p for p in path.rglob("*") if p.is_file()}
    links = {name for name, p in inside.items() if not p.resolve().is_relative_to(path.resolve())}
    name = chosen([name for name in inside if name not in links], file)
    return cells_of(PurePosixPath(name).name, bounded(inside[name]))


def of_zip(path: Path, file: str) -> tuple[tuple[str, str], ...]:
    """Of the one member that is needed: nothing is unpacked."""
    with zipfile.ZipFile(path) as archive:
        name = chosen([info.filename for info in archive.infolist() if not info.is_dir()], file)
        with archive.open(name) as data:
            return cells_of(PurePosixPath(name).name, within(name, data.read(LARGEST + 1)))


def chosen(names: list[str], file: str) -> str:
    """The file that was asked for, a notebook of that name, or the only one that can be meant."""
    paths = [PurePosixPath(name) for name in names]
    seen = [p for p in paths if not any(part.startswith(HIDDEN) for part in p.parts)]
    code = [p for p in seen if p.suffix in (".py", ".ipynb")]
    for wanted in (
        [p for p in code if p.name == file],
        [p for p in code if p.stem == Path(file).stem],
    ):
        if wanted:
            return str(min(wanted, key=lambda p: (len(p.parts), p.suffix)))
    if len(code) == 1:
        return str(code[0])
    among = f" among {', '.join(sorted(map(str, code))[:5])}" if code else ""
    raise Refused(f"There is no {file}{among or ', and no other script or notebook'}.")


def cells_of(name: str, data: bytes) -> tuple[tuple[str, str], ...]:
    """The cells of a notebook, without magics; a script is one."""
    try:
        text = data.decode("utf-8-sig")
        if not name.endswith(".ipynb"):
            return ((name, text),)
        cells = [c for c in json.loads(text)["cells"] if c["cell_type"] == "code"]
        sources = ["".join(cell["source"]) for cell in cells]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Refused(f"{name} is no text in UTF-8, or no notebook.") from None
    return tuple((f"{name}, cell {i}", plain(source)) for i, source in enumerate(sources, 1))


def plain(source: str) -> str:
    """The Python of a cell: IPython's own lines do nothing.

    >>> plain("%matplotlib inline" + chr(10) + "x = 5 % 2")
    'pass  #\\nx = 5 % 2'
    """
    if source.startswith("%%"):
        return ""
    return NO_CODE.sub(lambda found: f"{found[1] or found[2] or ''}pass  #", source)

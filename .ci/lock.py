"""Write the files `lock-3.11.txt` and so on beside this one: what CI installs, with hashes.

    python .ci/lock.py PYTHON...

Each Python, with pip, says what it would install for Linux on x86-64 from the index that it uses.
`.ci/run` fetches these files alone, checks them, and installs from them.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
EXTRAS = "dev,docs,mpi,onnx,wasm,graders,notebooks"
TOOLS = ["setuptools>=77", "wheel", "build", "onnxruntime>=1.20", "ipykernel"]
OLDEST = "numpy==2.0.*"  # the wheel is tried with it, on the oldest Python


def resolved(python: str, wanted: list[str]) -> list[dict]:
    """What pip would install, as its report tells it."""
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        command = [python, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
        command += ["--report", report.name, "--only-binary", ":all:", *wanted]
        subprocess.run(command, check=True, cwd=HERE.parent)
        return json.loads(Path(report.name).read_text())["install"]


def line(package: dict) -> str:
    found, hashes = package["metadata"], package["download_info"]["archive_info"]["hashes"]
    return f"{found['name'].lower()}=={found['version']} --hash=sha256:{hashes['sha256']}\n"


def main(pythons: list[str]) -> None:
    for python in pythons:
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        version = subprocess.check_output([python, "-c", code], text=True).strip()
        written = {f"lock-{version}.txt": [f".[{EXTRAS}]", *TOOLS]}
        if version == "3.11":
            written["lock-3.11-numpy.txt"] = [OLDEST]
        for name, wanted in written.items():
            found = [
                p for p in resolved(python, wanted) if p["metadata"]["name"] != "autograd_lite"
            ]
            (HERE / name).write_text("".join(sorted(map(line, found))))


if __name__ == "__main__":
    main(sys.argv[1:])

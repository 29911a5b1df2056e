"""What pyproject.toml cannot say: where a wheel has `nn`, and addresses made of its setting."""

import re
import tomllib
from pathlib import Path
from shutil import rmtree

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
PROJECT = tomllib.loads((HERE / "pyproject.toml").read_text("utf-8"))
ADDRESS = PROJECT["tool"]["autograd_lite"]["address"]
ALIAS = '''"""`import nn`: another name for `autograd_lite.nn`."""

import sys

import autograd_lite.nn

sys.modules[__name__] = autograd_lite.nn
'''  # a file: the unrelated `nn` of the package index is a folder, and comes and goes beside it


class Build(build_py):
    """A wheel has the folder `nn` inside the package, where no other `nn` can overwrite it."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            built = Path(self.build_lib)
            package = built / "autograd_lite"
            rmtree(package / "nn", ignore_errors=True)  # of an earlier build
            (built / "nn").rename(package / "nn")
            (built / "nn.py").write_text(ALIAS, "utf-8")
            stub = package / "__init__.pyi"
            text = stub.read_text("utf-8").replace("\nimport nn ", "\nfrom . import nn ")
            stub.write_text(text.replace("\nfrom nn ", "\nfrom .nn "), "utf-8")


def description(readme: str, address: str) -> str:
    """The README for a page elsewhere: its pictures and links lead to the repository."""
    if not address:
        return readme
    readme = re.sub(r"(!\[[^\]]*\]\()(?!\w+:|#)", rf"\1{address}/raw/main/", readme)
    return re.sub(r"((?<!!)\[[^\]]*\]\()(?!\w+:|#)", rf"\1{address}/blob/main/", readme)


def places(address: str) -> dict[str, str]:
    """What an index shows beside the package."""
    ways = {"Source": "", "Issues": "/issues", "Changes": "/blob/main/docs/changes.md"}
    return {name: address + way for name, way in ways.items()} if address else {}


if __name__ == "__main__":
    setup(
        cmdclass={"build_py": Build},
        long_description=description((HERE / "README.md").read_text("utf-8"), ADDRESS),
        long_description_content_type="text/markdown",
        project_urls=places(ADDRESS),
    )

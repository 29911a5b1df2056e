"""A wheel has the folder `nn` inside the package, where no other `nn` can overwrite it."""

from pathlib import Path
from shutil import rmtree

from setuptools import setup
from setuptools.command.build_py import build_py

ALIAS = '''"""`import nn`: another name for `autograd_lite.nn`."""

import sys

import autograd_lite.nn

sys.modules[__name__] = autograd_lite.nn
'''  # a file: the unrelated `nn` of the package index is a folder, and comes and goes beside it


class Build(build_py):
    """Editable installations have the folder where it is."""

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


setup(cmdclass={"build_py": Build})

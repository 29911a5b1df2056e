"""The installed package is the release that its tag says, of this repository: released.py TAG ADDRESS"""

import sys
from importlib.metadata import metadata

tag, address = sys.argv[1:]
found = metadata("autograd_lite")
assert tag == f"v{found['Version']}", f"the tag is {tag}, the version {found['Version']}"
source = dict(line.split(", ", 1) for line in found.get_all("Project-URL", [])).get("Source")
assert source == address, f"pyproject.toml: [tool.autograd_lite] address is not {address!r}"

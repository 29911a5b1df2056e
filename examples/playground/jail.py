"""What a process takes from itself before it runs pasted code; nothing of it can be given back.

`part` goes on in namespaces of its own, and `shut` lets the kernel refuse files (both on Linux, where
it allows them); `limit` bounds what the kernel gives; `lock` makes Python refuse whatever it tells
an audit hook.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

NAMESPACES = 0x10000000 | 0x20000000 | 0x40000000 | 0x08000000 | 0x04000000
# CLONE_NEWUSER, NEWPID, NEWNET, NEWIPC and NEWUTS; os.unshare came with Python 3.12
CAPABILITIES = 0x20080522  # version 3
DIE_WITH_PARENT, NO_NEW_PRIVILEGES = 1, 38  # of prctl

# Of Landlock: the rights over files that each version of it added, as bits.
FILE_RIGHTS = (13, 14, 15, 15, 16)
READING = 0b1100  # READ_FILE and READ_DIR
CREATE, ADD, RESTRICT = 444, 445, 446  # its system calls, the same on every machine

# Functions that no hook is told of, in every Python, and what they would reach.
UNTOLD = (
    "mkfifo", "mknod", "chroot", "unshare", "setns",  # files and the view of them
    "pidfd_send_signal", "pidfd_open", "nice", "setpriority",  # processes
    "sched_setaffinity", "sched_setscheduler", "sched_setparam",
    "start_new_thread", "start_new", "_start_new_thread", "start_joinable_thread",
    "clock_settime", "clock_settime_ns", "sync",  # the machine
    "openpty", "posix_openpt", "memfd_create",
)  # fmt: skip
OF_MODULES = ("os", "posix", "signal", "_signal", "time", "_thread", "threading")


def part() -> bool:
    """Go on as the first process of namespaces of its own: no network, no other process in sight,
    and what it starts ends with it. Whether the kernel lets it.

    The process from before stays behind, waits, and ends with the same code (128 and the number of
    the signal that ended the new one).
    """
    if sys.platform != "linux":
        return False
    import ctypes
    import struct

    libc = ctypes.CDLL(None)
    user, group = os.geteuid(), os.getegid()
    if libc.unshare(NAMESPACES) != 0:
        return False
    for name, text in (
        ("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1"),
    ):  # fmt: skip
        with suppress(OSError), open(f"/proc/self/{name}", "w") as mapped:  # else it is no one
            mapped.write(text)
    child = os.fork()
    if child:
        nothing = os.open(os.devnull, os.O_RDWR)
        for pipe in range(3):  # so that they are closed when the new one closes them
            os.dup2(nothing, pipe)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os._exit(code if code >= 0 else 128 - code)
    libc.prctl(DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
    libc.capset(struct.pack("=Ii", CAPABILITIES, 0), bytes(24))  # its powers over the namespaces
    return True


def shut(folders: Sequence[str]) -> bool:
    """Let the kernel refuse all files but reading in `folders`, TCP, and signals to processes that
    are not shut in the same way; whether it has Landlock. For this thread and those it starts."""
    if sys.platform != "linux":
        return False
    import ctypes
    import struct

    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(CREATE, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return False
    files = (1 << FILE_RIGHTS[min(version, len(FILE_RIGHTS)) - 1]) - 1
    tcp = 0b11 if version >= 4 else 0
    scopes = 0b11 if version >= 6 else 0  # abstract sockets, signals
    handled = struct.pack("=QQQ", files, tcp, scopes)
    rules = libc.syscall(CREATE, handled, ctypes.c_size_t(len(handled)), 0)
    if rules < 0:
        return False
    for folder in folders:
        try:
            inside = os.open(folder, os.O_RDONLY)
        except OSError:
            continue
        libc.syscall(ADD, rules, 1, struct.pack("=Qi", READING, inside), 0)
        os.close(inside)
    done = libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0 and libc.syscall(RESTRICT, rules, 0) == 0
    os.close(rules)
    return done


def limit(seconds: int, memory: int) -> None:
    """Bound what the kernel gives to this process; not on Windows, which has no such bounds."""
    if os.name != "posix":
        return
    import resource

    for name, value in (
        ("RLIMIT_CPU", seconds),  # SIGXCPU or SIGKILL ends the process
        ("RLIMIT_AS", memory),  # bytes of address space: then MemoryError
        ("RLIMIT_FSIZE", 0),
        ("RLIMIT_NOFILE", 32),
        ("RLIMIT_NPROC", 0),  # root is exempt; the audit hook is not
        ("RLIMIT_CORE", 0),
    ):
        number = getattr(resource, name, None)
        if number is None:
            continue
        _, hard = resource.getrlimit(number)
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        try:
            resource.setrlimit(number, (value, value))
        except (ValueError, OSError):
            if name in ("RLIMIT_CPU", "RLIMIT_AS") and sys.platform == "linux":
                raise


def lock(folders: tuple[str, ...]) -> None:
    """From here on whatever an audit hook is told of is refused, but for what Python needs to run
    code and to import what lies in `folders`. A hook cannot be removed.

    What it asks is in constants and cells, so that to replace a global or a builtin is no way out.
    The functions of `UNTOLD` are replaced.
    """

    kind, text = type, str

    def refuse(event: str, args: tuple[Any, ...]) -> None:
        if event == "import" and args[0] in {
            "_posixsubprocess", "_posixshmem", "_multiprocessing", "readline", "_dbm", "_gdbm",
            "posix", "_signal", "time", "_thread",
        }:  # they start programs and open files, and no hook is told; the last four anew  # fmt: skip
            raise PermissionError(f"import of {args[0]} is refused here")
        if event in {
            "compile", "exec", "import", "marshal.loads", "builtins.id", "sys._getframe", "time.sleep",
            "sys._getframemodulename", "sys.unraisablehook", "object.__getattr__",
            "object.__setattr__", "os.listdir", "os.scandir",
        }:  # fmt: skip
            return
        if event == "open":
            path, _, flags = args
            # 0o3103: O_WRONLY, O_RDWR, O_CREAT, O_TRUNC and O_APPEND of Linux; others differ in
            # the last two, which do nothing without the first two
            if kind(path) is text and not flags & 0o3103:
                for folder in folders:  # not what is above it, nor .git and its kind
                    rest = path.removeprefix(folder).replace("\\", "/")
                    if path.startswith(folder) and "/." not in f"/{rest}":
                        return
            raise PermissionError(f"open is refused here: {path!r}")
        raise PermissionError(f"{event} is refused here: a pasted backward may only compute")

    def refusing(name: str) -> Callable[..., None]:
        def refused(*args: Any, **more: Any) -> None:
            raise PermissionError(f"{name} is refused here: a pasted backward may only compute")

        return refused

    for module in filter(None, map(sys.modules.get, OF_MODULES)):
        for name in UNTOLD:
            if hasattr(module, name):
                setattr(module, name, refusing(name))
    sys.addaudithook(refuse)

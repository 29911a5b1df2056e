"""What a process takes from itself before it runs pasted code; nothing of it can be given back.

On Linux, where the kernel allows it: `part` goes on in namespaces of its own, `enclose` in a tree
of files in which nothing else is, `shut` has files refused (Landlock) and `sift` system calls
(seccomp). `limit` bounds what the kernel gives; `lock` makes Python refuse whatever it tells an
audit hook.
"""

from __future__ import annotations

import errno
import importlib
import os
import signal
import sys
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Any

NAMESPACES = 0x10000000 | 0x20000000 | 0x40000000 | 0x08000000 | 0x04000000 | 0x00020000
# CLONE_NEWUSER, NEWPID, NEWNET, NEWIPC, NEWUTS and NEWNS; os.unshare came with Python 3.12
CAPABILITIES = 0x20080522  # version 3
DIE_WITH_PARENT, NO_NEW_PRIVILEGES = 1, 38  # of prctl

# Of mounts: the flags of mount and umount2, and what mount_setattr sets.
BIND, PRIVATE, DETACH = 0x1000 | 0x4000, 0x40000 | 0x4000, 2  # MS_REC is 0x4000
READ_ONLY, RECURSIVE = 0x1 | 0x2 | 0x4, 0x8000  # nor set-user-ID programs, nor devices
SET_ATTRIBUTES = 442  # its system call, the same on every machine

# System calls that only compute never makes, and that Landlock or the hook may not see.
UNMADE = (
    # files
    "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "lchown", "fchown", "fchownat", "utime",
    "utimes", "utimensat", "futimesat", "setxattr", "lsetxattr", "fsetxattr", "setxattrat",
    "removexattr", "lremovexattr", "fremovexattr", "removexattrat", "file_setattr", "creat",
    "truncate", "ftruncate", "unlink", "unlinkat", "rename", "renameat", "renameat2", "mkdir",
    "mkdirat", "rmdir", "link", "linkat", "symlink", "symlinkat", "mknod", "mknodat",
    # processes
    "fork", "vfork", "execve", "execveat", "kill", "tkill", "tgkill", "rt_sigqueueinfo",
    "rt_tgsigqueueinfo", "pidfd_open", "pidfd_getfd", "pidfd_send_signal", "ptrace",
    "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "setpriority",
    "ioprio_set", "sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr",
    "migrate_pages", "move_pages",
    # the view of files
    "socket", "socketpair", "unshare", "setns", "mount", "umount", "umount2", "mount_setattr",
    "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount", "fspick", "pivot_root", "chroot",
    "open_by_handle_at",
    # the machine
    "bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "keyctl", "add_key", "request_key",
    "quotactl", "acct", "swapon", "swapoff", "reboot", "kexec_load", "kexec_file_load",
    "init_module", "finit_module", "delete_module", "syslog", "settimeofday", "clock_settime",
    "adjtimex", "clock_adjtime", "sethostname", "setdomainname", "iopl", "ioperm",
)  # fmt: skip
ALLOW, REFUSE = 0x7FFF0000, 0x00050000  # the latter with the number of an error
NOT_EQUAL, MASKED = 1, 7  # how an argument is held against a number
THREAD = 0x00010000  # CLONE_THREAD

# Of Landlock: the rights over files that each version of it added, as bits.
FILE_RIGHTS = (13, 14, 15, 15, 16)
READING = 0b1100  # READ_FILE and READ_DIR
CREATE, ADD, RESTRICT = 444, 445, 446  # its system calls, the same on every machine

# Functions that no hook is told of, in every Python, and what they would reach.
UNTOLD = (
    "mkfifo", "mknod", "chroot", "unshare", "setns",  # files and the view of them
    "lstat", "access", "readlink", "statvfs", "pathconf",
    "pidfd_send_signal", "pidfd_open", "nice", "setpriority",  # processes
    "sched_setaffinity", "sched_setscheduler", "sched_setparam",
    "start_new_thread", "start_new", "start_joinable_thread",
    "clock_settime", "clock_settime_ns", "sync",  # the machine
    "openpty", "posix_openpt", "memfd_create",
    "create_builtin",  # all of these anew
)  # fmt: skip
OF_MODULES = ("os", "signal", "time", "_thread", "_imp")
SETS = ("supports_dir_fd", "supports_effective_ids", "supports_fd", "supports_follow_symlinks")

# The compiled modules of Python that only compute, or tell a hook what else they do (_socket, gc).
# Others start programs (_posixsubprocess, _tkinter), open files (readline, _ssl, _dbm) or run what
# they are pointed at (_ctypes).
COMPUTING = frozenset({
    "_ast", "_bisect", "_blake2", "_bz2", "_contextvars", "_csv", "_datetime", "_decimal",
    "_hashlib", "_heapq", "_hmac", "_json", "_locale", "_lzma", "_md5", "_opcode", "_pickle",
    "_queue", "_random", "_sha1", "_sha2", "_sha256", "_sha3", "_sha512", "_socket",
    "_statistics", "_string", "_struct", "_suggestions", "_symtable", "_tokenize", "_tracemalloc",
    "_types", "_typing", "_zoneinfo", "array", "atexit", "binascii", "cmath", "errno",
    "faulthandler", "gc", "itertools", "math", "select", "unicodedata", "zlib",
})  # fmt: skip


def part() -> bool:
    """Go on as the first process of namespaces of its own: no network, no other process in sight,
    and what it starts ends with it. Whether the kernel lets it.

    The process from before stays behind, waits, and ends with the same code (128 and the number of
    the signal that ended the new one).
    """
    if sys.platform != "linux":
        return False
    import ctypes

    libc = ctypes.CDLL(None)
    user, group = os.geteuid(), os.getegid()
    if libc.unshare(NAMESPACES) != 0:
        return False
    for name, text in (
        ("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1"),
    ):  # fmt: skip
        with suppress(OSError), open(f"/proc/self/{name}", "w") as mapped:  # else it is no one
            mapped.write(text)
    nothing = os.open(os.devnull, os.O_RDWR)  # which `enclose` takes from both
    child = os.fork()
    if child:
        for pipe in range(3):  # so that they are closed when the new one closes them
            os.dup2(nothing, pipe)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os._exit(code if code >= 0 else 128 - code)
    os.close(nothing)
    libc.prctl(DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
    return True


def enclose(folders: Sequence[str]) -> bool:
    """Go on where no files are but these folders, of which nothing can be changed, and without
    the powers that `part` gave; whether the kernel lets it."""
    import ctypes
    import struct

    libc = ctypes.CDLL(None)
    sources = {os.path.abspath(f): os.path.realpath(f) for f in folders if os.path.isdir(f)}

    def mounted(source: str, target: str, kind: bytes, flags: int) -> bool:
        return bool(libc.mount(source.encode(), target.encode(), kind, flags, None) == 0)

    def moved() -> bool:
        base = "/tmp"  # any folder will do; what is in it is in /old/tmp then
        if not (mounted("", "/", b"", PRIVATE) and mounted("new", base, b"tmpfs", 0)):
            return False
        os.mkdir(f"{base}/old")
        if libc.pivot_root(base.encode(), f"{base}/old".encode()) != 0:
            return False
        os.chdir("/")
        for folder, source in sorted(sources.items()):
            os.makedirs(folder, exist_ok=True)
            if not mounted(f"/old{source}", folder, b"", BIND):
                return False
        fixed = struct.pack("=QQQQ", READ_ONLY, 0, 0, 0)
        size = ctypes.c_size_t(len(fixed))
        return (
            libc.umount2(b"/old", DETACH) == 0
            and libc.syscall(SET_ATTRIBUTES, -100, b"/", RECURSIVE, fixed, size) == 0
        )

    try:
        return moved()
    except OSError:  # a folder inside another that is there already, and has it not
        return False
    finally:
        libc.capset(struct.pack("=Ii", CAPABILITIES, 0), bytes(24))


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


def sift() -> bool:
    """Let the kernel refuse the system calls of `UNMADE`, new processes and files opened to be
    written; whether libseccomp is there. For this thread and those it starts."""
    if sys.platform != "linux":
        return False
    import ctypes

    class Argument(ctypes.Structure):
        _fields_ = [
            ("number", ctypes.c_uint), ("how", ctypes.c_int),
            ("a", ctypes.c_uint64), ("b", ctypes.c_uint64),
        ]  # fmt: skip

    try:
        lib = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        return False
    lib.seccomp_init.restype = ctypes.c_void_p
    rules = ctypes.c_void_p(lib.seccomp_init(ALLOW))

    def refuse(name: str, *arguments: Argument, error: int = errno.EPERM) -> bool:
        number = lib.seccomp_syscall_resolve_name(name.encode())
        array = (Argument * len(arguments))(*arguments)
        added = lib.seccomp_rule_add_array(rules, REFUSE | error, number, len(arguments), array)
        return bool(number == -1 or added == 0)  # -1: this version does not know it

    writing = [(3, os.O_WRONLY), (3, os.O_RDWR)] + [(f, f) for f in (os.O_CREAT, os.O_TRUNC)]
    done = all([
        *(refuse(name) for name in UNMADE),
        *(refuse("open", Argument(1, MASKED, mask, flag)) for mask, flag in writing),
        *(refuse("openat", Argument(2, MASKED, mask, flag)) for mask, flag in writing),
        refuse("clone", Argument(0, MASKED, THREAD, 0)),  # threads are fine
        refuse("prlimit64", Argument(0, NOT_EQUAL, 0)),
        refuse("clone3", error=errno.ENOSYS),  # what they ask for is in memory; the libraries
        refuse("openat2", error=errno.ENOSYS),  # then call the older ones
        lib.seccomp_load(rules) == 0,
    ])  # fmt: skip
    lib.seccomp_release(rules)
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


def unlisted(name: str, imports: Collection[str]) -> str:
    """Why a module is not imported."""
    return f"import of {name} is refused here: there are Python's own modules and " + (
        ", ".join(sorted(imports)) or "no others"
    )


def lock(folders: tuple[str, ...], compiled: tuple[str, ...], imports: Collection[str]) -> None:
    """From here on whatever an audit hook is told of is refused, but for what Python needs to run
    code and to import its own modules from `folders` and `imports` from the folders `compiled`;
    of compiled modules, those in `compiled` and those of `COMPUTING`. A hook cannot be removed.

    What it asks is in constants and defaults, so that to replace a global, a builtin or a cell is
    no way out (since Python 3.13 the frames of a traceback can write cells). The
    functions of `UNTOLD` are replaced wherever a module holds them, and os.stat opens what it is
    asked for. On Windows os.stat stays: there it can tell of any file.

    Memory can be written without a word to a hook, through ctypes, which NumPy imports. Who means
    to undo this will; a mistake does not.
    """
    for name in COMPUTING.intersection(sys.builtin_module_names):
        importlib.import_module(name)  # none can be created later

    def refuse(
        event: str,
        args: tuple[Any, ...],
        folders: tuple[str, ...] = folders,
        compiled: tuple[str, ...] = compiled,
        computing: frozenset[str] = COMPUTING,
        known: frozenset[str] = sys.stdlib_module_names | {*imports},
        no: str = unlisted("{}", imports),
        kind: type = type,
        text: type = str,
    ) -> None:
        if event in {
            "compile", "exec", "marshal.loads", "builtins.id", "sys._getframe", "time.sleep",
            "sys._getframemodulename", "sys.unraisablehook", "object.__getattr__",
            "object.__setattr__",
        }:  # fmt: skip
            return
        path = args[1] if event == "import" else args[0] if args else None
        if event == "import" and path is None:  # it is looked for; a file comes with an event more
            if kind(args[0]) is text and args[0].partition(".")[0] in known:
                return
            raise ImportError(no.format(args[0]))
        if event in {"import", "open", "os.listdir", "os.scandir"} and kind(path) is text:
            # 0o3103: O_WRONLY, O_RDWR, O_CREAT, O_TRUNC and O_APPEND of Linux; others differ in
            # the last two, which do nothing without the first two
            writes = event == "open" and args[2] & 0o3103
            for folder in () if writes else (*folders, *compiled):
                rest = f"{path}/".removeprefix(folder).replace("\\", "/")
                # not what is above it, nor .git and its kind, nor other packages beside Python's
                if not f"{path}/".startswith(folder) or "/." in f"/{rest}" or "-packages/" in rest:
                    continue
                if event != "import" or f"{path}".startswith(compiled):
                    return
                # its last part says which module of the file is meant
                if kind(args[0]) is text and args[0].rpartition(".")[2] in computing:
                    return
        if event == "import":
            raise ImportError(f"import of {args[0]} is refused here: it does not only compute")
        if event == "open":
            raise PermissionError(f"open is refused here: {path!r}")
        raise PermissionError(f"{event} is refused here: pasted code may only compute")

    def refusing(name: str) -> Callable[..., None]:
        def refused(*args: Any, **more: Any) -> None:
            if name == "create_builtin":
                raise ImportError(
                    f"import of {args[0].name} is refused here: it does not only compute"
                )
            raise PermissionError(f"{name} is refused here: pasted code may only compute")

        return refused

    def stat(path: Any, *, follow_symlinks: bool = True) -> os.stat_result:
        """Of what the hook lets it open; of a link itself, an error."""
        if isinstance(path, int):
            return os.fstat(path)
        file = os.open(path, os.O_RDONLY | (0 if follow_symlinks else os.O_NOFOLLOW))
        try:
            return os.fstat(file)
        finally:
            os.close(file)

    new: dict[int, Any] = {id(os.stat): stat} if os.name == "posix" else {}
    for module in OF_MODULES:
        held = vars(sys.modules[module])
        new |= {id(held[name]): refusing(name) for name in UNTOLD if name in held}
    for holder in list(sys.modules.values()):
        for name, value in list(vars(holder).items()):
            if id(value) in new:
                setattr(holder, name, new[id(value)])
    for name in SETS:
        getattr(os, name).clear()
    sys.addaudithook(refuse)

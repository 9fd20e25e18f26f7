"""The child's side of ``palrs_hub.tasks.sandbox``: runs programs, each in a confined process.

A script of the standard library alone: it runs isolated, without site-packages. It reads the order
from standard input, and writes how each program ended to standard output.

This process runs none of them. Each gets a process of its own, a fork that gives up what the
program shall not have, and with it a pipe on which its end is told. The pipes of the others do not
exist yet, or no more, and the way to standard output is closed: a program can lie about its own
end at most.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import sys
from typing import Any, Final

_NAMESPACES: Final = 0x10000000 | 0x40000000 | 0x20000000 | 0x08000000  # user, net, pid, ipc
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
# Access rights of Landlock that change files, by the ABI that brought them: write and remove and
# make (1), refer (2), truncate (3).
_LANDLOCK_WRITES: Final = {1: 0b1_1111_1111_0010, 2: 1 << 13, 3: 1 << 14}

_REFUSED: Final = (
    *("socket.", "subprocess.", "ctypes.", "pty.", "signal.", "webbrowser.", "fcntl."),
    *("os.fork", "os.posix_spawn", "os.spawn", "os.exec", "os.system", "os.kill", "os.startfile"),
    *("os.chroot", "os.mount", "resource."),
)
_CHANGING: Final = {
    *("os.chflags", "os.chmod", "os.chown", "os.link", "os.mkdir", "os.remove", "os.rename"),
    *("os.rmdir", "os.setxattr", "os.removexattr", "os.symlink", "os.truncate", "os.utime"),
}
_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def main() -> None:
    """Run the order's programs one after the other, and tell how each ended."""
    order = json.load(sys.stdin)
    report = os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):
        os.dup2(nowhere, stream)
    endings = []
    for number, source in enumerate(order["programs"]):
        folder = f"{os.getcwd()}/{number}"
        os.mkdir(folder)
        endings.append(_run_apart(source, folder, order["limits"], report))
    os.write(report, json.dumps(endings).encode())


def _run_apart(source: str, folder: str, limits: dict[str, int], report: int) -> str:
    """Run a program in a process of its own; returns why it failed, or nothing if it did not."""
    token = os.urandom(16)
    inbox, outbox = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(report)
            os.close(inbox)
            os.chdir(folder)
            confine(limits)
            exec(compile(source, "<program>", "exec"), {"__name__": "__main__"})
            os.write(outbox, token)
            # At once: whatever threads the program left behind are not waited for.
            os._exit(0)
        finally:
            os._exit(1)
    os.close(outbox)
    told, _, _ = select.select([inbox], [], [], limits["seconds"])
    passed = bool(told) and os.read(inbox, len(token)) == token
    # What tells its end but goes on (or has closed the pipe) is ended here.
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    os.close(inbox)
    if passed:
        return ""
    return _ending(os.waitstatus_to_exitcode(status)) if told else "timeout"


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def confine(limits: dict[str, int]) -> None:
    """Give up all that the program shall not have; for good."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        _enter_namespaces(libc)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        _confine_writes(libc, os.getcwd())
    _limit(resource.RLIMIT_AS, limits["memory_bytes"])
    _limit(resource.RLIMIT_CPU, limits["seconds"])
    _limit(resource.RLIMIT_FSIZE, limits["file_bytes"])
    _limit(resource.RLIMIT_NPROC, limits["processes"])
    _limit(resource.RLIMIT_NOFILE, 64)
    _limit(resource.RLIMIT_CORE, 0)
    _refuse_by_hook(os.path.realpath(os.getcwd()))


def _limit(kind: int, value: int) -> None:
    highest = resource.getrlimit(kind)[1]
    bound = value if highest == resource.RLIM_INFINITY else min(value, highest)
    # Some systems know a limit by name alone (macOS: address space).
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(kind, (bound, bound))


def _enter_namespaces(libc: Any) -> None:  # noqa: ANN401 - a ctypes library
    user, group = os.getuid(), os.getgid()
    if libc.unshare(_NAMESPACES) != 0:
        return  # not permitted here: the audit hook remains
    with contextlib.suppress(OSError):
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/gid_map", f"{group} {group} 1")
        _write("/proc/self/uid_map", f"{user} {user} 1")
    # The namespace of processes begins with the child: when that ends, all within it end.
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        os._exit(code if code >= 0 else 128 - code)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def _confine_writes(libc: Any, folder: str) -> None:  # noqa: ANN401 - a ctypes library
    known = libc.syscall(_LANDLOCK_CREATE, None, 0, 1)
    if known < 1:
        return  # no Landlock in this kernel: the audit hook remains
    rights = sum(bits for since, bits in _LANDLOCK_WRITES.items() if since <= known)
    handled = rights.to_bytes(8, sys.byteorder)
    rules = libc.syscall(_LANDLOCK_CREATE, handled, len(handled), 0)
    parent = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    beneath = handled + parent.to_bytes(4, sys.byteorder)
    libc.syscall(_LANDLOCK_ADD, rules, 1, beneath, 0)
    libc.syscall(_LANDLOCK_RESTRICT, rules, 0)
    os.close(parent)
    os.close(rules)


def _refuse_by_hook(folder: str) -> None:
    inside = folder + os.sep

    def is_outside(path: object) -> bool:
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        if not isinstance(path, str):
            return not isinstance(path, int)  # a number is a file that is open already
        return not (os.path.realpath(path) + os.sep).startswith(inside)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event.startswith(_REFUSED):
            raise PermissionError(f"not permitted here: {event}")
        if event == "open":
            path, mode, flags = arguments
            writes = bool((flags or 0) & _WRITING) or bool(set(mode or "") & set("wax+"))
            # An open directory would be the way around: names relative to it are not seen here.
            changes = writes or (not isinstance(path, int) and os.path.isdir(path))
            if changes and path != os.devnull and is_outside(path):
                raise PermissionError(f"not permitted here: changing {path!r}")
        elif event in _CHANGING and any(
            is_outside(path) for path in arguments[:2] if isinstance(path, str | bytes)
        ):
            raise PermissionError(f"not permitted here: {event}")

    sys.modules.pop("ctypes", None)
    sys.addaudithook(hook)


if __name__ == "__main__":
    main()

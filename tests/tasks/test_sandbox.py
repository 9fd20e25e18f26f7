"""Generated code: what it may use is bounded, what it changes outside is nothing."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from palrs_hub.tasks import sandbox
from palrs_hub.tasks.sandbox import Limits, run_program, run_programs

QUICK = Limits(seconds=3, memory_bytes=256 * 1024**2)


@pytest.mark.parametrize(
    "source",
    [
        "assert 1 + 1 == 2",
        "import collections, heapq, math, re, typing, itertools, functools, hashlib",
        "print('x' * 100_000)",
        "open('mine.txt', 'w').write('x'); assert open('mine.txt').read() == 'x'",
        "assert __name__ == '__main__'",
        "import threading; threading.Thread(target=lambda: None).start()",
    ],
)
def test_what_ends_well_passes(source):
    assert run_program(source, QUICK).passed


@pytest.mark.parametrize(
    "source",
    [
        "assert 1 + 1 == 3",
        "def f(:",
        "raise SystemExit(0)",
        "import os; os._exit(0)",
        "def f(): return f()\nf()",
        "input()",
        "'\\0' + 1",
        "import numpy",  # an isolated interpreter has the standard library alone
        "import palrs_hub",
    ],
)
def test_what_does_not_end_well_fails(source):
    assert not run_program(source, QUICK).passed


def test_an_endless_loop_is_ended():
    began = time.monotonic()
    found = run_program("while True: pass", Limits(seconds=1))
    assert not found.passed
    assert time.monotonic() - began < 10


def test_sleeping_is_ended():
    found = run_program("import time; time.sleep(60)", Limits(seconds=1))
    assert (found.passed, found.reason) == (False, "timeout")


def test_memory_is_bounded():
    found = run_program("x = bytearray(2 * 1024**3)", QUICK)
    assert not found.passed
    caught = "try:\n    bytearray(2 * 1024**3)\nexcept MemoryError:\n    pass\nelse:\n    1 / 0"
    assert run_program(caught, QUICK).passed


def test_files_are_bounded():
    assert not run_program("open('big', 'wb').write(b'x' * 64 * 1024**2)", QUICK).passed


FORK_BOMB = """
import os
forks = 0
while True:
    try:
        os.fork()
    except OSError:
        break
    forks += 1
assert forks == 0
"""


def test_a_fork_bomb_is_bounded():
    assert run_program(FORK_BOMB, QUICK).passed


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("source", ["", "import os; os.setsid()\n"])
def test_nothing_is_left_running(tmp_path, monkeypatch, source):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert run_program(source + "import time; time.sleep(60)", Limits(seconds=1)).reason
    deadline = time.monotonic() + 5
    while running_in(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)  # the kernel ends a whole namespace in its own time
    assert running_in(tmp_path) == []


def running_in(folder):
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            found.append(os.readlink(process / "cwd"))
    return [path for path in found if path.startswith(str(folder))]


@pytest.mark.parametrize(
    "attempt",
    [
        "open({path!r}, 'w')",
        "open({path!r}, 'a')",
        "import os; os.open({path!r}, os.O_WRONLY | os.O_CREAT)",
        "import os; os.mkdir({path!r})",
        "import os; os.symlink('/etc/passwd', {path!r})",
        "import os; open('inside', 'w').close(); os.rename('inside', {path!r})",
        "import os; os.remove({kept!r})",
        "import os; os.truncate({kept!r}, 0)",
        "import os; os.chmod({kept!r}, 0)",
        "import pathlib; pathlib.Path({kept!r}).write_text('changed')",
        "import shutil; shutil.rmtree({folder!r})",
        "import os; os.symlink({kept!r}, 'link'); open('link', 'w')",
    ],
)
@pytest.mark.parametrize("kernel", [True, False], ids=["kernel", "hook alone"])
def test_nothing_outside_is_changed(tmp_path, tmp_path_factory, monkeypatch, attempt, kernel):
    if not kernel:
        text = sandbox._GUARD.read_text()
        alone = tmp_path_factory.mktemp("guard") / "guard.py"
        alone.write_text(text.replace('sys.platform == "linux"', "False"))
        assert alone.read_text() != text
        monkeypatch.setattr(sandbox, "_GUARD", alone)
    kept = tmp_path / "kept"
    kept.write_text("kept")
    mode = kept.stat().st_mode
    source = attempt.format(path=str(tmp_path / "new"), kept=str(kept), folder=str(tmp_path))
    assert not run_program(source, QUICK).passed
    assert os.listdir(tmp_path) == ["kept"]
    assert kept.read_text() == "kept"
    assert kept.stat().st_mode == mode


@pytest.mark.parametrize(
    "attempt",
    [
        "import socket; socket.create_connection(('127.0.0.1', {port}), timeout=1)",
        "import socket; socket.socket()",
        "import urllib.request; urllib.request.urlopen('http://127.0.0.1:{port}/')",
        "import _socket; _socket.socket()",
    ],
)
def test_there_is_no_network(attempt):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        port = server.getsockname()[1]
        assert not run_program(attempt.format(port=port), QUICK).passed
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize(
    "attempt",
    [
        "import os; os.system('true')",
        "import subprocess; subprocess.run(['true'])",
        "import os; os.execv('/bin/true', ['true'])",
        "import os; os.posix_spawn('/bin/true', ['true'], {})",
        "import os; os.kill(os.getppid(), 9)",
        "import ctypes; ctypes.CDLL(None).getpid()",
        "import resource; resource.setrlimit(resource.RLIMIT_CPU, (9, 9))",
    ],
)
def test_no_process_signal_or_native_code(attempt):
    assert not run_program(attempt, QUICK).passed


def test_the_environment_is_empty(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    source = "import os; assert not {'HF_TOKEN', 'PATH', 'HOME'} & set(os.environ)"
    assert run_program(source, QUICK).passed


def test_the_temporary_directory_is_deleted(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert run_program("open('x', 'w'); import os; os.mkdir('y')", QUICK).passed
    assert os.listdir(tmp_path) == []


def test_the_kernel_holds_where_the_hook_does_not(tmp_path):
    """Landlock and the namespaces, tried without the hook."""
    from palrs_hub.tasks import guard

    if sys.platform != "linux":
        pytest.skip("needs Linux")
    source = f"""
import runpy, os
guard = runpy.run_path({guard.__file__!r})
guard["confine"].__globals__["_refuse_by_hook"] = lambda folder: None
os.chdir({str(tmp_path)!r}); os.mkdir("work"); os.chdir("work")
guard["confine"]({{"seconds": 5, "memory_bytes": 2**30, "file_bytes": 2**20, "processes": 4}})
import socket
open("inside", "w").close()
try:
    open("../outside", "w").close()
    print("written")
except OSError:
    print("refused")
with open("/proc/net/dev") as devices:
    print(sum(":" in line for line in devices))
"""
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True
    )
    written, devices = done.stdout.split()
    if written == "written" or int(devices) > 1:
        pytest.skip("this system has no Landlock or permits no namespaces")
    assert (tmp_path / "work" / "inside").exists()
    assert not (tmp_path / "outside").exists()


def test_programs_may_run_side_by_side():
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(run_program("pass", QUICK).passed))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 3


def test_programs_run_one_after_the_other_each_to_its_own_end():
    sources = ["pass", "1 / 0", "import time; time.sleep(60)", "raise SystemExit(0)", "pass"]
    found = run_programs(sources, Limits(seconds=1))
    assert [outcome.passed for outcome in found] == [True, False, False, False, True]
    assert found[2].reason == "timeout"
    assert run_programs([], QUICK) == []


# Each fails by itself; what it does before must not change what the next one is found to do.
MEDDLERS = {
    "changes what programs see": "import builtins; builtins.len = lambda x: 7; 1 / 0",
    "leaves a file behind": "open('left', 'w').close(); 1 / 0",
    "rewrites the runner's own names": """
import sys
frame = sys._getframe()
while frame:
    frame.f_globals.update(_run_apart=lambda *a: "", _ending=lambda code: "")
    frame = frame.f_back
1 / 0""",
    "writes to every pipe there is": """
import os
for number in range(64):
    try:
        os.write(number, b"[]" * 999)
    except OSError:
        pass
1 / 0""",
    "goes on as the runner": """
import sys
frame = sys._getframe()
while frame.f_back:
    frame = frame.f_back
frame.f_globals["main"]()""",
}


@pytest.mark.parametrize("meddler", MEDDLERS.values(), ids=MEDDLERS)
def test_no_program_changes_what_is_told_of_the_others(meddler):
    fails = "import os; assert len([]) == 0 and os.listdir('.') == []; 1 / 0"
    passes = fails.removesuffix("1 / 0")
    found = run_programs([passes, fails, meddler, passes, fails, meddler], QUICK)
    assert [outcome.passed for outcome in found] == [True, False, False, True, False, False]

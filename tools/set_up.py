"""
Make ``.venv/`` next to the Makefile. Called by ``tools/setup``; needs nothing but Python's standard library.

The packages come with uv, which is several times faster than pip, and with pip where uv cannot be had. uv does not
read pip's configuration, so what that says about indexes and certificates is handed over.
"""

from __future__ import annotations

import ast
import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOG = VENV / "setup.log"
#: Measured: 2.8 GB of packages (half of it TensorFlow), and the downloads next to them while they are unpacked.
NEEDED_DISK_GB = 4.0
#: pip setting -> uv environment variable. Not `extra-index-url` and `find-links`: uv takes a version from the
#: first place that has it, even if that has no wheel for this Python, where pip looks on.
PIP_TO_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
}
#: Messages of uv and pip when they cannot reach the index. Their exit status does not show it.
_NO_NETWORK_WORDS = (
    "dns error",
    "client error (Connect)",
    "Failed to establish",
    "timed out",
    "Name or service",
    "NewConnectionError",
    "Failed to resolve",
    "name resolution",
)
_lock_fds: list[int] = []


def main() -> int:
    """``set_up.py run|dev STAMP``."""
    kind, stamp = sys.argv[1:]
    threading.Thread(target=_stop_when_orphaned, args=(os.getppid(),), daemon=True).start()
    for number in (signal.SIGINT, signal.SIGTERM):  # a background job may have been started deaf to the first
        signal.signal(number, _stop)
    started = time.monotonic()
    try:
        with _only_one():
            say(f"Setting up .venv with Python {sys.version.split()[0]} (once; about a minute) ...")
            set_up(kind)
            (VENV / f"ready-{kind}").write_text(stamp, encoding="utf-8")
    except KeyboardInterrupt:
        say("Stopped. `make setup` goes on from here.")
        return 130
    say(f"Set up .venv in {time.monotonic() - started:.0f} s.")
    return 0


def set_up(kind: str) -> None:
    """Make the environment, or bring it up to date."""
    _check_disk()
    _make_venv()
    requirements = ROOT / ("requirements-dev.txt" if kind == "dev" else "requirements.txt")
    install = _uv() or _pip()
    try:
        _run([*install, "--require-hashes", "-r", str(requirements)])
    except subprocess.CalledProcessError as error:
        if install == _pip():
            fail(why(error))
        say("uv could not install the packages; trying pip, which takes some minutes ...")
        install = _pip()
        _run_or_fail([*install, "--require-hashes", "-r", str(requirements)])
    _run_or_fail([*install, "--no-deps", "--editable", str(ROOT)])


def _check_disk() -> None:
    if (VENV / "ready-run").exists():
        return
    free_gb = shutil.disk_usage(ROOT).free / 1e9
    if free_gb < NEEDED_DISK_GB:
        fail(f"{ROOT} has {free_gb:.1f} GB free, and .venv needs {NEEDED_DISK_GB:.0f} GB. Make room and try again.")


def _make_venv() -> None:
    python = VENV / "bin" / "python"
    if _version(str(python)) == _version(sys.executable) and _is_in_place() and _has_pip():
        return
    command = [sys.executable, "-m", "venv", "--clear", str(VENV)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode == 0:
        return
    shutil.rmtree(VENV, ignore_errors=True)
    if "ensurepip" in result.stdout + result.stderr or "No module named venv" in result.stderr:
        name = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        fail(f"{sys.executable} has no venv module. On Debian and Ubuntu: apt-get install {name}")
    fail(f"{sys.executable} could not make .venv: {_last_line(result.stdout + result.stderr)}")


def _is_in_place() -> bool:
    """Whether the environment was made here: scripts in it carry its path."""
    with contextlib.suppress(OSError):
        return str(VENV) in (VENV / "pyvenv.cfg").read_text(encoding="utf-8") + (VENV / "bin" / "activate").read_text(
            encoding="utf-8"
        )
    return False


def _has_pip() -> bool:
    """Return False for an environment that a set-up left when it was killed early."""
    return subprocess.run([*_pip(), "--help"], capture_output=True, check=False).returncode == 0


def _version(python: str) -> str:
    with contextlib.suppress(OSError):
        result = subprocess.run([python, "-V"], capture_output=True, text=True, check=False)
        return result.stdout.strip() if result.returncode == 0 else ""
    return ""


def _pip() -> list[str]:
    return [str(VENV / "bin" / "python"), "-m", "pip", "install", "--cache-dir", str(VENV / "cache"), "--retries", "2"]


def _uv() -> list[str] | None:
    """How to install with uv, or None where it cannot be had."""
    uv = VENV / "bin" / "uv"
    if not uv.exists():
        try:
            _run([*_pip(), "uv"])
        except subprocess.CalledProcessError as error:
            if _is_unreachable(error):
                fail(why(error))  # 200 more packages will not be reached either
    if not uv.exists():
        say("uv cannot be had here; using pip, which takes some minutes ...")
        return None
    os.environ.update(settings_for_uv())
    python = str(VENV / "bin" / "python")
    return [str(uv), "pip", "install", "--python", python, "--compile-bytecode"]


def settings_for_uv() -> dict[str, str]:
    """Return pip's settings of indexes and certificates as uv's. Settings of uv itself win."""
    settings = {
        # Downloads stay in the checkout, on the same disk, so that they are linked and not copied.
        "UV_CACHE_DIR": str(VENV / "cache"),
    }
    told = _pip_settings()
    settings |= {name: told[key] for key, name in PIP_TO_UV.items() if key in told}
    return {name: value for name, value in settings.items() if name not in os.environ}


def _pip_settings() -> dict[str, str]:
    """Return pip's settings for installing: its environment variables win over its configuration files."""
    # Not `pip config get`: Debian 12's pip knows only keys of the user's own file there.
    command = [str(VENV / "bin" / "python"), "-m", "pip", "config", "list"]
    listing = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    found: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in listing.splitlines():
        name, _, value = line.partition("=")
        section, _, key = name.rpartition(".")
        if section in found:
            with contextlib.suppress(ValueError, SyntaxError):
                found[section][key] = " ".join(str(ast.literal_eval(value)).split())
    return found["global"] | found["install"] | found[":env:"]


def _run(command: list[str]) -> None:
    """Run with the output in the log; its end is in the error."""
    with LOG.open("a+b") as log:
        log.write(f"\n$ {' '.join(command)}\n".encode())
        log.flush()  # before the child writes
        start = log.tell()
        child = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, pass_fds=_lock_fds
        )
        try:
            status = _wait_with_signs_of_life(child)
        except KeyboardInterrupt:
            child.terminate()
            child.wait()
            raise
        log.seek(start)
        output = log.read().decode(errors="replace")
    if status:
        raise subprocess.CalledProcessError(status, command, output=output)


def _wait_with_signs_of_life(child: subprocess.Popen[bytes]) -> int:
    started, free_bytes = time.monotonic(), shutil.disk_usage(ROOT).free
    while (status := child.poll()) is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return child.wait(timeout=10)
        used_gb = max(0.0, free_bytes - shutil.disk_usage(ROOT).free) / 1e9
        say(f"  {time.monotonic() - started:.0f} s, {used_gb:.1f} GB on disk, about 3 GB in all ...")
    return status


def _run_or_fail(command: list[str]) -> None:
    try:
        _run(command)
    except subprocess.CalledProcessError as error:
        fail(why(error))


def why(error: subprocess.CalledProcessError) -> str:
    """Return the obstacle in one sentence: the installers print many lines."""
    output = str(error.output)
    if "No space left" in output:
        return f"The disk of {ROOT} is full. .venv needs {NEEDED_DISK_GB:.0f} GB; make room and try again."
    if _is_unreachable(error):
        return (
            "The package index cannot be reached, so .venv cannot be filled. Check the network, or name an index "
            f"that can be reached in PIP_INDEX_URL. The details are in {LOG}."
        )
    return f"The packages could not be installed: {_last_line(output)} (all of it: {LOG})"


def _is_unreachable(error: subprocess.CalledProcessError) -> bool:
    return any(words in str(error.output) for words in _NO_NETWORK_WORDS)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


@contextlib.contextmanager
def _only_one() -> Iterator[None]:
    """Wait for another set-up of this checkout, and for what a killed one has left running: children keep the lock."""
    with (ROOT / ".setup.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another set-up of this checkout ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        _lock_fds.append(lock.fileno())
        yield


def _stop_when_orphaned(parent: int) -> None:
    """End with make, which dies by SIGKILL without a signal to its children: the downloads must end too."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)


def _stop(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def say(text: str) -> None:
    """One line for a user."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def fail(text: str) -> NoReturn:
    """One sentence, no traceback."""
    say(f"Error: {text}")
    raise SystemExit(1)


if __name__ == "__main__":
    sys.exit(main())

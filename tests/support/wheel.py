"""The wheel of this checkout, and environments that have it."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Mapping
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def build_wheel(folder: Path) -> Path:
    """Build the wheel into a folder."""
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=REPOSITORY, check=True, capture_output=True)
    [built] = folder.glob("*.whl")
    return built


class Fresh:
    """A virtual environment with nothing in it but pip, and a home."""

    def __init__(self, place: Path, *, with_pip: bool = True) -> None:
        venv.create(place / "venv", with_pip=with_pip, symlinks=True)
        self.bin, self.home = place / "venv" / "bin", place / "home"
        self.home.mkdir()

    def environment(self, **more: str) -> Mapping[str, str]:
        """Return an environment in which the programs of this one come first, without Airflow's settings."""
        outer = {
            name: text for name, text in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHON", "TENDIES"))
        }
        path = f"{self.bin}{os.pathsep}{os.environ['PATH']}"
        return {**outer, "PATH": path, "HOME": str(self.home), "AIRFLOW_HOME": str(self.home / "airflow"), **more}

    def run(self, program: str, *arguments: str) -> str:
        """Run a program of the environment outside the checkout; return what it printed."""
        done = subprocess.run(
            [str(self.bin / program), *arguments],
            cwd=self.home,
            env=self.environment(AIRFLOW__CORE__LOAD_EXAMPLES="False"),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


class Installed(Fresh):
    """A virtual environment with the wheel; it shares the other packages of this one, tendies excepted."""

    def __init__(self, place: Path, wheel: Path) -> None:
        super().__init__(place, with_pip=False)
        [site_packages] = (place / "venv" / "lib").glob("python*/site-packages")
        pip = [sys.executable, "-m", "pip", "--python", str(self.bin / "python"), "install"]
        subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True, capture_output=True)
        (site_packages / "others.pth").write_text(sysconfig.get_path("purelib"))
        for name in ("airflow",):  # console scripts of packages that are shared
            script = self.bin / name
            script.write_text(f"#!{self.bin}/python\nimport sys\nfrom airflow.__main__ import main\nsys.exit(main())\n")
            script.chmod(0o755)

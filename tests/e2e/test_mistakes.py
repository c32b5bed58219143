"""What a new user gets wrong, through the real executable: one clear sentence on stderr, and no traceback."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tendies_ops.publish.history import HistoryRecord, append_history
from tendies_ops.publish.leases import hold_lease
from tests.support.candidates import make_candidate
from tests.support.canned_server import Answer, CannedModel, CannedServer, Request, error_answer
from tests.support.ports import free_port
from tests.support.specs import write_specs

REPOSITORY = Path(__file__).resolve().parents[2]
TENDIES = Path(sys.executable).with_name("tendies")
SPEC = REPOSITORY / "examples" / "models" / "noise_to_stripes.yaml"
MODEL_NAME = "stripes"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    directory = tmp_path / "pictures"
    directory.mkdir()
    for index in range(3):
        Image.effect_noise((64, 64), 40 + index).convert("RGB").save(directory / f"{index}.png")
    return directory


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A server of one model that sends every picture back."""
    model = CannedModel(lambda file: file, model_name=MODEL_NAME)

    def answer(request: Request) -> Answer:
        if request.path.split("/")[3].partition(":")[0] != MODEL_NAME:
            return error_answer(404, "Could not find any versions of model " + request.path.split("/")[3])
        return model(request)

    with CannedServer(answer) as canned:
        yield canned.url


def tendies(*arguments: object, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """
    Call the executable.

    :param before: words to run it under, such as setpriv.
    """
    return subprocess.run(
        [*before, str(TENDIES), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd="/",
        env={**os.environ, "COLUMNS": "80", "NO_COLOR": "1"},
    )


def told(result: subprocess.CompletedProcess[str], *, status: int) -> str:
    """The one sentence, after a look at what must hold for each."""
    assert "Traceback" not in result.stderr + result.stdout
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, result.stderr
    assert result.stderr.rstrip().endswith(errors[0]), "the sentence comes last, where it is read"
    assert result.returncode == status, result.stderr
    return errors[0]


def test_a_wrong_spec_path_names_the_spec_that_was_meant(tmp_path: Path) -> None:
    wrong = SPEC.with_name("noise_to_strips.yaml")
    sentence = told(tendies("export", wrong, "--output", tmp_path / "out"), status=2)
    assert f"no model spec at {wrong}" in sentence
    assert "Did you mean" in sentence
    assert "noise_to_stripes.yaml" in sentence


def test_an_unknown_key_in_a_spec_names_the_nearest_right_one(tmp_path: Path) -> None:
    spec = tmp_path / "model.yaml"
    spec.write_text("model_name: stripes\nsource: {checkpont: here}\n")
    sentence = told(tendies("export", spec, "--output", tmp_path / "out"), status=2)
    assert "unknown key `source.checkpont`; did you mean `checkpoint`?" in sentence


def test_a_spec_that_is_not_yaml_is_reported(tmp_path: Path) -> None:
    spec = tmp_path / "model.yaml"
    spec.write_text("model_name: [stripes\n")
    assert "is not YAML" in told(tendies("export", spec, "--output", tmp_path / "out"), status=2)


def test_a_checkpoint_directory_without_a_checkpoint_is_refused_before_tensorflow_starts(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = tendies("export", SPEC, "--checkpoint", tmp_path / "empty", "--output", tmp_path / "out")
    sentence = told(result, status=1)
    assert str(tmp_path / "empty") in sentence
    assert "checkpoint" in sentence
    assert not (tmp_path / "out").exists()


def test_a_server_that_is_not_running_is_named(pictures: Path, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    options = ("--sick-deadline-s", "1", "--server", url, "--model", MODEL_NAME)
    sentence = told(tendies("batch", *options, pictures, tmp_path / "out"), status=1)
    assert url in sentence


def test_an_unknown_model_name_is_named(server: str, pictures: Path, tmp_path: Path) -> None:
    result = tendies("batch", "--server", server, "--model", "strips", pictures, tmp_path / "out")
    sentence = told(result, status=1)
    assert "strips" in sentence
    assert server in sentence


def test_an_input_folder_that_is_not_there_is_named(server: str, tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    result = tendies("batch", "--server", server, "--model", MODEL_NAME, absent, tmp_path / "out")
    assert str(absent) in told(result, status=1)


def test_an_input_folder_that_may_not_be_read_is_named(server: str, pictures: Path, tmp_path: Path) -> None:
    pictures.chmod(0o000)
    try:
        result = tendies(
            "batch", "--server", server, "--model", MODEL_NAME, pictures, tmp_path / "out", before=without_root_rights()
        )
    finally:
        pictures.chmod(0o755)
    sentence = told(result, status=1)
    assert str(pictures) in sentence
    assert "ermission" in sentence


def test_an_output_folder_that_may_not_be_written_is_named(server: str, pictures: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.mkdir(mode=0o555)
    result = tendies("batch", "--server", server, "--model", MODEL_NAME, pictures, output, before=without_root_rights())
    sentence = told(result, status=1)
    assert str(output) in sentence
    assert "ermission" in sentence


def test_an_output_folder_without_space_is_reported(server: str, pictures: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.mkdir()
    result = tendies(
        "batch", "--server", server, "--model", MODEL_NAME, pictures, output, before=on_a_tiny_disk(output)
    )
    sentence = told(result, status=1)
    assert str(output) in sentence
    assert "space" in sentence


@pytest.mark.parametrize("command", ["export", "publish", "release", "rollback", "versions", "batch"])
def test_a_command_without_its_arguments_says_which_is_missing(command: str) -> None:
    result = tendies(command)
    assert result.returncode == 2
    assert "Missing" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_malformed_timeout_is_refused_before_anything_is_changed(tmp_path: Path) -> None:
    url, base = f"http://127.0.0.1:{free_port()}", tmp_path / "base"
    base.mkdir()
    candidate = make_candidate(tmp_path / "candidate")
    none = {"0": "greater than 0", "-1": "greater than 0", "nan": "a finite number"}
    for seconds, must_be in none.items():
        where = ("--model-base-path", base, "--server", url)
        released = told(
            tendies("release", candidate, "--no-rehearse", *where, "--available-timeout-s", seconds), status=2
        )
        rolled_back = told(tendies("rollback", "--model", MODEL_NAME, *where, "--restore-timeout-s", seconds), status=2)
        assert f"--available-timeout-s {float(seconds)}: must be {must_be}" in released
        assert f"--restore-timeout-s {float(seconds)}: must be {must_be}" in rolled_back
    assert list(base.iterdir()) == []


def test_a_history_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    base = tmp_path / "base"
    make_candidate(base / "1")
    append_history(base, HistoryRecord("released", 1))
    history = base / ".tendies" / "history.jsonl"
    history.chmod(0o000)

    for command in (("versions",), ("rollback", "--server", "http://127.0.0.1:9")):
        ended = tendies(*command, "--model-base-path", base, before=without_root_rights())
        assert f"The history {history} cannot be read: Permission denied" in told(ended, status=1)


_SEES_LEASES = "import sys, pathlib; from tendies_ops.publish.leases import *; print(*live_leases(pathlib.Path('.')))"


def test_a_lease_that_another_user_s_umask_hides_counts_all_the_same(tmp_path: Path) -> None:
    make_candidate(tmp_path / "1")
    with hold_lease(tmp_path, 1, holder="run of tonight") as lease:
        lease.path.chmod(0o000)
        looked = [*without_root_rights(), sys.executable, "-c", _SEES_LEASES]
        seen = subprocess.run(looked, cwd=tmp_path, capture_output=True, text=True, check=True)

    assert "another user's run" in seen.stdout
    assert "is using version 1" in seen.stdout


def test_a_base_path_as_a_file_url_is_that_directory(tmp_path: Path) -> None:
    candidate = make_candidate(tmp_path / "candidate")

    ended = tendies("publish", candidate, "--no-check", "--model-base-path", f"file://{tmp_path}/base")

    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "base" / "1").is_dir()


def test_publishing_to_an_object_store_is_refused_with_the_place_to_use(tmp_path: Path) -> None:
    candidate = make_candidate(tmp_path / "candidate")

    ended = tendies("publish", candidate, "--no-check", "--model-base-path", "s3://models/stripes")

    assert ended.returncode == 2
    assert "Publish to a directory that every server mounts" in " ".join(ended.stderr.split())


def test_what_looks_like_markup_in_a_reason_is_listed_as_it_is(tmp_path: Path) -> None:
    base = tmp_path / "base [red]"
    make_candidate(base / "7.withdrawn-rolled-back")
    append_history(base, HistoryRecord("withdrawn", 7, "seams [of tiles] at [/borders]", MODEL_NAME))

    ended = tendies("versions", "--model-base-path", base)

    assert ended.returncode == 0, ended.stderr
    [row] = [line for line in ended.stdout.splitlines() if line.startswith("7\t")]
    assert row.split("\t")[-1] == "seams [of tiles] at [/borders]"


def test_a_release_without_a_server_is_refused_before_the_export(tmp_path: Path) -> None:
    spec = write_specs(tmp_path / "specs", {"model_name": MODEL_NAME}) / f"{MODEL_NAME}.yaml"
    result = tendies("release", spec, "--model-base-path", tmp_path / "base")
    assert "Name at least one Model Server" in told(result, status=2)
    assert "Exporting" not in result.stderr
    assert not (tmp_path / "base").exists()


def test_a_model_config_file_among_the_versions_is_refused_at_once(tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    config = base / "models.config"
    config.write_text(f'model_config_list {{ config {{ name: "{MODEL_NAME}" base_path: "{base}" }} }}')
    candidate = make_candidate(tmp_path / "candidate")
    where = ("--model-base-path", base, "--server", f"http://127.0.0.1:{free_port()}", "--model-config-file", config)

    sentence = told(tendies("release", candidate, "--no-rehearsal", "--timeout-s", "1", *where), status=2)

    assert f"The model config file {config} is in the model base path" in sentence


def test_a_release_to_nowhere_is_refused_before_the_export(tmp_path: Path) -> None:
    server = ("--server", "http://127.0.0.1:9")
    result = tendies("release", SPEC, *server, "--model-base-path", tmp_path / "no" / "such" / "base")
    assert "nor the directory above it exists" in told(result, status=2)
    assert "Exporting" not in result.stderr


def without_root_rights() -> tuple[str, ...]:
    """Root may read and write everything, unless it gives that right away first."""
    if os.getuid() != 0:
        return ()
    return (_program("setpriv"), "--bounding-set=-dac_override,-dac_read_search")


def on_a_tiny_disk(directory: Path) -> tuple[str, ...]:
    """Run with a disk of 16 kB at ``directory``, which no one else sees and which goes with the process."""
    unshare = (_program("unshare"), "--map-root-user", "--mount")
    script = f'mount -t tmpfs -o size=16k tmpfs "{directory}" && exec "$@"'
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a disk of their own (unshare is refused)")
    return (*unshare, "sh", "-c", script, "sh")


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"no {name}, which util-linux brings")
    return path


def test_names_that_are_not_utf8_are_reported_with_their_bytes(pictures: Path, tmp_path: Path, server: str) -> None:
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")
    shutil.copytree(pictures, folder)
    Path(os.fsdecode(os.fsencode(folder) + b"/bad\xff.png")).write_bytes(b"\x89PNG\r\n\x1a\n and no more")

    ended = tendies("batch", "--server", server, "--model", MODEL_NAME, folder, tmp_path / "out")

    assert "Traceback" not in ended.stderr
    assert ended.returncode == 3, ended.stderr
    assert "bad\\udcff.png" in ended.stdout

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tendies_ops.errors import UsageError
from tendies_ops.release.swap.model_config import ModelConfigFile, change_entry, read_entry
from tendies_ops.server.versions.model_config import read_model_config

TEXT = """\
# Both models of the printing shop. Ask Ada before you change the second one.
model_config_list {
  config {
    name: "stripes"          # ours
    base_path: "/models/stripes"
    model_platform: "tensorflow"
  }
  config: <
    name: 'other' base_path: "/models/"
                             "other"
    model_platform: "tensorflow", model_version_policy: { specific: { versions: [3, 5] } }  # five is the new one
    version_labels { key: "stable" value: 3 }  # Ada's
    version_labels { key: "canary" value: 5 }
    # the end
  >
}
"""


def test_an_entry_is_read_in_every_way_of_writing_it() -> None:
    assert read_entry(TEXT, "stripes").policy == "latest"
    other = read_entry(TEXT, "other")
    assert (other.base_path, other.policy, other.versions) == ("/models/other", "specific", (3, 5))
    assert other.labels == {"stable": 3, "canary": 5}


def test_a_change_of_one_model_leaves_every_other_character_alone() -> None:
    changed = change_entry(TEXT, "stripes", versions=[2, 1], labels={"stable": 1})

    inserted = [line for line in changed.splitlines() if line not in TEXT.splitlines()]
    assert inserted == [
        "    model_version_policy { specific { versions: 1 versions: 2 } }",
        '    version_labels { key: "stable" value: 1 }',
    ]
    assert [line for line in TEXT.splitlines() if line not in changed.splitlines()] == []


def test_labels_are_moved_and_removed_in_place_with_comments_kept() -> None:
    changed = change_entry(TEXT, "other", versions=[5], labels={"stable": 5})

    assert '    version_labels { key: "stable" value: 5 }  # Ada\'s\n    # the end\n' in changed
    assert "{ versions: 5 } }  # five is the new one" in changed
    assert read_entry(changed, "other").labels == {"stable": 5}


def test_what_was_written_is_what_the_server_reads(tmp_path: Path) -> None:
    path = tmp_path / "models.config"
    path.write_text(TEXT)
    path.chmod(0o640)

    ModelConfigFile(path, "stripes").write(versions=[1, 2], labels={"stable": 1, "canary": 2})

    models = read_model_config(str(path))
    assert models is not None
    assert models["stripes"].labels == {"stable": 1, "canary": 2}
    assert models["other"].labels == {"stable": 3, "canary": 5}
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_link_stays_a_link_and_what_it_leads_to_is_changed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    real = tmp_path / "real" / "models.config"
    real.write_text(TEXT)
    link = tmp_path / "models.config"
    link.symlink_to(real)

    ModelConfigFile(link, "stripes").write(versions=[1], labels={"stable": 1})

    assert link.is_symlink()
    assert read_entry(real.read_text(), "stripes").labels == {"stable": 1}


_KILLED_AFTER_THE_RENAME = """
import os, sys
from pathlib import Path
from tendies_ops.release.swap.model_config import ModelConfigFile

def killed(self, target, rename=Path.replace):
    rename(self, target)
    os._exit(9)

os.umask(0o077)
Path.replace = killed
ModelConfigFile(Path(sys.argv[1]), "stripes").write(versions=[1], labels={})
"""


def test_a_strict_umask_hides_the_file_from_the_servers_at_no_moment(tmp_path: Path) -> None:
    path = tmp_path / "models.config"
    path.write_text(TEXT)
    path.chmod(0o644)

    ended = subprocess.run([sys.executable, "-c", _KILLED_AFTER_THE_RENAME, str(path)], check=False)

    assert ended.returncode == 9
    assert path.stat().st_mode & 0o777 == 0o644


def test_writing_again_and_again_comes_to_rest() -> None:
    once = change_entry(TEXT, "stripes", versions=[1], labels={"stable": 1})

    assert change_entry(once, "stripes", versions=[1], labels={"stable": 1}) == once
    assert change_entry(once, "stripes", versions=[1], labels={}).count("\n") == once.count("\n") - 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "model_config_list { config { name: 'x' base_path: '/x' } }",
            "no entries with name: 'stripes'; models in it: x",
        ),
        ("model_config_list { config {", "the text ends inside a field"),
        ("model_config_list { = }", "line 1: '=' has no meaning"),
        ("", "models in it: none"),
        (
            "model_config_list { config { name: 'stripes' base_path: '/m' version_labels { key: 'a' value: b } } }",
            "'b' was found where the number of a version is expected",
        ),
    ],
)
def test_a_file_that_does_not_do_is_reported_in_words(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "models.config").write_text(text)

    with pytest.raises(UsageError, match=words):
        ModelConfigFile(tmp_path / "models.config", "stripes").read()


def test_a_missing_file_is_reported_in_words(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--model_config_file"):
        ModelConfigFile(tmp_path / "none", "stripes").read()

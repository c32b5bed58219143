from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support.command_line import Ended, run_command

GOOD = "model_name: m\nsource:\n  checkpoint: m.keras\n"


def check(*arguments: str | Path) -> Ended:
    return run_command("check", *arguments)


def write(folder: Path, text: str, name: str = "m.yaml") -> Path:
    (folder / "m.keras").write_bytes(b"PK")
    (folder / name).write_text(text)
    return folder / name


#: What is appended to the three lines of GOOD (or a whole spec) -> line, what was found, and what to do.
MISTAKES = [
    ("tolerence: 2", 4, "unknown key `tolerence`", "did you mean `tolerance`?"),
    ("zzz: 2", 4, "unknown key `zzz`", "known keys: airflow, batch, batches, contract"),
    ("batch:\n  max_faild: 3", 5, "unknown key `batch.max_faild`", "did you mean `max_failed`?"),
    ("contract: {input: {rang: {low: 0}}}", 4, "`contract.input.rang`", "did you mean `range`?"),
    ("contract:\n  outputs:\n    mask:\n      knd: image", 7, "`contract.outputs.mask.knd`", "did you mean `kind`?"),
    ("release: {keep_versions: three}", 4, "found 'three'", "must be a whole number"),
    ("release: {keep_versions: 0}", 4, "found '0'", "must be greater than 0"),
    ("release: {keep_versions: 2.5}", 4, "found '2.5'", "must be a whole number"),
    ("tolerance: small", 4, "found 'small'", "must be a number"),
    ("tolerance: -1", 4, "found '-1'", "must be greater than or equal to 0"),
    ("tolerance: .nan", 4, "found 'nan'", "must be a finite number"),
    ("batch: {provenance: maybe}", 4, "found 'maybe'", "must be true or false"),
    ("batch: {output_format: gif}", 4, "found 'gif'", "must be one of as_answered, png, jpeg, webp"),
    ("batch: {output_format: jpg}", 4, "found 'jpg'", "did you mean jpeg?"),
    ("batch: {output_quality: 101}", 4, "found '101'", "must be less than or equal to 100"),
    ("batch: {size: 64}", 4, "found '64'", "must be a list, `[a, b]`"),
    ("batch: {size: 64x}", 4, "found '64x'", "a height and a width in pixels, such as 256x384"),
    ("batch: {version: -3}", 4, "found '-3'", "a label such as stable, or newest"),
    ("batch: {input: '{{ ds'}", 4, "found '{{ ds'", "its template is wrong"),
    ("batch:\n  input: '/x/{{ ds }}'", 5, "`batch.input` uses `ds`", "give it one, or use"),
    ("batches:\n  night:\n    sample: '{{ dss }}'", 6, "`batches.night.sample`", "did you mean `ds`?"),
    ("batches:\n  night:\n    inptu: x", 6, "unknown key `batches.night.inptu`", "did you mean `input`?"),
    ("batches: {a.b: {}}", 4, "a.b", "only letters, digits, `_`, `-`"),
    ("batches:\n  a: {output: /o}\n  b: {output: /o}", 6, "`batches.b.output` of m is /o", "none inside another"),
    ("airflow:\n  notify:\n    on_failure: Webhook", 6, "found 'Webhook'", "`package.module.Name`"),
    ("airflow:\n  notify:\n    on_retry: [{call: a.b, argument: {}}]", 6, "unknown key", "did you mean `arguments`?"),
    ("airflow:\n  timezone: Europe/Berln", 5, "no such time zone", "did you mean Europe/Berlin?"),
    ("batch: [a, b]", 4, "found \"['a', 'b']\"", "must be a mapping, `key: value`"),
    ("contract:", 4, "found nothing", "must be a mapping, `key: value`"),
    ("contract: {input: {channels: 2}}", 4, "found '2'", "must be one of 1, 3, 4"),
    ("contract: {input: {range: {low: 1, high: 0}}}", 4, "high (0.0)", "must be above low"),
    ("contract: {input: {size: {height: 64}}}", 4, "`contract.input.size.width` is missing", "add it"),
    ("contract: {output: {palette: [red]}}", 4, "found 'red'", "must be a colour, `#rrggbb`"),
    ("airflow: {batch_cron: daily}", 4, "'daily' is not a cron expression", "it needs 5 fields"),
    ("airflow:\n  batch_cron: '0 25 * * *'", 5, "'25' is not a valid hour", "(0 to 23)"),
    ("golden: a.png", 4, "found 'a.png'", "must be a list, `[a, b]`"),
    ("golden:\n  - there.png", 4, "there.png", "golden"),
    ("release: {servers: ['http://me:secret@host']}", 4, "`release.servers", "login"),
    ("optimize: bfloat", 4, "found 'bfloat'", "did you mean bfloat16?"),
    ("tolerance: 1\ntolerance: 2", 5, "found the key 'tolerance' twice", "remove one"),
    ("\ttolerance: 1", 4, "'\\t'", "indent with spaces instead of tabs"),
    ("description: a: b", 4, "mapping values are not allowed", "quote a value that has `: ` in it"),
    ("golden: [a.png", 4, "expected ',' or ']'", "close the list with `]`"),
    ("description: 'painter", 4, "unexpected end of stream", "close the quotes"),
    ("description: *painter", 4, "found undefined alias", "in quotes"),
]
WHOLE = [
    ("source: {checkpoint: m.keras}", 1, "`model_name` is missing", "add it"),
    ("model_name: m", 1, "`source` is missing", "add it"),
    ("model_name: a/b\nsource: {checkpoint: m.keras}", 1, "found 'a/b'", "only letters, digits"),
    ("model_name: 5\nsource: {checkpoint: m.keras}", 1, "found '5'", "put it in quotes"),
    ("model_name: m\nsource: {checkpoint: absent.keras}", 2, "There is no checkpoint at", "Check source.checkpoint"),
    ("model_name: m\nsource:\n  checkpoint: m.keras\n  builder: net", 4, "found 'net'", "`module:function`"),
    ("- a list", 1, "found a list", "a mapping that starts with `model_name:`"),
    ("", 1, "found nothing", "a mapping that starts with `model_name:`"),
]


@pytest.mark.parametrize(
    ("text", "line", "found", "remedy"),
    [*((GOOD + text, *rest) for text, *rest in MISTAKES), *WHOLE],
)
def test_a_mistake_is_one_paragraph_with_file_line_what_was_found_and_what_to_do(
    tmp_path: Path, text: str, line: int, found: str, remedy: str
) -> None:
    path = write(tmp_path, text)

    ended = check(path)

    told = [paragraph for paragraph in ended.stdout.splitlines() if ": note: " not in paragraph]
    assert ended.status == 1
    assert len(told) == 1, told
    assert told[0].startswith(f"{path}:{line}: ")
    assert found in told[0]
    assert remedy in told[0]
    assert not re.search(r"Value error|Input should|Traceback|secret", told[0])


def test_all_mistakes_of_a_file_are_found_at_once_in_the_order_of_their_lines(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD + "tolerence: 2\nbatch:\n  output_format: gif\nrelease:\n  keep_versions: 0\n")

    found = [line.removeprefix(f"{path}:") for line in check(path).stdout.splitlines()]

    assert [line.partition(":")[0] for line in found] == ["4", "6", "8"]


def test_two_specs_of_one_model_are_a_mistake_of_the_second(tmp_path: Path) -> None:
    first, second = write(tmp_path, GOOD), write(tmp_path, GOOD, "other.yaml")

    ended = check(first, second)

    assert ended.status == 1
    assert f"{second}:1: There are two specs of model m. Rename one." in ended.stdout


def test_a_folder_stands_for_the_specs_of_its_index_and_json_has_the_same(tmp_path: Path) -> None:
    write(tmp_path, GOOD + "tolerance: x")
    (tmp_path / "index.txt").write_text("m.yaml\n")

    found = json.loads(check(tmp_path, "--json").stdout)

    [spec] = found["specs"]
    assert found["ok"] is False
    assert spec["path"] == str(tmp_path / "m.yaml")
    assert spec["problems"] == [{"line": 4, "message": "`tolerance`: must be a number; found 'x'"}]


def test_a_sound_spec_is_all_right_and_notes_name_what_a_batch_will_need(tmp_path: Path) -> None:
    ended = check(write(tmp_path, GOOD))

    assert ended.status == 0
    assert "no `batch.input` and `batch.output`: every batch run has to name it" in ended.stdout
    assert ended.stdout.rstrip().endswith("m.yaml: all right")


def test_absent_files_are_no_mistake_where_files_are_not_looked_for(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(GOOD)

    assert check(tmp_path / "m.yaml").status == 1
    assert check("--no-files", tmp_path / "m.yaml").status == 0


def test_a_spec_that_is_absent_is_named_with_the_nearest_one(tmp_path: Path) -> None:
    write(tmp_path, GOOD, "painter.yaml")

    ended = check(tmp_path / "paintr.yaml")

    assert ended.status == 1
    assert f"Did you mean {tmp_path}/painter.yaml?" in ended.stdout

"""Places that a run names are compared with the allowed roots after every link, and nothing outside passes."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest

from tendies_ops.errors import UsageError
from tendies_ops.files.allowed_roots import is_below, require_below
from tendies_ops.files.object_store import is_remote

URL_ROOT = "s3://pictures/alpha"


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """``allowed`` with links in and out of it, and ``outside`` next to it."""
    for folder in ("allowed/sub", "allowed-too", "outside/secret", "ALLOWED", "allowed./sub"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "allowed" / "out").symlink_to(tmp_path / "outside")
    (tmp_path / "allowed" / "in").symlink_to(tmp_path / "allowed" / "sub")
    (tmp_path / "allowed" / "loop").symlink_to(tmp_path / "allowed" / "loop")
    (tmp_path / "outside" / "back").symlink_to(tmp_path / "allowed" / "sub")
    return tmp_path


def require(place: str, *roots: str) -> str:
    return require_below(place, roots, name="The input of this run", remedy="Ask for more.")


def test_a_folder_below_a_root_is_returned_without_links(world: Path) -> None:
    root = str(world / "allowed")
    assert require(f"{root}/sub", root) == f"{root}/sub"
    assert require(f"{root}/in", root) == f"{root}/sub"
    assert require(f"file://{root}/sub/", root) == f"{root}/sub"
    assert require(f"{world}/outside/back", root) == f"{root}/sub"
    assert require(f"{root}/not-there-yet/2026", root) == f"{root}/not-there-yet/2026"
    assert is_below(f"{root}/sub", [f"file://{root}"])


def test_a_root_itself_is_returned_as_it_was_written(world: Path) -> None:
    link = str(world / "allowed" / "in")
    for root in (link, URL_ROOT, "simplecache::s3://pictures/alpha", "relative/folder"):
        assert require(root, root) == root


def test_a_url_below_a_root_is_returned_as_it_is() -> None:
    for url in (URL_ROOT + "/", URL_ROOT + "/2026/11", URL_ROOT + "/a b/c"):
        assert require(url, URL_ROOT) == url
    assert require("s3://any/where", "s3://") == "s3://any/where"


def test_the_message_names_the_place_the_roots_and_the_remedy(world: Path) -> None:
    with pytest.raises(UsageError) as caught:
        require("/etc", str(world / "allowed"))
    text = str(caught.value)
    assert "/etc" in text
    assert str(world / "allowed") in text
    assert text.endswith("Ask for more.")


def attempts(world: Path) -> list[str]:
    """Hundreds of spellings of places outside ``allowed`` and outside the URL root."""
    root, outside = str(world / "allowed"), str(world / "outside")
    climbs = [
        "..",
        "../",
        "../..",
        "sub/../..",
        "./../",
        ".//..//",
        "in/../../",
        "sub/../../allowed/../",
        "../../../..",
    ]
    ends = ["", "outside", "outside/secret", "/etc", "etc/passwd", "allowed-too", "outside/"]
    local = [f"{root}/{climb}/{end}" for climb, end in itertools.product(climbs, ends)]
    local += [
        f"{root}/out",
        f"{root}/out/",
        f"{root}/out/secret",
        f"{root}/in/../../outside",
        f"{root}/loop",
        f"{root}/loop/x",
    ]
    local += [
        f"{root}-too",
        f"{root}.",
        f"{root}./sub",
        f"{root} ",
        root.upper(),
        str(world / "ALLOWED"),
        str(world),
        "/",
        "",
    ]
    local += [
        outside,
        "~",
        "~/x",
        "$HOME",
        "allowed",
        "./allowed",
        "../allowed",
        f"{root}\0/sub",
        f"{root}/{'x' * 5000}",
    ]
    local += [
        f"{prefix}{path}" for prefix in ("file://", "local://", "file:", "FILE://", "File://") for path in local[:40]
    ]
    local += [
        f"{first}{second}{path}"
        for first, second in itertools.product(("file://", "local://"), repeat=2)
        for path in (root, outside)
    ]
    local += [
        f"file://localhost{root}",
        f"file://evil{root}",
        f"file:/{outside}",
        f"//{outside}/x",
        f"\\\\server\\{outside}",
    ]
    schemes = [
        "http",
        "https",
        "ftp",
        "s3",
        "gs",
        "abfs",
        "memory",
        "github",
        "zip",
        "tar",
        "data",
        "ssh",
        "smb",
        "hdfs",
        "S3",
        "s3a",
    ]
    urls = [
        f"{scheme}://{rest}"
        for scheme in schemes
        for rest in ("127.0.0.1:8080/", "pictures/beta", "pictures", f"{root}", "")
    ]
    chains = ["simplecache::", "filecache::", "blockcache::", "zip://x.png::", "dir::", "reference::"]
    urls += [
        f"{chain}{place}"
        for chain in chains
        for place in (f"file://{outside}", outside, "http://127.0.0.1/", "s3://pictures/beta")
    ]
    urls += [f"{chain}{URL_ROOT}/x" for chain in chains]
    tails = [
        "/../beta",
        "/x/../../beta",
        "/./../beta",
        "/..",
        "/%2e%2e/beta",
        "/%2E%2E%2Fbeta",
        "/..%2fbeta",
        "/..%5cbeta",
        "/..\\beta",
    ]
    tails += [
        "-too",
        ".",
        "beta",
        "?x=/../beta",
        "/x?versionId=1",
        "/x#/../beta",
        "/x::file:///etc",
        "::file:///etc",
        "/..;/beta",
        "/%252e%252e/b",
    ]
    tails += ["//beta", "/x//y", "/\n/beta", "/x\r\nHost: y", "/\0", "/...", "@evil/x", ":80/x"]
    urls += [URL_ROOT + tail for tail in tails]
    urls += [f"s3://{user}pictures/alpha/x" for user in ("user:password@", "evil@", "evil#@", "/")]
    urls += [f" {URL_ROOT}/x", f"{URL_ROOT.upper()}/x", f"s3:{URL_ROOT[5:]}/x", f"//{URL_ROOT[5:]}/x"]
    return list(dict.fromkeys(local + urls))


def is_really_outside(place: str, world: Path) -> bool:
    """Decide independently: join what the consumers would open, and compare real paths."""
    if is_remote(place):
        return True
    path = place.removeprefix("file://").removeprefix("local://")
    try:
        real = (Path.cwd() / path).resolve()
    except (OSError, RuntimeError, ValueError):
        return True
    return not real.is_relative_to((world / "allowed").resolve())


def test_none_of_five_hundred_places_outside_is_accepted(world: Path) -> None:
    tried = [place for place in attempts(world) if is_really_outside(place, world)]
    assert len(tried) >= 350
    accepted = [place for place in tried if is_below(place, [str(world / "allowed"), URL_ROOT])]
    assert accepted == []


def test_what_is_accepted_of_random_paths_is_below_the_root_and_without_links(world: Path) -> None:
    chance = random.Random(7)
    pieces = ["..", ".", "sub", "out", "in", "secret", "allowed", "outside", "", "back", "..%2f", "x", "~", " ", "loop"]
    root = world / "allowed"
    for _ in range(2000):
        place = f"{root}/" + "/".join(chance.choices(pieces, k=chance.randint(1, 7)))
        try:
            used = Path(require(place, str(root)))
        except UsageError:
            continue
        assert used == used.resolve()
        assert used.is_relative_to(root.resolve())

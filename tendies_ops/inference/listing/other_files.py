"""Names of files that are not pictures, or are not pictures yet."""

from __future__ import annotations

import os

#: Extensions of other kinds of files. One of them fails only if its content is that of a picture that cannot be done.
_OTHER_EXTENSIONS = frozenset({
    ".txt", ".md", ".rst", ".log", ".json", ".jsonl", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".xml", ".xmp", ".csv",
    ".tsv", ".parquet", ".html", ".htm", ".css", ".js", ".py", ".sh", ".db", ".sqlite", ".pdf", ".doc", ".docx", ".xls",
    ".xlsx", ".zip", ".tar", ".gz", ".7z", ".mp3", ".wav", ".mp4", ".mov", ".avi", ".mkv", ".url", ".lnk", ".lock",
    ".aae",
})  # fmt: skip
#: Extensions of downloads, copies and edits that are under way, whatever they contain so far; and of camera thumbnails.
_UNFINISHED_EXTENSIONS = (
    ".part", ".partial", ".crdownload", ".download", ".opdownload", ".filepart", ".aria2", ".tmp", ".temp", ".swp",
    ".thm", "~",
)  # fmt: skip
#: Folders that NAS systems, desktops and file systems make: thumbnails and deleted pictures.
_LITTER_FOLDERS = frozenset({"@eadir", "#recycle", "#snapshot", "$recycle.bin", "lost+found", "__macosx"})


def has_other_extension(path: str) -> bool:
    """Return True if the name shows that the file is not a finished picture."""
    name = path.lower()
    return os.path.splitext(name)[1] in _OTHER_EXTENSIONS or is_unfinished(name)  # noqa: PTH122 # a str in a hot loop


def is_unfinished(path: str) -> bool:
    """Return True for names of files that another program still writes, and for copies that it keeps."""
    name = path.rpartition("/")[2].lower()
    return name.endswith(_UNFINISHED_EXTENSIONS) or name.startswith("~$")


def is_litter(folder_name: str) -> bool:
    """Return True for folders of thumbnails and deleted files that no one put there."""
    return folder_name.lower() in _LITTER_FOLDERS

"""
Every error that tendies raises on purpose.

A class is for programs (is a retry of any use? which exit status?), its message is for people: what happened, where,
what was found, and what to do next. What time can fix is ``retryable``: folders, disks, permissions of stores, servers
and locks. A wrong spec, checkpoint or contract is not.
"""

from __future__ import annotations

from typing import ClassVar

from tendies_ops.addresses import mask_logins


class TendiesError(Exception):
    """Base of all. Its text is one paragraph, never a traceback, and shows no login of an address."""

    exit_status: ClassVar[int] = 1
    retryable: ClassVar[bool] = False  # whether a later retry can succeed

    def __init__(self, *words: object) -> None:
        super().__init__(*(mask_logins(word) if isinstance(word, str) else word for word in words))


class UsageError(TendiesError):
    """The caller's words are wrong."""

    exit_status = 2


class SpecError(UsageError):
    """A model spec is incomplete or wrong."""


class OutputOwnedError(UsageError):
    """The output folder holds results that a batch run would overwrite and that are not its own."""


class ExportError(TendiesError):
    """The checkpoint cannot become a SavedModel."""


class ExportFolderError(ExportError):
    """The directory that exports are written to cannot be written now."""

    exit_status = 2  # most often the caller has named the wrong one
    retryable = True


class CheckpointError(ExportError):
    """The checkpoint is broken or does not fit the graph."""


class CheckpointMissingError(CheckpointError):
    """There is no checkpoint at that path, it lacks files, or a file cannot be read: perhaps it is still on its way."""

    retryable = True


class CheckpointChangedError(CheckpointError):
    """The checkpoint was written to while it was read."""

    retryable = True


class UntrustedModelError(ExportError):
    """The model would run code, or operations that touch files, the network or Python, and no spec allows that."""


class ParityError(ExportError):
    """The export computes something else than its source."""


class ImplausibleError(ExportError):
    """The network's numbers speak against the contract, and doubts were to be errors."""


class PublishError(TendiesError):
    """A version cannot be made visible."""


class BasePathError(PublishError):
    """The model base path, or tendies' own files in it, cannot be read or written now: a full disk, no permission."""

    retryable = True


class BasePathMissingError(BasePathError):
    """Neither the model base path nor the directory above it exists: misspelt, or not mounted yet."""

    exit_status = 2


class VersionExistsError(PublishError):
    """That version number already has other content, which never changes."""


class VersionRemovedError(PublishError):
    """The requested version has no directory, or no longer has one."""


class LockHeldError(PublishError):
    """Another publisher holds the lock of this model base path."""

    retryable = True


class ModelServerError(TendiesError):
    """
    Base class for failed requests to Model Server.

    :param http_status: of the answer; None when there was no answer.
    :param server_words: the server's own message, at most some 500 characters of it.
    """

    def __init__(self, message: str, *, http_status: int | None = None, server_words: str = "") -> None:
        super().__init__(message)
        self.http_status = http_status
        self.server_words = server_words


class ServerUnreachableError(ModelServerError):
    """
    No server answers at that address. Also the normal state of a server that has not loaded its first version.

    :param listens: False: no connection could be made, so the server has not received the request.
    """

    retryable = True

    def __init__(self, message: str, *, listens: bool = True) -> None:
        super().__init__(message)
        self.listens = listens


class ServerSickError(ModelServerError):
    """It answers that it cannot now (429, 500, 503, 504), or does not answer in time. Never a picture's fault."""

    retryable = True


class VersionGoneError(ModelServerError):
    """
    The model, or this version of it, is not served (404).

    Retryable: a server that restarts answers so until it has loaded, and a retry takes the version that serves then.
    """

    retryable = True


class RequestRefusedError(ModelServerError):
    """The server read the request and refused it (400 and other 4xx)."""


class BadAnswerError(ModelServerError):
    """The answer does not fit the request: cut short, garbled, or of another length."""

    retryable = True


class WrongContractError(ModelServerError):
    """The model answers, but not with an image file for each image file: another signature, other outputs."""


class ReleaseError(TendiesError):
    """A release failed. Its text has the server's error message."""


class LoadFailedError(ReleaseError):
    """A replica could not load the version."""


class ProofFailedError(ReleaseError):
    """A replica answered other pictures than the exporter promised."""


class NotProvedError(ProofFailedError):
    """No answer was about the version: the question was wrong, or the server could not answer it."""


class ProofInterruptedError(ProofFailedError):
    """A replica became unreachable while it was asked: it restarts, or the version crashed it."""


class ReviewNeededError(ReleaseError):
    """The spec's gate asks for a review of the pictures first. Nothing was changed."""

    exit_status = 4


class NotNowError(ReleaseError):
    """A run or a release uses the version, or the base path could not be written. Retrying later goes on from there."""

    retryable = True


class BatchError(TendiesError):
    """A batch run cannot go on, or its counts do not add up."""


class InputFolderError(BatchError):
    """The pictures cannot be found or read: a folder that is not mounted yet, a store that refuses."""

    retryable = True


class OutputFolderError(BatchError):
    """The results cannot be written: a full disk, a missing permission, a store that refuses."""

    retryable = True


class StoppedError(TendiesError):
    """The work was asked to stop (a kill, Ctrl-C). What is done is kept; a rerun continues from there."""

    retryable = True


class OutOfMemoryError(TendiesError):
    """The process gets no more memory, or no more threads. What is done is kept."""

    retryable = True


def all_errors() -> list[type[TendiesError]]:
    """Return every class of this module, in the order of its definition."""
    return [found for found in globals().values() if isinstance(found, type) and issubclass(found, TendiesError)]

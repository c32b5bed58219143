"""Judge failed requests by all answers of the servers so far."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from tendies_ops.errors import ModelServerError, VersionGoneError, WrongContractError
from tendies_ops.inference.requests.exchange import Answered, Control
from tendies_ops.inference.requests.failures import (
    NEW,
    Step,
    after_failure,
    after_refusal,
    after_refused_control,
    fails_by_itself,
    is_refusal,
)
from tendies_ops.inference.requests.rotation import Rotation

log = logging.getLogger(__name__)

_ROUNDS_WITHOUT_MERGING = 16


class Judge:
    """
    Judge every answer and every error of a run.

    :param control: a plain picture, which any model accepts.
    :param draw_padding: returns the number of zero bytes to append to a file.
    """

    def __init__(self, rotation: Rotation, control: Control, draw_padding: Callable[[], int]) -> None:
        self.successes = 0  #: requests that were answered well
        self.merges: bool | None = None  #: the servers merge requests of several clients; None: not known yet
        self.control = control  #: a harmless picture, sent right before a request that needs a proof
        self._rotation, self._draw_padding = rotation, draw_padding
        self._plain = control
        self._answered: Control | None = None  # a picture that the model accepts
        self._rounds = 0
        self._of_control = NEW  # since it passed the last time

    def hear_answer(self, event: Answered) -> bool:
        """
        Note a good answer.

        :return: False: the request had padding and has to be sent once more without it.
        """
        request = event.request
        if event.proved:
            self._hear_that_control_passed()
        self.successes += 1
        if self._answered is None:
            self._answered = Control(request.parts[0].data, request.parts[0].megapixels)
        if request.history.was_refused:
            self._note_merging("a picture was refused and then taken")
        if request.history.padding:
            request.history = request.history.unpadded()
            return False
        return True

    def hear_error(self, event: Answered, error: ModelServerError) -> Step:
        """
        Return the step after a failed request, and add the failure to its history.

        :raises WrongContractError: the model does not accept a plain picture and has answered none.
        :raises ServerSickError: no server has answered for too long.
        """
        if event.proved:
            self._hear_that_control_passed()
        if is_refusal(error, answered_before=self.successes > 0):
            event.replica.returned(time.monotonic())
            return self._after_refused_control(error) if event.proof_failed else self._after_refusal(event, error)
        self._rotation.on_trouble(event.replica, error, time.monotonic())
        return self._after_trouble(event, error)

    def _after_refusal(self, event: Answered, error: ModelServerError) -> Step:
        request = event.request
        step, request.history = after_refusal(
            request.history,
            error,
            file=request.only_file,
            of_one_size=request.of_one_size,
            answered_before=self.successes > 0,
            proved=event.proved,
            merges=self.merges,
            padding=self._draw_padding(),
        )
        self._note(step)
        if event.proved:
            self._note_clean_round()
        if step.action == "blame":
            self._rotation.on_sign_of_life()
        elif step.action == "confirm" and not event.proved:
            self._rotation.on_silence(error, time.monotonic())
        return step

    def _after_refused_control(self, error: ModelServerError) -> Step:
        step, self._of_control = after_refused_control(
            self._of_control, error, file=self.control.file, merges=self.merges
        )
        self._note(step)
        self._rotation.on_silence(error, time.monotonic())
        if self._answered is not None:  # the model may refuse a plain picture, but it accepts this one
            self._change_control(self._answered)
        elif step.action == "blame":
            raise WrongContractError(
                f"The model refuses even a plain picture, so no picture is to blame: {error}",
                http_status=error.http_status,
                server_words=error.server_words,
            )
        return step if step.action == "stop" else Step("confirm", pause_s=step.pause_s)

    def _after_trouble(self, event: Answered, error: ModelServerError) -> Step:
        if isinstance(error, VersionGoneError):
            return Step("retry")  # another server has it
        if event.proof_failed:
            if self._answered is not None and fails_by_itself(error):
                self._change_control(self._answered)
            return Step("prove")
        request = event.request
        step, request.history = after_failure(
            request.history, error, parts=len(request.parts), successes=self.successes, merges=self.merges
        )
        return step

    def _hear_that_control_passed(self) -> None:
        self.successes += 1
        self._rotation.on_sign_of_life()
        if self._of_control.was_refused:
            self._note_merging("a harmless picture was refused and then taken")
        self._of_control = NEW

    def _change_control(self, answered: Control) -> None:
        if self.control is self._plain:
            self.control, self._of_control = answered, NEW

    def _note(self, step: Step) -> None:
        if step.merged:
            self._note_merging("a picture was refused with a message about another one")

    def _note_clean_round(self) -> None:
        """Count a round that refused a picture and not the harmless one: if all are like that, nothing is merged."""
        self._rounds += 1
        if self.merges is None and self._rounds >= _ROUNDS_WITHOUT_MERGING:
            self.merges = False

    def _note_merging(self, why: str) -> None:
        if self.merges is not True:
            self.merges = True
            log.info(
                "The server seems to merge the requests of its clients (%s; see --enable_batching): a picture that it "
                "refuses is asked again, alone, until it is clear that the refusal is about it.", why,
            )  # fmt: skip

"""Review a candidate's pictures before it is released."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Context, Param, RetryPolicy

from tendies_ops.bounded_work import run_bounded
from tendies_ops.errors import ReleaseError
from tendies_ops.hooks.retry_policy import RETRY_POLICY, RetriesTransientErrors
from tendies_ops.links import page_address, picture_address
from tendies_ops.operators.candidate import CandidateOperator
from tendies_ops.operators.metrics import report_waiting
from tendies_ops.operators.service_change import terms_of
from tendies_ops.operators.tendies_operator import RECORD_S
from tendies_ops.spec import Manifest, read_manifest

_PICTURES_SHOWN = 4
_REASON = Param(
    "", type="string", maxLength=1000, title="Reason", description="Recorded in the model's history.", source="task"
)


class ReviewModelVersionOperator(CandidateOperator):
    """
    Validate a candidate, and compare its golden images with the live version's answers.

    Nothing that serves is changed. A candidate that breaks a limit of the gate fails, and no one is asked.

    Returns (XCom) ``model_name``, ``model_digest``, ``model_base_path``, ``live_version``, ``images``, ``breaches``,
    ``contact_sheet`` and ``markdown``: what ApproveReleaseOperator shows.

    The arguments are those of :class:`CandidateOperator`.
    """

    ui_color = "#fdf3dc"

    def run(self, context: Context, cancelled: threading.Event) -> dict[str, Any]:
        """Validate the candidate, compare it with the live version, and return what the approval shows."""
        from tendies_ops.release import review_model

        options = terms_of(self)
        candidate = Path(self.saved_model_dir)
        manifest = read_manifest(candidate)
        self.check_of_candidate(options, cancelled)(candidate)
        server = self.model_server()
        base_path = self.base_path(self.model_base_path, manifest.model_name)
        found = review_model(
            candidate,
            Path(base_path),
            server.servers,
            options=options,
            credentials=server.credentials,
        )
        if found["breaches"]:
            raise ReleaseError(
                f"The gate is closed, so no one was asked: {'; '.join(found['breaches'])}. Nothing was changed. Live "
                f"version and candidate side by side: {found['contact_sheet']}"
            )
        markdown = review_markdown(candidate, manifest, found, note=self.note)
        return {**found, "model_base_path": base_path, "markdown": markdown}


class ApproveReleaseOperator(RetriesTransientErrors, ApprovalOperator):
    """
    Wait until a user has approved or rejected a candidate. A rejection withdraws it, with the user's reason.

    Airflow asks under *Required actions*, the model's page next to the pictures; the user needs Airflow's right to
    respond. After a rejection the release is skipped.

    Returns (XCom) after an approval: Airflow's ``chosen_options``, ``params_input``, ``responded_at`` and
    ``responded_by_user``.

    :param saved_model_dir: the candidate. (templated)
    :param model_base_path: base path whose history records a rejection. (templated)
    :param retry_policy: which errors are retried; by default those that may pass with time.
    """

    template_fields = (*ApprovalOperator.template_fields, "saved_model_dir", "model_base_path")

    def __init__(
        self,
        *,
        saved_model_dir: str,
        model_base_path: str,
        retry_policy: RetryPolicy | None = RETRY_POLICY,
        **kwargs: Any,
    ) -> None:
        kwargs["params"] = {"reason": _REASON}  # instead of the DAG's own, which are of no use here
        super().__init__(retry_policy=retry_policy, **kwargs)
        self.saved_model_dir = saved_model_dir
        self.model_base_path = model_base_path

    def execute(self, context: Context) -> Any:
        """Ask, and wait deferred."""
        self._report_waiting(waits=True)
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Withdraw the candidate if it was rejected. Called after an answer, or when the time to answer is over."""
        self._report_waiting(waits=False)
        if event.get("chosen_options") == [self.REJECT]:  # first, because Airflow's part raises an exception that skips
            self._withdraw(event.get("responded_by_user") or {}, event.get("params_input") or {})
        return super().execute_complete(context, event)

    def _report_waiting(self, *, waits: bool) -> None:
        def send() -> None:
            report_waiting(read_manifest(Path(self.saved_model_dir)).model_name, waits=waits)

        run_bounded("The metrics", send, limit_s=RECORD_S, warn=self.log.warning)

    def _withdraw(self, person: Mapping[str, Any], given: Mapping[str, Any]) -> None:
        from tendies_ops.release import reject_model

        name, reason = str(person.get("name") or "an unknown user"), str(given.get("reason") or "")
        path = reject_model(Path(self.saved_model_dir), Path(self.model_base_path), rejected_by=name, reason=reason)
        self.log.info("Rejected by %s: %s. The candidate is withdrawn to %s", name, reason or "no reason given", path)


def review_markdown(candidate: Path, manifest: Manifest, found: Mapping[str, Any], *, note: str) -> str:
    """Return the text of Airflow's approval: the candidate's origin, its pictures, and a link to the large ones."""
    page = f"models/{manifest.model_name}/candidates/{candidate.name}"
    source = manifest.source
    version = found["live_version"]
    lines = [
        f"Exported from {_verbatim(source.checkpoint)}" + (f", step {source.step}." if source.step else "."),
        f"Version {version} serves now." if version else "No version serves that it can be compared with.",
        _verbatim(note) if note else "",
        f"[See the pictures large, and decide there]({page_address(page)})",
        *_measures(found["images"]),
        *_pictures(page, manifest, has_live=bool(found["images"])),
    ]
    return "\n\n".join(line for line in lines if line)


def _verbatim(text: str) -> str:
    """Return the text in one line, as code: nothing in it makes a link or a picture."""
    return f"`{' '.join(text.replace('`', chr(39)).split())}`"


def _measures(images: Mapping[str, Mapping[str, Any]]) -> list[str]:
    rows = [
        f"| {_verbatim(name)} | {facts['ssim']:.3f} | {facts['mean_abs']:.1f} |"
        for name, facts in images.items()
        if "ssim" in facts
    ]
    return ["\n".join(["| golden picture | SSIM | mean change, of 255 |", "|---|---|---|", *rows])] if rows else []


def _pictures(page: str, manifest: Manifest, *, has_live: bool) -> list[str]:
    """Return up to four rows: the live version's pictures, or the inputs if nothing serves, and the candidate's."""
    url = picture_address(page)
    shown = [n for n, golden in enumerate(manifest.golden) if not all(map(_is_tensor, golden.outputs.values()))]
    rows = [
        f"| ![live]({url}/live/{n}) | ![candidate]({url}/golden/{n}/after) |"
        if has_live
        else f"| ![before]({url}/golden/{n}/before) | ![candidate]({url}/golden/{n}/after) |"
        for n in shown[:_PICTURES_SHOWN]
    ]
    heading = f"| {'live version' if has_live else 'before'} | candidate |"
    return ["\n".join([heading, "|---|---|", *rows])] if rows else []


def _is_tensor(output_file: str) -> bool:
    return output_file.endswith(".json")

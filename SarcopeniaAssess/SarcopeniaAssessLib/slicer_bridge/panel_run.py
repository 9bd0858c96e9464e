"""Assess and Cancel: the worker at work, what it says, and what can be done about what goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

from SarcopeniaAssessLib import remedies
from SarcopeniaAssessLib.errors import Offer, SarcopeniaError, WorkerError
from SarcopeniaAssessLib.slicer_bridge import dependencies, preflight
from SarcopeniaAssessLib.slicer_bridge.job import TimedJob, slicer_worker
from SarcopeniaAssessLib.slicer_bridge.panel_words import (
    dicom_packages_question,
    error_sentence,
    installation_question,
    offer_text,
)
from SarcopeniaAssessLib.worker_client import DrawRequest, LocalWorker

if TYPE_CHECKING:
    from SarcopeniaAssessLib.assessment import Drawing
    from SarcopeniaAssessLib.slicer_bridge.panel import Panel

_WHOLE = 1000
"""Steps of the progress bar."""
TOLD = (SarcopeniaError, ImportError, OSError, MemoryError)
"""What becomes a sentence; anything else is a fault of the program and goes to Slicer's log."""


class RunSection:
    """One job at a time in the worker, and a line of what is going on.

    Parameters
    ----------
    panel:
        The whole panel.
    worker:
        A `WarmWorker` or `LocalWorker`; `None`: Slicer's Python, when it is first needed.
    """

    def __init__(self, panel: Panel, worker: Any = None) -> None:
        self._panel, self._ui = panel, panel.ui
        self.worker = worker
        self._is_own = worker is None
        self._job: TimedJob | None = None
        self._again: Callable[[], None] | None = None
        self._error: SarcopeniaError | None = None
        self._ui.assessButton.connect("clicked()", self.assess)
        self._ui.cancelButton.connect("clicked()", self.cancel)
        self._ui.offerButton.connect("clicked()", self._take_offer)
        self._ui.detailsButton.connect("clicked()", self._copy_details)
        self.clear_message()
        self._show_progress(None)

    @property
    def is_busy(self) -> bool:
        """Whether a job is under way."""
        return self._job is not None and not self._job.is_over

    def assess(self) -> None:
        """Begin to assess the CT at the slider's level; returns at once."""
        panel = self._panel
        if panel.volume is None or self.is_busy:
            return
        begun: list[Any] = []

        def request() -> DrawRequest:
            begun.append(panel.logic.begin(panel.volume, panel.patient.given(), l3=panel.level.wanted()))
            return DrawRequest(begun[0].question, panel.model.model, panel.model.device)

        self.start(request, lambda drawing: self._drawn(begun[0], drawing), self.assess)

    def start(
        self,
        request: Callable[[], Any],
        on_done: Callable[[Any], None],
        again: Callable[[], None],
    ) -> None:
        """Let the worker do something.

        Parameters
        ----------
        request:
            Makes the request; what it raises is told like the worker's own errors.
        on_done:
            Gets the answer.
        again:
            Starts the same once more.
        """
        if self.is_busy:
            return
        self.clear_message()
        self._again = again
        if not self._has_packages():
            return
        try:
            if self.worker is None:
                self.worker = slicer_worker()
            self._job = TimedJob(
                self.worker,
                request(),
                on_progress=self._show_progress,
                on_done=lambda answer: self._done(on_done, answer),
                on_error=self._failed,
            )
        except TOLD as error:
            self._failed(remedies.explained(error))
            return
        self._show_progress(0.0, _("Starting"))
        self._panel.busy_changed()

    def cancel(self) -> None:
        """Stop what is under way; nothing of it is kept."""
        if self._job is None or self._job.is_over:
            return
        self._job.cancel()
        self._job = None
        self._show_progress(None)
        self._say(_("Cancelled. Nothing was changed."))
        self._panel.busy_changed()

    def fail(self, error: SarcopeniaError, again: Callable[[], None] | None = None) -> None:
        """Say what went wrong and what to do."""
        self._error, self._again = error, again
        self._say(error_sentence(error), "error")
        offer = remedies.offered(error, self._panel.model.device) if again is not None else None
        self._ui.offerButton.setVisible(offer is not None)
        if offer is not None:
            self._ui.offerButton.setText(offer_text(offer))
        details = error.details if isinstance(error, WorkerError) else ""
        self._ui.detailsButton.setVisible(bool(details))

    def clear_message(self) -> None:
        """Say nothing any more."""
        self._error = None
        self._say("")

    def install(self) -> None:
        """Ask, then install what is lacking."""
        self.clear_message()
        wanted = dependencies.lacking()
        if not wanted:
            self._say(
                _(
                    "All packages are installed. If torch is damaged: uninstall it in the module PyTorch, "
                    "restart Slicer, and assess again."
                )
            )
            return
        self._install(wanted)

    def has_dicom_packages(self) -> bool:
        """Whether SEG and SR can be written; asks for what is lacking, and installs it after a yes."""
        wanted = dependencies.lacking_for_dicom()
        return not wanted or self._install(wanted, dicom_packages_question(wanted.names))

    def close(self) -> None:
        """End the job and the worker."""
        self.cancel()
        if self.worker is not None and self._is_own:
            self.worker.close()
            self.worker = None

    def update(self) -> None:
        """Allow what can be done now."""
        self._ui.assessButton.setEnabled(
            self._panel.volume is not None and self._panel.is_measurable and not self.is_busy
        )
        self._ui.cancelButton.setEnabled(self.is_busy)

    def _has_packages(self) -> bool:
        wanted = dependencies.lacking()
        return not wanted or self._install(wanted)

    def _install(self, wanted: dependencies.Lacking, question: str | None = None) -> bool:
        if question is None:
            found = preflight.obstacles(preflight.examine())
            question = installation_question(wanted.names, tuple(f"{one.name}: {one.found}" for one in found))
        if not self._panel.dialogs.confirm(question, _("Install packages")):
            self._say(_("Nothing was installed."))
            return False
        wheels = self._panel.model.wheels
        try:
            dependencies.install(wanted, wheels)
        except SarcopeniaError as error:
            self.fail(error, self._again)
            return False
        self._panel.logic.openCts.forget()  # what could not be read for want of a package is read again
        self._say(_("The packages are installed."))
        return True

    def _drawn(self, pending: Any, drawing: Drawing) -> None:
        node = self._panel.logic.finish(pending, drawing)
        self._panel.model.used(drawing)
        self._panel.assessed(pending.volume_node, node)

    def _done(self, on_done: Callable[[Any], None], answer: Any) -> None:
        self._job = None
        self._show_progress(None)
        try:
            on_done(answer)
        except TOLD as error:
            self.fail(remedies.explained(error), self._again)
        finally:
            self._panel.busy_changed()

    def _failed(self, error: SarcopeniaError) -> None:
        self._job = None
        self._show_progress(None)
        self.fail(error, self._again)
        self._panel.busy_changed()

    def _show_progress(self, fraction: float | None, text: str = "") -> None:
        bar, label = self._ui.progressBar, self._ui.progressLabel
        bar.setVisible(fraction is not None)
        label.setVisible(fraction is not None)
        if fraction is not None:
            bar.setValue(int(fraction * _WHOLE))
            label.setText(text)

    def _say(self, text: str, colour: str = "info") -> None:
        label = self._ui.messageLabel
        label.setText(text)
        label.setVisible(bool(text))
        label.setStyleSheet(f"color: {self._panel.colours[colour]}")
        if colour != "error":
            self._ui.offerButton.setVisible(False)
            self._ui.detailsButton.setVisible(False)

    def _take_offer(self) -> None:
        error, again = self._error, self._again
        if error is None or again is None:
            return
        offer = remedies.offered(error, self._panel.model.device)
        if offer is Offer.CPU:
            self._panel.model.use_cpu()
        elif offer is Offer.HERE:
            self.worker, self._is_own = LocalWorker(), True
        elif offer is Offer.INSTALL:
            self.install()
            return
        again()

    def _copy_details(self) -> None:
        if isinstance(self._error, WorkerError):
            self._panel.dialogs.copy(f"{self._error}\n\n{self._error.details}")

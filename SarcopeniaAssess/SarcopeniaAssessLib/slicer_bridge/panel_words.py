"""What the panel says of a result: short sentences, made of the record and nothing else.

Rich text holds record texts escaped. Numbers come from `wording`, so that panel, picture and page agree;
what the library says of its command's options is put in the window's words.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from slicer.i18n import tr as _

from SarcopeniaAssessLib import wording
from SarcopeniaAssessLib.criteria import StatusValue, load_criteria
from SarcopeniaAssessLib.dicom_sr import is_verified
from SarcopeniaAssessLib.errors import Offer, SarcopeniaError
from SarcopeniaAssessLib.remedies import for_the_window

LIGHT = {
    "sarcopenic": "#a8321c",
    "not sarcopenic": "#1f6e3c",
    "undetermined": "#4d5661",
    "borderline": "#8a5000",
    "error": "#a8321c",
    "warning": "#8a5000",
    "info": "#4d5661",
}
"""Text colours on a light window."""
DARK = {
    "sarcopenic": "#ff9d86",
    "not sarcopenic": "#7fd69b",
    "undetermined": "#c0c8d2",
    "borderline": "#f2bd66",
    "error": "#ff9d86",
    "warning": "#f2bd66",
    "info": "#c0c8d2",
}
"""The same on a dark window."""
_DISAGREEMENT = "criteria_disagree"


def merged(record: Mapping[str, Any], live: Mapping[str, Any]) -> dict[str, Any]:
    """A record with the numbers of this moment, as far as they are known without a whole record."""
    return {**record, "muscle": live["muscle"], "status": live["status"]}


def status_sentence(record: Mapping[str, Any]) -> tuple[str, str]:
    """What the cut-off says, and the key of its colour."""
    status = wording.status_of(record)
    if status.value is StatusValue.UNDETERMINED:
        reason = wording.shortened(for_the_window(status.reason or ""), 160)
        return _("No status: {reason}").format(reason=reason), "undetermined"
    said, colour = wording.headline(record)
    return _("Status: {said}").format(said=said), colour


def cutoff_sentence(record: Mapping[str, Any]) -> str:
    """The cut-off and who says so."""
    if record["status"]["cutoff"] is None:
        return ""
    return _("Low: {rule}").format(rule=wording.criterion_text(record))


def citation(record: Mapping[str, Any]) -> str:
    """Where the cut-off was published, in full."""
    criterion = load_criteria().get(record["status"]["criterion"])
    return "" if criterion is None else f"{criterion.statistic}; {criterion.citation}"


def interval_sentence(record: Mapping[str, Any]) -> str:
    """Where the area is expected to lie."""
    text = wording.interval_text(record)
    is_empty = record["muscle"]["sma_cm2"] == 0.0
    return "" if text == "–" or is_empty else _("Expected range {interval}").format(interval=text)


def numbers_sentence(record: Mapping[str, Any], *, is_live: bool = False) -> str:
    """Attenuation, index and the slices next to it."""
    parts = [_("mean {hu}").format(hu=wording.mean_hu_text(record))]
    if record["muscle"]["smi_cm2_m2"] is None:
        parts.append(_("SMI needs the height"))
    else:
        parts.append(_("SMI {smi}").format(smi=wording.smi_text(record)))
    below, above = record["l3"]["neighbours_sma_cm2"]
    if not is_live and below is not None and above is not None:
        parts.append(
            _("slices below and above {below:.1f} and {above:.1f} cm²").format(below=below, above=above)
        )
    return "  ·  ".join(parts)


def opinion_sentence(record: Mapping[str, Any], model_sma_cm2: float | None) -> str:
    """The model's own area beside a corrected one; empty where nothing was corrected."""
    mask = record["mask"]
    if mask["source"] == "model":
        return ""
    if model_sma_cm2 is None or mask.get("dice_with_model") is None:
        return _("Outlined by a person, without a model.")
    return _(
        "Corrected by a person. The model alone: {area:.1f} cm². {pixels} pixels differ (Dice {dice:.3f})."
    ).format(area=model_sma_cm2, pixels=mask["pixels_changed"], dice=mask["dice_with_model"])


def quality_html(record: Mapping[str, Any], colours: Mapping[str, str]) -> str:
    """What a careful reader would mention, the weightiest first, without what the status says already."""
    weight = ("error", "warning", "info").index
    titles = {"error": _("Problem"), "warning": _("Look at"), "info": _("Note")}
    told = (record["status"].get("reason") or "").rstrip(".")
    lines = [
        _marked(*_mark_of(each, titles, colours), for_the_window(each["message"]))
        for each in sorted(record["quality"], key=lambda each: weight(each["severity"]))
        if each["message"].rstrip(".") != told
    ]
    return "".join(f'<p style="margin-top:0; margin-bottom:4px">{line}</p>' for line in lines)


def criteria_html(record: Mapping[str, Any], colours: Mapping[str, str]) -> str:
    """All published criteria that were asked, as a table; the first one gives the status."""
    head = "".join(
        f'<th align="left">{escape(text)}</th>' for text in (_("Source"), _("Low if"), _("Here"), _("Says"))
    )
    blocks = (record["status"], *record["other_criteria"])
    rows = "".join(_criterion_row(record, block, colours) for block in blocks)
    return f'<table width="100%" cellspacing="0" cellpadding="3"><tr>{head}</tr>{rows}</table>'


def differs(record: Mapping[str, Any], block: Mapping[str, Any]) -> bool:
    """Whether a criterion says the opposite of the status."""
    values = {block["value"], record["status"]["value"]}
    return len(values) == 2 and "undetermined" not in values


def review_sentence(record: Mapping[str, Any]) -> tuple[str, str]:
    """Whether somebody has decided, and the key of its colour."""
    review = record["review"]
    by = review.get("reviewer") or ""
    at = (review.get("at") or "")[:16].replace("T", " ")
    if review["state"] == "accepted":
        return _("✓ Accepted by {by}, {at}.").format(by=by, at=at), "not sarcopenic"
    if review["state"] == "rejected":
        return _("Rejected by {by}, {at}.").format(by=by, at=at), "sarcopenic"
    withdrawn = review.get("withdrawn")
    if withdrawn:
        before = _("acceptance") if withdrawn["state"] == "accepted" else _("rejection")
        told = _("Not reviewed: the {before} by {by} was taken back, because {reason}.")
        return told.format(before=before, by=withdrawn["reviewer"], reason=withdrawn["reason"]), "warning"
    return _("Not reviewed yet."), "info"


def dicom_sentence(record: Mapping[str, Any]) -> tuple[str, str]:
    """What SEG and SR of a record will say of the review, or why there are none; and its colour's key."""
    if record["input"]["format"] != "dicom":
        told = _("No SEG and SR: the CT was not assessed from DICOM files, as they were loaded.")
        return told, "info"
    review = record["review"]
    if is_verified(record):
        said = _("SEG and SR: the report is verified by {by}, {organization}.")
        return said.format(by=review["reviewer"], organization=review["organization"]), "not sarcopenic"
    why = {
        "accepted": _("it was accepted without an organization"),
        "rejected": _("it was rejected"),
    }.get(review["state"], _("nobody has reviewed it"))
    return _("SEG and SR: the report stays unverified, because {why}.").format(why=why), "warning"


def identity_sentence(*, keeps: bool) -> str:
    """Whether what was saved names the patient."""
    if keeps:
        return _("SEG and SR name the patient, as the CT does.")
    return _("Patient and study are blank in SEG and SR.")


def error_sentence(error: SarcopeniaError) -> str:
    """One sentence and its remedy, each with a capital and a full stop."""
    return " ".join(_sentence(for_the_window(part)) for part in (error.problem, error.remedy) if part)


def offer_text(offer: Offer) -> str:
    """What a button says that does what an error's remedy asks for."""
    return {
        Offer.CPU: _("Use the processor"),
        Offer.TILED: _("Use less memory"),
        Offer.INSTALL: _("Install packages…"),
        Offer.HERE: _("Run inside Slicer"),
        Offer.AGAIN: _("Try again"),
    }[offer]


def installation_question(names: tuple[str, ...], obstacles: tuple[str, ...]) -> str:
    """What is asked before anything is downloaded."""
    lines = [
        _("Assessing needs Python packages that Slicer does not bring: {names}.").format(
            names=", ".join(names)
        ),
        _(
            "They are installed into this Slicer once: up to 3 GB to download, several minutes. "
            "Nothing of a patient is sent."
        ),
    ]
    if obstacles:
        lines.append(_("This may fail here: {obstacles}.").format(obstacles="; ".join(obstacles)))
    lines.append(_("OK: install now. Cancel: change nothing."))
    return "\n\n".join(lines)


def dicom_packages_question(names: tuple[str, ...]) -> str:
    """What is asked before packages are installed that write DICOM."""
    lines = (
        _("SEG and SR need Python packages that this Slicer does not bring: {names}.").format(
            names=", ".join(names)
        ),
        _("They are installed into this Slicer once: some MB. Nothing of a patient is sent."),
        _("OK: install now. Cancel: change nothing."),
    )
    return "\n\n".join(lines)


def _criterion_row(record: Mapping[str, Any], block: Mapping[str, Any], colours: Mapping[str, str]) -> str:
    criterion = load_criteria().get(block["criterion"])
    value, cutoff = block["value"], block["cutoff"]
    shown = "–" if criterion is None else wording.measured_text(record, criterion.measure)
    rule = "–" if criterion is None or cutoff is None else wording.rule_text(criterion, cutoff)
    says = value
    if value == "undetermined":
        reason = block.get("reason") or wording.status_of(record).reason or value
        says = wording.shortened(for_the_window(reason), 70)
    elif block.get("borderline"):
        says = _("{value}, borderline").format(value=value)
    mark = " ≠" if differs(record, block) else ""
    title = block["criterion"] if criterion is None else criterion.title
    cells = (title, rule, shown)
    plain = "".join(f"<td>{escape(text)}</td>" for text in cells)
    return f'<tr>{plain}<td><span style="color:{colours[value]}">{escape(says + mark)}</span></td></tr>'


def _mark_of(
    finding: Mapping[str, Any], titles: Mapping[str, str], colours: Mapping[str, str]
) -> tuple[str, str]:
    if finding["code"] == _DISAGREEMENT:
        return _("Disagreement"), colours["warning"]
    return titles[finding["severity"]], colours[finding["severity"]]


def _marked(title: str, colour: str, text: str) -> str:
    return f'<span style="color:{colour}"><b>{escape(title)}:</b></span> {escape(text)}'


def _sentence(text: str) -> str:
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")

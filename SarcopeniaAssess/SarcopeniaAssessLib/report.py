"""A record as one printed page (A4, PDF) and as one row of `assessments.csv`.

The page is made from the record and the picture alone, so a record read back from disk prints alike, to
the byte. It never runs over: long lists end with "… n more in assessment.json".
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib import page, wording
from SarcopeniaAssessLib.criteria import STATUS_SENTENCES, load_criteria
from SarcopeniaAssessLib.manifest_rows import as_cell

if TYPE_CHECKING:
    from PIL.Image import Image
    from reportlab.pdfgen.canvas import Canvas
    from reportlab.platypus import Flowable, Paragraph

_BAND = 19 * page.MM
_PICTURE = (112 * page.MM, 94 * page.MM)
_DARK = "#12161c"
_STATUS_INK = {
    "sarcopenic": "#a8321c",
    "not sarcopenic": "#1f6e3c",
    "undetermined": "#4d5661",
    "borderline": "#9a5b00",
}
_SEVERITY_INK = {"error": "#a8321c", "warning": "#9a5b00", "info": "#4d5661"}
_SURE = {
    "paper": "as printed in the paper",
    "abstract": "source's abstract",
    "secondary": "quoted by others",
    "memory": "unconfirmed",
}


def report_pdf(record: Mapping[str, Any], picture: Image) -> bytes:
    """The one-page report.

    Parameters
    ----------
    record:
        The record of `assessment.json`.
    picture:
        Slice and contour, from `overlay.draw_slice`.
    """
    from reportlab import rl_config
    from reportlab.pdfgen.canvas import Canvas

    rl_config.useA85 = 0  # as text a page took half of its time, and a quarter more bytes
    page.register_fonts()
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=page.PAGE, invariant=1, pageCompression=1)
    canvas.setTitle(f"Skeletal muscle area at L3: {page.printable(record['case'])}")
    canvas.setAuthor(record["software"]["name"])
    canvas.setSubject(f"{record['id']}. {wording.RESEARCH_SENTENCE}")
    _draw_page(canvas, record, picture)
    canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def csv_row(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record as one row of a CSV: `flat_row` with absent facts empty and truth in small letters."""
    return {name: csv_value(value) for name, value in flat_row(record).items()}


def flat_row(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record as one flat row, numbers unrounded, absent facts `None`; the first column is `case`."""
    muscle, status, level = record["muscle"], record["status"], record["l3"]
    patient, review, model = record["patient"], record["review"], record["model"]
    low, high = muscle["sma_interval_cm2"] or (None, None)
    below, above = level["neighbours_sma_cm2"]
    severities = [entry["severity"] for entry in record["quality"]]
    return {
        "case": record["case"],
        **{name: muscle[name] for name in ("sma_cm2", "mean_hu", "sma_hu_m29_150_cm2", "smi_cm2_m2")},
        "sma_low_cm2": low,
        "sma_high_cm2": high,
        "status": status["value"],
        **{name: status[name] for name in ("criterion", "cutoff", "unit", "borderline")},
        **{name: patient[name] for name in ("sex", "sex_source", "age_years", "height_m", "weight_kg")},
        "l3_slice_from_feet": level["slice_from_feet"],
        "l3_superior_mm": level["superior_mm"],
        "l3_method": level["method"],
        "l3_confidence": level["confidence"],
        "sma_slice_below_cm2": below,
        "sma_slice_above_cm2": above,
        "quality_errors": severities.count("error"),
        "quality_warnings": severities.count("warning"),
        "quality": " ".join(entry["code"] for entry in record["quality"]),
        "mask_source": record["mask"]["source"],
        "review": review["state"],
        "model": model["name"],
        "model_version": model["version"],
        "model_sha256": model["sha256"],
        "input_format": record["input"]["format"],
        "input_sha256": record["input"]["sha256"],
        "software_version": record["software"]["version"],
        "id": record["id"],
    }


def csv_value(value: Any) -> Any:
    """A value as a cell of a CSV: truth in small letters, absent facts empty, no text a formula."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else as_cell(value)


def _draw_page(canvas: Canvas, record: Mapping[str, Any], picture: Image) -> None:
    _draw_band(canvas, record)
    top = page.PAGE[1] - _BAND - page.GAP
    height = _draw_picture(canvas, picture, top)
    right = page.EDGE + _PICTURE[0] + page.GAP
    panel = _draw_panel(canvas, record, (right, top), page.WIDTH - _PICTURE[0] - page.GAP)
    top -= max(height, panel) + page.GAP
    footer, provenance = _footer(), _provenance(record)
    bottom = 9 * page.MM
    bottom += page.draw(canvas, footer, page.EDGE, bottom) + 2.5 * page.MM
    bottom += page.draw(canvas, provenance, page.EDGE, bottom) + 3 * page.MM
    weight = list(_SEVERITY_INK).index
    findings = sorted(record["quality"], key=lambda entry: weight(entry["severity"]))
    notes = [_finding(entry) for entry in findings] or [
        page.paragraph("Nothing to remark.", page.NOTE_PT, page.SOFT)
    ]
    least = sum(page.height_of(note) for note in notes[:4]) + 8 * page.MM
    others = sum(_differs(record, block) for block in _all_criteria(record))
    title = "Published criteria" + (
        f"  –  {others} of {len(_all_criteria(record))} contradict the status (≠)" if others else ""
    )
    table = page.as_many_as_fit(_criteria_table(record), len(_all_criteria(record)), top - bottom - least)
    top = page.draw_titled(canvas, title, table, top)
    quality = page.as_many_as_fit(_quality_list(notes), len(notes), top - bottom - 6 * page.MM)
    page.draw_titled(canvas, "Quality and remarks", quality, top)


def _draw_band(canvas: Canvas, record: Mapping[str, Any]) -> None:
    canvas.setFillColor(_DARK)
    canvas.rect(0, page.PAGE[1] - _BAND, page.PAGE[0], _BAND, stroke=0, fill=1)
    page.one_line(
        canvas,
        "Skeletal muscle area at L3",
        (page.EDGE, page.PAGE[1] - 9 * page.MM),
        page.Type("VeraBd", 15, "#ffffff"),
    )
    place = (page.EDGE, page.PAGE[1] - 15 * page.MM)
    page.one_line(canvas, f"Case {record['case']}", place, page.Type("Vera", 9, "#c3cad3"), page.WIDTH * 0.62)
    canvas.setFillColor("#f6b24a")
    canvas.setFont("VeraBd", 9)
    canvas.drawRightString(page.PAGE[0] - page.EDGE, page.PAGE[1] - 9 * page.MM, "Research use only")
    canvas.setFillColor("#c3cad3")
    canvas.setFont("Vera", 8)
    review = {"unreviewed": "not reviewed by a person", "accepted": "accepted", "rejected": "rejected"}
    canvas.drawRightString(
        page.PAGE[0] - page.EDGE, page.PAGE[1] - 15 * page.MM, review[record["review"]["state"]]
    )


def _draw_picture(canvas: Canvas, picture: Image, top: float) -> float:
    from reportlab.lib.utils import ImageReader

    scale = min(_PICTURE[0] / picture.width, _PICTURE[1] / picture.height)
    width, height = picture.width * scale, picture.height * scale
    canvas.setFillColor("#000000")
    canvas.rect(page.EDGE, top - height, _PICTURE[0], height, stroke=0, fill=1)
    jpeg = io.BytesIO()
    picture.save(jpeg, "JPEG", quality=93, subsampling=0)
    jpeg.seek(0)
    canvas.drawImage(ImageReader(jpeg), page.EDGE + (_PICTURE[0] - width) / 2, top - height, width, height)
    return height


def _draw_panel(
    canvas: Canvas, record: Mapping[str, Any], corner: tuple[float, float], width: float
) -> float:
    """Numbers and status beside the picture; returns the height taken."""
    x, top = corner
    y = top - 3 * page.MM
    page.one_line(canvas, "SMA", (x, y), page.Type("Vera", 8, page.SOFT))
    y -= 9.5 * page.MM
    page.one_line(canvas, wording.area_text(record), (x, y), page.Type("VeraBd", 25, page.INK), width)
    y -= 4.5 * page.MM
    is_known = record["muscle"]["sma_interval_cm2"] is not None
    interval = f"interval {wording.interval_text(record)}" if is_known else "interval not known"
    page.one_line(canvas, interval, (x, y), page.Type("Vera", 8, page.SOFT), width)
    y -= 2.5 * page.MM
    words, colour = wording.headline(record)
    ink = _STATUS_INK[colour]
    sentence = page.paragraph(_status_sentence(record), page.SMALL_PT, page.INK, markup=True)
    box = [page.paragraph(words, 12, ink, bold=True), sentence]
    y -= page.draw_box(canvas, box, ink, (x, y), width) + 2.5 * page.MM
    facts = page.pairs(_facts(record), width)
    y -= page.draw(canvas, facts, x, y, down=True)
    return top - y


def _status_sentence(record: Mapping[str, Any]) -> str:
    """The cut-off, what it is and where it stands, as reportlab markup."""
    criterion = load_criteria().get(record["status"]["criterion"])
    rule = page.escaped(wording.criterion_text(record))
    if criterion is None:
        return rule
    source = f"{criterion.statistic}; {wording.shortened(criterion.citation, 170)}"
    reason = wording.status_of(record).reason if record["status"]["value"] == "undetermined" else None
    # A short reason stands in the headline already.
    because = (
        f"<b>{page.escaped(wording.shortened(reason, 240))}</b><br/>" if reason and len(reason) > 60 else ""
    )
    return f"{because}{rule}<br/><font size='6' color='{page.SOFT}'>{page.escaped(source)}</font>"


def _facts(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    muscle, level, patient = record["muscle"], record["l3"], record["patient"]
    in_range = muscle["sma_hu_m29_150_cm2"]
    below, above = level["neighbours_sma_cm2"]
    source = {"given": " (given)", "dicom": " (DICOM)"}.get(patient["sex_source"] or "", "")
    known = [
        f"{patient[name]:g} {unit}"
        for name, unit in (("age_years", "years"), ("height_m", "m"), ("weight_kg", "kg"))
        if patient[name] is not None
    ]
    superior = wording.signed(f"{level['superior_mm']:.1f} mm")
    return [
        ("Mean attenuation", wording.mean_hu_text(record)),
        ("Area of −29…150 HU", _cm2(in_range)),
        ("Index (SMI)", wording.smi_text(record)),
        ("Slice below / above", f"{_cm2(below)} / {_cm2(above)}"),
        (
            "L3 level",
            f"slice {level['slice_from_feet']} from the feet, S {superior}; {wording.method_text(record)}",
        ),
        ("Patient", ", ".join([f"{patient['sex'] or 'sex unknown'}{source}", *known])),
        ("Mask", wording.mask_text(record)),
    ]


def _cm2(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} cm²"


def _all_criteria(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [record["status"], *record["other_criteria"]]


def _criteria_table(record: Mapping[str, Any]) -> Callable[[int], Flowable]:
    rows = [_criterion_cells(record, block) for block in _all_criteria(record)]
    head = [
        page.paragraph(t, page.TABLE_PT, page.SOFT)
        for t in ("Source, measure", "Low if", "Here", "Says", "Figure from")
    ]
    widths = [page.WIDTH * part for part in (0.23, 0.19, 0.10, 0.29, 0.19)]

    def build(count: int) -> Flowable:
        shown = [head, *rows[:count]]
        if count < len(rows):
            shown.append([_more(len(rows) - count), "", "", "", ""])
        return page.grid(shown, widths, spanned=count < len(rows))

    return build


def _criterion_cells(record: Mapping[str, Any], block: Mapping[str, Any]) -> list[Paragraph]:
    criterion = load_criteria().get(block["criterion"])
    cutoff, value = block["cutoff"], block["value"]
    here = None if criterion is None else record["muscle"][criterion.measure.value]
    shown = "–" if criterion is None or here is None else wording.measured_text(record, criterion.measure)
    says, ink = value, _STATUS_INK[value]
    if value == "undetermined":
        says = wording.shortened(block.get("reason") or wording.status_of(record).reason or value, 120)
    elif block.get("borderline"):
        says = f"{value}, borderline"
    differs = _differs(record, block)
    mark = " ≠" if differs else ""
    rule = "–" if criterion is None or cutoff is None else wording.rule_text(criterion, cutoff)
    is_first = block is record["status"]
    return [
        page.paragraph(
            criterion.title if criterion else block["criterion"], page.TABLE_PT, page.INK, bold=is_first
        ),
        page.paragraph(rule, page.TABLE_PT, page.INK),
        page.paragraph(shown, page.TABLE_PT, page.INK),
        page.paragraph(f"{says}{mark}", page.TABLE_PT, ink, bold=is_first or differs),
        page.paragraph(_SURE.get(criterion.sure, "") if criterion else "", page.TABLE_PT, page.SOFT),
    ]


def _differs(record: Mapping[str, Any], block: Mapping[str, Any]) -> bool:
    values = {block["value"], record["status"]["value"]}
    return len(values) == 2 and "undetermined" not in values


def _finding(entry: Mapping[str, Any]) -> Paragraph:
    severity = entry["severity"]
    tag = f"<font name='VeraBd' color='{_SEVERITY_INK[severity]}'>{severity}</font>"
    message = page.escaped(wording.shortened(entry["message"], 360))
    code = page.escaped(wording.shortened(entry["code"], 40))
    return page.paragraph(
        f"{tag}&nbsp; {message} <font color='{page.SOFT}'>{code}</font>", page.NOTE_PT, page.INK, markup=True
    )


def _quality_list(notes: list[Paragraph]) -> Callable[[int], Flowable]:
    def build(count: int) -> Flowable:
        shown: list[list[Any]] = [[note] for note in notes[:count]]
        if count < len(notes):
            shown.append([_more(len(notes) - count)])
        return page.grid(shown, [page.WIDTH], rules=False)

    return build


def _more(count: int) -> Paragraph:
    return page.paragraph(f"… {count} more in assessment.json", page.NOTE_PT, page.SOFT)


def _provenance(record: Mapping[str, Any]) -> Flowable:
    model, software, image = record["model"], record["software"], record["input"]
    shape = " × ".join(str(n) for n in image["shape"])
    spacing = " × ".join(f"{mm:.3g}" for mm in image["spacing_mm"])
    drawn = "none: the mask was given"
    if model["name"]:
        drawn = f"{model['name']} {model['version']}, sha256 {(model['sha256'] or '–')[:12]}…"
        drawn += (
            f"; trained on {wording.shortened(model['trained_on'], 200)}" if model.get("trained_on") else ""
        )
    torch = f", torch {software['torch']}" if software.get("torch") else ""
    device = f" on {software['device']}" if software.get("device") else ""
    rows = [
        ("Model", drawn),
        (
            "Input",
            f"{image['format']}, {shape} voxels of {spacing} mm, {image['orientation']}, "
            f"sha256 {image['sha256'][:12]}…",
        ),
        (
            "Software",
            f"{software['name']} {software['version']}, Python {software['python']}{torch}{device}",
        ),
        ("Provenance id", record["id"]),
    ]
    return page.pairs(rows, page.WIDTH, share=0.13)


def _footer() -> Flowable:
    text = " ".join((*STATUS_SENTENCES, wording.RESEARCH_SENTENCE))
    return page.grid([[page.paragraph(text, 6.4, page.SOFT)]], [page.WIDTH], rules=False)

"""Which decision stands: matched by provenance and CT, accepted ones never replaced, the chain whole."""

import hashlib
import json

import pytest

from SarcopeniaAssessLib import audit
from SarcopeniaAssessLib.overview.decisions import Decision, Decisions, Known
from Testing.library.overview.made_decisions import OTHER_ID, automatic, decided

LATER, EARLIER = "2026-03-02T10:00:00+00:00", "2026-02-01T10:00:00+00:00"
THIRD_ID = "9a1c2a56-9d3b-4c11-8a77-5d2f6f0a1b2c"


def known(case="one", **changes):
    record = automatic(case, **changes)
    return Known(case, record["id"], record["input"]["sha256"], record["l3"]["slice_from_feet"])


@pytest.fixture
def log(tmp_path):
    return tmp_path / audit.LOG_FILE


def decisions(log, *cases, own=None):
    return Decisions(log, cases or (known(),), own or {})


def bring(log, *records, cases=(), withdrawn=False):
    return decisions(log, *cases).bring([Decision("export", record, withdrawn) for record in records])


def standing(log, case="one", *cases):
    return decisions(log, *cases).standing(case)


def reasons(brought):
    return [each.reason for each in brought.refused]


def test_a_decision_of_the_same_ct_stands_and_is_a_line_of_the_log(log):
    assert bring(log, decided()).taken == 1
    assert standing(log)["muscle"]["sma_cm2"] == 136.0
    assert [entry["event"] for entry in audit.read_audit(log)] == ["imported"]
    assert audit.verify_audit(log) == []


def test_the_name_alone_says_nothing(log):
    brought = bring(log, decided(case="one", input={"sha256": "ee" * 32}))
    assert reasons(brought) == ["no case of the folder was made of the same CT"]
    assert not log.exists()


@pytest.mark.parametrize("where", ["id", "model_opinion"])
def test_the_provenance_id_finds_the_case_whatever_the_hash(log, where):
    own = automatic()["id"]
    opinion = {
        "id": own,
        "sma_cm2": 143.96,
        "sma_interval_cm2": None,
        "mean_hu": None,
        "status": "sarcopenic",
        "pixels": decided()["mask"]["pixels"],
    }
    change = {"id_": own} if where == "id" else {"model_opinion": opinion}
    assert bring(log, decided(input={"sha256": "ee" * 32}, **change)).taken == 1
    assert standing(log) is not None


def test_of_several_cases_of_one_ct_the_slice_tells_then_the_name(log):
    cases = [
        known("low", id=OTHER_ID[:-1] + "d", l3={"slice_from_feet": 2}),
        known("high", id=OTHER_ID[:-1] + "e"),
    ]
    bring(log, decided(), cases=cases)
    assert standing(log, "high", *cases) is not None
    assert standing(log, "low", *cases) is None


def test_of_two_alike_the_name_tells_else_neither_is_taken(log):
    cases = [known("a", id=OTHER_ID[:-1] + "d"), known("b", id=OTHER_ID[:-1] + "e")]
    brought = bring(log, decided(), cases=cases)
    assert reasons(brought) == ["several cases of the folder were made of the same CT"]
    assert bring(log, decided(case="b"), cases=cases).taken == 1
    assert standing(log, "b", *cases) is not None


def test_the_same_again_adds_nothing(log):
    bring(log, decided())
    before = log.read_bytes()
    brought = bring(log, decided(), decided())
    assert (brought.taken, brought.already_there, brought.refused) == (0, 2, [])
    assert log.read_bytes() == before


def test_what_is_accepted_is_never_replaced(log):
    bring(log, decided())
    for state in ("accepted", "rejected"):
        brought = bring(log, decided(state, LATER, THIRD_ID))
        assert reasons(brought) == ["the case is accepted already, and what is accepted is never replaced"]
    assert standing(log)["id"] == OTHER_ID
    assert len(audit.read_audit(log)) == 1


def test_a_case_whose_own_record_is_accepted_keeps_it(log):
    own = {"one": decided(id_=automatic()["id"])}
    found = Decisions(log, [known()], own)
    brought = found.bring([Decision("export", decided("accepted", LATER))])
    assert len(brought.refused) == 1
    assert found.bring([Decision("export", own["one"])]).already_there == 1
    assert found.standing("one") is own["one"]


def test_a_rejection_is_followed_by_a_later_decision_only(log):
    bring(log, decided("rejected"))
    assert reasons(bring(log, decided("accepted", EARLIER, THIRD_ID))) == [
        "a later decision stands for the case"
    ]
    assert bring(log, decided("accepted", LATER, THIRD_ID)).taken == 1
    assert standing(log)["review"]["state"] == "accepted"


def test_decisions_are_taken_in_the_order_in_which_they_were_made(log):
    brought = bring(log, decided("accepted", LATER, THIRD_ID), decided("rejected"))
    assert (brought.taken, brought.refused) == (2, [])
    assert standing(log)["id"] == THIRD_ID


def test_a_withdrawal_takes_back_what_it_names_and_no_more(log):
    bring(log, decided())
    refused = bring(log, decided("accepted", LATER, THIRD_ID), withdrawn=True)
    assert reasons(refused) == ["what it withdraws does not stand for the case"]
    assert bring(log, decided(), withdrawn=True).taken == 1
    assert standing(log) is None
    assert bring(log, decided("accepted", LATER, THIRD_ID)).taken == 1
    assert [entry["event"] for entry in audit.read_audit(log)] == [
        "imported",
        "imported withdrawal",
        "imported",
    ]


def test_what_the_module_has_logged_here_stands_without_being_brought(log):
    audit.append(log, "accepted", decided())
    assert standing(log) is not None
    audit.append(log, "withdrawn", decided("accepted", LATER, THIRD_ID))
    assert standing(log) is not None
    audit.append(log, "withdrawn", decided())
    assert standing(log) is None


def test_an_area_that_is_not_its_masks_is_refused(log):
    muscle = {"sma_cm2": 137.0, "smi_cm2_m2": 137.0 / 1.75**2}
    assert reasons(bring(log, decided(muscle={**decided()["muscle"], **muscle}))) == [
        "its area is not that of its mask"
    ]
    damaged = {**decided()["mask"], "pixels": {"shape": [90, 64], "bits": "AAAA"}}
    assert reasons(bring(log, decided(mask=damaged)))[0].startswith("its mask cannot be read")


def test_the_area_is_that_of_the_slice_however_the_axes_are_stored(log):
    stored = {"orientation": "SRA", "spacing_mm": [6.0, 4.0, 5.0], "shape": [7, 90, 64]}
    assert bring(log, decided(input=stored)).taken == 1


def test_a_log_that_is_not_whole_says_nothing_and_takes_nothing(log):
    bring(log, decided("rejected"))
    log.write_bytes(log.read_bytes().replace(b"rejected", b"accepted"))
    found = decisions(log)
    assert found.problem == "The folder's audit log is not whole"
    assert found.standing("one") is None
    before = log.read_bytes()
    brought = found.bring([Decision("export", decided("accepted", LATER, THIRD_ID))])
    assert (brought.taken, reasons(brought)) == (0, ["The folder's audit log is not whole"])
    assert log.read_bytes() == before


def test_a_line_of_another_form_is_told(log):
    content = b'{"line": 1, "at": "x", "event": "accepted", "record": [], "previous": "%s"}\n' % (b"0" * 64)
    log.write_bytes(content)
    assert decisions(log).problem == "The folder's audit log holds a line that is no decision"


def test_a_line_of_another_form_takes_those_before_it_along(log):
    bring(log, decided("rejected"))
    entry = audit.read_audit(log)[0]
    previous = hashlib.sha256(log.read_bytes()[:-1]).hexdigest()
    line = {**entry, "line": 2, "event": "accepted", "record": {}, "previous": previous}
    log.write_bytes(log.read_bytes() + json.dumps(line).encode() + b"\n")
    log.with_name(log.name + audit.SEAL_SUFFIX).unlink()
    own = {"two": decided()}
    found = decisions(log, own=own)
    assert found.problem == "The folder's audit log holds a line that is no decision"
    assert found.standing("one") is None
    assert found.standing("two") is own["two"]


def test_of_a_copied_folder_and_its_first_the_name_tells(log):
    cases = [known("one"), known("one copy")]
    of_both = decided(id_=automatic()["id"])
    assert reasons(bring(log, of_both, cases=cases)) == [
        "several cases of the folder were made of the same CT"
    ]
    assert bring(log, {**of_both, "case": "one"}, cases=cases).taken == 1
    assert standing(log, "one", *cases) is not None
    assert standing(log, "one copy", *cases) is None


def test_a_withdrawal_that_comes_before_its_decision_follows_it(log):
    found = decisions(log)
    brought = found.bring([Decision("b", decided(), withdrawn=True), Decision("a", decided())])
    assert (brought.taken, brought.refused) == (2, [])
    assert found.standing("one") is None

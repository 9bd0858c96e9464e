"""Tables and figures of every part in one place, with their captions; what is no longer there goes."""

import pytest

from SarcopeniaAssessLib.errors import OutputError
from SarcopeniaTraining.reproduction_gathering import gather


def put(path, text="x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def table(folder, name):
    for kind in (".csv", ".md", ".tex"):
        put(folder / f"{name}{kind}", f"{name}{kind}")


@pytest.fixture
def out(tmp_path):
    segment, explained = tmp_path / "finetune" / "evaluation", tmp_path / "explanations"
    table(segment, "table3")
    put(segment / "summary.json")
    put(segment / "figures" / "curves.png", "curves")
    put(segment / "figures" / "captions.md", "**curves.png** Loss\nand Dice.\n\n**gone.png** No figure.\n\n")
    table(explained, "attribution")
    put(explained / "notes.csv")  # no table: it has no other forms
    put(explained / "figures" / "curves.png", "others")
    put(explained / "captions.md", "**curves.png** Insertion and deletion.\n")
    return tmp_path


def test_tables_keep_their_names_and_figures_get_their_parts(out):
    found = gather(out)
    tables = sorted(path.name for path in (out / "tables").iterdir())
    assert tables == [f"{name}.{kind}" for name in ("attribution", "table3") for kind in ("csv", "md", "tex")]
    assert (out / "tables" / "table3.csv").read_text() == "table3.csv"
    figures = sorted(path.name for path in (out / "figures").iterdir())
    assert figures == ["captions.md", "explain-curves.png", "segment-curves.png"]
    assert (out / "figures" / "explain-curves.png").read_text() == "others"
    assert len(found) == 9
    assert (out / "figures" / "captions.md").read_text() == (
        "**segment-curves.png** Loss and Dice.\n\n**explain-curves.png** Insertion and deletion.\n\n"
    )


def test_what_is_no_longer_there_goes(out):
    gather(out)
    for kind in ("csv", "md", "tex"):
        (out / "explanations" / f"attribution.{kind}").unlink()
    (out / "explanations" / "figures" / "curves.png").unlink()
    gather(out)
    assert len(list((out / "tables").iterdir())) == 3
    assert not (out / "figures" / "explain-curves.png").exists()


def test_two_tables_of_one_name_are_refused(out):
    table(out / "imbalance", "table3")
    with pytest.raises(OutputError, match="two parts have a table table3"):
        gather(out)

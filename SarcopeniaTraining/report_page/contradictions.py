"""Where the paper (Bhardwaj et al., arXiv 2508.17275) disagrees with itself, and what is done about it."""

from __future__ import annotations

from dataclasses import dataclass

TABLE_1, TABLE_2, TABLE_3, TABLE_4, TEXT = "table1", "table2", "table3", "table4", "text"


@dataclass(frozen=True)
class Contradiction:
    """One of them.

    Attributes
    ----------
    name:
        Anchor of its row.
    places:
        Sections of the report where it matters.
    where, printed:
        Where it stands, and what is printed there.
    follows:
        What follows from the paper's other numbers.
    here:
        How this program treats it.
    """

    name: str
    places: tuple[str, ...]
    where: str
    printed: str
    follows: str
    here: str


CONTRADICTIONS = (
    Contradiction(
        "misprint",
        (TABLE_4,),
        "Table 4, row 4",
        "true area 94.86 cm², predicted 199.38 cm², error 2.32 %",
        "2.32 % holds for a true area of 194.86 cm². As printed the error is 110 %.",
        "The row is shown as printed and marked; means take 194.86.",
    ),
    Contradiction(
        "splits",
        (TABLE_3, TABLE_4),
        "Sets of the segmentation",
        "47 (8 sarcopenic, 39 not), 16 (6, 10) and 16 (3, 13) patients",
        "They sum to 17 sarcopenic and 62 not; the cohort has 18 and 61. An exact stratified split must "
        "differ by one patient.",
        "Parts are drawn stratified from all patients and saved with their seed.",
    ),
    Contradiction(
        "inception",
        (TABLE_2,),
        "InceptionV3 on the test set",
        "text: all positive cases found, two negative ones wrong",
        "Accuracy 0.85, precision 1 and F1 0.5 in Table 2 mean one positive case found, two missed, and no "
        "false alarm.",
        "The confusion matrix that follows from Table 2 stands beside ours.",
    ),
    Contradiction(
        "accuracy",
        (TABLE_2,),
        "Accuracy in the conclusion",
        "82 %",
        "Table 2 says 0.85 to 0.92.",
        "Table 2 is compared.",
    ),
    Contradiction(
        "upper-spread",
        (TABLE_3, TABLE_4),
        "Table 3, fold 2",
        "Dice 0.98 ± 0.05; the fold called best is analysed in Table 4",
        "The upper spread lies above 1, and Table 4 has the figures of fold 4 (Dice 0.93), not of fold 2.",
        "Shown as printed. Our best fold is chosen on validation alone.",
    ),
    Contradiction(
        "signs",
        (TABLE_3, TABLE_4),
        "Area difference in Table 3",
        "means of −3.18, −3.16 and −3.0 % in some folds, 3.17 % in fold 4",
        "Negative means are signed; 3.17 is the mean absolute error of Table 4 (3.173; its signed mean is "
        "−2.02 ± 3.28). The column mixes two kinds of number.",
        "Signed and absolute errors have columns of their own and are never mixed; no difference is told.",
    ),
    Contradiction(
        "best-fold",
        (TABLE_3,),
        "Dice 0.93 against 0.90 of Gu et al. 2023",
        "0.93 as the method's Dice",
        "0.93 is one fold. The mean of the ten printed folds is 0.901, level with Gu's 0.90.",
        "The mean over folds is compared with 0.901.",
    ),
    Contradiction(
        "chosen-on-test",
        (TABLE_3,),
        "Choice of the checkpoint",
        "a checkpoint every 30 epochs, its performance observed during testing",
        "A checkpoint chosen on the test patients flatters the result on them.",
        "Checkpoints are chosen on validation; what choosing on test would have given is shown beside it as "
        "no result.",
    ),
    Contradiction(
        "bootstrap",
        (TABLE_1,),
        "Caption and columns of Table 1",
        "caption: accuracy; columns: AUC (10 bootstrap); text: ten shuffled data sets",
        "Three descriptions of one column.",
        "Taken as the AUC over ten shuffled sets.",
    ),
    Contradiction(
        "networks",
        (TABLE_1,),
        "Number of networks",
        "three in section 3.3, four in section 4.1 and in the tables",
        "Four have results.",
        "All four are run.",
    ),
    Contradiction(
        "sex",
        (TABLE_4,),
        "Sex in Table 4",
        "removed",
        "The rule of 144 and 92 cm² cannot be applied to its rows again. Every row that is not sarcopenic "
        "below 144 cm² must be a woman.",
        "Our rows tell the sex and the status by both areas.",
    ),
    Contradiction(
        "axes",
        (TEXT,),
        "Axes of the CT",
        "RAS against LAS, described as anterior to posterior, inferior to superior, left to right",
        "The description fits neither name.",
        "RAS, from each file's own header.",
    ),
    Contradiction(
        "range",
        (TABLE_4,),
        "Range of the area error",
        "1 % to 7 %",
        "Table 4 has 0.53, 0.64 and 0.68 %.",
        "The range is taken from the rows.",
    ),
    Contradiction(
        "figure-3",
        (TEXT,),
        "Reference to the Dice scores",
        "Figure 3",
        "Figure 3 is the classifiers'; Table 3 is meant.",
        "Nothing depends on it.",
    ),
)


def of_place(place: str) -> tuple[Contradiction, ...]:
    """Those that matter to a section."""
    return tuple(each for each in CONTRADICTIONS if place in each.places)

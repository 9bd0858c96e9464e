"""One held-out person and one scan of them: sizes, habitus, traits, all from a seed."""

from dataclasses import dataclass

import numpy as np

_HEIGHT_CM = {"male": (176.0, 7.0), "female": (163.0, 6.5)}
_CHANCES = {
    "ascites": 0.08,
    "scoliosis": 0.10,
    "one_sided_atrophy": 0.06,
    "hernia": 0.05,
    "aneurysm": 0.04,
    "bowel_contrast": 0.20,
    "stool": 0.60,
    "organs_on_wall": 0.50,
    "calcified_aorta": 0.35,
    "metal": 0.04,
    "arms": 0.10,
    "truncated": 0.07,
    "oedema": 0.08,
    "kidney_cyst": 0.15,
    "curved_table": 0.5,
    "blanket": 0.35,
}
"""Of each trait at the age where it depends on age: docs/second-family.md."""
_NUMBERINGS = (
    ("normal", 0.82),
    ("L4", 0.04),
    ("L6", 0.05),
    ("T13", 0.03),
    ("no_T12_rib", 0.03),
    ("sacralised", 0.03),
)


@dataclass(frozen=True)
class Person:
    """Principal deformations of the reference body (a man of medium build).

    Attributes
    ----------
    skeleton, muscle
        Linear scale of bones and area factor of muscle within the person's sex.
    waist, depth
        Width of the cavity, and its depth in front of the spine, as factors.
    subcutaneous_mm
        Thickness in front, at the side, behind.
    fattiness
        0 lean … 1 severe intramuscular fat.
    wall
        Thickness of the abdominal wall's muscles, as a factor beside `muscle`.
    asymmetry
        How much larger the right side's muscles are, as a share.
    """

    sex: str
    age_years: int
    skeleton: float
    muscle: float
    wall: float
    waist: float
    depth: float
    subcutaneous_mm: tuple[float, float, float]
    fattiness: float
    muscle_hu: float
    asymmetry: float
    bmi: float
    traits: tuple[str, ...]
    numbering: str

    def has(self, trait: str) -> bool:
        """Whether a trait was drawn."""
        return trait in self.traits

    @property
    def build(self) -> str:
        """Slim under BMI 23, obese from 30, medium between."""
        return "slim" if self.bmi < 23 else "obese" if self.bmi >= 30 else "medium"

    @classmethod
    def random(cls, rng: np.random.Generator, *, variants: bool) -> "Person":
        """Draw a person; numbering variants only where a whole scan shows them."""
        sex = "male" if rng.random() < 0.5 else "female"
        age = int(np.clip(rng.normal(63, 14), 20, 95))
        mean, spread = _HEIGHT_CM[sex]
        height = float(np.clip(rng.normal(mean, spread), 145, 203))
        bmi = float(np.clip(rng.lognormal(np.log(26.0), 0.19), 15.5, 46))
        old = (age - 50) / 40
        muscle = float(np.clip(rng.normal(0.945 - 0.15 * old + 0.005 * (bmi - 26), 0.125), 0.42, 1.25))
        visceral = float(
            np.clip(rng.normal((bmi - 25) / 9 + (0.25 if sex == "male" else -0.15), 0.35), -1.0, 2.2)
        )
        fat = float(np.clip(rng.normal(0.30 + 0.28 * old + 0.014 * (bmi - 26), 0.19), 0.02, 1.1))
        under = np.exp(rng.normal(np.log(15 if sex == "male" else 21), 0.25)) * (max(bmi - 12, 5) / 14) ** 1.5
        traits = {trait for trait, chance in _CHANCES.items() if rng.random() < chance * _by_age(trait, age)}
        numbering = str(rng.choice([n for n, _ in _NUMBERINGS], p=[p for _, p in _NUMBERINGS]))
        skeleton = float((height / 176) ** 0.9 * (1 if sex == "male" else 0.955) * rng.normal(1, 0.025))
        return cls(
            sex=sex,
            age_years=age,
            skeleton=skeleton,
            muscle=muscle * (1.0 if sex == "male" else 0.80),
            wall=float(np.clip(rng.normal(1, 0.10), 0.75, 1.2)) * (1 - 0.08 * old),
            waist=float(np.clip(0.885 + 0.12 * visceral + rng.normal(0, 0.035), 0.76, 1.3)) * skeleton**0.7,
            depth=float(np.clip(1.02 + 0.27 * visceral + rng.normal(0, 0.07), 0.55, 1.65)) * skeleton**0.7,
            subcutaneous_mm=_subcutaneous(float(under), sex, rng),
            fattiness=fat,
            muscle_hu=float(np.clip(rng.normal(60 - 9 * max(old, -0.7), 4.0), 40, 70)),
            asymmetry=float(rng.normal(0, 0.035)),
            bmi=bmi,
            traits=tuple(sorted(traits)),
            numbering=numbering if variants else "normal",
        )


def _by_age(trait: str, age_years: int) -> float:
    """Calcium and aneurysms come with age; the rest is the same for all."""
    if trait in {"calcified_aorta", "aneurysm"}:
        return float(np.clip((age_years - 40) / 25, 0, 2))
    return 1.0


def _subcutaneous(under_mm: float, sex: str, rng: np.random.Generator) -> tuple[float, float, float]:
    """Front, side and back: women carry more at the side and behind."""
    shares = (1.0, 0.75, 0.8) if sex == "male" else (1.0, 0.95, 1.0)
    front, side, back = (float(np.clip(under_mm * s * np.exp(rng.normal(0, 0.2)), 2.5, 75)) for s in shares)
    return front, side, back


@dataclass(frozen=True)
class Protocol:
    """How the person is scanned."""

    phase: str
    kernel: str
    kvp: int
    noise_hu: float

    @classmethod
    def random(cls, rng: np.random.Generator, bmi: float) -> "Protocol":
        """Draw phase, kernel, voltage and the noise of muscle at the centre in HU."""
        phase = str(rng.choice(["none", "arterial", "portal"], p=[0.3, 0.15, 0.55]))
        kernel = str(rng.choice(["soft", "medium", "sharp"], p=[0.4, 0.42, 0.18]))
        kvp = int(rng.choice([80, 100, 120, 140], p=[0.08, 0.27, 0.57, 0.08]))
        noise = float(np.exp(rng.normal(np.log(9.0), 0.38))) * (bmi / 26) ** 0.7
        noise *= {"soft": 0.8, "medium": 1.0, "sharp": 1.9}[kernel]
        return cls(phase, kernel, kvp, float(np.clip(noise, 3.5, 36)))

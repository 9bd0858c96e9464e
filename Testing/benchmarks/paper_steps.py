"""One step of each training of the preset `paper`, in seconds of one core: what its dry run is reckoned from.

One thread, in a process of its own; the processor's time is counted, so that other programs change little.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import replace

from Testing.benchmarks.children import NotMeasuredError, run_python
from Testing.benchmarks.tables import Row

TITLE = "A step of the published trainings, one core"
NETWORKS = ("ResNet50", "DenseNet121", "InceptionV3", "InceptionResNetV2")
PARTS = ("pretrain", *NETWORKS)


def rows() -> list[Row]:
    """Seconds of one core, and peak memory."""
    found = []
    for part in PARTS:
        ran = run_python("-m", "Testing.benchmarks.paper_steps", part)
        if ran.status != 0:
            raise NotMeasuredError(ran.err.strip().splitlines()[-1])
        for words, seconds in json.loads(ran.out.splitlines()[-1]).items():
            found.append(Row(words, seconds, "s"))
        found.append(Row("· peak memory", ran.peak_bytes / 1e9, "GB"))
    return found


def pretrain() -> dict[str, float]:
    """A region (two views) of the published pre-training, from one step of two regions."""
    import numpy as np
    import torch

    from SarcopeniaTraining.pretraining import Pretraining, learn
    from SarcopeniaTraining.pretraining_preset import load_pretrain_preset
    from SarcopeniaTraining.schedule import Schedule
    from SarcopeniaTraining.views import ViewBatch

    torch.set_num_threads(1)
    preset = replace(load_pretrain_preset("paper"), batch=2)
    training, schedule, rng = Pretraining.start(preset), Schedule.of(preset, 79), np.random.default_rng(1)
    blocks = np.stack([preset.masking.draw(rng) for _ in range(2 * preset.batch)])
    batch = ViewBatch(torch.rand(len(blocks), 1, *preset.crop), torch.from_numpy(blocks))
    began = time.process_time()
    learn(training, batch, schedule)
    taken = time.process_time() - began
    return {"pre-training, a region of 128³ (two views of 96³)": taken / preset.batch}


def classifier(name: str) -> dict[str, float]:
    """A step of eight images of published size with every layer trained, and eight images read."""
    import numpy as np

    from SarcopeniaTraining.classification.architectures import architecture, require_keras
    from SarcopeniaTraining.classification.networks import build_classifier

    keras = require_keras()
    arch = architecture(name)
    model = build_classifier(arch, arch.side, seed=1)
    model.compile(optimizer=keras.optimizers.Adam(5e-5), loss="sparse_categorical_crossentropy")
    images = np.random.default_rng(1).random((8, arch.side, arch.side, 3), np.float32)
    labels = np.arange(8) % 2
    times = {}
    for words, work in (
        ("traced", lambda: model.train_on_batch(images, labels)),
        (f"{name}, a training step of 8 images of {arch.side}", lambda: model.train_on_batch(images, labels)),
        ("read", lambda: model.predict_on_batch(images)),
        (f"{name}, 8 images read", lambda: model.predict_on_batch(images)),
    ):
        began = time.process_time()
        work()
        times[words] = time.process_time() - began
    del times["traced"], times["read"]
    return times


def main(part: str) -> None:
    """Measure one part and print it as JSON."""
    os.environ.update(OMP_NUM_THREADS="1", TF_CPP_MIN_LOG_LEVEL="3")
    if part == "pretrain":
        print(json.dumps(pretrain()))
        return
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    print(json.dumps(classifier(part)))


if __name__ == "__main__":
    main(sys.argv[1])

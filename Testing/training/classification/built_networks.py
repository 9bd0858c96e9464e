"""The four networks at their least size, each built once for all tests of a process."""

from functools import cache

import numpy as np

from SarcopeniaTraining.classification.architectures import ARCHITECTURES
from SarcopeniaTraining.classification.networks import build_classifier, named_weights

SEED = 5


@cache
def _built(name):
    arch = ARCHITECTURES[name]
    model = build_classifier(arch, arch.least_side, SEED)
    return model, [weight.numpy() for weight in model.weights]


def built(name):
    """A classifier with weights of SEED, whatever another test has made of them."""
    model, start = _built(name)
    for weight, value in zip(model.weights, start, strict=True):
        weight.assign(value)
    return model


def with_statistics(model):
    """Give every batch norm statistics of its own, so that inference differs from training."""
    draw = np.random.default_rng(3)
    larger = 20 if model.name == "resnet50" else 1  # its blocks add up: the softmax would be 0 or 1
    for name, weight in named_weights(model).items():
        if name.endswith("moving_variance"):
            weight.assign(larger * draw.uniform(0.2, 0.6, weight.shape).astype(np.float32))
        if name.endswith("moving_mean"):
            weight.assign(draw.normal(0, 0.05, weight.shape).astype(np.float32))
    return model


def noise(model, count=3):
    """Prepared images of noise that fit the model."""
    shape = (count, *model.input_shape[1:])
    return np.random.default_rng(9).normal(0, 1, shape).astype(np.float32)

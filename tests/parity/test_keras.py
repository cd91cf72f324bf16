"""The Keras networks against Keras itself: what it counts, and outputs from the same numbers."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import archdsl

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras")
layers = keras.layers
Built = tuple[Any, list[Any]]
"""A Keras model, and its layers that have numbers in the order of the paper's text."""


def residual_mini() -> Built:
    """Chollet, Deep Learning with Python, 9.3.2."""
    found: list[Any] = []

    def conv(*args: Any, **kwargs: Any) -> Any:
        found.append(layers.Conv2D(*args, **kwargs))
        return found[-1]

    def block(x: Any, filters: int, pooling: bool) -> Any:
        residual = x
        x = conv(filters, 3, activation="relu", padding="same")(x)
        x = conv(filters, 3, activation="relu", padding="same")(x)
        if pooling:
            x = layers.MaxPooling2D(2, padding="same")(x)
            residual = conv(filters, 1, strides=2)(residual)
        elif filters != residual.shape[-1]:
            residual = conv(filters, 1)(residual)
        return layers.add([x, residual])

    inputs = keras.Input((32, 32, 3))
    x = layers.Rescaling(1.0 / 255)(inputs)
    for filters, pooling in ((32, True), (64, True), (128, False)):
        x = block(x, filters, pooling)
    found.append(layers.Dense(1, activation="sigmoid"))
    return keras.Model(inputs, found[-1](layers.GlobalAveragePooling2D()(x))), found


def xception_mini() -> Built:
    """Chollet, Deep Learning with Python, 9.3.5, without the augmentation that stands before it."""
    found: list[Any] = []

    def add(layer: Any) -> Any:
        found.append(layer)
        return layer

    inputs = keras.Input((180, 180, 3))
    x = layers.Rescaling(1.0 / 255)(inputs)
    x = add(layers.Conv2D(32, 5, use_bias=False))(x)
    for size in (32, 64, 128, 256, 512):
        residual = x
        for _ in range(2):
            x = layers.Activation("relu")(add(layers.BatchNormalization())(x))
            x = add(layers.SeparableConv2D(size, 3, padding="same", use_bias=False))(x)
        x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
        residual = add(layers.Conv2D(size, 1, strides=2, padding="same", use_bias=False))(residual)
        x = layers.add([x, residual])
    x = layers.Dropout(0.5)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, add(layers.Dense(1, activation="sigmoid"))(x)), found


def xception() -> Built:
    """`keras.applications.Xception`, whose projections have automatic names: they are found by what they feed."""
    model = keras.applications.Xception(weights=None, classifier_activation=None)
    names = ["block1_conv1", "block1_conv1_bn", "block1_conv2", "block1_conv2_bn"]
    convs, norms = (sorted(_automatic(model, kind)) for kind in ("conv2d", "batch_normalization"))
    projections = [name for pair in zip(convs, norms, strict=True) for _, name in pair]
    for block in range(2, 15):
        count = 3 if 5 <= block <= 12 else 2
        for at in range(1, count + 1):
            names += [f"block{block}_sepconv{at}", f"block{block}_sepconv{at}_bn"]
        if block in (2, 3, 4, 13):
            at = 2 * (2, 3, 4, 13).index(block)
            names += projections[at : at + 2]
    return model, [model.get_layer(n) for n in [*names, "predictions"]]


def _automatic(model: Any, kind: str) -> list[tuple[int, str]]:
    """The layers that Keras named itself, with their numbers."""
    names = [layer.name for layer in model.layers if layer.name.startswith(kind)]
    return [(int(name.removeprefix(kind).strip("_") or 0), name) for name in names]


def arrays(layer: Any) -> Iterator[np.ndarray[Any, Any]]:
    """The numbers of a Keras layer in the order and with the axes that torch has."""
    for weight in layer.weights:
        value = np.asarray(keras.ops.convert_to_numpy(weight))
        if weight.name == "depthwise_kernel":
            yield value.transpose(2, 3, 0, 1)
        elif value.ndim == 4:
            yield value.transpose(3, 2, 0, 1)
        else:
            yield value.T


def randomise(model: Any) -> None:
    """Every number away from where it begins, so that a mix-up shows."""
    generator = np.random.default_rng(0)
    for weight in model.weights:
        if weight.name.startswith(("kernel", "depthwise", "pointwise")):
            fan_in = math.prod(weight.shape[:3] if weight.name.startswith("depthwise") else weight.shape[:-1])
            value = generator.normal(0, math.sqrt(2 / fan_in), weight.shape)
        elif weight.name in ("gamma", "moving_variance"):
            value = generator.uniform(0.5, 1.5, weight.shape)
        else:
            value = generator.normal(0, 0.1, weight.shape)
        weight.assign(value.astype("float32"))


def take(module: nn.Module, found: list[Any]) -> None:
    """Copy the numbers of Keras' layers, one array after the other; none may be left on either side."""
    ours = [a for key, a in module.state_dict().items() if not key.endswith("num_batches_tracked")]
    theirs = [a for layer in found for a in arrays(layer)]
    assert [tuple(a.shape) for a in ours] == [a.shape for a in theirs]
    with torch.no_grad():
        for own, other in zip(ours, theirs, strict=True):
            own.copy_(torch.from_numpy(np.ascontiguousarray(other)))


CASES = [("residual_mini", residual_mini, 32), ("xception_mini", xception_mini, 180), ("xception", xception, 299)]


@pytest.mark.parametrize(("spec", "build", "size"), CASES, ids=[c[0] for c in CASES])
def test_same_counts_and_numbers(spec: str, build: Any, size: int) -> None:
    """Trained and other numbers as Keras counts them; outputs in eval within float32's rounding."""
    model, found = build()
    net = archdsl.load(spec)
    counts = archdsl.analyze(net).totals.of(training=False)
    assert counts.parameters == sum(math.prod(w.shape) for w in model.trainable_weights)
    assert counts.statistics == sum(math.prod(w.shape) for w in model.non_trainable_weights)
    randomise(model)
    ours = archdsl.build(net).eval()
    take(ours, found)
    images = np.random.default_rng(1).uniform(0, 255 if "mini" in spec else 1, (2, size, size, 3)).astype("float32")
    expected = np.asarray(keras.ops.convert_to_numpy(model(images, training=False)))
    with torch.no_grad():
        given = ours(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).numpy()
    assert expected.std(axis=0).max() > 1e-6  # two images, two answers
    np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-5 * float(np.abs(expected).max()))


def test_the_padding_matters() -> None:
    """The comparison can fail: zeros at the top left, as half padding has them, give another answer."""
    model, found = xception_mini()
    randomise(model)
    text = archdsl_source("xception_mini").replace("maxpool 3x3, stride 2, same", "maxpool 3x3, stride 2, pad 1")
    ours = archdsl.build(archdsl.loads(text)).eval()
    take(ours, found)
    images = np.random.default_rng(1).uniform(0, 255, (1, 180, 180, 3)).astype("float32")
    expected = np.asarray(keras.ops.convert_to_numpy(model(images, training=False)))
    with torch.no_grad():
        given = ours(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).numpy()
    assert not np.allclose(given, expected, rtol=1e-4)


def archdsl_source(name: str) -> str:
    """The text of a bundled spec."""
    from pathlib import Path

    return (Path(__file__).parents[2] / "specs" / f"{name}.yaml").read_text(encoding="utf-8")

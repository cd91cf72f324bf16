"""How single words are written in PyTorch: the lines that a reader of the source sees."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
import archdsl


def lines(shape: str, layers: str, before: str = "") -> list[str]:
    """The lines of the network's own class, stripped of indentation and of shapes."""
    body = "".join(f"  {line}\n" for line in layers.strip("\n").split("\n"))
    source = archdsl.compile(archdsl.loads(f"network: Net\ninput: {shape}\n{before}layers:\n{body}"))
    _, _, own = source.partition("class Net(nn.Module):")
    return [line.partition("  # ")[0].strip() for line in own.splitlines() if line.strip()]


@pytest.mark.parametrize(
    ("shape", "layers", "wanted"),
    [
        ("7x3", "lstm 5", ["self.lstm1 = nn.LSTM(3, 5, batch_first=True)", "x, _ = self.lstm1(x)", "return x"]),
        (
            "7x3",
            "rnn: gru 5, both, no bias -> linear 2",
            [
                "self.rnn = nn.GRU(3, 5, bias=False, batch_first=True, bidirectional=True)",
                "self.linear1 = nn.Linear(10, 2)",
                "x, _ = self.rnn(x)",
                "return self.linear1(x)",
            ],
        ),
        ("7x3", "residual: rnn: lstm 3", ["out, _ = self.rnn(x)", "return x + out"]),
        ("7x3", "rnn: lstm 3\nagain rnn", ["x, _ = self.rnn(x)", "x, _ = self.rnn(x)"]),
        ("3x8x8", "upsample 2", ['return F.interpolate(x, scale_factor=2.0, mode="nearest")']),
        ("3x8x8", "resize to 4x6, bilinear", ['return F.interpolate(x, size=(4, 6), mode="bilinear")']),
        (
            "3x8x8",
            "small: maxpool 2x2\n@input -> resize like @small",
            ["out = F.max_pool2d(x, 2)", 'return F.interpolate(x, size=out.shape[2:], mode="nearest")'],
        ),
        ("3x8x8", "reshape 6x32", ["return x.reshape(x.shape[0], -1, 32)"]),
        ("3x8x8", "reshape 6x4x8", ["return x.reshape(x.shape[0], 6, 4, 8)"]),
        ("3x8x8", "reshape 192", ["return x.flatten(1)"]),
        ("12x3", "residual: linear 3 -> droppath 0.2", ["self.droppath1 = DropPath(0.2)"]),
        ("3x8x8", "rmsnorm", ["self.rmsnorm1 = ChannelRMSNorm(3, eps=1e-06)"]),
        ("6x8", "rmsnorm eps 0.1", ["self.rmsnorm1 = nn.RMSNorm(8, eps=0.1)"]),
        ("3x8x8", "instancenorm", ["self.instancenorm1 = nn.InstanceNorm2d(3, affine=True)"]),
        (
            "Tx8",
            "attend heads 2, dropout 0.1:\n    - linear 8\n    - linear 8\n    - linear 8",
            ["dropout=0.1 if self.training else 0.0,"],  # TorchScript takes no `else 0`
        ),
        ("3x8x8", "tokens -> image", ["return image(tokens(x), [8, 8])"]),
        ("6x8", "image", ["return x.transpose(1, 2)"]),
        ("3x8x8", "patches 4 -> patches 2", ["return grid_patches(patches(x, 4), 2, grid=[2, 2])"]),
        ("4x8x8", "pixelshuffle 2", ["return F.pixel_shuffle(x, 2)"]),
        ("4x8x8", "shuffle 2", ["return F.channel_shuffle(x, 2)"]),
        ("4x8x8", "roll -1", ["return x.roll((-1, -1), (2, 3))"]),
        ("4x8x8", "pad 1x2", ["return F.pad(x, (2, 2, 1, 1))"]),
        ("3x8x8", "normalize mean 0.5, std 0.25", ["return (x - 0.5) / 0.25"]),
        ("2x8x8", "normalize mean [0.5, 0.4]", ["self.normalize1 = Normalize((0.5, 0.4), 1, axes=2)"]),
        ("3x8x8", "a: relu\nagain a", ["x = F.relu(x)", "return F.relu(x)"]),
    ],
)
def test_lines(shape: str, layers: str, wanted: list[str]) -> None:
    """The wanted lines stand there, in this order."""
    found = iter(lines(shape, layers))
    assert all(line in found for line in wanted), "\n".join(lines(shape, layers))


def test_a_reshape_is_right_for_other_sizes() -> None:
    """What is applied again to a map of another size is not written for the first one's."""
    module = "module head on CxHxW -> (H*W)x(C): tokens -> reshape (H*W)x(C)\n"
    found = lines("4x8x8", "h: head\n@input -> maxpool 2x2 -> again h", module)
    assert "return self.h(F.max_pool2d(x, 2))" in found


def test_a_size_of_names_is_a_size_where_it_is_not_needed_too() -> None:
    text = """input: 3x8x16x16
module unit n, s=1 on CxTxHxW:
  conv 1x1x1, C, stride (1xsxs if n > 1 else sxsxs)
layers:
  a: unit 1
  b: unit 2, s 2
"""
    source = archdsl.compile(archdsl.loads(text))
    assert "(1, s, s) if n > 1 else s" in source

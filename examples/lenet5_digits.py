"""Train the LeNet-5 that archdsl compiles on real handwritten digits.

    python examples/lenet5_digits.py

The 1,797 digits of 8x8 pixels that come with scikit-learn are resized to the 32x32 that LeNet-5 reads. The network ends
in distances to ten fixed drawings of the digits, so the answer is the drawing that is nearest, and training makes the
right distance small and the others large (LeCun et al. 1998, equation 9). Under a minute on two cores.
"""

from __future__ import annotations

import time

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor
from torch.nn import functional as F

import archdsl

EPOCHS = 30
BATCH = 32
MARGIN = 0.1
"""e^-j of the paper: how far away all drawings together may be before a digit counts as garbage."""


def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training and held-back images (n, 1, 32, 32) and their labels."""
    data = load_digits()
    images = torch.tensor(data.images, dtype=torch.float32)[:, None] / 16
    images = F.interpolate(images, size=(28, 28), mode="bilinear", align_corners=False)
    images = F.pad(images, (2, 2, 2, 2)) * 1.275 - 0.1  # paper is -0.1, ink 1.175, as in the paper
    labels = torch.tensor(data.target)
    train, test = train_test_split(torch.arange(len(labels)), test_size=0.25, random_state=0, stratify=labels)
    return images[train], labels[train], images[test], labels[test]


def loss_of(distances: Tensor, labels: Tensor) -> Tensor:
    """The right drawing near, the others far: maximum a posteriori, equation 9."""
    right = distances.gather(1, labels[:, None])[:, 0]
    rest = torch.logsumexp(torch.cat([-distances, torch.full_like(right, -MARGIN)[:, None]], 1), 1)
    return (right + rest).mean()


def accuracy(network: torch.nn.Module, images: Tensor, labels: Tensor) -> float:
    """The share of images whose nearest drawing is the right one."""
    network.eval()
    with torch.no_grad():
        return (network(images).argmin(1) == labels).float().mean().item()


def main() -> float:
    """Train; print the progress; return the accuracy on the held-back digits."""
    torch.manual_seed(0)
    images, labels, test_images, test_labels = digits()
    network = archdsl.build(archdsl.load("lenet5"))
    print(f"LeNet-5, {sum(p.numel() for p in network.parameters()):,} parameters, {len(labels)} digits to learn from")
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    start, found = time.monotonic(), 0.0
    for epoch in range(1, EPOCHS + 1):
        network.train()
        total = 0.0
        for batch in torch.randperm(len(labels)).split(BATCH):
            optimizer.zero_grad()
            loss = loss_of(network(images[batch]), labels[batch])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        schedule.step()
        found = accuracy(network, test_images, test_labels)
        seconds = time.monotonic() - start
        print(f"epoch {epoch:2}/{EPOCHS}  loss {total / len(labels):7.3f}  held back {found:6.2%}  {seconds:5.1f} s")
    print(f"{found:.2%} of {len(test_labels)} held-back digits right")
    return found


if __name__ == "__main__":
    main()

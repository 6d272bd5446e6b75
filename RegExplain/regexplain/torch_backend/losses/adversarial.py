"""Least-squares GAN (Mao et al. 2017) on patch logits of any shape: 1 says real, 0 synthesised."""

from torch import Tensor


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Half the mean squares of D(real) − 1 and of D(fake); 0 for a perfect discriminator, 1/4 undecided (every logit
    1/2).

    `fake_logits` of detached images, or the generator learns from it too.
    """
    return (((real_logits - 1) ** 2).mean() + (fake_logits**2).mean()) / 2


def generator_loss(fake_logits: Tensor) -> Tensor:
    """Half the mean square of D(fake) − 1: 0 where every patch passes for real, 1/2 where none does."""
    return ((fake_logits - 1) ** 2).mean() / 2

"""Methods that c2GAN is compared with: supervised training on pairs, and one-sided contrastive translation."""

"""The c2GAN method: two generators, two discriminators, cycle consistency, saliency."""

"""Greets on stdout when it is imported, made and used, from Python and from below it."""

import os

print("thank you for installing chatterbox")
os.write(1, b"thank you from native code\n")


def chatty():
    print("chatterbox makes a loss")

    def loss(cycle):
        print("chatterbox computes")
        os.write(1, b"natively\n")
        return (cycle.fake_b - cycle.real_a).abs().mean()

    return loss

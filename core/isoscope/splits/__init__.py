"""Who plays which part: splits of image sets by field of view, manifests that training checks, mismatch of domains."""

__all__: list[str] = []

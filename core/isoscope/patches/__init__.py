"""How training gets its patches: drawn by a pure function of the seed, from memory or from blocks on disk."""

__all__: list[str] = []

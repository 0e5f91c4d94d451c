"""How large images are written: shard by shard, verified, resumable; and conversion, which is only that."""

__all__: list[str] = []

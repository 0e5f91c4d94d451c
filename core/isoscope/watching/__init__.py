"""A run looked at while it trains, without the truth: what is measured, what is kept, when it begins again."""

__all__: list[str] = []

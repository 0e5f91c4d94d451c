"""What `benchmarks/stream.py` measures, one module per question."""

"""NumPy archives, as CARE stores its training data."""

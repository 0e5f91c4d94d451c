"""Domain losses: adversarial and content terms."""

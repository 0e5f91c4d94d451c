"""Tasks: functions of two domains that return a recipe."""

"""Waits for a server that never answers."""

import time

time.sleep(3600)

"""Ends the process as a crash in native code does: no exception, nothing to catch."""

import os

os._exit(7)

"""Needs a module that nobody has installed."""

import acme_absent

lacking = acme_absent.lacking

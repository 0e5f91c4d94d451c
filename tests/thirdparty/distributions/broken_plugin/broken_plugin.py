"""A plug-in that cannot even be imported."""

raise RuntimeError("this plug-in needs a licence server")

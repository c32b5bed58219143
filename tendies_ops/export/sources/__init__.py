"""Opening what people have: a module a kind of source, all ending in a :class:`~tendies_ops.export.network.Network`."""

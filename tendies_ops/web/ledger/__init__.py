"""Find lines of a ledger of any length without reading it."""

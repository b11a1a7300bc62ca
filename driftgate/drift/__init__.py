"""Column ledger, comparison, result. Only `evidently_adapter` imports evidently."""

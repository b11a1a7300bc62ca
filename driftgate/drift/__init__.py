"""The comparison of two months: column ledger, Evidently, result. Only `evidently_adapter` imports evidently."""

"""Point-in-time-correct features and labels of a month. Only `feast_adapter` imports feast."""

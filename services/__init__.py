"""What runs beside the flows."""

"""Driftgate's own pages over HTTP."""

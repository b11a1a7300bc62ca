"""The watched model: training set, split, pipeline, registry."""

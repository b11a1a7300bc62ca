"""The Evidently UI over the workspace, and the report files beside it."""

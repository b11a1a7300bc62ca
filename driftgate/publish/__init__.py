"""Where results go: report files, run records, and the lines that people and scripts read."""

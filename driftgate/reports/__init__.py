"""What people read: report pages, the index, texts, and the Evidently workspace."""

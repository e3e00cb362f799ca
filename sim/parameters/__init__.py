"""Parameter files: read, merged, checked, described."""

"""Planning: turns a request into cells and groups, which are pure data. Needs no torch at import."""

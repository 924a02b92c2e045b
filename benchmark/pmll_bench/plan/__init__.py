"""Planning: turns a request into cells and groups, as pure data; imports no torch."""

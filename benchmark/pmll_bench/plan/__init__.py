"""Planning: from what a user asks for to cells and groups, as pure data; imports no torch."""

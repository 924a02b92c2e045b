"""What is submitted: settings, arrays, smoke checks, follow-ups, and previews of all of it."""

"""The leaderboard: which ranks are real, and how anyone knows that a number is honest."""

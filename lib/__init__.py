"""The library behind the five stages: a room per stage over a shared ground floor."""

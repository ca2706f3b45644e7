"""Stage 05: a checked submission, and a report that explains it."""

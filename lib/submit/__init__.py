"""From a decision to a submission that is checked, and a report that explains it."""

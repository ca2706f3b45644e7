"""Stage 01: from raw files to the tables and caches that everything else reads."""

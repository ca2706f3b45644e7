"""Stage 04: average the maps of several runs, and decide what becomes a mask."""

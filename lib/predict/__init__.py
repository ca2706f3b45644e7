"""Tool: masks of any radiographs by a decision; it stands above the stages."""

"""Tables of all runs in the shapes of the papers' tables, with the papers' figures beside them.

runs            runs with maps, and those that are skipped, with the reason
evaluate        metrics of one run at its recipe's published rule
costs           parameters, time and memory of a run
decisions       decisions that belong to the artifacts beside them
leaderboard     all runs of a working folder, each evaluated when a table needs it
summary_tables  tables of all runs and of all decisions
paper_tables    tables in the papers' shapes
paper_results   figures that the papers report
markdown        rows and numbers as Markdown
"""

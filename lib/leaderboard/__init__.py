"""What was run, beside what the papers report: tables in their shapes.

found       runs with maps, and what is left out and why
measured    one run, image by image, at its recipe's published rule
board       all runs of a working folder, measured when a table asks for them
ours        tables of every run and of every decision
published   tables in the papers' shapes
papers      what the papers report
markdown    rows and numbers as text

    python -m lib.leaderboard [--work WORK] [--truth CSV] [--table NAME ...]
"""

"""tuning.html: a page on which every threshold rule is scored while its sliders move.

page.py          packs the pixel counts of a sample into the page
counts.js        exact scores from these counts, in the browser
page.js          sliders, plots and tables
page.html.jinja  the page around them
"""

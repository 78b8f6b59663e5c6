"""Reports: from a folder of results to tables, figures and one page that opens anywhere.

- `folder`: what lies where in a folder of results
- `sections`: an experiment's table, verdicts and figures
- `report`: what a comparison came to, and at a glance
- `pages`: the report as HTML and as Markdown
- `comparison`: run experiments and report on them, or report again on what is stored

Nothing is imported here: each of them loads when it is used.
"""

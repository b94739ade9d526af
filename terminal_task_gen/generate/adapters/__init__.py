"""Rows of existing data sets become tasks without an LLM (paper §4): a prompt, an output contract, and an outcome.

    spec.py      what a data set's columns mean: configs/adapters/*.yaml
    adapted.py   what an adapter makes of a row
    math_rows.py   answer to /app/solution.txt           math_suite.py   its tests, a module with one value put in
    code_rows.py   Python to /app/solution.py            code_suite.py
    swe_rows.py    unified diff to /app/solution.patch   swe_suite.py    prompt_files.py, diffs.py
    adapter.py   row → Task | Rejection, with the sandbox gates

A row with something to check (a result, test cases, a gold patch) gets tests; the gold answer is the private reference
solution that the oracle gate runs. A row without is kept: its task has no tests, and verdicts on it are not `judged`.
"""

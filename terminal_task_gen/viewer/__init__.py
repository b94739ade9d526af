"""`ttg view`: a listener that shows runs in a browser on this machine.

An index beside the runs (index.sqlite, made by a process of its own from the shards alone) tells which rows there are;
the rows themselves are read from their shards when somebody looks at one. `server.py` gives both out as JSON on
127.0.0.1, to whoever has the token, and the page (page/) draws it. Nothing here writes into a run but notes.jsonl.
"""

"""The command line: each command parses, calls one public function, prints one table.

In: words. Out: a table for people or one JSON object, on stdout; progress and errors on stderr.
"""

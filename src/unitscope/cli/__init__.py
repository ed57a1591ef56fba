"""The command line: each command parses its arguments, calls one public function and prints one result.

In: command-line arguments. Out: tables or one JSON object on stdout; progress and errors on stderr.
"""

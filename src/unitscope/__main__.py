"""Run the command line as ``python -m unitscope``."""

from unitscope.cli.app import main

main()

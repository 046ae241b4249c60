"""`python -m opendlign`, the same as the `opendlign` command."""

from opendlign.main import main

main()

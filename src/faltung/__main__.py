"""`python -m faltung` is the command `faltung`."""

from faltung.cli import main

main()

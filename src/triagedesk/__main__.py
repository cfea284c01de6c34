"""`python -m triagedesk` is the `triagedesk` command."""

from triagedesk.cli import main

if __name__ == "__main__":
    main()

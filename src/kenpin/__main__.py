"""`python -m kenpin`: the command line where its script is not on the path, and under a launcher of processes."""

from kenpin.cli import main

if __name__ == "__main__":
    main()

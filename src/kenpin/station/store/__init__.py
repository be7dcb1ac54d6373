"""The store: tables, migrations, queries, and the code that follows the files."""

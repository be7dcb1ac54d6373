"""Changes of the store's tables, a file each, named in `down_revision` of the next; none is edited once released."""

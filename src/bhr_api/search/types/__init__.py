"""The types of search parameter, one file each, with both halves: what is indexed and what matches."""

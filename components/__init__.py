"""What a workspace is made of: one file per part, a pure manifest builder and a thin component each."""

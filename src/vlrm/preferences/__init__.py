"""Kept pairs as preference data for other trainers: TRL, ms-swift, and plain Parquet with all the evidence."""

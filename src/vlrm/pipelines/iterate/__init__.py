"""The loop: groundwork, then rounds of the five stages, then the report and promotion."""

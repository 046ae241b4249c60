"""The report page: one self-contained HTML file, a pure function of its data."""

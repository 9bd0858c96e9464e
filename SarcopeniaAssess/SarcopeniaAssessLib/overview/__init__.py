"""What a cohort shows: one page of an output folder, its table as Parquet, and decisions brought back.

Read `overview.make_overview` first. Research use only.
"""

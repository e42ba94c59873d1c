"""Changes that no test can notice, with the reason: by file, and by the line as it was after the change."""

EQUIVALENT: dict[tuple[str, str], str] = {
    ("audit/output_topics.py", "enable_auto_commit=True,"): "A consumer without a group commits nothing.",
    ("cli/demo/performance.py", "engine = create_engine(settings.database_url, pool_size=2)"): (
        "The demonstration opens one connection at a time."
    ),
}

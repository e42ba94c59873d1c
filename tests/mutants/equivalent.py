"""Changes that no test can notice, with the reason: by file, and by the line as it was after the change."""

EQUIVALENT: dict[tuple[str, str], str] = {
    (
        "service/kubernetes/finding.py",
        "_LARGEST_NUMBER = 2**63 - 2",
    ): "No binding has so large a number: it is not found, either way.",
    ("embedded/ports.py", "return None"): "It is only asked whether it is true.",
    ("workers/consuming/start_positions.py", "consumer.seek(partition, 1)"): "Any position does: the true one follows.",
    ("audit/output_topics.py", "enable_auto_commit=True,"): "A consumer without a group commits nothing.",
    **dict.fromkeys(
        (
            (f"cli/{name}.py", "engine = create_engine(settings.database_url, pool_size=2)")
            for name in (
                "demo/performance",
                "operating/adopting",
                "operating/exporting",
                "operating/intervals",
                "operating/migrating",
                "operating/personal_data",
                "operating/topics",
                "terminal/asking",
            )
        ),
        "It opens one connection at a time.",
    ),
}

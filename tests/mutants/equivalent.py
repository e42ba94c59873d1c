"""Changes that no test can notice, with the reason: by file, and by the line as it was after the change."""

EQUIVALENT: dict[tuple[str, str], str] = {
    (
        "domain/bindings.py",
        "if project.account is None and project.binding_id is None or project.payer_since is None:",
    ): "A project has all three or none of them.",
}

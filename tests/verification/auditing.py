"""An audit of a test's installation."""

from tests.installations import Installation
from workers.verification.audit import audited
from workers.verification.findings import Finding


async def findings_of(installation: Installation) -> list[Finding]:
    """Audit an installation as it stands."""
    return [finding async for finding in audited(installation.settings, installation.engine, lambda *_: None)]

"""Damage to what is kept of who pays, and since when."""

from audit.findings import Promise
from tests.services.audit.damage.planting import Planted

OF_PAYERS = {
    "a payer begins before the one before": Planted(
        Promise.PAYERS,
        "no later than the one before",
        "UPDATE bindings SET from_instant = from_instant - interval '1 day' WHERE {middle_of_web}",
    ),
    "a payer began a moment earlier": Planted(
        Promise.PAYERS,
        "differ from those in the log",
        "UPDATE bindings SET from_instant = from_instant - interval '1 microsecond' WHERE {middle_of_web}",
    ),
    "another account paid once": Planted(
        Promise.PAYERS,
        "differ from those in the log",
        "UPDATE bindings SET account = 'none' WHERE {middle_of_web}",
    ),
    "nobody paid once": Planted(
        Promise.PAYERS, "differ from those in the log", "UPDATE bindings SET account = NULL WHERE {middle_of_web}"
    ),
    "a payer follows itself": Planted(
        Promise.PAYERS, "changes nothing", "UPDATE bindings SET account = 'main' WHERE {middle_of_web}"
    ),
    "a project begins with a release": Planted(
        Promise.PAYERS, "changes nothing", "UPDATE bindings SET account = NULL WHERE {first_of_web}"
    ),
    "a binding has another id": Planted(
        Promise.PAYERS,
        "differ from those in the log",
        "UPDATE bindings SET legacy_id = 'another' WHERE {middle_of_web}",
    ),
    "a binding is gone": Planted(Promise.PAYERS, "binding 1 is missing", "DELETE FROM bindings WHERE {first_of_web}"),
    "a binding is gone between others": Planted(
        Promise.PAYERS, "binding 2 is missing", "DELETE FROM bindings WHERE {middle_of_web}"
    ),
    "the last binding is gone": Planted(
        Promise.PAYERS, "but its last binding is number 3", "DELETE FROM bindings WHERE {last_of_web}"
    ),
    "another account pays": Planted(
        Promise.PAYERS, "main pays, the log says b", "UPDATE bindings SET account = 'main' WHERE {last_of_web}"
    ),
    "nobody pays for a project any more": Planted(
        Promise.PAYERS, "nobody pays, the log says", "UPDATE bindings SET account = NULL WHERE {last_of_web}"
    ),
    "a project names another payer": Planted(
        Promise.PAYERS, "according to its last binding", "UPDATE projects SET account = 'main' WHERE {web}"
    ),
    "a project names no payer": Planted(
        Promise.PAYERS, "nobody has paid since", "UPDATE projects SET account = NULL WHERE {web}"
    ),
    "a project names another instant": Planted(
        Promise.PAYERS,
        "according to its last binding",
        "UPDATE projects SET payer_since = payer_since + interval '1 microsecond' WHERE {web}",
    ),
    "a project counts one change more": Planted(
        Promise.PAYERS, "but its last binding is number 4", "UPDATE projects SET number = number + 1 WHERE {web}"
    ),
    "a project names another id": Planted(
        Promise.PAYERS, "according to its last binding", "UPDATE projects SET legacy_id = 'another' WHERE {web}"
    ),
    "the end of an account's last binding is forgotten": Planted(
        Promise.PAYERS, "the table says None", "DELETE FROM former_payers WHERE {main}"
    ),
    "the end of an account's last binding is another": Planted(
        Promise.PAYERS,
        "its last binding to end did so at",
        "UPDATE former_payers SET last_ended_at = last_ended_at - interval '1 microsecond' WHERE {main}",
    ),
    "an account has paid that never did": Planted(
        Promise.PAYERS, "did so at None", "INSERT INTO former_payers VALUES ('acme', 'none', now())"
    ),
    "all bindings of a project are gone": Planted(
        Promise.PAYERS, "but has no bindings", "DELETE FROM bindings WHERE {web}"
    ),
    "a project is gone": Planted(
        Promise.PAYERS, "the project is missing", "DELETE FROM projects WHERE organization = 'acme'"
    ),
    "a deleted project has a payer": Planted(
        Promise.PAYERS, "the project is deleted", "UPDATE projects SET state = 'Deleted' WHERE project = 'web'"
    ),
    "a sequence went on alone": Planted(
        Promise.SEQUENCES, "the log ends at", "UPDATE projects SET number = number + 1 WHERE {web}"
    ),
}

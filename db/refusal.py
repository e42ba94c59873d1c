"""Why whopays refuses to work on a database.

DatabaseRefused
├── UnknownDatabase      it holds tables that are not whopays'
├── ForeignInstallation  it belongs to another installation, or has other shards
├── WrongSchema          its tables are older or newer than this version
├── BrokenPromises       its rows break a promise that a migration relies on
├── TablesLocked         somebody else holds locks that a migration needs
├── RolesRefused         its roles cannot be made, or the one that asks may not migrate
├── StillAtWork          something works on the installation that must be stopped first, or has left work to do
└── UnsafeDatabase       with its settings, or this role's privileges, promises would be broken
"""


class DatabaseRefused(Exception):
    """This database must not be used; the message says why, and what to do."""


class UnknownDatabase(DatabaseRefused):
    """The database holds somebody else's tables."""


class ForeignInstallation(DatabaseRefused):
    """The database belongs to another installation, or has other shards."""


class WrongSchema(DatabaseRefused):
    """The tables are older or newer than this version of the code."""


class BrokenPromises(DatabaseRefused):
    """Rows break a promise that a migration relies on, and the migration was rolled back."""


class TablesLocked(DatabaseRefused):
    """Others hold locks that a migration needs, and it has waited long enough; it was rolled back."""


class RolesRefused(DatabaseRefused):
    """The database's roles cannot be what they must be."""


class StillAtWork(DatabaseRefused):
    """Something works on the installation that must be stopped first, or has left work to do."""


class UnsafeDatabase(DatabaseRefused):
    """With the database's settings, or its role's privileges, promises would be broken."""

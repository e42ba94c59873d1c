"""Why whopays refuses to work on a database.

DatabaseRefused
├── UnknownDatabase      it holds tables that are not whopays'
├── ForeignInstallation  it belongs to another installation, or has other shards
├── WrongSchema          its tables are older or newer than this version
├── BrokenPromises       its rows break a promise that a migration relies on
├── TablesLocked         another session holds locks that a migration needs
├── RolesRefused         its roles cannot be created, or the session's role may not migrate
├── StillAtWork          a process must be stopped first, or has left work to do
└── UnsafeDatabase       its settings, or this role's privileges, would break promises
"""


class DatabaseRefused(Exception):
    """This database must not be used; the message says why and what to do."""


class UnknownDatabase(DatabaseRefused):
    """The database holds tables that are not whopays'."""


class ForeignInstallation(DatabaseRefused):
    """The database belongs to another installation, or has other shards."""


class WrongSchema(DatabaseRefused):
    """The tables are older or newer than this version of the code."""


class BrokenPromises(DatabaseRefused):
    """Rows break a promise that a migration relies on, and the migration was rolled back."""


class TablesLocked(DatabaseRefused):
    """Other sessions held locks that a migration needs for too long, and it was rolled back."""


class RolesRefused(DatabaseRefused):
    """The database's roles cannot be set up as required."""


class StillAtWork(DatabaseRefused):
    """A process that works on the installation must be stopped first, or has left work to do."""


class UnsafeDatabase(DatabaseRefused):
    """The database's settings, or this role's privileges, would break promises."""

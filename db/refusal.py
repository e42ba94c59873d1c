"""Why whopays refuses to work on a database.

DatabaseRefused
├── UnknownDatabase      it holds tables that are not whopays'
├── ForeignInstallation  it belongs to another installation, or was made with another number of shards
├── WrongSchema          its tables are older or newer than this version
├── BrokenPromises       what is in its tables breaks what a migration has to rest on
└── UnsafeDatabase       its settings, or what this role may do, would break what is promised
"""


class DatabaseRefused(Exception):
    """The database is not one to work on; the message says why, and what to do."""


class UnknownDatabase(DatabaseRefused):
    """The database holds tables of something else."""


class ForeignInstallation(DatabaseRefused):
    """The database belongs to another installation, or was made with another number of shards."""


class WrongSchema(DatabaseRefused):
    """The tables are older or newer than this version of the code."""


class BrokenPromises(DatabaseRefused):
    """What is in the tables breaks what is promised, and a migration that rests on it was taken back."""


class UnsafeDatabase(DatabaseRefused):
    """The database's settings, or what its role may do, would break what is promised."""

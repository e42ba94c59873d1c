"""The token of a command: from a file, or from a program such as a keyring's; never from an option.

No error message repeats what was read, because it may be a secret even if it is not a token.
"""

import re
import shlex
import subprocess

from cli.terminal.ending import CommandFailed, Misused
from workers.runtime.secret_files import read_secret

_TOKEN = re.compile(r"[\w-]+\.[\w-]*\.[\w-]+", re.ASCII)
_ASKING_SECONDS = 300.0
"""How long the program may take: it may ask the user to sign in."""


def token_of(file: str | None, command: str | None) -> str | None:
    """Return the token in a file, or the one that a command prints; None without either. Raises CommandFailed."""
    if file is not None and command is not None:
        raise Misused("--token-file and --token-command: one of the two, as options or as WHOPAYS_TOKEN_….")
    if file is not None:
        return _token(read_secret(file, "--token-file"), f"--token-file: the file {file} does not contain")
    return None if command is None else _token(_printed_by(command), "--token-command: what it printed is not")


def _printed_by(command: str) -> str:
    """Return the output of a program. It is started without a shell, and may prompt on the terminal."""
    try:
        words = shlex.split(command)
    except ValueError:
        words = []
    if not words:
        raise Misused("--token-command is a program with its arguments, quoted as for a shell.")
    try:
        done = subprocess.run(words, stdout=subprocess.PIPE, timeout=_ASKING_SECONDS, check=True)
    except OSError as error:
        raise CommandFailed(f"--token-command: {words[0]} cannot be started ({error.strerror}).") from None
    except subprocess.TimeoutExpired:
        raise CommandFailed(f"--token-command: {words[0]} printed no token in {_ASKING_SECONDS:.0f} s.") from None
    except subprocess.CalledProcessError as error:
        raise CommandFailed(f"--token-command: {words[0]} ended with status {error.returncode}.") from None
    return done.stdout.decode(errors="replace")


def _token(said: str, otherwise: str) -> str:
    token = said.strip()
    if not _TOKEN.fullmatch(token):
        raise CommandFailed(f"{otherwise} a token: three parts separated by dots.")
    return token

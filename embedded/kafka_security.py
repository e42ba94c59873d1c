"""A broker secured as in production: TLS, users with passwords (SCRAM) or certificates (mTLS), and an authorizer.

The certificate authority, certificates and passwords are generated, and stay in the data folder, readable only by its
owner. A user without an ACL may do nothing; only `ADMIN` and the broker itself may do everything.
"""

import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from embedded.ports import LOOPBACK

ADMIN = "admin"
"""The superuser, who grants the others their rights."""

_BROKER = "broker"
_VALID = timedelta(days=365)
_MECHANISMS = ("SCRAM-SHA-256", "SCRAM-SHA-512")
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"


class KafkaSecurity:
    """The certificates and passwords of a secure broker and its clients, in `tls` in the broker's data folder."""

    def __init__(self, folder: Path, users: Iterable[str]) -> None:
        """Take the data folder and the names of users besides `ADMIN`; adding a user needs a new data folder."""
        self._folder = folder / "tls"
        self._users = (ADMIN, *users)

    @property
    def _arguments(self) -> Path:
        return self._folder / "format.arguments"

    @property
    def authority(self) -> Path:
        """The certificate (PEM) of the authority that clients trust."""
        return self._folder / "ca.pem"

    @cached_property
    def passwords(self) -> Mapping[str, str]:
        """The password of each user, which is also in a separate file: see `password_file`."""
        for name in self._users:
            if not self.password_file(name).exists():
                self._write(self.password_file(name), secrets.token_urlsafe(24).encode())
        return {name: self.password_file(name).read_text() for name in self._users}

    def password_file(self, name: str) -> Path:
        """Return the file that contains a user's password, and nothing else."""
        return self._folder / f"{name}.password"

    def certificate_of(self, name: str) -> Path:
        """Return the file (PEM) with the certificate and key that authenticate a client as this user."""
        path = self._folder / f"{name}.pem"
        if not path.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            issuer, authority = self._authority()
            builder = _builder(name, issuer.subject, key.public_key())
            names = [x509.DNSName("localhost"), x509.IPAddress(ip_address(LOOPBACK))]
            usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
            if name == _BROKER:
                usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
                builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            certificate = builder.sign(authority, hashes.SHA256())
            self._write(path, _as_pem(key) + certificate.public_bytes(serialization.Encoding.PEM))
        return path

    def with_users(self, arguments: list[str]) -> list[str]:
        """Return the arguments of Kafka's format command, extended to add the users: in a file, for Java to read.

        Arguments on the command line, unlike the file, are visible in the process list.
        """
        added = [f"{one}=[name={name},password={said}]" for name, said in self.passwords.items() for one in _MECHANISMS]
        lines = [*arguments, *(part for one in added for part in ("--add-scram", one))]
        self._write(self._arguments, "".join(f"{line}\n" for line in lines).encode())
        return [f"@{self._arguments}"]

    def forget_arguments(self) -> None:
        """Delete that file, once the formatting is done."""
        self._arguments.unlink(missing_ok=True)

    def settings(self, *, client_port: int, broker_port: int, controller_port: int) -> dict[str, str]:
        """Return the broker's settings; clients authenticate with passwords, or with certificates as brokers do."""
        listeners = {"CLIENT": client_port, "BROKER": broker_port}
        addresses = ",".join(f"{name}://{LOOPBACK}:{port}" for name, port in listeners.items())
        jaas = {f"listener.name.client.{one.lower()}.sasl.jaas.config": _SCRAM for one in _MECHANISMS}
        return {
            "listeners": f"{addresses},CONTROLLER://{LOOPBACK}:{controller_port}",
            "advertised.listeners": addresses,
            "listener.security.protocol.map": "CLIENT:SASL_SSL,BROKER:SSL,CONTROLLER:SSL",
            "inter.broker.listener.name": "BROKER",
            "listener.name.broker.ssl.client.auth": "required",
            "listener.name.controller.ssl.client.auth": "required",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.certificate_of(_BROKER)),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.authority),
            "ssl.principal.mapping.rules": "RULE:^CN=([a-z0-9-]+)$/$1/,DEFAULT",
            "sasl.enabled.mechanisms": ",".join(_MECHANISMS),
            **jaas,
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:{_BROKER};User:{ADMIN}",
            "allow.everyone.if.no.acl.found": "false",
        }

    def _authority(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        kept = self._folder / "ca.key"
        if kept.exists():
            key = serialization.load_pem_private_key(kept.read_bytes(), None)
            if not isinstance(key, ec.EllipticCurvePrivateKey):
                raise TypeError(f"{kept} holds a key of another kind")
            return x509.load_pem_x509_certificate(self.authority.read_bytes()), key
        key = ec.generate_private_key(ec.SECP256R1())
        name = "whopays development"
        builder = _builder(name, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key.public_key())
        certificate = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).sign(
            key, hashes.SHA256()
        )
        self._write(self.authority, certificate.public_bytes(serialization.Encoding.PEM))
        self._write(kept, _as_pem(key))
        return certificate, key

    def _write(self, path: Path, content: bytes) -> None:
        """Write a file, atomically, that only its owner may read."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        new = path.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_bytes(content)
        new.rename(path)


def _builder(name: str, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + _VALID)
    )


def _as_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )

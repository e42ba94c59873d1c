"""Certificates, passwords and arguments of a secure broker: whom they name, what they are for, who may read them."""

import stat
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from embedded.kafka_security import ADMIN, KafkaSecurity


@pytest.fixture
def security(tmp_path: Path) -> KafkaSecurity:
    return KafkaSecurity(tmp_path, ["ann"])


def _certificate(file: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(file.read_bytes())


def _name(name: x509.Name) -> str | bytes:
    (only,) = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return only.value


def test_each_has_a_certificate_of_one_authority(security: KafkaSecurity, tmp_path: Path) -> None:
    usages = {"broker": [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]}
    for name in (ADMIN, "broker", "ann"):
        file = security.certificate_of(name)
        before, made = file.read_bytes(), _certificate(file)
        assert KafkaSecurity(tmp_path, ["ann"]).certificate_of(name).read_bytes() == before, "it is made once"
        made.verify_directly_issued_by(_certificate(security.authority))
        assert (_name(made.subject), _name(made.issuer)) == (name, "whopays development")
        usage = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
        assert (list(usage.value), usage.critical) == (usages.get(name, [ExtendedKeyUsageOID.CLIENT_AUTH]), False)
        names = [one for one in made.extensions if isinstance(one.value, x509.SubjectAlternativeName)]
        assert [(list(one.value), one.critical) for one in names] == (
            [([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))], False)] if name == "broker" else []
        )
        now = datetime.now(UTC)
        assert now - timedelta(hours=1) < made.not_valid_before_utc < now - timedelta(minutes=1)
        assert now + timedelta(days=300) < made.not_valid_after_utc < now + timedelta(days=400)
        key = serialization.load_pem_private_key(before, None)
        assert key.public_key() == made.public_key()


def test_the_authority_makes_certificates_and_no_other_authority(security: KafkaSecurity) -> None:
    security.certificate_of(ADMIN)
    said = _certificate(security.authority).extensions.get_extension_for_class(x509.BasicConstraints)
    assert (said.value.ca, said.value.path_length, said.critical) == (True, 0, True)


def test_what_is_secret_is_for_its_owner_alone(security: KafkaSecurity, tmp_path: Path) -> None:
    security.certificate_of(ADMIN)
    assert security.with_users(["format"]) == [f"@{tmp_path / 'tls' / 'format.arguments'}"]
    assert {one.name for one in (tmp_path / "tls").iterdir()} == {
        "admin.password", "admin.pem", "ann.password", "ca.key", "ca.pem", "format.arguments",
    }  # fmt: skip
    assert {stat.S_IMODE(one.stat().st_mode) for one in (tmp_path / "tls").iterdir()} == {0o600}
    assert stat.S_IMODE((tmp_path / "tls").stat().st_mode) == 0o700
    assert {name: len(one) for name, one in security.passwords.items()} == {ADMIN: 32, "ann": 32}
    assert KafkaSecurity(tmp_path, ["ann"]).passwords == security.passwords, "they are made once"
    for _ in range(2):
        security.forget_arguments()
    assert not (tmp_path / "tls" / "format.arguments").exists()


def test_a_key_of_another_kind_makes_no_certificate(security: KafkaSecurity, tmp_path: Path) -> None:
    security.certificate_of(ADMIN)
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (tmp_path / "tls" / "ca.key").write_bytes(
        other.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    with pytest.raises(TypeError, match=r"ca\.key holds a key of another kind"):
        security.certificate_of("ann")

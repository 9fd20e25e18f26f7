"""Signatures by a key: over manifest and tensors, nothing less; refused for anything else."""

import json

import pytest

pytest.importorskip("model_signing")

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from palrs_hub.cli import main
from palrs_hub.errors import SignatureError, UsageError
from palrs_hub.manifest import MANIFEST_FILE, TENSORS_FILE
from palrs_hub.package_files import MAX_SIGNATURE_BYTES, SIGNATURE_FILE
from palrs_hub.signing import Signer, sign_with_key, verify
from palrs_hub.vector import SteeringVector
from tests.builders import a_vector


def a_key(folder, name, *, password=None, private=None):
    private = private or ec.generate_private_key(ec.SECP256R1())
    guard = (
        serialization.BestAvailableEncryption(password.encode())
        if password
        else serialization.NoEncryption()
    )
    secret, public = folder / f"{name}.pem", folder / f"{name}.pub"
    form = serialization.PrivateFormat.PKCS8
    secret.write_bytes(private.private_bytes(serialization.Encoding.PEM, form, guard))
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public.write_bytes(private.public_key().public_bytes(serialization.Encoding.PEM, form))
    return secret, public


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return a_key(tmp_path_factory.mktemp("keys"), "lab")


@pytest.fixture(scope="module")
def signed(keys):
    return sign_with_key(a_vector(), keys[0])


def with_signature(vector, signature):
    return SteeringVector(vector.manifest, vector.arrays, signature=signature)


def test_who_signed_is_told(signed, keys):
    assert verify(signed, keys[1]) == Signer(key=keys[1])
    assert str(keys[1]) in str(verify(signed, Signer.parse(keys[1])))


def test_it_stays_with_the_package(signed, keys, tmp_path):
    loaded = SteeringVector.load(signed.save_pretrained(tmp_path))
    verify(loaded, keys[1])
    (tmp_path / "README.md").write_text("# A card that was edited")
    verify(SteeringVector.load(tmp_path), keys[1])


def test_the_librarys_own_verifier_agrees(signed, keys, tmp_path):
    from model_signing import verifying

    folder = signed.save_pretrained(tmp_path)
    config = verifying.Config().use_elliptic_key_verifier(public_key=keys[1])
    config.set_ignore_unsigned_files(True).verify(folder, folder / SIGNATURE_FILE)


def test_another_vector_that_is_saved_there_takes_it_away(signed, tmp_path):
    signed.save_pretrained(tmp_path)
    a_vector(seed=1).save_pretrained(tmp_path)
    assert not (tmp_path / SIGNATURE_FILE).exists()


def test_another_key_is_refused(signed, tmp_path):
    _, other = a_key(tmp_path, "other")
    with pytest.raises(SignatureError, match="another's"):
        verify(signed, other)


def test_no_signature_is_refused(keys):
    with pytest.raises(SignatureError, match="has no signature"):
        verify(a_vector(), keys[1])


@pytest.mark.parametrize("changed", [a_vector(seed=1), a_vector(license="mit")])
def test_another_vector_is_refused(signed, keys, changed):
    with pytest.raises(SignatureError, match="another vector"):
        verify(with_signature(changed, signed.signature), keys[1])


@pytest.mark.parametrize("left_out", [MANIFEST_FILE, TENSORS_FILE])
def test_a_signature_cannot_leave_a_file_out(signed, keys, tmp_path, left_out):
    """Nor can it allow to: what it wants to be ignored is not."""
    from model_signing import hashing, signing

    folder = tmp_path / "vector"
    signed.save_pretrained(folder)
    (folder / SIGNATURE_FILE).unlink()
    ignored = [folder / "README.md", folder / left_out, folder / "selection.svg"]
    config = signing.Config().use_elliptic_key_signer(private_key=keys[0])
    config.set_hashing_config(hashing.Config().set_ignored_paths(paths=ignored))
    config.sign(folder, tmp_path / "signature")
    forged = with_signature(signed, (tmp_path / "signature").read_bytes())
    with pytest.raises(SignatureError):
        verify(forged, keys[1])


def test_a_key_with_a_password(tmp_path):
    private, public = a_key(tmp_path, "guarded", password="open sesame")
    verify(sign_with_key(a_vector(), private, password="open sesame"), public)
    for wrong in (None, "shut sesame"):
        with pytest.raises(UsageError, match="password"):
            sign_with_key(a_vector(), private, password=wrong)


@pytest.mark.parametrize("make", ["missing", "text", "rsa", "public"])
def test_what_is_no_key_that_can_sign(keys, tmp_path, make):
    key = tmp_path / "key.pem"
    if make == "text":
        key.write_text("not a key")
    if make == "rsa":
        a_key(tmp_path, "key", private=rsa.generate_private_key(65537, 2048))
    if make == "public":
        key = keys[1]
    with pytest.raises(UsageError, match="no private key that can sign"):
        sign_with_key(a_vector(), key)


def test_what_is_no_signer(signed, tmp_path):
    for text in ("", "key.pem", "me@example.org", "me@example.org,http://issuer"):
        with pytest.raises(UsageError, match="neither"):
            verify(signed, text)
    (tmp_path / "key.pub").write_text("not a key")
    with pytest.raises(UsageError, match="no public key"):
        verify(signed, tmp_path / "key.pub")


def test_an_identity_of_sigstore_is_understood():
    found = Signer.parse("me@example.org,https://issuer.example")
    assert (found.identity, found.issuer) == ("me@example.org", "https://issuer.example")


# Signatures that a stranger made up.

BUNDLE = {"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json"}
HOSTILE = [
    b"",
    b"\xff\xfe",
    b"null",
    b"[]",
    b"{}",
    b"[" * 100_000,
    json.dumps({**BUNDLE, "verificationMaterial": None}).encode(),
    json.dumps({**BUNDLE, "verificationMaterial": {"publicKey": 5}}).encode(),
    json.dumps({**BUNDLE, "verificationMaterial": {"publicKey": {}}}).encode(),
    json.dumps(
        {
            **BUNDLE,
            "verificationMaterial": {"publicKey": {}},
            "dsseEnvelope": {"payload": "", "payloadType": "", "signatures": []},
        }
    ).encode(),
]


@pytest.mark.parametrize("signature", HOSTILE)
def test_a_forged_signature_is_refused(keys, signature):
    with pytest.raises(SignatureError):
        verify(with_signature(a_vector(), signature), keys[1])


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_signature_with_changed_bytes_never_verifies_another_vector(signed, keys, data):
    text = bytearray(signed.signature)
    for _ in range(data.draw(st.integers(1, 4))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    with pytest.raises(SignatureError):
        verify(with_signature(a_vector(seed=1), bytes(text)), keys[1])


def test_a_signature_has_a_cap(tmp_path):
    a_vector().save_pretrained(tmp_path)
    (tmp_path / SIGNATURE_FILE).write_bytes(bytes(MAX_SIGNATURE_BYTES + 1))
    with pytest.raises(SignatureError, match="no package is so large"):
        SteeringVector.load(tmp_path)


# On the Hub and the command line.


def test_it_travels_over_the_hub(hub, keys, tmp_path, capsys):
    folder = a_vector().save_pretrained(tmp_path / "vector")
    unsigned, repo_id = "lab/not-signed", "lab/signed"
    assert main(["push", str(folder), unsigned]) == 0
    assert main(["sign", str(folder), "--key", str(keys[0])]) == 0
    assert main(["push", str(folder), repo_id]) == 0
    capsys.readouterr()
    assert main(["verify", repo_id, "--signer", str(keys[1]), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["signed_by"] == f"the key {keys[1]}"
    assert main(["info", repo_id]) == 0
    assert "palrs-hub verify" in capsys.readouterr().out
    vector = SteeringVector.from_pretrained(repo_id, require_signature=keys[1])
    assert vector.signature
    output = tmp_path / "pulled"
    asked = ["--require-signature", str(keys[1])]
    assert main(["pull", unsigned, "--output", str(output), *asked]) == 3
    assert not output.exists()
    assert main(["pull", repo_id, "--output", str(output), *asked]) == 0
    verify(SteeringVector.load(output), keys[1])


def test_commands_that_use_a_vector_can_require_it(keys, signed, tmp_path, capsys):
    from palrs_hub.demo import model_folder

    folder = a_vector().save_pretrained(tmp_path / "vector")
    model, asked = str(model_folder()), ["--require-signature", str(keys[1])]
    assert main(["check", str(folder), "--model", model, *asked]) == 3
    assert main(["generate", str(folder), "--prompt", "1+1=", "--model", model, *asked]) == 3
    assert "has no signature" in capsys.readouterr().err
    signed.save_pretrained(folder)
    assert main(["check", str(folder), "--model", model, *asked]) == 4  # it is another model's


def test_how_to_sign_has_to_be_said_once(keys, tmp_path):
    folder = str(a_vector().save_pretrained(tmp_path / "vector"))
    assert main(["sign", folder]) == 2
    assert main(["sign", folder, "--key", str(keys[0]), "--sigstore"]) == 2

import sqlite3

import pytest

from palrs_hub.errors import LocalHubError
from palrs_hub.local_hub import Store, Token, repositories
from palrs_hub.local_hub.store import DATABASE_FILE


def _make_and_fail(connection):
    repositories.create(connection, "model", "lab", "name", private=False)
    raise ZeroDivisionError


def test_what_was_stored_is_there_after_a_restart(tmp_path):
    with Store(tmp_path) as store, store.writing() as connection:
        repositories.create(connection, "model", "lab", "name", private=False)
    with Store(tmp_path) as store, store.reading() as connection:
        assert repositories.find(connection, "model", "lab", "name").id == "lab/name"


def test_the_signing_key_outlives_a_restart(tmp_path):
    with Store(tmp_path) as first:
        key = first.signing_key
    with Store(tmp_path) as second:
        assert second.signing_key == key


def test_a_transaction_that_fails_leaves_nothing(tmp_path):
    with Store(tmp_path) as store:
        with pytest.raises(ZeroDivisionError), store.writing() as connection:
            _make_and_fail(connection)
        with store.reading() as connection:
            assert repositories.find(connection, "model", "lab", "name") is None


def test_tokens_are_stored_as_hashes_only(tmp_path):
    with Store(tmp_path, new_tokens=[Token("hf_very_secret", "ada")]) as store:
        assert store.protected
    assert all(
        b"hf_very_secret" not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()
    )


def test_a_hub_that_had_tokens_stays_protected(tmp_path):
    with Store(tmp_path, new_tokens=[Token("hf_x", "ada")]):
        pass
    with Store(tmp_path) as store:
        assert store.protected


@pytest.mark.parametrize(
    "token", [Token("hf_x", "not a name"), Token("", "ada"), Token("hf_x", "ada", "admin")]
)
def test_a_token_that_cannot_work_is_an_error(tmp_path, token):
    with pytest.raises(LocalHubError, match="token"):
        Store(tmp_path, new_tokens=[token])


def test_a_file_in_the_place_of_the_folder_is_an_error(tmp_path):
    (tmp_path / "hub").write_text("")
    with pytest.raises(LocalHubError, match="cannot use the folder"):
        Store(tmp_path / "hub")


def test_a_file_that_is_no_database_is_an_error(tmp_path):
    (tmp_path / DATABASE_FILE).write_bytes(b"not a database" * 100)
    with pytest.raises(LocalHubError, match="cannot open its database"):
        Store(tmp_path)


def test_a_database_of_a_later_version_is_an_error(tmp_path):
    connection = sqlite3.connect(tmp_path / DATABASE_FILE)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(LocalHubError, match="Upgrade palrs-hub"):
        Store(tmp_path)

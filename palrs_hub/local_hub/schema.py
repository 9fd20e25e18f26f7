"""The tables of the embedded Hub."""

from __future__ import annotations

SCHEMA_VERSION = 1

SCHEMA = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE tokens (
    sha256 TEXT PRIMARY KEY,
    user TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('read', 'write')),
    organizations TEXT NOT NULL
);
CREATE TABLE repositories (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    namespace TEXT NOT NULL COLLATE NOCASE,
    name TEXT NOT NULL COLLATE NOCASE,
    private INTEGER NOT NULL,
    gated TEXT NOT NULL DEFAULT '',
    created_at TEXT NOT NULL,
    last_modified TEXT NOT NULL,
    downloads INTEGER NOT NULL DEFAULT 0,
    likes INTEGER NOT NULL DEFAULT 0,
    card TEXT,
    tags TEXT NOT NULL DEFAULT '[]',
    UNIQUE (kind, namespace, name)
);
CREATE INDEX repositories_by_downloads ON repositories (kind, downloads);
CREATE INDEX repositories_by_likes ON repositories (kind, likes);
CREATE INDEX repositories_by_created_at ON repositories (kind, created_at);
CREATE INDEX repositories_by_last_modified ON repositories (kind, last_modified);
CREATE TABLE moved_names (
    kind TEXT NOT NULL,
    namespace TEXT NOT NULL COLLATE NOCASE,
    name TEXT NOT NULL COLLATE NOCASE,
    repository INTEGER NOT NULL REFERENCES repositories (key) ON DELETE CASCADE,
    PRIMARY KEY (kind, namespace, name)
) WITHOUT ROWID;
CREATE INDEX moved_names_by_repository ON moved_names (repository);
CREATE VIRTUAL TABLE repository_search USING fts5 (text, tokenize = 'trigram');
CREATE TABLE repository_tags (
    repository INTEGER NOT NULL REFERENCES repositories (key) ON DELETE CASCADE,
    tag TEXT NOT NULL,
    PRIMARY KEY (tag, repository)
) WITHOUT ROWID;
CREATE INDEX repository_tags_by_repository ON repository_tags (repository);
CREATE TABLE tree_entries (
    tree TEXT NOT NULL,
    path TEXT NOT NULL,
    oid TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    large INTEGER NOT NULL,
    PRIMARY KEY (tree, path)
) WITHOUT ROWID;
CREATE INDEX tree_entries_by_content ON tree_entries (sha256);
CREATE TABLE commits (
    repository INTEGER NOT NULL REFERENCES repositories (key) ON DELETE CASCADE,
    oid TEXT NOT NULL,
    tree TEXT NOT NULL,
    parent TEXT,
    title TEXT NOT NULL,
    message TEXT NOT NULL,
    author TEXT NOT NULL,
    created_at TEXT NOT NULL,
    PRIMARY KEY (repository, oid)
) WITHOUT ROWID;
CREATE INDEX commits_by_tree ON commits (tree);
CREATE TABLE refs (
    repository INTEGER NOT NULL REFERENCES repositories (key) ON DELETE CASCADE,
    ref TEXT NOT NULL,
    target TEXT NOT NULL,
    message TEXT,
    PRIMARY KEY (repository, ref),
    FOREIGN KEY (repository, target) REFERENCES commits (repository, oid)
) WITHOUT ROWID;
CREATE TABLE large_files (
    repository INTEGER NOT NULL REFERENCES repositories (key) ON DELETE CASCADE,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    PRIMARY KEY (repository, sha256)
) WITHOUT ROWID;
CREATE TABLE access_requests (
    repository INTEGER NOT NULL REFERENCES repositories (key) ON DELETE CASCADE,
    user TEXT NOT NULL COLLATE NOCASE,
    id TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('pending', 'accepted', 'rejected')),
    created_at TEXT NOT NULL,
    PRIMARY KEY (repository, user)
) WITHOUT ROWID;
CREATE TABLE likes (
    user TEXT NOT NULL COLLATE NOCASE,
    repository INTEGER NOT NULL REFERENCES repositories (key) ON DELETE CASCADE,
    created_at TEXT NOT NULL,
    PRIMARY KEY (user, repository)
) WITHOUT ROWID;
CREATE INDEX likes_by_repository ON likes (repository);
CREATE TABLE discussions (
    repository INTEGER NOT NULL REFERENCES repositories (key) ON DELETE CASCADE,
    num INTEGER NOT NULL,
    title TEXT NOT NULL,
    author TEXT NOT NULL,
    status TEXT NOT NULL,
    is_pull_request INTEGER NOT NULL,
    base_ref TEXT,
    base_commit TEXT,
    merge_commit TEXT,
    created_at TEXT NOT NULL,
    PRIMARY KEY (repository, num)
) WITHOUT ROWID;
CREATE TABLE discussion_events (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    repository INTEGER NOT NULL,
    num INTEGER NOT NULL,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    author TEXT NOT NULL,
    created_at TEXT NOT NULL,
    data TEXT NOT NULL,
    FOREIGN KEY (repository, num) REFERENCES discussions (repository, num) ON DELETE CASCADE
);
CREATE INDEX discussion_events_by_discussion ON discussion_events (repository, num);
"""

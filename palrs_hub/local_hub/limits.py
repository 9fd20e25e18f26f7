"""Every bound that the embedded Hub puts on what it is sent or sends at once."""

from __future__ import annotations

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

JSON_BODY_BYTES = 8 * MIB
COMMIT_BODY_BYTES = 512 * MIB
LARGE_FILE_BYTES = 16 * GIB
REGULAR_FILE_BYTES = 10 * MIB
"""Files up to this size travel inside the commit; larger ones go through LFS."""

LFS_PART_BYTES = 256 * MIB
"""Files above this size go through LFS in parts of it, if the client can do that."""

REPOSITORY_BYTES = 256 * GIB
"""The files of one revision together, and all large files ever sent to a repository."""

# base64 takes 4 bytes for 3; the rest is room for the path and the JSON around it.
COMMIT_LINE_BYTES = REGULAR_FILE_BYTES * 4 // 3 + 64 * KIB
BODY_IN_MEMORY_BYTES = 1 * MIB

OPERATIONS_PER_COMMIT = 10_000
FILES_PER_REPOSITORY = 50_000
FILES_PER_PREUPLOAD = 1_000
OBJECTS_PER_LFS_BATCH = 1_000
PATHS_PER_QUESTION = 5_000

PATH_CHARACTERS = 1_024
PATH_PART_BYTES = 255
REPOSITORY_ID_CHARACTERS = 96
REVISION_CHARACTERS = 200
COMMIT_TITLE_CHARACTERS = 1_000
TEXT_CHARACTERS = 100_000

FRONT_MATTER_BYTES = 256 * KIB
FRONT_MATTER_DEPTH = 64
README_BYTES = 2 * MIB
SEARCH_TEXT_CHARACTERS = 100_000
DIFF_FILE_BYTES = 256 * KIB
DIFF_CHARACTERS = 1_000_000

TREE_PAGE = 1_000
TREE_PAGE_EXPANDED = 50
COMMITS_PAGE = 50
SEARCH_WORDS = 20
LISTING_FILTERS = 50
LISTING_PAGE = 100
LISTING_PAGE_LARGEST = 1_000
DISCUSSIONS_PAGE = 50

HEAD_SECONDS = 30.0
"""From one request's end, or a connection's beginning, to the next one's head."""

BODY_PAUSE_SECONDS = 60.0
BODY_SECONDS = 60.0
SLOWEST_BYTES_PER_SECOND = 1_000
"""A body has a minute, and a second more for so many bytes."""

WRONG_TOKENS = 20
WRONG_TOKENS_SECONDS = 60.0
ADDRESSES_REMEMBERED = 10_000
"""So many unknown tokens a minute may come from one address."""

UPLOAD_LINK_SECONDS = 3_600
BUSY_SECONDS = 30.0

# More than the life of an upload link, so that nothing under way can be that old.
GARBAGE_GRACE_SECONDS = 24 * UPLOAD_LINK_SECONDS

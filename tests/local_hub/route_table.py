"""The table of routes in docs/local-hub.md: what is served comes from the code, who shows it here.

``python tests/local_hub/route_table.py`` writes it anew; ``test_docs.py`` checks it.
"""

from __future__ import annotations

import re
from pathlib import Path

from palrs_hub.local_hub.app import ROUTES

PAGE = Path(__file__).parents[2] / "docs" / "local-hub.md"
BEGIN, END = (
    "<!-- routes: written by tests/local_hub/route_table.py -->\n",
    "<!-- end of routes -->",
)

# Which routes a test shows, by a real client wherever one asks for them.
SHOWN = {
    "test_access::test_whoami_tells_user_organisations_and_role": [
        "GET /api/whoami-v2",
    ],
    "test_openapi::test_every_route_that_is_served_is_described": [
        "GET /.well-known/openapi.json",
    ],
    "test_app::test_the_clients_telemetry_is_answered": [
        "GET /api/agent-harnesses",
    ],
    "test_repositories::test_front_matter_is_validated_before_a_commit": [
        "POST /api/validate-yaml",
    ],
    "test_repositories::test_a_repository_is_made_with_a_first_commit": [
        "POST /api/repos/create",
    ],
    "test_repositories::test_a_deleted_repository_is_gone_and_its_name_free": [
        "DELETE /api/repos/delete",
    ],
    "test_repositories::test_the_old_name_leads_to_the_new_one": [
        "POST /api/repos/move",
    ],
    "test_transports::test_the_suite": [
        "PUT /lfs/upload",
        "POST {page}.git/info/lfs/objects/batch",
        "POST {page}.git/info/lfs/verify",
        "GET {api}/xet-write-token/{revision}",
    ],
    "test_transports::test_lfs_in_parts": [
        "PUT /lfs/part/{number}",
        "POST /lfs/complete",
    ],
    "test_lfs::test_an_object_is_downloaded_by_its_link": [
        "GET /lfs/download",
    ],
    "test_files::test_all_files_are_downloaded": [
        "GET {page}/resolve/{revision}/{path:path}",
    ],
    "test_access::test_who_is_accepted_may_read": [
        "POST {page}/ask-access",
        "GET {api}/user-access-request/{status}",
        "POST {api}/user-access-request/handle",
    ],
    "test_listing::test_all_filters_must_hold": [
        "GET {list}",
    ],
    "test_repositories::test_the_description_of_a_model": [
        "GET {api}",
    ],
    "test_repositories::test_the_description_of_an_earlier_revision_is_by_its_own_card": [
        "GET {api}/revision/{revision}",
    ],
    "test_repositories::test_visibility_can_be_changed": [
        "PUT {api}/settings",
    ],
    "test_access::test_a_gated_repository_shows_itself_but_not_its_files": [
        "GET {api}/auth-check",
        "GET {api}/auth-check/write",
    ],
    "test_commits::test_what_did_not_change_makes_no_commit": [
        "POST {api}/preupload/{revision}",
    ],
    "test_commits::test_files_are_added_replaced_copied_and_deleted": [
        "POST {api}/commit/{revision}",
    ],
    "test_commits::test_the_history_comes_in_pages": [
        "GET {api}/commits/{revision}",
    ],
    "test_listing::test_a_tree_shows_files_and_folders": [
        "GET {api}/tree/{revision}",
        "GET {api}/tree/{revision}/{path:path}",
    ],
    "test_listing::test_some_paths_are_described": [
        "POST {api}/paths-info/{revision}",
    ],
    "test_refs::test_pull_requests_are_listed_when_asked_for": [
        "GET {api}/refs",
    ],
    "test_refs::test_branches_are_made_listed_and_deleted": [
        "POST {api}/branch/{revision}",
        "DELETE {api}/branch/{revision}",
    ],
    "test_refs::test_tags_pin_a_revision": [
        "POST {api}/tag/{revision}",
        "DELETE {api}/tag/{revision}",
    ],
    "test_discussions::test_discussions_are_listed_by_type_status_and_author": [
        "GET {api}/discussions",
    ],
    "test_discussions::test_a_draft_is_opened_before_it_is_merged": [
        "POST {api}/discussions",
    ],
    "test_discussions::test_a_commit_opens_a_pull_request": [
        "GET {api}/discussions/{num}",
    ],
    "test_discussions::test_a_discussion_is_commented_renamed_and_closed": [
        "POST {api}/discussions/{num}/comment",
        "POST {api}/discussions/{num}/status",
        "POST {api}/discussions/{num}/title",
    ],
    "test_discussions::test_a_pull_request_is_merged": [
        "POST {api}/discussions/{num}/merge",
    ],
    "test_access::test_access_is_granted_unasked": [
        "POST {api}/user-access-request/grant",
    ],
    "test_repositories::test_likes": [
        "POST {api}/like",
        "DELETE {api}/like",
        "GET {api}/likers",
        "GET /api/users/{user}/likes",
    ],
    "test_app::test_a_repository_without_namespace_is_not_found": [
        "GET {list}/{name}",
        "GET {list}/{name}/revision/{revision}",
        "GET {list}/{name}/tree/{rest:path}",
        "GET /{name}/resolve/{rest:path}",
    ],
    "test_app::test_what_is_not_served_says_so": [
        "GET /{rest:path}",
        "POST /{rest:path}",
        "PUT /{rest:path}",
        "PATCH /{rest:path}",
        "DELETE /{rest:path}",
    ],
}
SHOWN_BY = {route: test for test, routes in SHOWN.items() for route in routes}

# These say no to whoever asks.
REFUSED = {
    "unserved": "501 below `/api/`, else 404",
    "without_namespace": "404, or 401 anonymously",
}


def table() -> str:
    """The table, from the routes of the application."""
    lines = ["| method | path | served | shown by |", "|---|---|---|---|"]
    for row in ROUTES:
        method = "GET, HEAD" if row.method == "GET" else row.method
        does = (row.handler.__doc__ or "").strip().splitlines()[0]
        refused = REFUSED.get(row.handler.__name__)
        served = does if refused is None else f"refused with {refused}: {does}"
        path = re.sub(r":path\}", "}", row.pattern)
        lines.append(f"| {method} | `{path}` | {served} | `{SHOWN_BY[key(row)]}` |")
    return "\n".join(lines) + "\n"


def key(row) -> str:
    """How ``SHOWN_BY`` names a route."""
    return f"{row.method} {row.pattern}"


def written() -> str:
    """The table as it stands in the page."""
    return PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]


def main() -> None:
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(before + BEGIN + table() + END + after, encoding="utf-8")


if __name__ == "__main__":
    main()

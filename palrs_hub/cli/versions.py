"""``palrs-hub versions``: by which revisions a vector on the Hub can be loaded."""

from __future__ import annotations

from dataclasses import asdict

import click

from palrs_hub.cli.options import json_option, revision_option, token_option


@click.command("versions")
@click.argument("repo_id", metavar="ORG/NAME[@REV]")
@revision_option
@token_option
@json_option
def command(repo_id: str, revision: str | None, token: str | None, as_json: bool) -> None:
    """List the branches, tags, open pull requests and commits of ORG/NAME.

    The commits are those of the revision; of the default branch if none is given.
    """
    from palrs_hub.cli import output
    from palrs_hub.hub import versions

    found = versions(repo_id, revision=revision, token=token)
    if as_json:
        output.show_json(asdict(found))
        return
    named = [
        *(("branch", item.name, item.commit, "") for item in found.branches),
        *(("tag", item.name, item.commit, "") for item in found.tags),
        *(
            ("pull request", item.revision, item.commit or "?", f"{item.title} ({item.author})")
            for item in found.pull_requests
        ),
    ]
    output.show_table(found.repo_id, ["", "revision", "commit", ""], named)
    commits = [
        (item.commit, item.date, item.title, ", ".join(item.authors)) for item in found.commits
    ]
    output.show_table("Commits, newest first", ["commit", "date", "title", "authors"], commits)

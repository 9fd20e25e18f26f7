"""``palrs-hub push``: a folder goes to the Hub, verified before anything is sent."""

from __future__ import annotations

import click

from palrs_hub.cli.options import json_option, token_option


@click.command("push")
@click.argument("folder", type=click.Path(exists=True, file_okay=False))
@click.argument("repo_id", metavar="ORG/NAME")
@click.option("--private/--public", default=None, help="Visibility of a new repository.")
@click.option("--revision", help="Branch to commit to; created if need be.")
@click.option("--create-pr", is_flag=True, help="Open a pull request instead of committing.")
@click.option("--message", help="First line of the commit.")
@token_option
@json_option
def command(
    folder: str,
    repo_id: str,
    private: bool | None,
    revision: str | None,
    create_pr: bool,
    message: str | None,
    token: str | None,
    as_json: bool,
) -> None:
    """Send the vector in FOLDER to the repository ORG/NAME in one commit."""
    from palrs_hub.cli import output
    from palrs_hub.hub import push

    done = push(
        folder,
        repo_id,
        private=private,
        revision=revision,
        create_pr=create_pr,
        commit_message=message,
        token=token,
    )
    if as_json:
        output.show_json(vars(done))
        return
    where = done.pull_request or done.url
    output.show_pairs(f"Pushed to {done.repo_id}", {"commit": done.commit, "see": where})
    output.show_line(f"Load it with SteeringVector.from_pretrained({done.repo_id!r})")

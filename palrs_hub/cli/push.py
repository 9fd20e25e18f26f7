"""``palrs-hub push``: a folder goes to the Hub, verified before anything is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from palrs_hub.cli.options import json_option, token_option

if TYPE_CHECKING:
    from palrs_hub.hub import PushPlan, PushResult


@click.command("push")
@click.argument("folder", type=click.Path(exists=True, file_okay=False))
@click.argument("repo_id", metavar="ORG/NAME")
@click.option("--private/--public", default=None, help="Visibility of a new repository.")
@click.option("--revision", help="Branch to commit to, created if need be, or refs/pr/N.")
@click.option("--create-pr", is_flag=True, help="Open a pull request instead of committing.")
@click.option("--tag", help="Tag to put on the commit, for instance v1.0.")
@click.option("--message", help="First line of the commit.")
@click.option("--dry-run", is_flag=True, help="Show what would be sent, and send nothing.")
@click.option(
    "--force",
    is_flag=True,
    help="Replace another vector, or a newer commit than the one that FOLDER was pulled at.",
)
@token_option
@json_option
def command(
    folder: str,
    repo_id: str,
    private: bool | None,
    revision: str | None,
    create_pr: bool,
    tag: str | None,
    message: str | None,
    dry_run: bool,
    force: bool,
    token: str | None,
    as_json: bool,
) -> None:
    """Send the vector in FOLDER to the repository ORG/NAME in one commit."""
    from palrs_hub.hub import plan_push, push

    if dry_run:
        plan = plan_push(
            folder,
            repo_id,
            private=private,
            revision=revision,
            create_pr=create_pr,
            tag=tag,
            token=token,
        )
        _show_plan(plan, force, as_json)
        return
    done = push(
        folder,
        repo_id,
        private=private,
        revision=revision,
        create_pr=create_pr,
        tag=tag,
        force=force,
        commit_message=message,
        token=token,
    )
    _show_result(done, as_json)


def _show_result(done: PushResult, as_json: bool) -> None:
    from palrs_hub.cli import output

    if as_json:
        output.show_json(vars(done))
        return
    title = "Pushed to" if not done.pull_request else "Opened a pull request in"
    title = f"{title} {done.repo_id}" if done.changed else f"{done.repo_id} has it all already"
    facts = {"commit": done.commit, "replaced": done.replaced, "see": done.pull_request or done.url}
    output.show_pairs(title, facts)
    revision = f", revision={done.revision!r}" if done.revision else ""
    output.show_line(f"Load it with SteeringVector.from_pretrained({done.repo_id!r}{revision})")


def _show_plan(plan: PushPlan, force: bool, as_json: bool) -> None:
    from palrs_hub.cli import output

    facts = {
        "repo_id": plan.repo_id,
        "new_repository": not plan.remote.exists,
        "private": plan.private,
        "revision": plan.revision,
        "create_pr": plan.create_pr,
        "tag": plan.tag,
        "parent": plan.remote.head,
        "replaces": plan.replaces,
        "refusal": None if force else plan.refusal,
    }
    if as_json:
        files = [vars(file) for file in plan.files]
        output.show_json({"dry_run": True, **facts, "files": files, "card": plan.card})
        return
    output.show_pairs(f"Nothing was sent: {plan.name}", facts)
    rows = [(file.path, f"{file.size:,}", file.change) for file in plan.files]
    output.show_table("Files", ["file", "bytes", "on the Hub"], rows)
    output.show_text("README.md", plan.card)

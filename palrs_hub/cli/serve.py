"""``palrs-hub serve``: a Hub of one's own, for a laboratory without Internet and for tests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from palrs_hub.errors import LocalHubError

if TYPE_CHECKING:
    from palrs_hub.local_hub import RunningHub, Token
    from palrs_hub.local_hub.tokens import Role


@click.command("serve")
@click.option("--root", type=click.Path(path_type=Path), required=True, help="Folder of the store.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8471,
    show_default=True,
    help="0 takes a free one.",
)
@click.option(
    "--token",
    "write_tokens",
    multiple=True,
    metavar="USER[=VALUE]",
    help="A user who may write; without a value a token is made and shown.",
)
@click.option(
    "--read-token",
    "read_tokens",
    multiple=True,
    metavar="USER[=VALUE]",
    help="A user who may only read.",
)
@click.option(
    "--organization",
    "organizations",
    multiple=True,
    metavar="USER:ORG",
    help="An organisation that a user owns.",
)
@click.option("--check", is_flag=True, help="Verify the store instead of serving it.")
@click.option(
    "--collect-garbage",
    is_flag=True,
    help="Remove contents that nothing refers to for a day, instead of serving.",
)
def command(
    root: Path,
    host: str,
    port: int,
    write_tokens: tuple[str, ...],
    read_tokens: tuple[str, ...],
    organizations: tuple[str, ...],
    check: bool,
    collect_garbage: bool,
) -> int:
    """Serve a Hub from a folder until interrupted. Without tokens everybody may write."""
    if check:
        return _check(root)
    if collect_garbage:
        return _collect(root)
    from palrs_hub.cli import output
    from palrs_hub.local_hub import serve

    owned = _organizations(organizations)
    tokens = [_token(text, "write", owned) for text in write_tokens]
    tokens += [_token(text, "read", owned) for text in read_tokens]

    def announce(hub: RunningHub) -> None:
        output.show_line(f"Serving {root} at {hub.url}")
        for token, given in zip(tokens, [*write_tokens, *read_tokens], strict=True):
            if "=" not in given:
                output.show_line(f"Token of {token.user} ({token.role}): {token.value}")
        output.show_line(f"Use it with: export HF_ENDPOINT={hub.url}")

    serve(root, host=host, port=port, tokens=tokens, on_ready=announce)
    return 0


def _check(root: Path) -> int:
    from palrs_hub.cli import output
    from palrs_hub.local_hub import verify

    report = verify(root)
    for defect in report.defects:
        output.show_line(f"{defect.subject}: {defect.message}")
    output.show_line(
        f"{len(report.defects)} defects in {report.repositories} repositories, {report.commits} "
        f"commits, {report.contents} contents ({report.content_bytes:,} bytes), "
        f"{report.unreferenced} of them unreferenced."
    )
    return 0 if report.sound else LocalHubError.exit_code


def _collect(root: Path) -> int:
    from palrs_hub.cli import output
    from palrs_hub.local_hub import collect_garbage

    removed = collect_garbage(root)
    output.show_line(
        f"Removed {removed.contents} contents ({removed.content_bytes:,} bytes), "
        f"{removed.xet_folders} transfer folders and {removed.leftovers} leftovers."
    )
    return 0


def _token(text: str, role: Role, owned: dict[str, tuple[str, ...]]) -> Token:
    from palrs_hub.local_hub import Token, new_token

    user, given, value = text.partition("=")
    if given:
        return Token(value, user, role, owned.get(user, ()))
    return new_token(user, role=role, organizations=owned.get(user, ()))


def _organizations(texts: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    owned: dict[str, tuple[str, ...]] = {}
    for text in texts:
        user, colon, organization = text.partition(":")
        if not (user and colon and organization):
            raise click.BadParameter(f"{text!r}: expected USER:ORG", param_hint="--organization")
        owned[user] = (*owned.get(user, ()), organization)
    return owned

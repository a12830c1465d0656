"""The `keys` commands: what a custodian does with keysets, from the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import asdict
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any

from pipelines.cli_defaults import Defaults, count
from transforms.errors import UsageError

Summary = dict[str, Any]


def add_commands(
    commands: Any, parser: type[argparse.ArgumentParser], parse_date: Callable[[str], date], now: Callable[[], datetime]
) -> None:
    """Adds `keys` and its actions."""
    text = "make, list, check, rotate, end, move and destroy keysets"
    keys = commands.add_parser("keys", help=text, description=text)
    actions = keys.add_subparsers(dest="action", required=True, metavar="ACTION", parser_class=parser)
    for name, text in (
        ("init", "make the keysets that are missing, one a supplier"),
        ("list", "list keysets, epochs, states and days left"),
        ("new-epoch", "make a new key for one supplier, or for signing or internal; the old ones only resolve"),
    ):
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument("--keys", metavar="URI")
        action.add_argument("--policies", metavar="DIR")
        if name == "new-epoch":
            action.add_argument("--supplier", required=True, metavar="NAME")
            later_text = "a later day, on which the new key takes over; default: at once"
            action.add_argument("--activates", type=parse_date, metavar="YYYY-MM-DD", help=later_text)
            action.add_argument("--rehearse", action="store_true", help="say what would change, and write nothing")
        action.set_defaults(handler=partial(_keys, now))
    later = {}
    for name, text in (
        ("check", "refuse what would stop a run today: lost, edited, put back, expired"),
        ("deactivate", "end the active epoch of one keyset; its tokens still resolve"),
        ("compromise", "mark epochs as exposed, and name every release that went out under them"),
        ("destroy", "remove wrapped keys for good; nobody can turn their tokens back"),
        ("rewrap", "move every keyset to a new store and key-encryption key; no token changes"),
    ):
        later[name] = actions.add_parser(name, help=text, description=text)
        later[name].add_argument("--keys", metavar="URI")
        later[name].set_defaults(handler=partial(_keys_lifecycle, now))
    check, deactivate, compromised, destroy, rewrap = later.values()
    check.add_argument("--policies", metavar="DIR")
    for action in (deactivate, compromised, destroy):
        action.add_argument("--supplier", required=True, metavar="NAME", help="a supplier, internal or signing")
    for action in (check, compromised, destroy):
        action.add_argument("--records", metavar="DIR", help="default: OUT/.records")
        action.add_argument("--out", metavar="DIR", help="where releases are")
    compromised.add_argument("--epoch", type=count, metavar="N", help="default: every epoch that is not destroyed")
    which = destroy.add_mutually_exclusive_group(required=True)
    which.add_argument("--epoch", type=count, metavar="N")
    which.add_argument("--all-epochs", action="store_true")
    rewrap.add_argument("--to", required=True, metavar="URI", help="a store that does not exist yet")


def _keys(now: Callable[[], datetime], options: argparse.Namespace) -> Summary:
    from transforms.keyring import admin
    from transforms.keyring.hardening import harden_process
    from transforms.keyring.keyset import RESERVED
    from transforms.policy.load import load_policies

    harden_process()
    values = Defaults(options)
    keys = values.require("keys")
    policies = load_policies(Path(values.require("policies")))
    suppliers = [policy.supplier for policy in policies]
    if options.action == "init":
        return {"outcome": "made", **asdict(admin.init(keys, suppliers, now()))}
    if options.action == "list":
        return {"outcome": "listed", **asdict(admin.list_keysets(keys, suppliers, now()))}
    names = (*suppliers, *sorted(RESERVED))
    if options.supplier not in names:
        raise UsageError("no keyset has that name", hint=f"known: {', '.join(names)}")
    report = admin.new_epoch(keys, options.supplier, now(), activates=options.activates, rehearse=options.rehearse)
    summary = {"outcome": "rehearsed" if options.rehearse else "prepared" if options.activates else "rotated", **asdict(report)}
    for policy in policies:
        if policy.supplier == options.supplier:
            summary |= {
                "tokens_begin": f"{policy.token_prefix}{report.epoch}",
                "columns": [column.name for column in policy.tokens],
                "mapped": [column.name for column in policy.continuing_tokens] if policy.continuity else [],
            }
    return summary


def _keys_lifecycle(clock: Callable[[], datetime], options: argparse.Namespace) -> Summary:
    from pipelines.actor import actor_name
    from pipelines.incident import check_destroyed, compromise_keyset, destroy_keyset
    from pipelines.key_witness import check_seen
    from transforms.keyring import admin, lifecycle
    from transforms.keyring.hardening import harden_process
    from transforms.keyring.rewrap import rewrap
    from transforms.policy.load import load_policies

    harden_process()
    values = Defaults(options)
    keys, now = values.require("keys"), clock()
    match options.action:
        case "deactivate":
            return {"outcome": "deactivated", **asdict(lifecycle.deactivate(keys, options.supplier, now))}
        case "compromise":
            found = compromise_keyset(keys, _records(values), options.supplier, options.epoch, now)
            return {"outcome": "compromised", **found}
        case "destroy":
            done = destroy_keyset(keys, _records(values), options.supplier, options.epoch, actor_name(), now)
            return {"outcome": "destroyed", **done}
        case "rewrap":
            return {"outcome": "rewrapped", **asdict(rewrap(keys, options.to, now))}
    suppliers = [policy.supplier for policy in load_policies(Path(values.require("policies")))]
    report = admin.check_keysets(keys, suppliers, now)
    check_seen(keys, _records(values), now)
    unproven = check_destroyed(keys, _records(values), report.keysets, now)
    return {"outcome": "clean", **asdict(report), "notices": [*report.notices, *unproven]}


def _records(values: Defaults) -> Path:
    records = values.get("records")
    return Path(records) if records else Path(values.require("out")) / ".records"

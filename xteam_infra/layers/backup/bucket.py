"""A bucket at the object storage, brought to what is wanted of it. Runs on the controller."""

import json
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from pyinfra import host, logger
from pyinfra.api import FunctionCommand, operation
from pyinfra.api.host import Host
from pyinfra.api.state import State

from xteam_infra.cloud import Bucket, client, difference, live
from xteam_infra.cloud.bucket import PARTS, Part
from xteam_infra.engine.commands import Commands
from xteam_infra.engine.pyinfra_internals import shows_diff
from xteam_infra.engine.runtime import secret
from xteam_infra.errors import Problem, SettingsError
from xteam_infra.estate import Estate


@operation()
def bucket(wanted: Bucket, s3: Any) -> Commands:
    """Make the bucket, or change what differs in it. What can't be changed (its region) is refused.

    s3: a boto3 client.
    """
    found = live(s3, wanted)
    differing = difference(wanted, found)
    if found and not differing:
        host.noop(f"bucket {wanted.name} is as wanted")
        return
    if shows_diff():
        _show(wanted.name, differing)
    if found is None:
        yield FunctionCommand(_create, (wanted, s3), {})
    for name, part in PARTS.items():
        if name in differing:
            yield FunctionCommand(_write, (wanted.name, s3, part, differing[name][1]), {})


def bucket_client(estate: Estate) -> Any:
    """The controller's boto3 client for the bucket of the backups."""
    settings = estate.backup
    own = settings.backup_s3_controller == "own"
    return client(
        settings.storage, None if own else (secret(settings.backup_s3_key_id), secret(settings.backup_s3_key))
    )


_bucket_was_asked_for: set[str] = set()


def require_usable_s3(estate: Estate) -> None:
    """Raise SettingsError, before any host is changed, when the bucket can't be had. Asks once a run."""
    settings = estate.backup
    if settings.bucket and settings.bucket.name not in _bucket_was_asked_for:
        names = {"bucket": "backup_s3_bucket", "region": "backup_s3_region", "key": "backup_s3_key_id, backup_s3_key"}
        names |= {"endpoint": "backup_s3_endpoint", "file": "group_data/backup.py"}
        require_usable_bucket(settings.bucket, bucket_client(estate), names)
        _bucket_was_asked_for.add(settings.bucket.name)


def require_usable_bucket(wanted: Bucket, s3: Any, keys: dict[str, str]) -> None:
    """Raise SettingsError when the bucket can't be asked for, or is one that can't become what is wanted.

    keys: the settings' names of "bucket", "region", "endpoint" and "key", with their file in "file".
    """
    try:
        found = live(s3, wanted)
    except (BotoCoreError, ClientError) as error:
        raise SettingsError([_refused(wanted, keys, error)]) from error
    if found and found["region"] != wanted.region:
        allowed = f"the region the bucket {wanted.name} is in, {found['region']}, or another bucket: one can't be moved"
        raise SettingsError([Problem(keys["file"], keys["region"], repr(wanted.region), allowed)])


def _refused(wanted: Bucket, keys: dict[str, str], error: Exception) -> Problem:
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
    if code in ("403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"):
        allowed = f"a bucket this key may configure, and a key that is valid ({keys['key']}); S3 says: {error}"
        return Problem(keys["file"], keys["bucket"], repr(wanted.name), allowed)
    if code in ("301", "PermanentRedirect", "AuthorizationHeaderMalformed"):
        return Problem(keys["file"], keys["region"], repr(wanted.region), f"the bucket's own region; S3 says: {error}")
    return Problem(keys["file"], keys["endpoint"], str(error), "object storage that answers this controller")


# pyinfra hands on what a function returns only if it has parameters of these two names: False would be a success.
def _create(state: State, host: Host, wanted: Bucket, s3: Any) -> bool:
    return _said(lambda: wanted.create(s3), f"make bucket {wanted.name}")


def _write(state: State, host: Host, name: str, s3: Any, part: Part, value: Any) -> bool:
    return _said(lambda: part.write(s3, name, value), f"change bucket {name}")


def _said(call: Callable[[], object], what: str) -> bool:
    """Carry out a call; False, with S3's words, when it is refused: pyinfra then stops."""
    try:
        call()
    except (BotoCoreError, ClientError) as error:
        logger.error("%s%s: %s", host.print_prefix, what, error)
        return False
    return True


def _show(name: str, differing: dict[str, tuple[Any, Any]]) -> None:
    for part, (before, after) in differing.items():
        logger.info("%s    %s: %s", host.print_prefix, name, part)
        if before is not None:
            logger.info("%s    - %s", host.print_prefix, json.dumps(before, sort_keys=True))
        logger.info("%s    + %s", host.print_prefix, json.dumps(after, sort_keys=True))

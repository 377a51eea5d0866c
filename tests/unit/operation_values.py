"""What a case of tests/unit/operations may name with a YAML tag, such as `!file {dest: /etc/x, text: port 1}`."""

import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from xteam_infra.cloud import Bucket, ObjectStorage, client
from xteam_infra.engine.operations.files import HostDirectory, HostFile
from xteam_infra.engine.runtime import authority, open_estate, secret
from xteam_infra.layers.app.releases import Deployment
from xteam_infra.layers.backup.needs import repositories
from xteam_infra.layers.postgres.credentials_fact import digest_of
from xteam_infra.layers.postgres.facts import Question
from xteam_infra.layers.postgres.goal import Goal
from xteam_infra.layers.postgres.operations import _kept
from xteam_infra.layers.postgres.password_rotation import Rotation
from xteam_infra.layers.postgres.scram import verifier
from xteam_infra.pki import Authority, Subject, make_authority
from xteam_infra.plan import Certificate
from xteam_infra.release import Release
from xteam_infra.release.record import Entry, Record, write
from xteam_infra.secrets import Secret

SALT = "c2FsdCBvZiBhIGNhc2U="
PLACEHOLDER = re.compile(r"\{\{(\w+)(?: ([^{}]*))?\}\}", re.DOTALL)


class Tagged:
    """A tag and its value, made into an object once the case's estate is open."""

    def __init__(self, tag: str, value: Any):
        self.tag, self.value = tag, value


class Loader(yaml.SafeLoader):
    """YAML whose unknown tags are kept."""


def _tagged(loader: Loader, suffix: str, node: yaml.Node) -> Tagged:
    if isinstance(node, yaml.MappingNode):
        return Tagged(suffix, loader.construct_mapping(node, deep=True))
    if isinstance(node, yaml.SequenceNode):
        return Tagged(suffix, loader.construct_sequence(node, deep=True))
    assert isinstance(node, yaml.ScalarNode)
    return Tagged(suffix, loader.construct_scalar(node))


Loader.add_multi_constructor("!", _tagged)


def built(value: Any) -> Any:
    """The value with its tags made into objects and its placeholders filled."""
    if isinstance(value, Tagged):
        return TAGS[value.tag](built(value.value))
    if isinstance(value, Mapping):
        return {built(key): built(one) for key, one in value.items()}
    if isinstance(value, list):
        return [built(one) for one in value]
    return filled(value) if isinstance(value, str) else value


def filled(text: str) -> str:
    """The text with {{sha256 TEXT}} and the like replaced, the innermost first."""
    while (new := PLACEHOLDER.sub(lambda found: PLACEHOLDERS[found[1]](found[2] or ""), text)) != text:
        text = new
    return text


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _kept_verifier(name: str) -> str:
    """What the server says of a role whose password is the secret NAME."""
    kept = verifier(secret(name), SALT)
    return f"{_sha256(kept)} 4096:{SALT}"


PLACEHOLDERS: dict[str, Callable[[str], str]] = {
    "sha256": _sha256,
    "file": lambda text: _sha256(f"{text}\n"),
    "secret": secret,
    "kept": _kept_verifier,
    "login": lambda words: digest_of(words.split()[0], secret(words.split()[1])),
}


def _file(fields: dict[str, Any]) -> HostFile:
    """secret_text: a text that holds a secret, so a callable as in the deploys."""
    if hidden := fields.pop("secret_text", None):
        fields["text"] = lambda: hidden
    return HostFile(**fields)


def _certificate(fields: dict[str, Any]) -> Certificate:
    return Certificate(subject=_subject(fields.pop("subject")), **fields)


def _subject(fields: dict[str, Any]) -> Subject:
    lists = {key: tuple(fields[key]) for key in ("dns", "ips") if key in fields}
    return Subject(**{**fields, **lists})


def _held(fields: dict[str, Any]) -> list[str]:
    """What CertificatePems reads of `wanted`; other fields say what is not as it should be."""
    wanted, extra = fields["wanted"], "subject" in fields
    signer = Authority(make_authority()) if fields.get("other_authority") else authority(wanted.issuer)
    leaf = signer.issue(_subject(fields["subject"]) if extra else wanted.subject, fields.get("days", 90))
    owner, mode = fields.get("owner", wanted.owner), fields.get("mode", "600")
    return [f"FILE {wanted.crt}", f"{owner} {mode}", *leaf.certificate.splitlines()]


def _deployment(fields: dict[str, Any]) -> Deployment:
    """entry: what is released. releases: what the record has before it."""
    estate = open_estate()
    entry = Entry(version="2.0", source="xteam==2.0", **fields["entry"])
    kept = [Entry(version=one, source="xteam", id=one) for one in fields.get("releases", [])]
    found = Deployment(estate, fields.get("verb", "release"), entry, Record(releases=(*kept, entry)))
    found.__dict__["owner"] = "somebody@controller, since 10:00:00 UTC"
    return found


def recorded(fields: dict[str, Any]) -> None:
    """Write the record of releases that the case begins with."""
    from xteam_infra.layers.app.releases import record_file

    kept = tuple(Entry(version=one, source="xteam", id=one) for one in fields.get("releases", []))
    write(record_file(open_estate()), Record(releases=kept, missed=fields.get("missed", {})))


def _rotation(role: str) -> Rotation:
    old = open_estate().postgres.passwords[role]
    return Rotation(role, f"{role}_next", old, Secret(f"{old.name}.next"))


def _questions(fields: dict[str, Any]) -> list[Question]:
    goals = [Question(goal.name, goal.database, goal.check_sql) for goal in fields["goals"]]
    return goals + [Question(f"password of {role}", "postgres", _kept(role)) for role in fields["passwords"]]


def _s3(drift: list[str]) -> Any:
    """A client of an S3 that has no bucket; or one as wanted, but for the parts named in `drift`."""
    s3 = client(ObjectStorage("eu-central-1"), ("x", "y"))
    if drift != ["no bucket"]:
        wanted = _bucket("")
        from xteam_infra.cloud.bucket import PARTS

        wanted.create(s3)
        for name, part in PARTS.items():
            part.write(s3, wanted.name, wanted.wanted()[name])
        if "tags" in drift:
            s3.delete_bucket_tagging(Bucket=wanted.name)
    return s3


def _bucket(_: str) -> Bucket:
    return Bucket("xteam-backups", "eu-central-1", lock_days=14)


TAGS: dict[str, Callable[[Any], Any]] = {
    "file": _file,
    "directory": lambda fields: HostDirectory(**fields),
    "certificate": _certificate,
    "held": _held,
    "secret": Secret,
    "called": lambda text: lambda: text,
    "estate": lambda _: open_estate(),
    "settings": lambda layer: getattr(open_estate(), layer),
    "members": lambda group: open_estate().members(group),
    "machine": lambda name: open_estate().machine(name),
    "addresses": lambda group: [one.address for one in open_estate().members(group)],
    "repositories": lambda _: repositories(open_estate()),
    "repository": lambda number: repositories(open_estate())[int(number) - 1],
    "release": lambda name: Release(name, Path(f"build/releases/{name}.tar.gz"), "0" * 64),
    "archive": lambda name: _archived(name),
    "goal": lambda fields: Goal(**fields),
    "question": lambda words: Question(*words),
    "questions": _questions,
    "deployment": _deployment,
    "rotation": _rotation,
    "tuned": lambda dest: lambda hardware: HostFile(dest, text=f"cores {hardware.cores}, disk {hardware.disk_mb}"),
    "bucket": _bucket,
    "s3": _s3,
}


def _archived(name: str) -> Release:
    """A release whose archive is here."""
    archive = Path(open_estate().app.app_release_directory).expanduser() / f"{name}.tar.gz"
    archive.parent.mkdir(parents=True, exist_ok=True)
    archive.write_bytes(b"archive")
    return Release(name, archive, hashlib.sha256(b"archive").hexdigest())

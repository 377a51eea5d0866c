"""Typed settings: one model a layer, read estate-wide from group_data/, checked all at once."""

from xteam_infra.settings.all import AllSettings
from xteam_infra.settings.app import AppSettings
from xteam_infra.settings.backup import BackupSettings
from xteam_infra.settings.base import BaseSettings
from xteam_infra.settings.celery import CelerySettings
from xteam_infra.settings.certificates import CertificatesSettings
from xteam_infra.settings.edge import EdgeSettings
from xteam_infra.settings.etcd import EtcdSettings
from xteam_infra.settings.files import FilesSettings
from xteam_infra.settings.firewall import FirewallSettings
from xteam_infra.settings.logs import LogsSettings
from xteam_infra.settings.model import LayerSettings
from xteam_infra.settings.postgres import PostgresSettings
from xteam_infra.settings.redis import RedisSettings
from xteam_infra.settings.router import RouterSettings
from xteam_infra.settings.storage import StorageSettings

MODELS: tuple[type[LayerSettings], ...] = (
    AllSettings,
    BaseSettings,
    FirewallSettings,
    CertificatesSettings,
    StorageSettings,
    EtcdSettings,
    PostgresSettings,
    BackupSettings,
    RedisSettings,
    RouterSettings,
    AppSettings,
    CelerySettings,
    FilesSettings,
    EdgeSettings,
    LogsSettings,
)
BY_LAYER = {model.layer: model for model in MODELS}
OWNER_OF_KEY = {key: model.layer for model in MODELS for key in model.model_fields}

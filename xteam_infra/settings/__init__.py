"""Typed settings: one model a layer, read estate-wide from group_data/, checked all at once."""

from importlib import import_module

from xteam_infra.layers import LAYERS
from xteam_infra.settings.model import LayerSettings


def _model(name: str) -> type[LayerSettings]:
    model: type[LayerSettings] = getattr(import_module(f"xteam_infra.settings.{name}"), f"{name.capitalize()}Settings")
    return model


MODELS = tuple(_model(name) for name in ("all", *(layer.name for layer in LAYERS if layer.settings)))
BY_LAYER = {model.layer: model for model in MODELS}
OWNER_OF_KEY = {key: model.layer for model in MODELS for key in model.model_fields}

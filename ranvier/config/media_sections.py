"""What the configuration says about media: frozen, typed."""

import os
from dataclasses import dataclass
from typing import Final, Literal

from ranvier.config.preview_sections import PreviewConfig, build_previews
from ranvier.config.rates import RateLimit
from ranvier.config.values import Values

_FILE_SYSTEM: Final = ("file_system", "FileStorageProviderBackend")
"""How the names of the module end that keeps files in a folder."""


@dataclass(frozen=True, slots=True)
class ThumbnailSize:
    """One entry of `thumbnail_sizes`."""

    width: int
    height: int
    method: Literal["crop", "scale"]


@dataclass(frozen=True, slots=True)
class StorageProvider:
    """One entry of `media_storage_providers`: a further folder."""

    directory: str
    store_local: bool
    store_remote: bool
    store_synchronous: bool


@dataclass(frozen=True, slots=True)
class UploadLimit:
    """One entry of `media_upload_limits`."""

    time_period_ms: int
    max_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaConfig:
    """Everything about media, where this process serves them."""

    store_path: str
    """Absolute."""
    enable_local_storage: bool
    providers: tuple[StorageProvider, ...]
    max_upload_bytes: int
    max_image_pixels: int
    dynamic_thumbnails: bool
    thumbnail_sizes: tuple[ThumbnailSize, ...]
    local_lifetime_ms: int | None
    """`media_retention.local_media_lifetime`; `None`: for ever."""
    remote_lifetime_ms: int | None
    enable_authenticated_media: bool
    max_pending_uploads: int
    unused_expiration_ms: int
    upload_limits: tuple[UploadLimit, ...]
    remote_download_rate: RateLimit
    """In bytes, by address of the client."""
    prevent_downloads_from: frozenset[str]
    max_avatar_bytes: int | None
    """`max_avatar_size`."""
    avatar_types: frozenset[str] | None
    """`allowed_avatar_mimetypes`; `None`: all."""
    previews: PreviewConfig | None
    """`None`: no pages are previewed."""


DEFAULT_SIZES: Final = (
    ThumbnailSize(32, 32, "crop"),
    ThumbnailSize(96, 96, "crop"),
    ThumbnailSize(320, 240, "scale"),
    ThumbnailSize(640, 480, "scale"),
    ThumbnailSize(800, 600, "scale"),
)


def build_media(values: Values) -> MediaConfig | None:
    """`None` if this process serves no media; mistakes are noted all the same."""
    providers = tuple(found for entry in values.items("media_storage_providers") if (found := _provider(entry)))
    keeps_here = values.boolean("enable_local_media_storage")
    if not keeps_here and not providers:
        values.error("enable_local_media_storage", "can be false only where media_storage_providers keep the media")
    config = MediaConfig(
        store_path=os.path.abspath(values.text("media_store_path")),
        enable_local_storage=keeps_here,
        providers=providers,
        max_upload_bytes=values.integer("max_upload_size"),
        max_image_pixels=values.integer("max_image_pixels"),
        dynamic_thumbnails=values.boolean("dynamic_thumbnails"),
        thumbnail_sizes=tuple(_size(entry) for entry in values.items("thumbnail_sizes")) or DEFAULT_SIZES,
        local_lifetime_ms=values.integer_or_none("media_retention.local_media_lifetime"),
        remote_lifetime_ms=values.integer_or_none("media_retention.remote_media_lifetime"),
        enable_authenticated_media=values.boolean("enable_authenticated_media"),
        max_pending_uploads=values.integer("max_pending_media_uploads"),
        unused_expiration_ms=values.integer("unused_expiration_time"),
        upload_limits=tuple(
            UploadLimit(entry.integer_or_none("time_period") or 0, entry.integer_or_none("max_size") or 0)
            for entry in values.items("media_upload_limits")
        ),
        remote_download_rate=RateLimit(
            values.integer("remote_media_download_per_second"), values.integer("remote_media_download_burst_count")
        ),
        prevent_downloads_from=frozenset(values.texts("prevent_media_downloads_from")),
        max_avatar_bytes=values.integer_or_none("max_avatar_size"),
        avatar_types=_avatar_types(values),
        previews=build_previews(values),
    )
    if values.boolean("enable_media_repo"):
        return config
    for option in ("max_avatar_size", "allowed_avatar_mimetypes"):
        if values.is_set(option):
            values.error(option, "needs enable_media_repo: what is not here cannot be looked at")
    return None


def _avatar_types(values: Values) -> frozenset[str] | None:
    if not values.is_set("allowed_avatar_mimetypes"):
        return None
    return frozenset(name.lower() for name in values.texts("allowed_avatar_mimetypes"))


def _size(entry: Values) -> ThumbnailSize:
    width, height = entry.integer_or_none("width") or 0, entry.integer_or_none("height") or 0
    for name, length in (("width", width), ("height", height)):
        if entry.is_set(name) and length < 1:
            entry.error(name, "expected at least 1")
    return ThumbnailSize(width, height, "crop" if entry.text_or_none("method") == "crop" else "scale")


def _provider(entry: Values) -> StorageProvider | None:
    module = entry.text_or_none("module")
    if module is None:
        return None
    if module.rpartition(".")[2] not in _FILE_SYSTEM:
        entry.error("module", f"only file_system is known here, got {module}")
        return None
    directory = entry.text_or_none("config.directory")
    if directory is None:
        entry.error("module", "needs config.directory")
        return None
    return StorageProvider(
        directory=os.path.abspath(directory),
        store_local=bool(entry.get("store_local")),
        store_remote=bool(entry.get("store_remote")),
        store_synchronous=bool(entry.get("store_synchronous")),
    )

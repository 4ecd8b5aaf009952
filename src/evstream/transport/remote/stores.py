"""The stores of obstore, one for each root and set of options.

A store keeps its connections and credentials, so it is made once in a process. Credentials are the
user's: `storage_options`, else the environment, else what the machine has (a role of an instance,
say). Profiles in ~/.aws are read by boto3, where it is installed.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from evstream.errors import EvstreamError
from evstream.extras import import_extra
from evstream.transport.remote.urls import Url

SECONDS = "300s"
"""Time for one request with its answer; obstore's own 30 s are too short for a slow line."""

_SEPARATE = ("client_options", "retry_config", "credential_provider")
"""Options that are arguments of their own; the others are the configuration of the store."""

_OF_FSSPEC = {
    "key": "access_key_id",
    "secret": "secret_access_key",
    "token": "session_token",
    "anon": "skip_signature",
    "endpoint_url": "endpoint",
}
"""Names that s3fs has for options -> names in obstore."""

_ENVIRONMENT = ("AWS_", "GOOGLE_", "AZURE_")

_made: dict[Any, Any] = {}
_forked = False


def store_of(url: Url, options: Mapping[str, Any] | None) -> Any:
    """The store of an object. Raises MissingExtraError without obstore, EvstreamError in a process
    that was forked from one that has used a store."""
    import_extra("obstore")
    if _forked:
        raise EvstreamError(
            "object stores were used before this process was forked", source=url.shown,
            expected="processes that start by spawn or forkserver",
        )  # fmt: skip
    environment = [item for item in os.environ.items() if item[0].startswith(_ENVIRONMENT)]
    key = (url.root, repr(sorted((options or {}).items(), key=str)), repr(sorted(environment)))
    if key not in _made:
        while len(_made) >= _MOST:
            _made.pop(next(iter(_made)))
        _made[key] = _store(url, dict(options or {}))
    return _made[key]


_MOST = 64


def _store(url: Url, options: dict[str, Any]) -> Any:
    stores = importlib.import_module("obstore.store")
    separate = {name: options.pop(name) for name in _SEPARATE if name in options}
    client = {"timeout": SECONDS, **separate.pop("client_options", {})}
    if url.scheme in {"http", "https"}:
        client.setdefault("allow_http", True)
        return stores.HTTPStore.from_url(url.root, client_options=client, **separate, **options)
    config = {_OF_FSSPEC.get(name, name): value for name, value in options.items()}
    if url.scheme in {"s3", "s3a"}:
        config, separate = _of_profile(config, separate)
        endpoint = str(config.get("endpoint", config.get("aws_endpoint", "")))
        endpoint = endpoint or os.environ.get(
            "AWS_ENDPOINT_URL", os.environ.get("AWS_ENDPOINT", "")
        )
        if endpoint.startswith("http://"):
            client.setdefault("allow_http", True)
        if endpoint and not _has_region(config):
            config["region"] = "us-east-1"
    return stores.from_url(url.root, config=config, client_options=client, **separate)


def _has_region(config: Mapping[str, Any]) -> bool:
    names = {"region", "aws_region", "default_region", "aws_default_region"}
    return bool(names & config.keys() or {"AWS_REGION", "AWS_DEFAULT_REGION"} & os.environ.keys())


def _of_profile(
    config: dict[str, Any], separate: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options with the credentials of a profile, where the user has one and names no other."""
    folder = os.path.join(os.path.expanduser("~"), ".aws")
    files = [os.path.join(folder, name) for name in ("credentials", "config")]
    has_profile = "AWS_PROFILE" in os.environ or any(map(os.path.exists, files))
    named = any("access_key" in name or "skip_signature" in name for name in config)
    if not has_profile or named or "credential_provider" in separate:
        return config, separate
    if "AWS_ACCESS_KEY_ID" in os.environ:
        return config, separate
    try:
        boto3 = importlib.import_module("boto3")
    except ImportError:
        return config, separate
    session = boto3.Session()
    found = session.get_credentials()
    if found is None:
        return config, separate

    def provide() -> dict[str, Any]:
        now = found.get_frozen_credentials()
        return {
            "access_key_id": now.access_key,
            "secret_access_key": now.secret_key,
            "token": now.token,
            "expires_at": datetime.now(timezone.utc) + timedelta(minutes=15),
        }

    if session.region_name and not _has_region(config):
        config = {**config, "region": session.region_name}
    return config, {**separate, "credential_provider": provide}


def _mark_fork() -> None:
    """The threads of the stores are gone in a forked process, where a request would wait for them
    forever."""
    global _forked  # noqa: PLW0603 (a process has one state)
    _forked = _forked or bool(_made)


os.register_at_fork(after_in_child=_mark_fork)

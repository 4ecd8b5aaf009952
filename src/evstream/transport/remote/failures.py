"""What goes wrong at a store, as one line with the name of the object and without secrets.

The libraries print the whole answer of the server, the address with its signature, and the types
of their own errors. Of these the reason is kept.
"""

from __future__ import annotations

import contextlib
import errno
import re
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from evstream.errors import ChangedSourceError, EvstreamError

_LONGEST = 200


class NoRangesError(OSError):
    """The server sends whole objects only."""


@contextlib.contextmanager
def named_failures(
    name: str, options: Mapping[str, Any] | None, offset: int | None = None
) -> Iterator[None]:
    """Turn what a library raises into an OSError with the name, or into ChangedSourceError where
    the object is not the one that was opened; `offset` is the byte that was to be read."""
    try:
        yield
    except (EvstreamError, MemoryError):
        raise
    except Exception as error:
        _raise(error, name, options or {}, offset)


def _raise(error: Exception, name: str, options: Mapping[str, Any], offset: int | None) -> NoReturn:
    kind = type(error).__name__
    reason = _without_secrets(_reason(str(error)), options)
    where = "" if offset is None else f"byte {offset}: "
    if kind in {"PreconditionError", "NotModifiedError"}:
        raise changed(name, offset) from None
    if isinstance(error, FileNotFoundError):
        text = "No such object" if "NoSuchBucket" not in str(error) else "No such bucket"
        raise FileNotFoundError(errno.ENOENT, text, name) from None
    if "169.254.169.254" in str(error) or "metadata.google.internal" in str(error):
        text = "no credentials: name them in the environment or in storage_options"
        raise PermissionError(errno.EACCES, text, name) from None
    if kind in {"UnauthenticatedError", "PermissionDeniedError"} or _FORBIDDEN.search(reason):
        text = f"Permission denied ({reason})"
        raise PermissionError(errno.EACCES, text, name) from None
    if "Range request not supported" in str(error):
        text = "the server sends no ranges of bytes"
        raise NoRangesError(errno.EOPNOTSUPP, text, name) from None
    if kind == "UnknownConfigurationKeyError":
        raise ValueError(f"{name}: storage_options: {reason}") from None
    if isinstance(error, (TypeError, ValueError)) and not isinstance(error, OSError):
        raise ValueError(f"{name}: {reason}") from None
    number = error.errno if isinstance(error, OSError) and error.errno else errno.EIO
    raise OSError(number, f"{where}{reason}", name) from None


def changed(name: str, offset: int | None) -> ChangedSourceError:
    """The error for an object that was overwritten since it was first opened."""
    return ChangedSourceError(
        "the object was overwritten since it was first opened", source=name, offset=offset,
        expected="an object that nobody changes until it is read",
    )  # fmt: skip


_FORBIDDEN = re.compile(r"\b(401|403)\b|AccessDenied|Forbidden|NoCredentials")


def _reason(text: str) -> str:
    """The reason in the text of an error."""
    status = re.search(r"status code: (\d+ [A-Za-z ]*[A-Za-z])", text)
    code, message = (re.search(f"<{tag}>([^<]*)</{tag}>", text) for tag in ("Code", "Message"))
    if code is not None or message is not None:
        found = ": ".join(" ".join(m[1].split()) for m in (code, message) if m is not None)
        return f"{status[1].split()[0]} {found}" if status is not None else found
    if status is not None:
        return status[1]
    line = text.partition("\n\nDebug source")[0]
    if "body error" in line:
        return "the connection broke before the end of the answer"
    if "error sending request" in line:
        return "the connection broke, or there was none"
    line = re.sub(r"^Generic \w+ error: ", "", " ".join(line.split()))
    line = re.sub(r"^Error performing \w+ \S+ in .* - ", "", line)
    line = re.sub(r"(https?://[^\s?]*)\?\S*", r"\1", line)
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} ..."


def _without_secrets(text: str, options: Mapping[str, Any]) -> str:
    """The text without the values of options that are secret."""
    for name, value in options.items():
        if isinstance(value, Mapping):
            text = _without_secrets(text, value)
        elif isinstance(value, str) and value and _SECRET.search(name):
            text = text.replace(value, "***")
    return text


_SECRET = re.compile(r"key|secret|token|pass|sas|cred|auth|sign", re.IGNORECASE)

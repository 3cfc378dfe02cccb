"""Who is calling, and what each route asks of them.

There is one way in: `Authenticator.identify`, whatever header carries the key. There is one table of what each route
needs: `required_scope`. A path that is not in the table cannot be reached at all, so a new route without a policy
shows itself at once.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

from starlette.requests import HTTPConnection

from orchestrator.api.sessions import SessionStore
from orchestrator.errors import Forbidden, NotFound, Unauthorized
from orchestrator.settings import LOCAL_OWNER, SCOPES, ApiKey

SESSION_COOKIE = "committee_session"
PUBLIC = "public"
ANY_KEY = "any"


@dataclass(frozen=True)
class Principal:
    """The caller: whose data they see, what they may do, and which key they came with (None without keys)."""

    owner: str
    scopes: frozenset[str]
    key_id: str | None = None


def principal_of(connection: HTTPConnection) -> Principal:
    """The caller of a request that has passed the gate."""
    principal = connection.scope["state"]["principal"]
    assert isinstance(principal, Principal)
    return principal


def base_url_of(connection: HTTPConnection) -> str:
    """The address that links for this caller start with, without a trailing slash."""
    return str(connection.scope["state"]["base_url"])


@dataclass(frozen=True)
class _Policy:
    path: re.Pattern[str]
    read: str
    write: str

    @classmethod
    def of(cls, path: str, read: str, write: str | None = None) -> _Policy:
        return cls(re.compile(path), read, write or read)


# Matched after `/v1` (OpenAI routes) and `/api` (the page's routes) have been taken off.
_POLICIES = (
    _Policy.of(r"/", PUBLIC),
    _Policy.of(r"/(?:assets/.*|favicon\.(?:ico|svg|png)|index\.html)", PUBLIC),
    _Policy.of(r"/(?:healthz|health|capabilities\.json)", PUBLIC),
    _Policy.of(r"/session", PUBLIC),  # it checks the key that it is given
    _Policy.of(r"/openapi\.json", ANY_KEY),
    _Policy.of(r"/models(?:/.+)?", ANY_KEY),
    _Policy.of(r"/(?:chat/completions|responses|messages(?:/count_tokens)?)", "chat"),
    _Policy.of(r"/responses/.+", "chat"),
    _Policy.of(r"/context/pack|/output/(?:plan|render)", "chat"),
    _Policy.of(r"/(?:(?:fim/)?completions|embeddings|audio/speech)", "chat"),
    _Policy.of(r"/images/generations", "jobs:write"),
    _Policy.of(r"/conversations(?:/.*)?", "chat"),
    _Policy.of(r"/run", "chat"),
    _Policy.of(r"/upload", "chat"),
    _Policy.of(r"/(?:artifacts|uploads)(?:/.*)?", ANY_KEY),
    _Policy.of(r"/jobs(?:/.*)?", "jobs:read", "jobs:write"),
    _Policy.of(r"/(?:films|characters|scenes)(?:/.*)?", "films"),
    _Policy.of(r"/debug", "admin"),
)
_READ_METHODS = frozenset({"GET", "HEAD"})
LONGEST_KEPT = 200


def required_scope(method: str, path: str) -> str | None:
    """PUBLIC, ANY_KEY or a scope; None when the path is not in the table."""
    # Nobody may fill the memory with long paths.
    return (_looked_up if len(path) <= LONGEST_KEPT else _looked_up.__wrapped__)(method in _READ_METHODS, path)


@functools.lru_cache(maxsize=512)
def _looked_up(reads: bool, path: str) -> str | None:
    path = local_path(path)
    for policy in _POLICIES:
        if policy.path.fullmatch(path):
            return policy.read if reads else policy.write
    return None


def local_path(path: str) -> str:
    """`path` without the prefix `/v1` or `/api` and without a trailing slash."""
    for prefix in ("/v1", "/api"):
        if path.startswith(prefix + "/"):
            path = path.removeprefix(prefix)
            break
    return path.rstrip("/") or "/"


def authorise(principal: Principal, method: str, path: str) -> None:
    """Raise Forbidden when the caller's key lacks the route's scope, NotFound when there is no such route."""
    scope = required_scope(method, path)
    if scope is None:
        raise NotFound("There is no such route.")
    if scope not in {PUBLIC, ANY_KEY} and scope not in principal.scopes:
        raise Forbidden(f"This key lacks the scope {scope!r}.")


class Authenticator:
    """Tells callers by `Authorization: Bearer`, `x-api-key` or the session cookie.

    Keys are kept and compared as SHA-256 digests. Without configured keys everybody is the owner `local`.
    """

    def __init__(self, keys: Sequence[ApiKey], sessions: SessionStore) -> None:
        self._keys = {hashlib.sha256(key.secret.encode()).digest(): key for key in keys}
        self._sessions = sessions
        self._everybody = Principal(LOCAL_OWNER, SCOPES)

    @property
    def keyless(self) -> bool:
        return not self._keys

    async def identify(self, headers: Mapping[str, str]) -> Principal:
        """The caller, by lower-case header names. Raises Unauthorized."""
        if self.keyless:
            return self._everybody
        if presented := _presented_key(headers):
            return self.check_key(presented)
        if token := session_token(headers):
            return await self._by_session(token)
        raise Unauthorized("An API key is needed: send it as 'Authorization: Bearer sk-...'.")

    def check_key(self, presented: str) -> Principal:
        """The principal of a key. Raises Unauthorized. Takes as long for a wrong key as for a right one."""
        digest = hashlib.sha256(presented.encode("utf-8", "surrogatepass")).digest()
        found: ApiKey | None = None
        for known, key in self._keys.items():  # never stops early
            if hmac.compare_digest(known, digest):
                found = key
        if found is None:
            raise Unauthorized("The API key is not valid.")
        return Principal(found.owner, found.scopes, digest.hex()[:16])

    async def open_session(self, presented: str) -> str:
        """Trade a key for an opaque session token. Raises Unauthorized."""
        principal = self.check_key(presented)
        assert principal.key_id is not None
        return await self._sessions.open(principal.key_id)

    async def close_session(self, headers: Mapping[str, str]) -> None:
        """Make the caller's session token worthless."""
        if token := session_token(headers):
            await self._sessions.close(token)

    async def _by_session(self, token: str) -> Principal:
        key_id = await self._sessions.key_of(token)
        # A session lives only as long as the key that it was opened with stays configured.
        for digest, key in self._keys.items():
            if key_id is not None and hmac.compare_digest(digest.hex()[:16], key_id):
                return Principal(key.owner, key.scopes, key_id)
        raise Unauthorized("The session has ended; sign in again.", code="session_expired")


def _presented_key(headers: Mapping[str, str]) -> str | None:
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    return headers.get("x-api-key", "").strip() or None


def session_token(headers: Mapping[str, str]) -> str | None:
    """The session token of the caller's cookie, if there is one."""
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(SESSION_COOKIE)
    except CookieError:
        return None
    return morsel.value if morsel else None

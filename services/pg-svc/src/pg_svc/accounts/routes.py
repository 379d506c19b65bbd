"""The accounts' addresses."""

from __future__ import annotations

from pg_svc.accounts.admin import (
    InvitesHandler,
    KeysHandler,
    RevokedHandler,
    StyleHandler,
    UserHandler,
    UsersHandler,
)
from pg_svc.accounts.sessions import (
    EndSessionHandler,
    LoginHandler,
    LogoutHandler,
    MeHandler,
    PasswordHandler,
    RefreshHandler,
    SessionHandler,
    SessionsHandler,
    SignupHandler,
)
from pg_svc.accounts.tokens import TokenHandler, TokensHandler
from svc_common import ADMIN, KNOWN, PUBLIC, Route

account_routes = [
    Route("/auth/signup", SignupHandler, PUBLIC),
    Route("/auth/login", LoginHandler, PUBLIC),
    Route("/auth/refresh", RefreshHandler, PUBLIC),
    Route("/auth/logout", LogoutHandler, PUBLIC),
    Route("/auth/me", MeHandler, KNOWN),
    Route("/auth/password", PasswordHandler, KNOWN),
    Route("/auth/sessions", SessionsHandler, KNOWN),
    Route("/auth/sessions/{session}", SessionHandler, KNOWN),
    Route("/auth/sessions/{session}/end", EndSessionHandler, KNOWN),
    Route("/auth/tokens", TokensHandler, KNOWN),
    Route("/auth/tokens/{token}", TokenHandler, KNOWN),
    Route("/auth/users", UsersHandler, ADMIN),
    Route("/auth/users/{user}", UserHandler, ADMIN),
    Route("/auth/invites", InvitesHandler, ADMIN),
    Route("/auth/.well-known/jwks.json", KeysHandler, PUBLIC),
    Route("/auth/revoked", RevokedHandler, PUBLIC),
    Route("/auth/style.css", StyleHandler, PUBLIC),
]

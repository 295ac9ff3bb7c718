"""requests-oauthlib: its four workflows and its three ways to refresh, against the demo and a server of every grant."""

import os
import subprocess

from oauthlib.oauth2 import (BackendApplicationClient, LegacyApplicationClient, MobileApplicationClient,
                             TokenExpiredError)
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session, TokenUpdated

from browser import allow

PROVIDER = os.environ["PROVIDER"]
CLIENT, SECRET = "google-demo", "google-secret"
AUTHORIZE, TOKEN = PROVIDER + "/o/oauth2/auth", PROVIDER + "/o/oauth2/token"
USERINFO = PROVIDER + "/oauth2/v1/userinfo"
SCOPE = ["https://www.googleapis.com/auth/userinfo.email", "https://www.googleapis.com/auth/userinfo.profile"]
EXTRA = {"client_id": CLIENT, "client_secret": SECRET}


def signed_in():
    session = OAuth2Session(CLIENT, redirect_uri="https://your.callback/uri", scope=SCOPE)
    url, state = session.authorization_url(AUTHORIZE, access_type="offline", approval_prompt="force")
    to = allow(url, "alice@example.org", "wonderland")
    assert to.startswith("https://your.callback/uri?") and "state=" + state in to
    token = session.fetch_token(TOKEN, authorization_response=to, client_secret=SECRET)
    return session, token


def expired(token):
    stale = {k: token[k] for k in ("access_token", "refresh_token", "token_type")}
    stale["expires_in"] = "-30"
    return stale


def is_alice(answer):
    assert answer.status_code == 200, answer.text
    assert answer.json()["email"] == "alice@example.org"


def test_web_application():
    session, token = signed_in()
    assert token["token_type"] == "Bearer" and token["expires_in"] == 3600 and token["refresh_token"]
    is_alice(session.get(USERINFO))


def test_legacy_application():
    session = OAuth2Session(client=LegacyApplicationClient(client_id="partner"))
    session.fetch_token(PROVIDER + "/oauth2/token/", username="alice@example.org", password="wonderland",
                        auth=HTTPBasicAuth("partner", "partner-secret"))
    is_alice(session.get(PROVIDER + "/v1/me"))


def test_mobile_application():
    session = OAuth2Session(client=MobileApplicationClient(client_id="browser"), redirect_uri="http://127.0.0.1/callback",
                            scope=["read"])
    url, _ = session.authorization_url(server + "/authorize")
    assert "response_type=token" in url
    to = allow(url, "alice", "wonderland")
    assert to.startswith("http://127.0.0.1/callback#") and "refresh_token" not in to
    try:
        OAuth2Session(client=MobileApplicationClient(client_id="browser"), state="another").token_from_fragment(to)
        raise AssertionError("another session's answer was taken")
    except ValueError as refused:
        assert "state" in str(refused), refused
    token = session.token_from_fragment(to)
    assert token["token_type"] == "Bearer" and token["scope"] == ["read"], token
    assert session.get(server + "/userinfo").json() == {"sub": "alice"}


def test_backend_application():
    session = OAuth2Session(client=BackendApplicationClient(client_id="backend"), scope=["read", "write"])
    for credentials in ({"auth": HTTPBasicAuth("backend", "secret-of-backend")},
                        {"client_secret": "secret-of-backend", "include_client_id": True}):
        token = session.fetch_token(server + "/token", **credentials)
        assert "refresh_token" not in token and token["scope"] == ["read", "write"], token
        answer = session.post(server + "/introspect", withhold_token=True, data={"token": token["access_token"]},
                              auth=HTTPBasicAuth("backend", "secret-of-backend"))
        assert answer.json()["active"] is True and answer.json()["client_id"] == "backend", answer.text


def test_refresh_by_hand():
    _, token = signed_in()
    session = OAuth2Session(CLIENT, token=expired(token))
    try:
        session.get(USERINFO)
        raise AssertionError("the token has not expired")
    except TokenExpiredError:
        fresh = session.refresh_token(TOKEN, **EXTRA)
    assert fresh["access_token"] != token["access_token"] and fresh["refresh_token"] == token["refresh_token"]
    is_alice(OAuth2Session(CLIENT, token=fresh).get(USERINFO))


def test_refresh_and_signal():
    _, token = signed_in()
    session = OAuth2Session(CLIENT, token=expired(token), auto_refresh_kwargs=EXTRA, auto_refresh_url=TOKEN)
    try:
        session.get(USERINFO)
        raise AssertionError("nothing was signalled")
    except TokenUpdated as updated:
        is_alice(OAuth2Session(CLIENT, token=updated.token).get(USERINFO))


def test_refresh_and_save():
    _, token = signed_in()
    saved = []
    session = OAuth2Session(CLIENT, token=expired(token), auto_refresh_kwargs=EXTRA, auto_refresh_url=TOKEN,
                            token_updater=saved.append)
    is_alice(session.get(USERINFO))
    assert len(saved) == 1 and saved[0]["access_token"] != token["access_token"]


with subprocess.Popen([os.environ["SERVER"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
    server = process.stdout.readline().split()[1]
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
            print("PASS  requests-oauthlib:", name[5:].replace("_", " "))
    process.stdin.close()  # which ends it

"""requests-oauthlib against the demo: its web workflow, its password workflow, and its three ways to refresh."""

import os

from oauthlib.oauth2 import LegacyApplicationClient, TokenExpiredError
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


for name, test in list(globals().items()):
    if name.startswith("test_"):
        test()
        print("PASS  requests-oauthlib:", name[5:].replace("_", " "))

"""The requests that the source documents print, with other URLs: Ulule, Ulule Connect, BreakOut, Ushahidi v3."""

import base64
import os
from urllib.parse import parse_qs, urlencode, urlsplit

import requests

from browser import allow

APP, PROVIDER = os.environ["APP"], os.environ["PROVIDER"]


def basic(client_id, client_secret):
    text = "{0}:{1}".format(client_id, client_secret)
    return "Basic " + base64.b64encode(text.encode("utf-8")).decode("utf-8")


def ulule(**data):
    # The header's name in capitals, as the documents have it.
    headers = {"AUTHORIZATION": basic("partner", "partner-secret")}
    answer = requests.post(PROVIDER + "/oauth2/token/", data=data, headers=headers)
    assert answer.status_code == 200, answer.text
    token = answer.json()
    assert token["token_type"] == "Bearer" and token["expires_in"] == 36000 and token["scope"] == "read write", token.keys()
    return token


def me(path, token, scheme="Bearer", headers=None):
    answer = requests.get(PROVIDER + path, headers={**(headers or {}), "Authorization": scheme + " " + token})
    assert answer.status_code == 200, answer.text
    return answer.json()["id"]


def test_ulule_password_and_refresh():
    token = ulule(grant_type="password", username="alice@example.org", password="wonderland")
    assert me("/v1/me", token["access_token"]) == "alice"
    token = ulule(grant_type="refresh_token", refresh_token=token["refresh_token"])
    assert me("/v1/me", token["access_token"]) == "alice"


def test_ulule_connect_code():
    redirect = APP + "/callback"
    query = urlencode({"client_id": "partner", "redirect_uri": redirect, "response_type": "code"})
    to = allow(PROVIDER + "/oauth2/authorize/?" + query, "alice@example.org", "wonderland")
    assert to.startswith(redirect + "?")
    code = parse_qs(urlsplit(to).query)["code"][0]
    token = ulule(grant_type="authorization_code", code=code, redirect_uri=redirect)
    assert me("/v1/me", token["access_token"]) == "alice"


def test_breakout():
    def post(body):
        answer = requests.post(PROVIDER + "/oauth/token", data=body, headers={
            "Authorization": basic("breakout_app", "123456789"),
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
            "Connection": "close",
        })
        assert answer.status_code == 200, answer.text
        return answer.json()

    body = "username=admin%40break-out.org&password=password&grant_type=password&scope=read+write"
    assert len(body) == 85
    token = post(body)
    assert token["token_type"] == "bearer" and token["scope"] == "read write"
    again = post(body)
    assert again["access_token"] == token["access_token"] and again["expires_in"] <= token["expires_in"]
    assert me("/me/", token["access_token"], headers={"Content-Type": "application/json"}) == "breakout"
    token = post("refresh_token=" + token["refresh_token"] + "&grant_type=refresh_token")
    assert me("/me/", token["access_token"]) == "breakout"


def test_ushahidi():
    client = {"client_id": "ushahidiui", "client_secret": "35e7f0bca957836d05ca0492211b0ac707671261"}
    headers = {"Accept": "application/json, text/plain, */*", "Content-Type": "application/json;charset=UTF-8"}

    def post(**body):
        answer = requests.post(PROVIDER + "/oauth/token", json={**client, **body}, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    scope = "posts media forms api tags savedsearches sets users stats layers config messages notifications contacts " \
            "roles permissions csv dataproviders"
    first = post(grant_type="password", username="admin", password="admin", scope=scope)
    assert first["expires_in"] == 3600 and first["refresh_token_expires_in"] == 604800 and first["expires"] > 1466519207
    assert me("/api/v3/users/me", first["access_token"], scheme="bearer") == "admin"
    second = post(grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert "refresh_token" not in second and second["expires_in"] == 3600
    assert me("/api/v3/users/me", second["access_token"], scheme="bearer") == "admin"


for name, test in list(globals().items()):
    if name.startswith("test_"):
        test()
        print("PASS ", name[5:].replace("_", " "))

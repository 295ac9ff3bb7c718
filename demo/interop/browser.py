"""A browser's part of the code flow: open the page, sign in, allow, and say where that leads."""

from html.parser import HTMLParser
from urllib.parse import urljoin

import requests


class Form(HTMLParser):
    def __init__(self):
        super().__init__()
        self.action, self.fields = "", {}

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "form":
            self.action = attrs.get("action", "")
        if tag == "input":
            self.fields[attrs["name"]] = attrs.get("value", "")


def allow(url, username, password):
    browser = requests.Session()
    page = browser.get(url)
    assert page.status_code == 200, page.status_code
    form = Form()
    form.feed(page.text)
    form.fields.update(username=username, password=password, decision="allow")
    answer = browser.post(urljoin(url, form.action or url), data=form.fields, allow_redirects=False)
    assert answer.status_code == 303, answer.status_code
    return answer.headers["Location"]

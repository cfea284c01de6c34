"""The catalog from a real web server and from files."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.helpdesk import CATALOG, HelpdeskServer, Reply, refused_url
from triagedesk.catalog_parser import parse_catalog
from triagedesk.errors import CatalogError, SourceRefused, SourceUnavailable
from triagedesk.sources import CatalogDocument
from triagedesk.sources.catalogs import FileCatalogSource, HttpCatalogSource, catalog_source
from triagedesk.sources.http import HttpLimits


@pytest.fixture
def desk() -> Iterator[HelpdeskServer]:
    with HelpdeskServer() as server:
        yield server


def http(url: str, max_bytes: int = 1_000_000) -> HttpCatalogSource:
    limits = HttpLimits(sleep=lambda _: None, max_bytes=max_bytes)
    return HttpCatalogSource(url, timeout=60, limits=limits)


def test_the_catalog_is_got_with_its_validator(desk: HelpdeskServer) -> None:
    document = http(desk.catalog_url).load()
    assert document is not None
    assert document.text == CATALOG
    assert document.etag
    (request,) = desk.requests
    assert (request.method, request.body) == ("GET", "")
    assert len(parse_catalog(document.text, origin=desk.catalog_url).entries) == 2


def test_an_unchanged_catalog_is_not_sent_again_and_a_changed_one_is(desk: HelpdeskServer) -> None:
    source = http(desk.catalog_url)
    first = source.load()
    assert first is not None
    assert source.load(etag=first.etag) is None
    desk.catalog = CATALOG.replace("value: 4", "value: 5")
    second = source.load(etag=first.etag)
    assert second is not None
    assert "value: 5" in second.text


def test_last_modified_is_sent_back(desk: HelpdeskServer) -> None:
    when = "Wed, 21 Oct 2015 07:28:00 GMT"
    desk.script_catalog(Reply(body=CATALOG, headers={"last-modified": when}), Reply(status=304))
    source = http(desk.catalog_url)
    document = source.load()
    assert document == CatalogDocument(text=CATALOG, last_modified=when)
    assert source.load(last_modified=when) is None
    assert desk.requests[1].headers["if-modified-since"] == when


def test_not_modified_without_a_question_is_refused(desk: HelpdeskServer) -> None:
    desk.script_catalog(Reply(status=304))
    with pytest.raises(SourceRefused, match="304"):
        http(desk.catalog_url).load()


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        (Reply(status=404, body="no such file"), "HTTP 404 .*no such file"),
        (Reply(status=401), "HTTP 401"),
        (Reply(body="<html>Sign in</html>"), "web page, not YAML"),
        (Reply(body="x" * 2_000_000), "more than 1,000,000 bytes"),
    ],
)
def test_what_is_no_catalog_is_refused_at_once(
    desk: HelpdeskServer, reply: Reply, found: str
) -> None:
    desk.script_catalog(reply)
    with pytest.raises(SourceRefused, match=found):
        http(desk.catalog_url).load()
    assert len(desk.requests) == 1


def test_a_passing_fault_is_tried_again(desk: HelpdeskServer) -> None:
    desk.script_catalog(Reply(status=503), Reply(cut=True))
    assert http(desk.catalog_url).load() is not None
    assert len(desk.requests) == 3


def test_a_server_that_is_away_is_unavailable() -> None:
    with refused_url() as url, pytest.raises(SourceUnavailable, match="The catalog server at"):
        http(url).load()


def test_a_redirect_to_another_host_is_followed_without_credentials(desk: HelpdeskServer) -> None:
    with HelpdeskServer() as other:
        desk.script_catalog(Reply(status=302, headers={"location": other.catalog_url}))
        url = desk.catalog_url.replace("http://", "http://bob:hunter2@")
        assert http(url).load() is not None
        assert "authorization" in desk.requests[0].headers
        assert "authorization" not in other.requests[0].headers


def test_a_file_is_read_and_known_again(tmp_path: Path) -> None:
    path = tmp_path / "catalog.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + CATALOG.encode())
    source = FileCatalogSource(path)
    document = source.load()
    assert document is not None
    assert document.text == CATALOG
    assert source.load(etag=document.etag) is None
    path.write_text(CATALOG.replace("value: 4", "value: 5"))
    assert source.load(etag=document.etag) is not None


def test_standard_input_is_read() -> None:
    document = FileCatalogSource("-", stdin=io.BytesIO(CATALOG.encode())).load()
    assert document is not None
    assert document.text == CATALOG


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"no file .*nowhere\.yaml"):
        FileCatalogSource(tmp_path / "nowhere.yaml").load()
    with pytest.raises(CatalogError, match="is a folder"):
        FileCatalogSource(tmp_path).load()


@pytest.mark.parametrize(
    ("location", "kind"),
    [
        ("https://example.com/c.yaml", HttpCatalogSource),
        ("HTTP://example.com/c.yaml", HttpCatalogSource),
        ("c.yaml", FileCatalogSource),
        ("-", FileCatalogSource),
    ],
)
def test_a_location_is_an_address_or_a_path(location: str, kind: type[object]) -> None:
    assert isinstance(catalog_source(location), kind)

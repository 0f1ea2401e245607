"""What `doctor` says of TLS, over real handshakes."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from support.faults import TLS_ALERT, NoHandshake
from support.rawserver import RawServer, answer, deaf

from openai_async.cli.doctoring.route import Route
from openai_async.cli.doctoring.tls import check_tls

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

NOW = datetime.now(UTC)


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    """No proxy, and the system's authorities."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)


@pytest.fixture
def authority(tmp_path, monkeypatch):
    """An authority that this process trusts."""
    made = trustme.CA(organization_name="Authority of the test")
    made.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    return made


def serving(certificate):
    """The context of a server that shows a certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    return context


async def looked_at(url, timeout=5.0):
    """The finding about an address; what was opened for it is closed."""
    finding = await check_tls(Route(url, timeout), timeout)
    for _ in range(5):
        await asyncio.sleep(0)
    return finding


async def test_a_certificate_to_trust(authority):
    """TLS that comes about is told with its version, and who signed the certificate until when."""
    async with RawServer(answer({}), context=serving(authority.issue_cert("127.0.0.1"))) as server:
        finding = await looked_at(server.url)

    assert finding.verdict == "ok"
    assert finding.said.startswith("TLSv1.3, a certificate by Authority of the test, good until ")
    assert finding.seconds > 0


async def test_a_certificate_that_ends_soon(authority):
    """A certificate that ends within days is a warning."""
    certificate = authority.issue_cert("127.0.0.1", not_after=NOW + timedelta(days=3, hours=1))
    async with RawServer(answer({}), context=serving(certificate)) as server:
        finding = await looked_at(server.url)

    assert finding.verdict == "warn"
    assert finding.advice == ["It ends in 3 days: have it renewed."]


@pytest.mark.parametrize(("names", "dates", "said", "advice"), [
    (["127.0.0.1"], {"not_after": NOW - timedelta(days=1)}, "has expired", "clock"),
    (["127.0.0.1"], {"not_before": NOW + timedelta(days=1)}, "is not valid yet", "clock"),
    (["other.example"], {}, "is for another name", "host"),
])  # fmt: skip
async def test_certificates_that_are_wrong(authority, names, dates, said, advice):
    """A certificate out of its time, or for another name, fails with the reason and what to look at."""
    async with RawServer(answer({}), context=serving(authority.issue_cert(*names, **dates))) as server:
        finding = await looked_at(server.url)

    assert finding.verdict == "fail"
    assert said in finding.said
    assert advice in finding.advice[0]


async def test_an_authority_that_nobody_knows():
    """A certificate of an unknown authority fails, and says how to make it known."""
    certificate = trustme.CA().issue_cert("127.0.0.1")
    async with RawServer(answer({}), context=serving(certificate)) as server:
        finding = await looked_at(server.url)

    assert finding.verdict == "fail"
    assert "an authority that this machine does not know" in finding.said
    assert "SSL_CERT_FILE" in finding.advice[0]


async def test_a_certificate_signed_by_itself(tmp_path):
    """A self-signed certificate fails, and is called that."""
    made = trustme.CA()
    (tmp_path / "both.pem").write_bytes(made.private_key_pem.bytes() + made.cert_pem.bytes())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "both.pem")
    async with RawServer(answer({}), context=context) as server:
        finding = await looked_at(server.url)

    assert finding.verdict == "fail"
    assert "is signed by itself" in finding.said


async def test_a_server_without_tls():
    """Where plain HTTP answers, the address is said to be the mistake."""
    async with NoHandshake(b"HTTP/1.1 400 Bad Request\r\n\r\n") as server:
        finding = await looked_at(server.url)

    assert finding.verdict == "fail"
    assert "http://" in finding.advice[0]


@pytest.mark.parametrize(("says", "ending"), [(b"", "fin"), (b"", "reset"), (TLS_ALERT, "fin")])
async def test_a_handshake_that_breaks(says, ending):
    """A server that closes, resets or refuses while TLS begins fails, with advice."""
    async with NoHandshake(says, ending) as server:
        finding = await looked_at(server.url)

    assert finding.verdict == "fail"
    assert finding.advice


async def test_a_handshake_that_is_not_answered():
    """Silence ends with the time limit."""
    with deaf() as url:
        finding = await looked_at(url.replace("http:", "https:"), 0.05)

    assert "did not answer in time" in finding.said


async def test_plain_http_has_none():
    """An http:// address is not asked for TLS."""
    assert (await looked_at("http://127.0.0.1:1/v1")).verdict == "skip"


async def test_through_a_proxy(authority, monkeypatch):
    """Behind a proxy it is the API's TLS that is looked at, through the tunnel."""
    async with (
        RawServer(answer({}), context=serving(authority.issue_cert("127.0.0.1"))) as server,
        RawServer(tunnel) as proxy,
    ):
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        route = Route(server.url, 5)
        assert (await route.check_proxy()).verdict == "ok"
        finding = await check_tls(route, 5)
        for _ in range(5):
            await asyncio.sleep(0)

    assert finding.verdict == "ok"
    assert [request.target for request in proxy.requests] == [f"127.0.0.1:{server.port}"] * 2


async def tunnel(peer):
    """Be a proxy: connect to what is asked for, and pass on what comes from either side."""
    host, _, port = peer.request.target.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    await peer.send(b"HTTP/1.1 200 Connected\r\n\r\n")

    async def pass_on(source, sink):
        while data := await source.read(65536):
            sink.write(data)
        sink.close()

    await asyncio.gather(pass_on(peer.reader, writer), pass_on(reader, peer.writer), return_exceptions=True)
    writer.close()
    peer.fin()

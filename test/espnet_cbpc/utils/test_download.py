# SPDX-License-Identifier: Apache-2.0
"""Downloads against a server on this machine, and archives that mean no good."""

import hashlib
import io
import re
import tarfile
import zipfile
from http.server import BaseHTTPRequestHandler

import pytest

from espnet_cbpc.utils import download as module
from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.download import download, obtain, unpack

BODY = bytes(range(256)) * 2000


class Handler(BaseHTTPRequestHandler):
    """Hands out the server's ``body``; its ``faults`` say what is wrong with the next answers."""

    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.asked.append(asked)
        fault = server.faults.pop(0) if server.faults else None
        if isinstance(fault, int):
            self.send_error(fault)
            return
        begin = int(re.fullmatch(r"bytes=(\d+)-", asked).group(1)) if asked else 0
        if not server.ranges:
            begin = 0
        if begin >= len(server.body):
            self.send_error(416)
            return
        self.send_response(206 if begin else 200)
        if begin:
            end = len(server.body)
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{end}")
        rest = server.body[begin:]
        if fault == "short":
            rest = rest[: len(rest) // 2]
        if fault != "chunked":
            self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest[: len(rest) // 2] if fault == "cut" else rest)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(serving, monkeypatch):
    """A server; ``asked`` has the Range header of each request."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.0)
    with serving(Handler, body=BODY, ranges=True, faults=[], asked=[]) as server:
        server.url += "/corpus.zip"
        yield server


def test_whole_file_in_one_go(server, tmp_path):
    download(server.url, tmp_path / "new" / "a.zip", hashlib.sha256(BODY).hexdigest())
    assert (tmp_path / "new" / "a.zip").read_bytes() == BODY
    assert server.asked == [None]
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["a.zip"]


def test_file_that_is_there_is_not_fetched_again(server, tmp_path):
    (tmp_path / "a.zip").write_bytes(b"mine")
    download(server.url, tmp_path / "a.zip")
    assert server.asked == []
    assert (tmp_path / "a.zip").read_bytes() == b"mine"


def test_cut_transfer_is_continued(server, tmp_path):
    server.faults = ["cut"]
    download(server.url, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == BODY
    whole_chunks = len(BODY) // 2 // module.CHUNK_BYTES * module.CHUNK_BYTES
    assert server.asked == [None, f"bytes={whole_chunks}-"]


def test_part_of_an_earlier_run_is_continued(server, tmp_path):
    (tmp_path / "a.zip.part").write_bytes(BODY[:1000])
    download(server.url, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == BODY
    assert server.asked == ["bytes=1000-"]


def test_server_that_sends_less_than_the_rest_is_asked_for_more(server, tmp_path):
    server.faults = ["short"]
    (tmp_path / "a.zip.part").write_bytes(BODY[:1000])
    download(server.url, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == BODY
    assert server.asked == ["bytes=1000-", f"bytes={(len(BODY) + 1000) // 2}-"]


def test_cut_transfer_starts_anew_where_the_server_knows_no_ranges(server, tmp_path):
    server.ranges = False
    server.faults = ["cut"]
    download(server.url, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == BODY


def test_size_unknown(server, tmp_path):
    server.faults = ["chunked"]
    download(server.url, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == BODY


def test_part_as_long_as_the_file_is_fetched_anew(server, tmp_path):
    (tmp_path / "a.zip.part").write_bytes(b"x" * len(BODY))
    download(server.url, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == BODY


def test_passing_fault_of_the_server(server, tmp_path):
    server.faults = [503, 503]
    download(server.url, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == BODY
    assert len(server.asked) == 3


def test_cut_each_time_keeps_the_part_and_gives_up(server, tmp_path):
    server.faults = ["cut"] * module.ATTEMPTS
    with pytest.raises(UserError, match=rf"cannot download {server.url} .*4 attempts\): check"):
        download(server.url, tmp_path / "a.zip")
    kept = tmp_path / "a.zip.part"
    assert not (tmp_path / "a.zip").exists()
    assert BODY.startswith(kept.read_bytes()) and kept.stat().st_size > len(BODY) * 0.6


def test_wrong_checksum_leaves_nothing(server, tmp_path):
    with pytest.raises(UserError, match=rf"{server.url}: SHA-256 is [0-9a-f]{{64}}, expected 0+;"):
        download(server.url, tmp_path / "a.zip", "0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_md5_is_verified_where_nothing_better_is_published(server, tmp_path):
    download(server.url, tmp_path / "a.zip", md5=hashlib.md5(BODY).hexdigest().upper())
    assert (tmp_path / "a.zip").read_bytes() == BODY
    with pytest.raises(UserError, match=r": MD5 is [0-9a-f]{32}, expected 1+; the file was remov"):
        download(server.url, tmp_path / "a.zip", md5="1" * 32)
    assert list(tmp_path.iterdir()) == []


def test_archive_is_fetched_unpacked_and_removed_once(server, tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as f:
        f.writestr("a/b.txt", "hello")
    server.body = buffer.getvalue()
    folder = tmp_path / "corpora" / "mine"
    for _ in range(2):
        obtain(server.url, folder, md5=hashlib.md5(server.body).hexdigest())
        assert (folder / "a" / "b.txt").read_text() == "hello"
    assert server.asked == [None]
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]


def test_not_found_is_not_asked_again(server, tmp_path):
    server.faults = [404]
    with pytest.raises(UserError, match=rf"cannot download {server.url} \(HTTP 404 Not Found\)"):
        download(server.url, tmp_path / "a.zip")
    assert len(server.asked) == 1
    assert list(tmp_path.iterdir()) == []


def test_no_server(server, tmp_path):
    server.shutdown()
    server.server_close()
    with pytest.raises(UserError, match=rf"cannot download {server.url} \(Connection refused; 4"):
        download(server.url, tmp_path / "a.zip")


def test_address_of_another_kind(tmp_path):
    with pytest.raises(UserError, match="^ftp://host/a.zip: not an http or https address$"):
        download("ftp://host/a.zip", tmp_path / "a.zip")


def write_zip(path, members):
    with zipfile.ZipFile(path, "w") as f:
        for name, content in members:
            f.writestr(name, content)
    return path


def write_tar(path, members):
    with tarfile.open(path, "w:gz") as f:
        for member, content in members:
            member.size = len(content)
            f.addfile(member, io.BytesIO(content))
    return path


def test_zip_is_unpacked(tmp_path):
    archive = write_zip(tmp_path / "a.zip", [("top/", ""), ("top/x.wav", "x"), ("y\\z.wav", "z")])
    unpack(archive, tmp_path / "out")
    assert (tmp_path / "out/top/x.wav").read_text() == "x"
    assert (tmp_path / "out/y/z.wav").read_text() == "z"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.zip", "out"]


def test_tar_is_unpacked_without_its_modes(tmp_path):
    member = tarfile.TarInfo("top/x.wav")
    member.mode = 0o6777
    unpack(write_tar(tmp_path / "a.tar.gz", [(member, b"x")]), tmp_path / "out")
    assert (tmp_path / "out/top/x.wav").read_bytes() == b"x"
    assert not (tmp_path / "out/top/x.wav").stat().st_mode & 0o6111


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "..\\evil"])
def test_zip_that_climbs_out(tmp_path, name):
    archive = write_zip(tmp_path / "a.zip", [("fine", "x"), (name, "x")])
    with pytest.raises(UserError, match=r"a\.zip: 1 member\(s\) are links, devices, or lead out"):
        unpack(archive, tmp_path / "out")
    assert [file.name for file in tmp_path.iterdir()] == ["a.zip"]


def test_zip_with_a_link(tmp_path):
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    archive = write_zip(tmp_path / "a.zip", [(link, "/etc/passwd")])
    with pytest.raises(UserError, match=r"1 member\(s\) .* \(link\): do not use this archive"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE])
def test_tar_with_a_link_or_device(tmp_path, kind):
    member = tarfile.TarInfo("odd")
    member.type, member.linkname = kind, "../x"
    with pytest.raises(UserError, match=r"1 member\(s\) .* \(odd\): do not use this archive"):
        unpack(write_tar(tmp_path / "a.tar", [(member, b"")]), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_no_archive(tmp_path):
    (tmp_path / "a.zip").write_text("<html>please log in</html>")
    with pytest.raises(
        UserError, match=r"a\.zip: not a complete zip or tar file: remove it and run"
    ):
        unpack(tmp_path / "a.zip", tmp_path / "out")


def test_damaged_archive_leaves_nothing(tmp_path):
    archive = write_zip(tmp_path / "a.zip", [("x.wav", "0123456789")])
    archive.write_bytes(archive.read_bytes().replace(b"0123456789", b"0123456780"))
    with pytest.raises(UserError, match=r"a\.zip: cannot be unpacked \(Bad CRC-32.*remove it"):
        unpack(archive, tmp_path / "out")
    assert [file.name for file in tmp_path.iterdir()] == ["a.zip"]


def test_folder_that_is_there_stays(tmp_path):
    archive = write_zip(tmp_path / "a.zip", [("x", "new")])
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match="out exists: remove it to unpack"):
        unpack(archive, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []

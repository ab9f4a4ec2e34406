"""Goal: the status page looks as it should in a real browser: styled under its own policy, nothing
wider than the window, light and dark, on a desktop and on a telephone.

The pages are those of the unit test, which knows every state that a database can be in, and one
of a real agent.  With HOLDFAST_TEST_SHOTS set, screenshots are left there, to be looked at.

usage: test_status_page.py PROGRAM [unittest arguments], where PROGRAM is the unit test
"""
import html
import http.client
import http.server
import json
import os
import re
import struct
import subprocess
import sys
import threading
import unittest

import test_endpoint
import testlib

DESKTOP, PHONE = 1280, 390
PROGRAM = None

# Loads each page in a frame as wide as the window would be, and writes what it finds into itself.
MEASURE = """<!doctype html><body>
%s
<script>
addEventListener('load', () => {
    const found = [...document.querySelectorAll('iframe')].map((frame) => {
        const page = frame.contentDocument, root = page.documentElement;
        const wide = [...page.querySelectorAll('body, body *')]
            .filter((e) => e.getBoundingClientRect().right > root.clientWidth + 1)
            .map((e) => e.tagName + '.' + e.getAttribute('class'));
        const tall = [...page.querySelectorAll('h3')]
            .filter((e) => e.getBoundingClientRect().height > 80).map((e) => e.textContent);
        const style = getComputedStyle(page.querySelector('.hero') || page.body);
        return {page: frame.id, width: root.clientWidth, scroll: root.scrollWidth, wide, tall,
                radius: style.borderTopLeftRadius, title: page.title,
                columns: getComputedStyle(page.querySelector('.tiles') || page.body)
                    .gridTemplateColumns.split(' ').length};
    });
    const out = document.createElement('pre');
    out.textContent = JSON.stringify(found);
    document.body.replaceChildren(out);
});
</script>"""


def chromium(profile, *args):
    return subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
         "--hide-scrollbars", "--user-data-dir=" + profile, *args],
        capture_output=True, text=True, timeout=90, check=True).stdout


def png_size(path):
    with open(path, "rb") as file:
        head = file.read(24)
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", head[16:24])


class Pages(http.server.BaseHTTPRequestHandler):
    """What is in self.server.pages, under the policy of the real endpoint but for frames."""

    def do_GET(self):
        page = self.server.pages.get(self.path.lstrip("/"))
        self.send_response(200 if page else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        if page and self.path != "/measure":
            self.send_header("Content-Security-Policy", self.server.policy)
        self.end_headers()
        self.wfile.write((page or "").encode())

    def log_message(self, *_):
        pass


class StatusPage(test_endpoint.Watched):
    def pages(self):
        """{name: HTML}, of the unit test, and of a real agent as "live"."""
        directory = self.scratch / "pages"
        os.mkdir(directory)
        subprocess.run([PROGRAM], env=dict(os.environ, HOLDFAST_TEST_PAGES=directory), check=True,
                       capture_output=True)
        pages = {}
        for name in os.listdir(directory):
            with open(os.path.join(directory, name)) as file:
                pages[name[:-len(".html")]] = file.read()
        process = self.start(self.path("shop"), self.path("broken"))
        self.wait_for_success("shop")
        testlib.wait_for(lambda: "failed 1 time" in self.get("/healthz")[1])
        answer = self.fetch("/")
        pages["live"] = answer.read().decode()
        self.policy = answer.headers["Content-Security-Policy"]
        self.stop(process)
        return pages

    def fetch(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        self.addCleanup(connection.close)
        connection.request("GET", path)
        return connection.getresponse()

    def serve(self, pages):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
        server.daemon_threads = True
        server.pages = pages
        server.policy = self.policy.replace("frame-ancestors 'none'", "frame-ancestors 'self'")
        self.assertIn("frame-ancestors 'none'", self.policy)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return "http://127.0.0.1:%d/" % server.server_address[1]

    def test_it_looks_as_it_should(self):
        pages = self.pages()
        self.check_live(pages["live"])
        shown = [n for n in sorted(pages) if n != "thousand"]
        self.assertGreater(len(shown), 6)
        pages["measure"] = MEASURE % "\n".join(
            '<iframe id="%s %d" src="/%s" style="width:%dpx;height:900px;border:0"></iframe>'
            % (name, width, name, width) for name in shown for width in (DESKTOP, PHONE, 320))
        base = self.serve(pages)
        profile = self.scratch / "profile"

        dom = chromium(profile, "--dump-dom", "--window-size=1400,900", base + "measure")
        found = json.loads(html.unescape(re.search(r"<pre>(.*)</pre>", dom, re.S)[1]))
        self.assertEqual(len(found), 3 * len(shown))
        for page in found:
            width = int(page["page"].split()[1])
            self.assertEqual(page["width"], width, page)
            self.assertLessEqual(page["scroll"], width, page)
            self.assertEqual(page["wide"], [], page)
            self.assertEqual(page["tall"], [], page)  # a name in three lines has too little room
            self.assertEqual(page["radius"], "14px", page)  # its style is in force
            self.assertIn("Holdfast", page["title"])
            if not page["page"].startswith("none"):
                self.assertEqual(page["columns"], 4 if width == DESKTOP else 2, page)
        self.shoot(profile, base)

    def check_live(self, page):
        for text in ("1 of 2 databases needs attention", ">broken</h3>", "is not a SQLite database",
                     ">shop</h3>", "Backups to go back to", "took "):
            self.assertIn(text, page)
        self.assertLess(page.index(">broken</h3>"), page.index(">shop</h3>"))
        self.assertNotIn("<script", page)
        self.assertEqual(re.findall(r'(?:src|href)="(?!data:)', page), [])

    def shoot(self, profile, base):
        """Screenshots that are not empty: an empty one compresses to little."""
        directory = os.environ.get("HOLDFAST_TEST_SHOTS", self.scratch.path)
        for name, width, height, dark in (("mixed", DESKTOP, 1900, False),
                                          ("folded", PHONE, 1400, False),
                                          ("mixed", PHONE, 2600, True)):
            path = os.path.join(directory, "%s-%d%s.png" % (name, width, "-dark" * dark))
            chromium(profile, "--screenshot=" + path, "--window-size=%d,%d" % (width, height),
                     "--blink-settings=preferredColorScheme=%d" % (0 if dark else 1), base + name)
            self.assertEqual(png_size(path), (width, height))
            self.assertGreater(os.path.getsize(path), 50000)


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()

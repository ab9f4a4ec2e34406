"""Goal: a real Prometheus takes what the agent and its alert rules tell, the rules fire when they
should, and the dashboard asks for nothing that is not told.

usage: test_prometheus.py [unittest arguments]
"""
import json
import os
import re
import socket
import subprocess
import unittest
import urllib.error
import urllib.parse
import urllib.request

import test_endpoint
import testlib

TOP = os.path.dirname(os.path.dirname(testlib.HERE))
ALERTS = os.path.join(TOP, "etc/prometheus/alerts.yml")
ALERTS_TESTS = [os.path.join(TOP, "tests/data/prometheus", name)
                for name in ("alerts_test.yml", "alerts_days_test.yml")]
DASHBOARD = os.path.join(TOP, "etc/grafana/holdfast.json")
METRIC = re.compile(r"\b(?:holdfast|process)_[a-z_]+\b")
CONFIG = """
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: [%s]
scrape_configs:
  - job_name: holdfast
    static_configs: [{targets: ['127.0.0.1:%d']}]
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def expressions(dashboard):
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield re.sub(r"\$__rate_interval", "1m", re.sub(r"\$(instance|database)", ".*",
                                                            target["expr"]))


class Prometheus(test_endpoint.Watched):
    def scrape(self):
        """A Prometheus of the test's own that asks the agent every second."""
        config = self.scratch / "prometheus.yml"
        with open(config, "w") as file:
            file.write(CONFIG % (ALERTS, self.port))
        self.prometheus_port = free_port()
        log = open(self.scratch / "prometheus.log", "w")
        self.addCleanup(log.close)
        process = subprocess.Popen(
            ["prometheus", "--config.file", config, "--storage.tsdb.path", self.scratch / "tsdb",
             "--web.listen-address", "127.0.0.1:%d" % self.prometheus_port],
            stdout=log, stderr=log)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

    def ask(self, path, **arguments):
        url = "http://127.0.0.1:%d/api/v1/%s?%s" % (self.prometheus_port, path,
                                                    urllib.parse.urlencode(arguments))
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]

    def query(self, expression):
        """{value of the label database: number}; None while there is no answer."""
        try:
            return {r["metric"].get("database"): float(r["value"][1])
                    for r in self.ask("query", query=expression)["result"]}
        except (urllib.error.URLError, ConnectionError):
            return None

    def alerts(self):
        return {(a["labels"]["alertname"], a["labels"].get("database"))
                for a in self.ask("alerts")["alerts"]}

    def test_it_is_scraped_and_its_alerts_are_raised(self):
        process = self.start(self.path("shop"), self.path("broken"))
        self.wait_for_success("shop")
        self.scrape()
        testlib.wait_for(lambda: self.query("holdfast_healthy") == {"shop": 1, "broken": 0})
        self.assertEqual(self.query('up{job="holdfast"}'), {None: 1})
        self.assertEqual(len(self.query("holdfast_build_info")), 1)
        age = self.query("time() - holdfast_last_success_timestamp_seconds > 0")
        self.assertLess(age["shop"], 60)
        testlib.wait_for(lambda: ("HoldfastNoBackup", "broken") in self.alerts())
        self.assertNotIn(("HoldfastNoBackup", "shop"), self.alerts())
        rules = self.ask("rules")["groups"][0]["rules"]
        testlib.wait_for(lambda: all(
            r["health"] == "ok" for r in self.ask("rules")["groups"][0]["rules"]))
        self.assertGreater(len(rules), 8)

        with open(DASHBOARD) as file:  # each is an expression to the real parser, and has an answer
            asked = list(expressions(json.load(file)))
        self.assertGreater(len(asked), 20)
        for expression in asked:
            self.assertIsNotNone(self.query(expression), expression)

        self.stop(process)
        testlib.wait_for(lambda: ("HoldfastDown", None) in self.alerts())

    def test_the_rules_are_silent_when_they_should_be_and_fire_when_they_should(self):
        for command in (["check", "rules", ALERTS], ["test", "rules", *ALERTS_TESTS]):
            result = subprocess.run(["promtool", *command], capture_output=True, text=True)
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        text = ""
        for path in ALERTS_TESTS:
            with open(path) as tests:
                text += tests.read()
        with open(ALERTS) as alerts:
            names = re.findall(r"alert: (\w+)", alerts.read())
        for name in names:
            self.assertRegex(text, r"alertname: %s\n +eval_time: \w+\n +exp_alerts" % name)

    def test_rules_and_dashboard_name_what_is_told_and_the_page_of_it_all(self):
        process = self.start(self.path("shop"))
        self.wait_for_success("shop")
        told = set(re.findall(r"^# TYPE (\w+)", self.get("/metrics")[1], re.M))
        self.stop(process)
        self.assertGreater(len(told), 25)
        with open(DASHBOARD) as dashboard, open(ALERTS) as alerts:
            for text in (dashboard.read(), re.sub(r"(?m)^ *#.*$", "", alerts.read())):
                named = set(METRIC.findall(text))
                self.assertGreater(len(named), 8)
                self.assertEqual(named - told, set())
        with open(os.path.join(TOP, "docs/monitoring.md")) as page:
            text = page.read()
        for name in told:
            if name.startswith("holdfast_"):
                self.assertIn("`%s`" % name, text)
        self.assertEqual(set(re.findall(r"`(holdfast_\w+)`", text)) - told, set())

    def test_the_dashboard_is_one(self):
        with open(DASHBOARD) as file:
            dashboard = json.load(file)
        self.assertEqual(dashboard["uid"], "holdfast")
        ids = [p["id"] for p in dashboard["panels"]]
        self.assertEqual(len(ids), len(set(ids)))
        taken = set()
        for panel in dashboard["panels"]:
            place = panel["gridPos"]
            self.assertLessEqual(place["x"] + place["w"], 24)
            cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                     for y in range(place["y"], place["y"] + place["h"])}
            self.assertFalse(cells & taken, panel["title"])
            taken |= cells
            for target in panel["targets"]:
                self.assertEqual(target["datasource"]["uid"], "${datasource}")


if __name__ == "__main__":
    unittest.main()

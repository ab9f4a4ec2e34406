"""Goal: the compose file and the Kubernetes examples are well-formed, hang together, and every
command line of ours in them is one that the program takes, and does what it is there for.

usage: test_containers.py [unittest arguments]
"""
import glob
import os
import re
import signal
import sqlite3
import subprocess
import sys
import unittest

import yaml

import testlib

TOP = os.path.dirname(os.path.dirname(testlib.HERE))
DEMO = os.path.join(TOP, "docker", "demo", "writer.py")


def load(*path):
    with open(os.path.join(TOP, *path)) as file:
        return [d for d in yaml.safe_load_all(file) if d is not None]


def variables_of_the_program():
    text = subprocess.run([testlib.HOLDFAST, "help", "agent"], check=True, capture_output=True,
                          text=True).stdout.partition("\nSettings:")[2]
    flags = re.findall(r"^  --([\w-]+)", text, re.M)
    return {"HOLDFAST_" + f.replace("-", "_").upper() for f in flags}


class Step:
    """One container that runs our program: its name, the command and its environment."""

    def __init__(self, name, command, env):
        self.name, self.env = name, env
        words = command if command[0] == "holdfast" else ["holdfast", *command]
        self.shell = " ".join("'%s'" % w for w in words)


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = testlib.Scratch()
        self.addCleanup(self.dir.close)
        os.mkdir(self.dir / "bin")
        os.symlink(testlib.HOLDFAST, self.dir / "bin/holdfast")
        os.mkdir(self.dir / "data")
        os.mkdir(self.dir / "store")  # as the bucket is there
        self.store = testlib.dir_store(self.dir / "store")

    def env(self):
        path = self.dir / "bin" + ":" + os.environ["PATH"]
        return testlib.environment(PATH=path, HOLDFAST_STORE=self.store.url,
                                   HOLDFAST_STATE_DIR=self.dir / "state")

    def shell(self, step):
        return (step.shell.replace("/data/", self.dir / "data/")
                .replace("0.0.0.0:9187", "127.0.0.1:0"))

    def start(self, step):
        return subprocess.Popen(["sh", "-c", "exec " + self.shell(step)], env=self.env(),
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run_step(self, step, code=0):
        result = subprocess.run(["sh", "-c", self.shell(step)], env=self.env(),
                                capture_output=True, text=True, timeout=60)
        self.assertEqual(result.returncode, code, (step.name, result))
        return result

    def check_variables(self, step):
        for name in step.env:
            if name.startswith("HOLDFAST_"):
                self.assertIn(re.sub(r"_FILE$", "", name) if name not in self.known else name,
                              {re.sub(r"_FILE$", "", k) for k in self.known} | self.known, name)
            elif name.startswith("AWS_"):
                self.assertIn(name, ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
        self.assertTrue(step.env["HOLDFAST_STORE"].startswith("s3://"))

    def write_a_while(self):
        """The demonstration's application, until there is something to back up."""
        app = subprocess.Popen([sys.executable, DEMO, self.dir / "data/app.db"],
                               stdout=subprocess.PIPE, text=True)
        self.addCleanup(app.stdout.close)
        self.addCleanup(app.wait)
        self.addCleanup(app.kill)
        self.assertRegex(app.stdout.readline(), r"^\d+ orders so far\n$")
        testlib.wait_for(lambda: self.orders() > 2)
        return app

    def orders(self):
        db = sqlite3.connect("file:%s?mode=ro" % (self.dir / "data/app.db"), uri=True)
        try:
            return db.execute("SELECT count(*) FROM orders").fetchone()[0]
        finally:
            db.close()

    def live(self, restore, agent, health=None):
        """A life of it all: nothing to restore, backups, the end, and another start elsewhere."""
        self.run_step(restore)
        self.assertFalse(os.path.exists(self.dir / "data/app.db"))
        app = self.write_a_while()
        process = self.start(agent)
        try:
            testlib.wait_for(lambda: os.path.exists(self.dir / "state/app/status.json"))
            if health is not None:
                self.run_step(health)
        finally:
            app.kill()
            app.wait()
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, out + err)
        written = self.orders()
        for path in glob.glob(self.dir / "data/app.db*"):
            os.unlink(path)
        self.run_step(restore)
        self.assertEqual(self.orders(), written)  # by the last backup
        self.run_step(restore)  # there is one: nothing is done


class Compose(Case):
    def setUp(self):
        super().setUp()
        self.file, = load("docker", "compose.yaml")
        self.services = self.file["services"]
        self.known = variables_of_the_program()

    def step(self, name):
        service = self.services[name]
        return Step(name, service.get("entrypoint", []) + service.get("command", []),
                    service["environment"])

    def test_it_hangs_together(self):
        for name, service in self.services.items():
            self.assertRegex(service["image"], r"^[\w./-]+(:[\w.-]+)?$")
            for other, how in service.get("depends_on", {}).items():
                self.assertIn(other, self.services)
                if how["condition"] == "service_healthy":
                    self.assertIn("healthcheck", self.services[other])
            for volume in service.get("volumes", []):
                source = volume.split(":")[0]
                self.assertTrue(source in self.file["volumes"] or os.path.isdir(
                    os.path.join(TOP, "docker", source)), volume)
            if service["image"] == "holdfast":
                self.check_variables(Step(name, ["version"], service["environment"]))
                build = service["build"]
                self.assertTrue(os.path.exists(os.path.join(TOP, "docker", build["context"],
                                                            build["dockerfile"])))
        env = self.services["minio"]["environment"]
        store = self.services["holdfast"]["environment"]
        self.assertEqual(env["MINIO_ROOT_PASSWORD"], store["AWS_SECRET_ACCESS_KEY"])
        self.assertIn(env["MINIO_ROOT_USER"] + ":" + env["MINIO_ROOT_PASSWORD"],
                      self.services["bucket"]["environment"]["MC_HOST_store"])
        self.assertTrue(self.services["holdfast"]["read_only"])

    def test_it_lives(self):
        health = self.services["holdfast"]["healthcheck"]["test"]
        self.assertEqual(health[0], "CMD")
        self.live(self.step("restore"), self.step("holdfast"), Step("health", health[1:], {}))


class Kubernetes(Case):
    def setUp(self):
        super().setUp()
        self.known = variables_of_the_program()

    def pod(self, name):
        documents = load("etc", "kubernetes", name + ".yaml")
        for document in documents:
            for key in ("apiVersion", "kind", "metadata"):
                self.assertIn(key, document)
            spec = document.get("spec", {})
            spec = spec.get("jobTemplate", {}).get("spec", spec)
            if "template" in spec:
                return spec["template"]["spec"]
        raise AssertionError("no pod in it")

    def steps(self, pod):
        volumes = {v["name"] for v in pod["volumes"]}
        steps = {}
        self.assertTrue(pod["securityContext"]["runAsNonRoot"])
        for container in pod.get("initContainers", []) + pod["containers"]:
            self.assertRegex(container["image"], r"^[\w./-]+:[\w.-]+$")
            self.assertLessEqual({m["name"] for m in container["volumeMounts"]}, volumes)
            if not container["image"].startswith("holdfast:"):
                continue
            self.assertTrue(container["securityContext"]["readOnlyRootFilesystem"])
            env = {e["name"]: e.get("value") for e in container["env"]}
            step = Step(container["name"], container.get("command") or container["args"], env)
            self.check_variables(step)
            steps[step.name] = step
        return steps

    def test_the_sidecar_lives(self):
        steps = self.steps(self.pod("sidecar"))
        self.live(steps["restore"], steps["holdfast"])

    def test_the_cron_job_backs_up(self):
        step = self.steps(self.pod("cronjob"))["holdfast"]
        self.write_a_while()
        self.run_step(step)
        self.assertEqual(len(testlib.backups(self.store, "app")), 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)

# SPDX-License-Identifier: Apache-2.0
"""A model server that answers wrongly (tests/models/hostile): its prediction fails with the reason, the server stays up and small,
and those who are honest notice nothing."""

import mmap
import re
import shutil
from pathlib import Path

import pytest
from berth import EXAMPLES, MODELS, ROOT, Server, binary, wait_for

HARDWARE = """
hardware:
  - {sku: cpu-small, price: "0.000025", cpus: 0.1, memory: 500MB}
"""
TOO_LARGE = "The model server's answer is larger than the limit"
LARGE_OUTPUT = r"The output is larger than the limit of 1 MB \(max_output\)"
BAD = "The model server's answer is not understood: "
TOO_LONG = r"The prediction ran longer than 10s \(run_timeout\) and was ended"

# What becomes of each at once: where an answer is expected, and where events are.
AT_ONCE = {
    "endless_head": TOO_LARGE,
    "endless_interim": TOO_LARGE,
    "endless_trailers": TOO_LARGE,
    "endless_body": TOO_LARGE,
    "endless_refusal": TOO_LARGE,
    "large_length": TOO_LARGE,
    "switching": TOO_LARGE,
    "large_output": (TOO_LARGE, LARGE_OUTPUT),
    "many_outputs": (TOO_LARGE, LARGE_OUTPUT),
    "many_values": LARGE_OUTPUT,
    "deep_json": BAD + r"line 1, column \d+: nested deeper than 128 levels",
    "wrong_json": BAD + r"line 1, column \d+: expected a value",
    "wrong_text": BAD + r"line 1, column \d+: the text is not valid UTF-8",
    "no_json": BAD,
    "wrong_words": BAD,
    "wrong_id": BAD + "this is about another prediction",
    "large_error": r"^e{65536} \.\.\. \[the rest is cut off: max_error is ",
    "large_logs": (TOO_LARGE, "what it said of that was larger than the limit"),
    "two_answers": ("the model server answered 422", None),
    "webhooks": "^no$",
    "wrong_type": (BAD, None),
    "wrong_status": ("what is that", None),
    "two_lengths": (BAD, None),
    "endless_comments": (TOO_LARGE, None),
}

# After some of these the server asks again, since an honest one could have been at fault for a moment; run_timeout ends all.
IN_TIME = ["endless_line", "endless_comments", "wrong_type", "wrong_status", "two_answers", "two_lengths",
           "status_of_nothing", "no_status", "no_http",
           "negative_length", "wrong_chunks", "large_chunk", "close_at_once", "close_hard", "close_in_head", "close_in_body",
           "close_in_event", "drip_head", "drip_events", "silence"]


def is_sanitized():
    with open(binary(), "rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as program:
        return program.find(b"__asan_init") >= 0


# More than the 64 MB that one event may have beyond the output, and less than a hundredth of what is sent. The sanitizer keeps
# what was freed for a while.
MOST = 1000 if is_sanitized() else 250


class House(Server):
    """A server with the model that answers wrongly, and one that does not."""

    def begin(self):
        self.start()
        self.me = self.account("me")
        self.version = self.push(self.me, MODELS / "hostile", "hostile")
        self.path = self.me.deploy("hostile", "me/hostile", self.version)
        self.hello = self.me.deploy("hello", "me/hello", self.push(self.me, EXAMPLES / "hello", "hello"), low=1)
        self.others_work()
        self.small = self.megabytes("VmRSS")
        return self

    def megabytes(self, what):
        return int(re.search(rf"{what}:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())[1]) // 1024

    def others_work(self):
        made = self.me.ended(self.me.predict(self.hello, {"text": "world"}, wait=False))
        assert made["status"] == "succeeded", made

    def works(self):
        made = self.me.ended(self.me.predict(self.path, {"attempt": "honest"}, wait=False))
        assert (made["status"], made["output"]) == ("succeeded", "honest"), made
        return made

    def grew(self):
        return self.megabytes("VmHWM") - self.small

    def fails(self, what, at, why):
        made = self.me.ended(self.me.predict(self.path, {"attempt": what, "at": at}, wait=False))
        assert made["status"] == "failed" and re.search(why, made["error"]), {**made, "error": made["error"] and made["error"][:500]}
        assert self.grew() < MOST
        self.others_work()
        return made


def house(data, *options):
    data.mkdir(mode=0o700)
    (data / "berth.yaml").write_text(HARDWARE)
    return House(data, "--cancel-grace", "1s", "--idle-timeout", "10m", "--max-output", "1MB",
                 "--max-health", "16MiB", "--cpu-overcommit", "1000", "--memory-overcommit", "1000", *options)


def lives(server):
    try:
        yield server.begin()
        server.stop()
    finally:
        server.end()


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """Runs are created, and then joined for their events: whatever is tried once is not tried short."""
    yield from lives(house(tmp_path_factory.mktemp("answers") / "data", "--max-attempts", "1"))


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """Runs are created by the request that has their events, once one was seen to be short."""
    yield from lives(house(tmp_path_factory.mktemp("answers") / "data", "--max-attempts", "2"))


@pytest.fixture(scope="module")
def brief(tmp_path_factory):
    """As the first, and no run is long."""
    yield from lives(house(tmp_path_factory.mktemp("answers") / "data", "--max-attempts", "1", "--run-timeout", "10s"))


def reasons(kind):
    """Each with its reason, of those that end at once: `kind` is 0 for answers, 1 for events."""
    both = {what: why if isinstance(why, tuple) else (why, why) for what, why in AT_ONCE.items()}
    return [(what, why[kind]) for what, why in both.items() if why[kind]]


@pytest.mark.parametrize("what, why", reasons(0))
def test_where_an_answer_is_expected(long, what, why):
    long.works()
    long.fails(what, "create", why)
    long.works()


@pytest.mark.parametrize("what, why", [one for one in reasons(1) if one[0] != "webhooks"])
def test_where_events_are_joined(long, what, why):
    long.fails(what, "join", why)
    long.works()


@pytest.mark.parametrize("what, why", [one for one in reasons(1) if one[0] not in ("webhooks", "switching")])
def test_where_events_are_the_answer(short, what, why):
    short.works()
    short.fails(what, "create", why)
    short.works()


def test_a_connection_that_breaks_before_the_answer(long, short):
    """The server is asked whether it runs: nothing runs twice, and no instance is replaced."""
    for server in (long, short):
        before = server.works()
        made = server.me.ended(server.me.predict(server.path, {"attempt": "lost_at_the_answer"}, wait=False))
        assert (made["status"], made["output"], made["instance"]) == ("succeeded", "once", before["instance"]), made
    made = short.me.ended(short.me.predict(short.path, {"attempt": "lost_at_first"}, wait=False))
    assert (made["status"], made["output"], made["instance"]) == ("succeeded", "honest", before["instance"]), made
    long.fails("lost_at_first", "create", "ended before it answered")  # at most once: max_attempts is 1
    long.works()


@pytest.mark.parametrize("at", ["create", "join"])
def test_metrics_have_a_limit(long, at):
    made = long.me.ended(long.me.predict(long.path, {"attempt": "large_metrics", "at": at}, wait=False))
    assert made["status"] == "succeeded" and set(made["metrics"]) <= {"predict_time", "total_time"}, str(made)[:500]
    made = long.me.ended(long.me.predict(long.path, {"attempt": "deep_metrics", "at": at}, wait=False))
    assert made["status"] == "succeeded" and "m" in made["metrics"], made


def test_pieces_of_one_value(short):
    """What is told of it while it runs is JSON at any time."""
    short.works()
    made = short.me.predict(short.path, {"attempt": "some_outputs"}, wait=False)
    pieces = [{"piece": 0}, {"piece": 1}, {"piece": 2}]
    wait_for(lambda: short.me.prediction(made)["output"] == pieces, lambda: short.me.prediction(made))
    assert short.me.post(f"/predictions/{made['id']}/cancel").status == 200
    made = short.me.ended(made)
    assert (made["status"], made["output"]) == ("canceled", pieces), made
    short.works()


def test_time_ends_the_rest(brief):
    """All at once, each on an instance of its own."""
    made = {}
    for what in IN_TIME:
        for at in ("create", "join"):
            if isinstance(AT_ONCE.get(what), tuple) and at == "create":
                continue
            path = brief.me.deploy(f"{what}-{at}".replace("_", "-"), "me/hostile", brief.version)
            made[what, at] = brief.me.predict(path, {"attempt": what, "at": at}, wait=False)
    brief.others_work()
    for one in made:
        ended = brief.me.ended(made[one])
        assert ended["status"] == "failed" and re.search(TOO_LONG, ended["error"]), (one, ended)
    assert brief.grew() < MOST
    brief.others_work()


def variant(folder, how):
    copy = folder / how
    shutil.copytree(MODELS / "hostile", copy)
    (copy / "health.txt").write_text(how)
    return copy


@pytest.mark.parametrize("how", ["endless_head", "endless_interim", "endless_body"])
def test_where_health_is_asked(long, tmp_path, how):
    name = how.replace("_", "-")
    version = long.push(long.me, variant(tmp_path, how), name)
    made = long.me.ended(long.me.predict(long.me.deploy(f"health-{name}", f"me/{name}", version), {"attempt": "honest"}, wait=False))
    assert made["status"] == "failed" and re.search("answer to its health check is too large.*max_health", made["error"]), made
    assert long.grew() < MOST
    long.others_work()


def test_a_setup_that_prints_much(long, tmp_path):
    version = long.push(long.me, variant(tmp_path, "much"), "much")
    made = long.me.ended(long.me.predict(long.me.deploy("much", "me/much", version), {"attempt": "honest"}, wait=False))
    assert made["status"] == "succeeded", made


def test_each_is_in_the_document():
    text = (ROOT / "docs/security.md").read_text()
    tries = re.findall(r"^@attempt\ndef (\w+)\(", (MODELS / "hostile/cog/server/http.py").read_text(), re.MULTILINE)
    assert set(tries) - {"honest", "large_metrics", "deep_metrics", "some_outputs", "lost_at_first", "lost_at_the_answer"} == set(AT_ONCE) | set(IN_TIME)
    for name in set(tries) - {"honest"}:
        assert f"`{name}`" in text, f"docs/security.md does not say what stops {name}"

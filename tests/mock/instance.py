# SPDX-License-Identifier: Apache-2.0
"""A model server that does what a script says: both dialects of Cog, with all their habits and accidents.

    python3 instance.py --script FILE.json [--port 0]

prints `listening 127.0.0.1:PORT` on standard output. In coglet's dialect it also writes the lines that coglet writes to
standard error, among them the one that names the port. Without --port it takes PORT from the environment, as Cog does;
WEBHOOK_AUTH_TOKEN goes into webhooks.

The script is one JSON object; every key may be left out.

    dialect                 "coglet" (0.23.1) or "legacy" (0.16)
    setup_delay_ms          how long setup takes (0)
    setup_fail              text of the exception with which setup fails
    setup_logs              what the model prints in setup ("")
    await_shutdown          legacy: stay after a failed setup or a crash instead of exiting (false)
    slots                   how many predictions run at a time (1)
    schema                  the OpenAPI document; false: there is none; left out: a small one (mode: string)
    streaming               whether the small schema has x-cog-streaming (true)
    slot_linger_ms          how long a slot stays taken after the answer was sent: the short 409 (0)
    worker_dead             coglet's worker died idle: one failure for each slot, then 409 (false)
    health                  {"hang_ms": N, "unhealthy": TEXT, "status": WORD, "while": "always" or "running"}
                            unhealthy: "channel closed", "timed out" or any text, as user_healthcheck_error
    webhook                 {"order": "sent" or "completed_first", "duplicate": false, "delay_ms": 0,
                             "retry_base_ms": 200, "retries": 12}
    sse                     {"slow_ms": 0, "history": 1024, "lag_after": N, "keepalive_ms": 15000, "drop_after": N}
                            slow_ms: wait before each event; lag_after: cut the reader off after N events with `error`;
                            drop_after: close the connection after N events without a word
    grace_ms                how long a finished prediction can still be joined (50)
    answers                 [{"method": "PUT", "path": "/predictions", "status": 400, "body": TEXT or object,
                              "times": 1}]: what to answer instead; path is a prefix, times may be left out
    predictions             {"default": RULE, MODE: RULE}: a prediction follows the rule named by its input "mode"

A RULE describes a run; every key may be left out.

    duration_ms             how long it runs (0); -1: until it is cancelled
    logs                    lines; each a text or {"data": TEXT, "source": "stderr"}
    outputs                 chunks; the model is an iterator
    output                  one value; the model is not an iterator (default: "done")
    output_bytes            the output is a text of this length
    metrics                 [{"name", "value", "mode"}]; mode replace, increment, append
    status                  "succeeded" or "failed"
    error                   text of the exception ("boom")
    ignore_cancel           go on to the end when cancelled (and be reported canceled then)
    lose_slot               fail at once and never give the slot back: BUSY for ever
    lose_result             end without any terminal event, and give the slot back
    crash                   {"how": HOW, "after_ms": N, "code": N}, HOW one of
                            "exit" (the process, with the code), "signal" (the process, by signal number code),
                            "drop" (close the connections of this prediction), "worker" (the worker dies)

`GET /_mock/log` answers the requests seen, `POST /_mock/script` merges an object into the script of the running server.
"""

import argparse
import asyncio
import datetime
import json
import os
import signal
import sys
import time
import urllib.parse

VERSION = {"coglet": "0.23.1", "git_sha": "9b9f6339", "build_time": "2026-10-20T14:46:36Z", "python_sdk": "0.23.1",
           "python": "3.11.7"}
SETUP_TEXT = "Setup has not finished yet. Wait until it has finished, or GET /health-check for status."
NO_STREAM_TEXT = ("This model does not support streaming responses. Add @cog.streaming to predict() to enable SSE.")
CHANNEL_CLOSED = "Healthcheck error: protocol error: healthcheck channel closed"
UNHEALTHY = {"channel closed": CHANNEL_CLOSED, "timed out": "healthcheck timed out"}
WEBHOOK_EVENTS = ("start", "output", "logs", "completed")
RETRIED = (429, 500, 502, 503, 504)
JSON_TYPES = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list, "object": dict}
REASONS = {200: "OK", 202: "Accepted", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed",
           406: "Not Acceptable", 409: "Conflict", 413: "Payload Too Large", 415: "Unsupported Media Type",
           422: "Unprocessable Entity", 500: "Internal Server Error", 503: "Service Unavailable"}


def compact(value):
    """JSON as coglet writes it: no spaces, keys sorted."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat()


def merge(base, changes):
    """Put an object into another, deeply."""
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            merge(base[key], value)
        else:
            base[key] = value
    return base


def small_schema(streaming):
    """A schema with the one input that selects the rule."""
    post = {"summary": "Predict", **({"x-cog-streaming": True} if streaming else {})}
    inputs = {"title": "Input", "type": "object", "properties": {
        "mode": {"title": "Mode", "type": "string", "default": "default", "x-order": 0}}}
    return {"openapi": "3.0.2", "info": {"title": "Cog", "version": VERSION["python_sdk"]},
            "paths": {"/predictions": {"post": post}},
            "components": {"schemas": {"Input": inputs, "Output": {"title": "Output", "type": "object"}}}}


class Request:
    """One HTTP request."""

    def __init__(self, method, target, headers, body):
        self.method = method
        self.path = urllib.parse.unquote(target.partition("?")[0])
        self.headers = headers
        self.body = body

    def wants_stream(self):
        """Whether any element of Accept is the event stream; its parameters do not count."""
        elements = self.headers.get("accept", "").split(",")
        return any(element.partition(";")[0].strip() == "text/event-stream" for element in elements)

    def wants_async(self):
        return self.headers.get("prefer") == "respond-async"


class Connection:
    """One client: reads requests, writes answers, and knows when the client has gone."""

    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer
        self.ahead = b""
        self.watch = None

    async def _more(self):
        data = await self.reader.read(65536)
        self.ahead += data
        return bool(data)

    async def request(self):
        """The next request, or None when there will be none."""
        while b"\r\n\r\n" not in self.ahead:
            if not await self._more():
                return None
        head, _, self.ahead = self.ahead.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", 0))
        while len(self.ahead) < length:
            if not await self._more():
                return None
        body, self.ahead = self.ahead[:length], self.ahead[length:]
        return Request(method, target, headers, body)

    def gone(self):
        """A task that ends when the client hangs up."""
        if self.watch is None:
            self.watch = asyncio.ensure_future(self._watch())
        return self.watch

    async def _watch(self):
        try:
            while await self._more():
                pass
        except OSError:
            pass

    async def stop_watching(self):
        if self.watch is not None and not self.watch.done():
            self.watch.cancel()
            await asyncio.wait([self.watch])
        self.watch = None

    async def answer(self, status, body=None, content_type=None, headers=()):
        """A whole answer. An object becomes JSON."""
        if body is None:
            data, content_type = b"", None
        elif isinstance(body, str):
            data, content_type = body.encode(), content_type or "text/plain; charset=utf-8"
        else:
            data, content_type = compact(body).encode(), content_type or "application/json"
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}"]
        lines += [f"content-type: {content_type}"] if content_type else []
        lines += [f"content-length: {len(data)}", *headers]
        await self.write("\r\n".join(lines).encode() + b"\r\n\r\n" + data)

    async def start_stream(self):
        await self.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n"
                         b"transfer-encoding: chunked\r\n\r\n")

    async def chunk(self, data):
        await self.write(b"%x\r\n%s\r\n" % (len(data), data))

    async def end_stream(self):
        await self.write(b"0\r\n\r\n")

    async def write(self, data):
        self.writer.write(data)
        await self.writer.drain()

    def abort(self):
        self.writer.transport.abort()


class Prediction:
    """One run and all that is known of it."""

    def __init__(self, server, its_id, body, rule, headers, asynchronous):
        self.server = server
        self.id = its_id
        self.input = body.get("input") or {}
        self.body = body
        self.rule = rule
        self.headers = headers
        self.asynchronous = asynchronous
        self.status = "starting" if server.coglet else "processing"
        self.logs = ""
        self.chunks = []
        self.error = None
        self.metrics = {}
        self.events = []
        self.changed = asyncio.Condition()
        self.ended = False
        self.cancelled = asyncio.Event()
        self.readers = 0
        self.connections = set()
        self.started = time.monotonic()
        self.started_at = now()
        self.completed_at = None
        self.deliveries = []

    @property
    def is_iterator(self):
        return "outputs" in self.rule

    def output(self):
        """The output as the final object shows it."""
        if self.is_iterator:
            return list(self.chunks)
        if self.server.coglet and self.status in ("failed", "canceled"):
            return list(self.chunks)
        return self.chunks[0] if self.chunks else None

    async def emit(self, name, data, webhook=None):
        """Tell all readers and, where it was asked for, the webhook."""
        async with self.changed:
            self.events.append((name, data))
            self.changed.notify_all()
        if webhook:
            self.server.notify(self, webhook)

    async def log(self, line):
        data, source = (line, "stdout") if isinstance(line, str) else (line["data"], line.get("source", "stdout"))
        data = data if data.endswith(("\n", "\r")) else data + "\n"
        self.logs += data
        self.server.stderr("coglet::prediction", data.rstrip("\n"), prediction_id=self.id, source=source.title())
        await self.emit("log", {"data": data, "source": source}, "logs")

    async def put_out(self, chunk):
        self.chunks.append(chunk)
        webhook = "output" if self.is_iterator or self.server.coglet else None
        await self.emit("output", {"chunk": chunk, "index": len(self.chunks) - 1}, webhook)

    async def metric(self, name, value, mode):
        if mode == "increment":
            self.metrics[name] = self.metrics.get(name, 0) + value
        elif mode == "append":
            self.metrics.setdefault(name, []).append(value)
        else:
            self.metrics[name] = value
        await self.emit("metric", {"mode": mode, "name": name, "value": value})

    async def finish(self, status, error=None):
        """The terminal state, once."""
        if self.ended:
            return
        self.status, self.error, self.completed_at = status, error, now()
        if self.server.coglet or status == "succeeded":
            self.metrics["predict_time"] = round(time.monotonic() - self.started, 9)
        async with self.changed:
            self.ended = True
            self.events.append(("completed", self.final()))
            self.changed.notify_all()
        self.server.notify(self, "completed")

    async def lose(self):
        """End without a word."""
        async with self.changed:
            self.ended = True
            self.changed.notify_all()

    async def wait_end(self):
        async with self.changed:
            await self.changed.wait_for(lambda: self.ended)

    def final(self):
        """The object of the end, in the dialect of the server."""
        if not self.server.coglet:
            return self.echo()
        final = {"id": self.id, "status": self.status, "logs": self.logs, "metrics": dict(self.metrics)}
        if self.status == "succeeded" or self.chunks:
            final["output"] = self.output()
        if self.error is not None:
            final["error"] = self.error
        return final

    def sync_answer(self):
        """coglet leaves logs and partial output out of a failed synchronous answer."""
        final = self.final()
        if self.server.coglet and self.status != "succeeded":
            final["logs"] = ""
            final.pop("output", None)
        return final

    def echo(self):
        """The whole object of the legacy dialect."""
        known = {key: value for key, value in self.body.items() if key != "id"}
        return {**known, "id": self.id if "id" in self.body or self.id_in_path else None, "input": self.input,
                "output": self.output(), "logs": self.logs, "error": self.error, "status": self.status,
                "metrics": dict(self.metrics) or None, "version": self.body.get("version"),
                "created_at": self.body.get("created_at"), "started_at": self.started_at,
                "completed_at": self.completed_at}

    id_in_path = True

    def snapshot(self):
        """What a repeated PUT shows."""
        if not self.server.coglet:
            return self.echo()
        shown = {"id": self.id, "input": self.input, "logs": self.logs, "metrics": dict(self.metrics),
                 "status": self.status}
        if self.chunks:
            shown["output"] = list(self.chunks)
        return shown

    def webhook_body(self, event):
        """The state so far. coglet's outputs are always a list of chunks until the end."""
        if event == "completed" or not self.server.coglet:
            return self.final() if self.server.coglet else {k: v for k, v in self.echo().items() if v is not None}
        body = {"id": self.id, "logs": self.logs, "metrics": dict(self.metrics), "status": "processing"}
        if self.chunks:
            body["output"] = list(self.chunks)
        return body

    # The run itself

    async def run(self):
        """Follow the rule to its end. True when the slot comes back."""
        rule = self.rule
        if rule.get("lose_slot"):
            await self.finish("failed", "Failed to create output dir: File name too long (os error 36)")
            self.server.stderr("coglet::permit::pool", "PermitInUse dropped without state transition", level="ERROR")
            return False
        if self.server.take_dead_worker():
            await self.finish("failed", "Failed to send request: IO error: Broken pipe (os error 32)")
            return False
        self.status = "processing"
        await self.emit("start", {"id": self.id, "status": "processing"}, "start")
        crash = asyncio.ensure_future(self._crash()) if "crash" in rule else None
        work = asyncio.ensure_future(self._work())
        done, _ = await asyncio.wait([task for task in (work, crash) if task], return_when=asyncio.FIRST_COMPLETED)
        if crash is not None and crash in done:
            work.cancel()
            return crash.result()
        if crash is not None:
            crash.cancel()
        await work
        return True

    async def _work(self):
        rule = self.rule
        outputs = self._outputs()
        steps = [(self.log, line) for line in rule.get("logs", [])]
        for one in rule.get("metrics", []):
            steps.append((lambda m: self.metric(m["name"], m["value"], m.get("mode", "replace")), one))
        last = [] if self.is_iterator else [(self.put_out, value) for value in outputs]
        steps += [(self.put_out, value) for value in outputs] if self.is_iterator else []
        duration = rule.get("duration_ms", 0) / 1000
        for action, argument in steps:
            await action(argument)
            if duration > 0 and await self._pause(duration / len(steps)):
                return await self._canceled()
        if not steps and duration > 0 and await self._pause(duration):
            return await self._canceled()
        if duration < 0:
            await self._until_cancelled()
            return await self._canceled()
        if self.cancelled.is_set():
            return await self._canceled()
        if rule.get("lose_result"):
            return await self.lose()
        if rule.get("status") == "failed":
            return await self._fail()
        for action, argument in last:
            await action(argument)
        return await self.finish("succeeded")

    def _outputs(self):
        if "output_bytes" in self.rule:
            return ["y" * self.rule["output_bytes"]]
        return list(self.rule["outputs"]) if self.is_iterator else [self.rule.get("output", "done")]

    async def _fail(self):
        error = self.rule.get("error", "boom")
        if self.server.coglet:
            error = f"Prediction failed: Prediction failed: {error}"
        else:
            self.logs += f"Traceback (most recent call last):\n  File \"predict.py\", line 1, in predict\n{error}\n"
        await self.finish("failed", error)

    async def _pause(self, seconds):
        """Wait; True when the run was cancelled and minds it."""
        if self.rule.get("ignore_cancel"):
            await asyncio.sleep(seconds)
            return False
        try:
            await asyncio.wait_for(self.cancelled.wait(), seconds)
            return True
        except asyncio.TimeoutError:
            return False

    async def _until_cancelled(self):
        if self.rule.get("ignore_cancel"):
            await asyncio.Event().wait()
        await self.cancelled.wait()

    async def _canceled(self):
        await self.finish("canceled")

    async def _crash(self):
        crash = self.rule["crash"]
        await asyncio.sleep(crash.get("after_ms", 0) / 1000)
        how = crash["how"]
        if how == "exit":
            os._exit(crash.get("code", 1))
        if how == "signal":
            os.kill(os.getpid(), crash.get("code", signal.SIGKILL))
        if how == "drop":
            for connection in list(self.connections):
                connection.abort()
            await self.lose()
            return True
        await self.server.worker_dies(self)
        return False


class Server:
    """The routes and the state behind them."""

    def __init__(self, script):
        self.script = script
        self.requests = []
        self.predictions = {}
        self.taken = 0
        self.failures_left = 0
        self.worker_gone = False
        self.setup_status = "starting"
        self.setup_logs = ""
        self.setup_started = now()
        self.setup_completed = None
        self.stopping = asyncio.Event()
        self.tasks = set()
        self.begun = time.monotonic()
        self.counter = 0

    @property
    def coglet(self):
        return self.script.get("dialect", "coglet") == "coglet"

    @property
    def slots(self):
        return self.script.get("slots", 1)

    def spawn(self, coroutine):
        """Run something beside; keep it from being collected."""
        task = asyncio.ensure_future(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def stderr(self, target, message, level="INFO", **fields):
        """One line of coglet's log."""
        if self.coglet:
            record = {"timestamp": now(), "level": level, "fields": {"message": message, **fields}, "target": target}
            print(json.dumps(record), file=sys.stderr, flush=True)

    # Setup and health

    async def setup(self):
        """What the model does before it is ready."""
        await asyncio.sleep(self.script.get("setup_delay_ms", 0) / 1000)
        printed = self.script.get("setup_logs", "")
        for line in printed.splitlines():
            self.stderr("coglet::setup", line, source="Stdout")
        error = self.script.get("setup_fail")
        self.setup_completed = now()
        if error is None:
            self.setup_logs = "".join(f"[coglet::setup] {line}\n" for line in printed.splitlines())
            if not self.coglet:
                self.setup_logs = printed
            self.failures_left = self.slots if self.script.get("worker_dead") else 0
            self.setup_status = "succeeded"
            return
        self.setup_status = "failed"
        self.setup_logs = f"worker setup failed: worker setup failed (slot 0): Setup failed: setup failed: {error}"
        if not self.coglet:
            self.setup_logs = f"{printed}Traceback (most recent call last):\n{error}\n"
            self._leave(255)

    def _leave(self, code):
        """The legacy server ends by itself, unless it was told to wait."""
        if not self.script.get("await_shutdown"):
            os._exit(code)

    def health_status(self):
        health = self.script.get("health", {})
        active = health.get("while", "always") == "always" or self.taken > 0
        if health.get("status") and active:
            return health["status"], None
        if self.setup_status != "succeeded":
            return {"starting": "STARTING", "failed": "SETUP_FAILED"}[self.setup_status], None
        if self.worker_gone:
            return ("UNHEALTHY", CHANNEL_CLOSED) if self.coglet else ("DEFUNCT", None)
        if health.get("unhealthy") and active:
            return "UNHEALTHY", UNHEALTHY.get(health["unhealthy"], health["unhealthy"])
        return ("BUSY" if self.taken >= self.slots else "READY"), None

    async def health(self, connection):
        await asyncio.sleep(self.script.get("health", {}).get("hang_ms", 0) / 1000)
        status, error = self.health_status()
        setup = {}
        if self.coglet or self.setup_completed:
            setup = {"started_at": self.setup_started, "status": self.setup_status}
        if self.setup_completed:
            setup["completed_at"] = self.setup_completed
            if self.setup_logs or not self.coglet:
                setup["logs"] = self.setup_logs
        answer = {"status": status, "setup": setup}
        if self.coglet:
            answer["version"] = VERSION
        if error is not None:
            answer["user_healthcheck_error"] = error
        await connection.answer(200, answer)

    def take_dead_worker(self):
        """A worker that died idle fails one prediction for each slot."""
        if self.failures_left:
            self.failures_left -= 1
            self.worker_gone = self.failures_left == 0
            return True
        return False

    async def worker_dies(self, prediction):
        """The worker is gone: coglet lives on as a shell, the legacy server leaves."""
        self.worker_gone = True
        if self.coglet:
            for other in list(self.predictions.values()):
                await other.finish("failed", "Worker crashed")
            return
        await prediction.finish("failed", "Prediction failed for an unknown reason. It might have run out of memory? "
                                          "(exitcode 9)")
        await asyncio.gather(*prediction.deliveries, return_exceptions=True)
        for connection in list(prediction.connections):
            await connection.answer(500, "Internal Server Error")
        self._leave(1)

    # Requests

    async def serve(self, reader, writer):
        """One connection, request after request."""
        connection = Connection(reader, writer)
        try:
            while True:
                request = await connection.request()
                if request is None:
                    break
                await self.handle(connection, request)
                await connection.stop_watching()
                if request.headers.get("connection", "").lower() == "close":
                    break
        except (OSError, ValueError, asyncio.CancelledError):
            pass
        finally:
            await connection.stop_watching()
            writer.close()

    async def handle(self, connection, request):
        if request.path.startswith("/_mock/"):
            await self.control(connection, request)
            return
        self.remember(request)
        if await self.scripted_answer(connection, request):
            return
        parts = request.path.strip("/").split("/")
        if parts[0] in ("predictions", "trainings") and len(parts) <= 3:
            await self.runs(connection, request, parts)
        elif request.path == "/health-check" and request.method == "GET":
            await self.health(connection)
        elif request.path == "/" and request.method == "GET":
            await connection.answer(200, self.discovery())
        elif request.path == "/openapi.json" and request.method == "GET":
            await self.openapi(connection)
        elif request.path == "/shutdown" and request.method == "POST":
            await connection.answer(200, {})
            self.stopping.set()
        else:
            await self.refuse(connection, 404)

    async def refuse(self, connection, status):
        """404 and 405: coglet says nothing, the legacy server has a detail."""
        await connection.answer(status, None if self.coglet else {"detail": REASONS[status]})

    def remember(self, request):
        try:
            body = json.loads(request.body) if request.body else None
        except ValueError:
            body = request.body.decode("latin-1")
        self.requests.append({"method": request.method, "path": request.path, "headers": request.headers, "body": body,
                              "at_ms": round((time.monotonic() - self.begun) * 1000)})

    async def control(self, connection, request):
        if request.path == "/_mock/log":
            await connection.answer(200, self.requests)
        elif request.path == "/_mock/script" and request.method == "POST":
            merge(self.script, json.loads(request.body))
            await connection.answer(200, self.script)
        else:
            await connection.answer(404)

    async def scripted_answer(self, connection, request):
        """An answer that the script puts in the place of the true one."""
        for one in self.script.get("answers", []):
            if one.get("method", request.method) != request.method or not request.path.startswith(one.get("path", "/")):
                continue
            if one.get("times", 1) <= 0:
                continue
            if "times" in one:
                one["times"] -= 1
            await connection.answer(one["status"], one.get("body", ""))
            return True
        return False

    def schema(self):
        given = self.script.get("schema")
        if given is False:
            return None
        return given or small_schema(self.script.get("streaming", True))

    async def openapi(self, connection):
        schema = self.schema()
        if schema is None or (self.coglet and self.setup_status == "starting"):
            await connection.answer(503, {"error": "OpenAPI schema not available"})
        else:
            await connection.answer(200, schema)

    def discovery(self):
        urls = {"docs_url": "/docs", "openapi_url": "/openapi.json", "shutdown_url": "/shutdown",
                "healthcheck_url": "/health-check", "predictions_url": "/predictions",
                "predictions_idempotent_url": "/predictions/{prediction_id}",
                "predictions_cancel_url": "/predictions/{prediction_id}/cancel"}
        schemas = (self.schema() or {}).get("components", {}).get("schemas", {})
        if "TrainingInput" in schemas:
            urls.update({"trainings_url": "/trainings", "trainings_idempotent_url": "/trainings/{training_id}",
                         "trainings_cancel_url": "/trainings/{training_id}/cancel"})
        return {"cog_version": VERSION["python_sdk"] if self.coglet else "0.16.12", **urls}

    # Predictions

    async def runs(self, connection, request, parts):
        """Create, join, cancel."""
        expected = ("POST", "PUT", "POST")[len(parts) - 1]
        if not self.coglet and self.setup_status == "failed":
            await self.refuse(connection, 404)
        elif len(parts) == 3 and parts[2] != "cancel":
            await self.refuse(connection, 404)
        elif request.method != expected:
            await self.refuse(connection, 405)
        elif len(parts) == 3:
            await self.cancel(connection, parts[1])
        else:
            await self.create(connection, request, parts[1] if len(parts) == 2 else None, parts[0] == "trainings")

    async def cancel(self, connection, its_id):
        prediction = self.predictions.get(its_id)
        if prediction is None or prediction.ended:
            await connection.answer(404, {})
            return
        prediction.cancelled.set()
        await connection.answer(200, {})

    async def create(self, connection, request, path_id, training):
        body = await self.read_body(connection, request, path_id)
        if body is None:
            return
        streamed = self.coglet and request.wants_stream()
        if streamed and not self.can_stream(training):
            await connection.answer(406, {"error": NO_STREAM_TEXT})
            return
        if await self.not_ready(connection):
            return
        running = self.predictions.get(path_id) if path_id else None
        if running is not None and (self.coglet or self.taken >= self.slots):
            await self.join(connection, running, streamed)
            return
        problem = self.validate(body)
        if problem:
            await connection.answer(422, {"detail": problem})
            return
        if self.taken >= self.slots or self.worker_gone:
            await self.busy(connection)
            return
        await self.begin(connection, request, body, path_id, streamed)

    async def read_body(self, connection, request, path_id):
        """The JSON body, with the dialect's own refusals; None when it was refused."""
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if self.coglet and not content_type:
            return {}
        if self.coglet and content_type != "application/json":
            await connection.answer(415, "Expected request with `Content-Type: application/json`")
            return None
        try:
            body = json.loads(request.body)
        except ValueError as error:
            if self.coglet:
                await connection.answer(400, f"Failed to parse the request body as JSON: {error}")
            else:
                await connection.answer(422, {"detail": [{"loc": ["body", 0], "msg": "JSON decode error",
                                                          "type": "json_invalid"}]})
            return None
        problem = self.envelope_problem(body, path_id)
        if problem is None:
            return body
        await connection.answer(422, problem)
        return None

    def envelope_problem(self, body, path_id):
        """What is wrong around the input."""
        start = "Failed to deserialize the JSON body into the target type: "
        if not isinstance(body, dict):
            return start + "invalid type, expected struct PredictionRequest"
        if self.coglet:
            for key, kind in (("webhook_events_filter", "a sequence"), ("context", "a map")):
                if key in body and body[key] is None:
                    return f"{start}{key}: invalid type: null, expected {kind}"
        for index, event in enumerate(body.get("webhook_events_filter") or []):
            if event not in WEBHOOK_EVENTS:
                known = ", ".join(f"`{name}`" for name in WEBHOOK_EVENTS)
                return f"{start}webhook_events_filter[{index}]: unknown variant `{event}`, expected one of {known}"
        if path_id and body.get("id") not in (None, path_id):
            return {"detail": [{"loc": ["body", "id"], "type": "value_error",
                                "msg": "prediction ID must match the ID supplied in the URL"}]}
        return None

    def can_stream(self, training):
        schema = self.schema()
        if training or schema is None or self.setup_status == "starting":
            return False
        return schema["paths"].get("/predictions", {}).get("post", {}).get("x-cog-streaming") is True

    async def not_ready(self, connection):
        if self.setup_status == "succeeded":
            return False
        if self.coglet:
            await connection.answer(503, {"error": SETUP_TEXT, "status": "failed"})
        else:
            await self.busy(connection)
        return True

    async def busy(self, connection):
        if self.coglet:
            await connection.answer(409, {"error": "At capacity - all prediction slots busy", "status": "failed"})
        else:
            await connection.answer(409, {"detail": "Already running a prediction"})

    def validate(self, body):
        """All that is wrong with the input, in the words of the dialect."""
        schema = self.schema()
        given = body.get("input")
        given = {} if given is None else given
        if schema is None:
            return []
        if not isinstance(given, dict):
            return [self.problem("__root__", f"{compact(given)} is not of type \"object\"")]
        inputs = schema["components"]["schemas"]["Input"]
        problems = []
        for name in inputs.get("required", []):
            if name not in given:
                text = "Field required" if self.coglet else "field required"
                problems.append(self.problem(name, text, "value_error.missing"))
        for name, its in inputs["properties"].items():
            if name in given and not self.fits(given[name], its):
                problems.append(self.problem(name, f"{compact(given[name])} is not of type {compact(its['type'])}"))
        return problems

    def fits(self, value, its):
        if value is None and not self.coglet and its.get("nullable"):
            return True
        kind = its.get("type")
        if kind not in JSON_TYPES:
            return True
        if kind == "integer" and isinstance(value, float):
            return value == int(value)
        if isinstance(value, bool) and kind != "boolean":
            return False
        return isinstance(value, JSON_TYPES[kind])

    @staticmethod
    def problem(name, message, kind="value_error"):
        return {"loc": ["body", "input", name], "msg": message, "type": kind}

    async def begin(self, connection, request, body, path_id, streamed):
        """Start a prediction and answer in the mode that was asked for."""
        self.counter += 1
        its_id = path_id or body.get("id") or (f"pred_{self.counter:016x}")
        rules = self.script.get("predictions", {})
        mode = (body.get("input") or {}).get("mode", "default")
        rule = rules.get(mode, rules.get("default", {}))
        asynchronous = request.wants_async() and not streamed
        prediction = Prediction(self, its_id, body, rule, request.headers, asynchronous)
        prediction.id_in_path = bool(path_id)
        self.predictions[its_id] = prediction
        self.taken += 1
        self.spawn(self.run(prediction))
        if streamed:
            await self.stream(connection, prediction)
        elif asynchronous:
            await connection.answer(202, {"id": its_id, "status": "starting"} if self.coglet else prediction.echo())
        else:
            await self.wait(connection, prediction)

    async def run(self, prediction):
        """Run, and give the slot back when it comes back."""
        slot_returns = await prediction.run()
        if slot_returns:
            await asyncio.sleep(self.script.get("slot_linger_ms", 0) / 1000)
            self.taken -= 1
        if self.coglet:
            await asyncio.sleep(self.script.get("grace_ms", 50) / 1000)
        if self.predictions.get(prediction.id) is prediction:
            del self.predictions[prediction.id]

    async def wait(self, connection, prediction):
        """The synchronous answer. coglet cancels when its client goes away, the legacy server does not."""
        prediction.connections.add(connection)
        ended = asyncio.ensure_future(prediction.wait_end())
        gone = connection.gone()
        await asyncio.wait([ended, gone], return_when=asyncio.FIRST_COMPLETED)
        prediction.connections.discard(connection)
        if not ended.done():
            ended.cancel()
            if self.coglet:
                prediction.cancelled.set()
            return
        if prediction.status in ("succeeded", "failed", "canceled"):
            await connection.answer(200, prediction.sync_answer())
        else:
            connection.abort()

    async def join(self, connection, prediction, streamed):
        """A repeated PUT."""
        if streamed:
            await self.stream(connection, prediction)
        elif prediction.ended and self.coglet:
            await connection.answer(202, {**prediction.final(), "input": prediction.input})
        else:
            await connection.answer(202, prediction.snapshot())

    async def stream(self, connection, prediction):
        """Send the events from the first on, until the end or until the reader has gone."""
        prediction.readers += 1
        prediction.connections.add(connection)
        await connection.start_stream()
        sending = asyncio.ensure_future(self._send_events(connection, prediction))
        gone = connection.gone()
        await asyncio.wait([sending, gone], return_when=asyncio.FIRST_COMPLETED)
        prediction.connections.discard(connection)
        prediction.readers -= 1
        if not sending.done():
            sending.cancel()
            connection.abort()
        if not prediction.ended and not prediction.readers and not prediction.asynchronous:
            prediction.cancelled.set()

    async def _send_events(self, connection, prediction):
        sse = self.script.get("sse", {})
        dropped = len(prediction.events) - sse.get("history", 1024)
        if dropped > 0:
            await self._cut(connection, "SSE stream replay truncated; events were dropped", dropped)
            return
        sent = 0
        while True:
            if sent == sse.get("drop_after"):
                connection.abort()
                return
            if sent == sse.get("lag_after"):
                await self._cut(connection, "SSE stream lagged; events were dropped", 1)
                return
            event = await self._next_event(connection, prediction, sent, sse.get("keepalive_ms", 15000) / 1000)
            if event is None:
                connection.abort()
                return
            await asyncio.sleep(sse.get("slow_ms", 0) / 1000)
            await self._event(connection, *event)
            sent += 1
            if event[0] == "completed":
                await connection.end_stream()
                return

    @staticmethod
    async def _event(connection, name, data):
        await connection.chunk(f"event: {name}\ndata: {compact(data)}\n\n".encode())

    async def _cut(self, connection, text, skipped):
        await self._event(connection, "error", {"error": text, "skipped": skipped})
        await connection.end_stream()

    @staticmethod
    async def _next_event(connection, prediction, index, keepalive):
        """The event of this number, with comments while there is none; None when none will come."""
        while True:
            async with prediction.changed:
                try:
                    await asyncio.wait_for(
                        prediction.changed.wait_for(lambda: len(prediction.events) > index or prediction.ended),
                        keepalive)
                except asyncio.TimeoutError:
                    pass
                else:
                    return prediction.events[index] if len(prediction.events) > index else None
            await connection.chunk(b": keep-alive\n\n")

    # Webhooks

    def notify(self, prediction, event):
        """Send one webhook, if it was asked for, in the order that the script wants."""
        url = prediction.body.get("webhook")
        wanted = prediction.body.get("webhook_events_filter") or WEBHOOK_EVENTS
        if not url or event not in wanted:
            return
        settings = self.script.get("webhook", {})
        body = prediction.webhook_body(event)
        earlier = list(prediction.deliveries)
        hold = settings.get("order", "sent") == "completed_first" and event != "completed"
        times = 2 if settings.get("duplicate") else 1
        for _ in range(times):
            task = self.spawn(self._deliver(prediction, url, event, body, earlier, hold))
            if not hold:
                prediction.deliveries.append(task)

    async def _deliver(self, prediction, url, event, body, earlier, hold):
        settings = self.script.get("webhook", {})
        if hold:
            await prediction.wait_end()
            await asyncio.gather(*prediction.deliveries, return_exceptions=True)
        elif earlier:
            await asyncio.wait(earlier)
        await asyncio.sleep(settings.get("delay_ms", 0) / 1000)
        pause = settings.get("retry_base_ms", 200) / 1000
        attempts = settings.get("retries", 12) + 1 if event == "completed" else 1
        for attempt in range(attempts):
            if await self._post(prediction, url, body) not in (None, *RETRIED) or attempt + 1 == attempts:
                return
            await asyncio.sleep(min(pause * 2 ** attempt, 102.4))

    async def _post(self, prediction, url, body):
        """One POST; the status, or None when nobody answered."""
        parsed = urllib.parse.urlsplit(url)
        data = compact(body).encode()
        agent = f"coglet/{VERSION['coglet']}" if self.coglet else "cog-worker/0.16.12 python-requests/2.32.3"
        lines = [f"POST {parsed.path or '/'}{'?' + parsed.query if parsed.query else ''} HTTP/1.1",
                 f"Host: {parsed.netloc}", f"User-Agent: {agent}", "Content-Type: application/json",
                 f"Content-Length: {len(data)}", "Connection: close"]
        token = os.environ.get("WEBHOOK_AUTH_TOKEN")
        lines += [f"Authorization: Bearer {token}"] if token else []
        lines += [f"{name}: {prediction.headers[name]}" for name in ("traceparent", "tracestate")
                  if name in prediction.headers]
        try:
            reader, writer = await asyncio.open_connection(parsed.hostname, parsed.port or 80)
            try:
                writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + data)
                await writer.drain()
                first = await asyncio.wait_for(reader.readline(), 30)
            finally:
                writer.close()
            return int(first.split()[1])
        except (OSError, IndexError, ValueError, asyncio.TimeoutError):
            return None


async def serve(script, port):
    """Listen, set up, and go on until told to stop."""
    server = Server(script)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", port, limit=1 << 20, backlog=512)
    chosen = listener.sockets[0].getsockname()[1]
    server.stderr("coglet::transport::http::server", f"Starting coglet server on 127.0.0.1:{chosen}")
    print(f"listening 127.0.0.1:{chosen}", flush=True)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stopping.set)
    setup = server.spawn(server.setup())
    await server.stopping.wait()
    listener.close()
    setup.cancel()
    running = [asyncio.ensure_future(p.wait_end()) for p in server.predictions.values() if p.connections]
    if running and server.coglet:
        await asyncio.wait(running)
        # The last answers are written by tasks of their own, which are woken by the same end.
        await asyncio.sleep(0)


def main(arguments=None):
    """The command line."""
    parser = argparse.ArgumentParser(description="A model server that follows a script.")
    parser.add_argument("--script", help="the script, a JSON file")
    parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", "5000")))
    options = parser.parse_args(arguments)
    script = {}
    if options.script:
        with open(options.script, encoding="utf-8") as opened:
            script = json.load(opened)
    asyncio.run(serve(script, options.port))


if __name__ == "__main__":
    main()

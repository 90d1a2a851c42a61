# SPDX-License-Identifier: Apache-2.0
"""Before the benchmarks: what is installed and built. After them: the table and docs/benchmarks.md."""

import json
import os
import re
import shutil
import subprocess

from harness import BUILD, OUT, ROOT, WORK, run

PAGE = ROOT / "docs/benchmarks.md"
APT = {"nginx": "nginx-light", "redis-server": "redis-server", "node": "nodejs", "npm": "npm"}


def prepare(install):
    OUT.mkdir(parents=True, exist_ok=True)
    WORK.mkdir(exist_ok=True)
    missing = [package for command, package in APT.items() if not shutil.which(command)]
    if install and missing and os.geteuid() == 0:
        print(f"== Installing {' '.join(missing)}", flush=True)
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], check=False,
                       env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}, stdout=subprocess.DEVNULL)
    if install and shutil.which("npm") and not (ROOT / "bench/node_modules/bullmq").exists():
        print("== Installing BullMQ", flush=True)
        # Not `npm ci`: some versions of npm refuse a lock file without the optional packages of other platforms.
        if subprocess.run(["npm", "install", "--no-save", "--silent", "--no-progress"], cwd=ROOT / "bench", check=False).returncode:
            print("  npm could not install it: what compares with BullMQ is left out", flush=True)
    if not (BUILD / "build.ninja").exists():
        run("meson", "setup", BUILD, ROOT, "-Dbench=true", "-Dtests=false")
    run("ninja", "-C", BUILD, "build.ninja")  # so that an older build knows the option
    run("meson", "configure", BUILD, "-Dbench=true")
    run("ninja", "-C", BUILD, "src/berth", "bench/load", "bench/sqlite_limit", limit=1800)


def first(*words):
    """A version's number, as a program says it; None where there is no such program."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)
    except OSError:
        return None
    found = re.search(r"\d+\.\d+(\.\d+)?", done.stdout + done.stderr)
    return found[0] if found else None


def versions():
    bullmq = ROOT / "bench/node_modules/bullmq/package.json"
    return {
        "nginx": first("nginx", "-v"),
        "redis": first("redis-server", "--version"),
        "node": first("node", "--version"),
        "bullmq": json.loads(bullmq.read_text())["version"] if bullmq.exists() else None,
    }


def number(value):
    if not isinstance(value, (int, float)):
        return str(value)
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def print_rows(rows):
    for row in rows:
        mark = "" if row.ok is None else "  ok" if row.ok else "  SHORT OF THE GOAL"
        goal = f"  (goal {row.goal} {row.unit})" if row.goal else ""
        print(f"  {row.what:72} {number(row.value):>10} {row.unit:4}{goal}{mark}")


def section(result):
    text = [f"### {result['title']}", "", f"`bench/run {result['name']}`, commit {result['commit']}, {result['date']}", "",
            "| | measured | goal |", "|---|---:|---|"]
    for row in result["rows"]:
        goal = "" if not row["goal"] else f"{row['goal']} {row['unit']}" + ("" if row["ok"] else " — **short of it**")
        text.append(f"| {row['what']} | {number(row['value'])} {row['unit']} | {goal} |")
    return "\n".join(text) + "\n"


def write_page(_names):
    """Puts the last figures of every benchmark between the marks of the page."""
    from figures import BENCHMARKS

    results = [json.loads((OUT / f"{name}.json").read_text()) for name in BENCHMARKS if (OUT / f"{name}.json").exists()]
    if not results:
        return
    m, v = results[-1]["machine"], results[-1]["versions"]
    where = (f"Measured on {m['cpus']} × {m['cpu']}, {m['memory_gb']} GB, {m['system']}, Linux {m['kernel']}. "
             f"Beside: " + ", ".join(f"{name} {version}" for name, version in v.items() if version) + ".")
    text = PAGE.read_text()
    begin, end = "<!-- begin: bench/run -->\n", "<!-- end: bench/run -->"
    before, rest = text.split(begin)
    PAGE.write_text(before + begin + where + "\n\n" + "\n".join(section(r) for r in results) + end + rest.split(end)[1])

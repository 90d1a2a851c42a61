# SPDX-License-Identifier: Apache-2.0
"""Make the empty sentence-transformers wheel: a name and a version, and no code."""
import base64
import hashlib
import os
import zipfile

NAME, VERSION = "sentence-transformers", "5.0.0+empty"
REQUIRES: list = []
SUMMARY = "Stands in for sentence-transformers, which the embed example does not use"


def build(folder: str) -> str:
    """Write the wheel into a folder, the same bytes every time, and return its path."""
    stem = f"{NAME.replace('-', '_')}-{VERSION}"
    info = f"{stem}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {VERSION}\nSummary: {SUMMARY}\n"
    metadata += "".join(f"Requires-Dist: {name}\n" for name in REQUIRES)
    files = {
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: build.py\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},{digest(text)},{len(text)}\n" for name, text in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
    path = os.path.join(folder, f"{stem}-py3-none-any.whl")
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), text)
    return path


def digest(text: str) -> str:
    raw = hashlib.sha256(text.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(raw).decode().rstrip("=")


if __name__ == "__main__":
    print(build(os.path.dirname(os.path.abspath(__file__))))

#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Packs the Ansible collection like `ansible-galaxy collection build`, but reproducibly: the same files give the same
bytes. ansible.py COLLECTION VERSION OUT; `make ansible` calls it."""

import gzip
import hashlib
import io
import json
import os
import re
import sys
import tarfile

import yaml


def die(text):
    sys.exit("ansible: " + text)


def semantic(version):
    """The version with three numbers, which a collection needs."""
    if re.fullmatch(r"\d+\.\d+\.\d+([-+][0-9A-Za-z.-]+)?", version):
        return version
    found = re.fullmatch(r"(\d+\.\d+)(\.\d+)?(\.\d+)?(-.*)?", version)
    if not found:
        die("a collection cannot have the version '%s'; VERSION= is like 3.10.0" % version)
    if found[3]:  # 3.10.0.1
        return "%s%s+%s" % (found[1], found[2], found[3][1:])
    return "%s.0%s" % (found[1], found[4] or "")


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def read_tree(top):
    """A dictionary of the files: name to contents, or None for a directory."""
    tree = {}
    for folder, folders, files in os.walk(top):
        folders[:] = [f for f in folders if f != "__pycache__"]
        for name in folders:
            tree[os.path.relpath(os.path.join(folder, name), top)] = None
        for name in files:
            path = os.path.relpath(os.path.join(folder, name), top)
            if path == "galaxy.yml" or name.endswith((".pyc", ".orig", "~")):
                continue
            with open(os.path.join(folder, name), "rb") as f:
                tree[path] = f.read()
    return tree


def entry(name, data):
    return {
        "name": name,
        "ftype": "dir" if data is None else "file",
        "chksum_type": None if data is None else "sha256",
        "chksum_sha256": None if data is None else sha256(data),
        "format": 1,
    }


def document(content):
    return (json.dumps(content, indent=1) + "\n").encode()


def describe(galaxy, version):
    info = {k: galaxy.get(k) for k in ("namespace", "name")}
    info["version"] = version
    for key in ("authors", "readme", "tags", "description", "license"):
        info[key] = galaxy.get(key)
    info["license_file"] = None
    info["dependencies"] = galaxy.get("dependencies") or {}
    for key in ("repository", "documentation", "homepage", "issues"):
        info[key] = galaxy.get(key) or None
    return info


def pack(tree, path):
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in tree:
            member = tarfile.TarInfo(name)
            member.mode = 0o755 if data is None else 0o644
            member.mtime = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
            member.type = tarfile.DIRTYPE if data is None else tarfile.REGTYPE
            member.size = len(data or b"")
            tar.addfile(member, io.BytesIO(data or b""))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".new", "wb") as f, gzip.GzipFile("", "wb", 9, f, mtime=0) as z:
        z.write(raw.getvalue())
    os.rename(path + ".new", path)


def main():
    if len(sys.argv) != 4:
        die("usage: ansible.py COLLECTION VERSION OUT")
    top, version, out = sys.argv[1], semantic(sys.argv[2]), sys.argv[3]
    with open(os.path.join(top, "galaxy.yml"), encoding="utf-8") as f:
        galaxy = yaml.safe_load(f)
    tree = read_tree(top)
    files = document({"files": [entry(".", None)] + [entry(n, tree[n]) for n in sorted(tree)], "format": 1})
    manifest = document({
        "collection_info": describe(galaxy, version),
        "file_manifest_file": dict(entry("FILES.json", files)),
        "format": 1,
    })
    path = os.path.join(out, "%s-%s-%s.tar.gz" % (galaxy["namespace"], galaxy["name"], version))
    pack([("MANIFEST.json", manifest), ("FILES.json", files)] + sorted(tree.items()), path)
    print("%s: %d bytes" % (path, os.path.getsize(path)))


if __name__ == "__main__":
    main()

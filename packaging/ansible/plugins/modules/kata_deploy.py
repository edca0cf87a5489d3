#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Runs kata-deploy, which does the work idempotently. This module only translates parameters into its command line
and its JSON output into a result."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
---
module: kata_deploy
short_description: Install, upgrade or uninstall Kata Containers
description:
  - Runs C(kata-deploy) on the host. It verifies a signed release, fetches what is missing, installs it beside
    the older one, registers it with the container manager, which it restarts only if necessary, and proves it
    with a container in a VM. If a step fails, everything is undone.
  - Changes only what differs from the wanted state.
  - Running containers keep the files that they were started from, so hosts need not be drained.
version_added: "0.1.0"
author: The makers of kata-deploy
requirements:
  - C(kata-deploy) on the host
  - root, unless I(root) or I(state=fetched) is used
options:
  state:
    description:
      - C(present) installs I(release), or upgrades to it. Of a channel, that is the newest release.
      - C(absent) uninstalls. It fails while containers run, unless I(force) is given. On a host with neither an
        installation nor C(kata-deploy) it does nothing.
      - C(fetched) puts a verified copy of the release into I(dest), for hosts without a network.
    type: str
    choices: [present, absent, fetched]
    default: present
  release:
    description:
      - The source of releases, a URL, a directory or a tar file on the host; further entries are mirrors.
      - Default is the source of the last installation.
    type: list
    elements: str
  dest:
    description: The directory of the copy for I(state=fetched). An older copy in it is updated.
    type: path
  key:
    description: Files on the host with the only public keys to trust. The usual way is I(trust_dir).
    type: list
    elements: path
  channel_key:
    description: Files on the host with public keys to trust for channels only.
    type: list
    elements: path
  trust_dir:
    description: The directory of trusted keys on the host. Default is C(/etc/kata-deploy/trust.d).
    type: path
  threshold:
    description: The number of keys that must have signed.
    type: int
  pin:
    description: The SHA-256 of the wanted C(release.yaml); any other release is refused.
    type: str
  components:
    description: Install only these components and the required ones.
    type: list
    elements: str
  without:
    description: Install all but these components.
    type: list
    elements: str
  cri:
    description:
      - The container manager, C(containerd), C(k3s), C(rke2), C(k0s), C(microk8s), C(crio), C(docker),
        C(nerdctl) or C(none). Default is the detected one.
    type: str
  cri_config:
    description: The configuration file of the container manager.
    type: path
  cri_socket:
    description: The socket of the container manager.
    type: path
  restart_with:
    description: The command that restarts the container manager. Default is to restart its service.
    type: str
  restart_seconds:
    description: The time limit for the restart, in seconds. Default is 60, with k3s and RKE2 300.
    type: int
  handlers:
    description: Additional handlers; the value is the path of a handler's configuration on the host.
    type: dict
  default_handlers:
    description: Whether the handlers C(kata) and C(kata-qemu) are registered too.
    type: bool
    default: true
  proof:
    description: Whether to run a container in a VM as a proof; if it fails, the installation is undone.
    type: bool
    default: true
  allow_downgrade:
    description: Accept an older release than the last accepted one.
    type: bool
    default: false
  allow_expired:
    description: Accept an expired release.
    type: bool
    default: false
  without_channel:
    description: Accept a source without the channel that the host has followed.
    type: bool
    default: false
  force:
    description: Uninstall even while containers run; they are lost.
    type: bool
    default: false
  forget_trust:
    description: With I(state=absent) forget which releases were accepted on this host.
    type: bool
    default: false
  cacert:
    description: Certificate authorities for https.
    type: path
  proxy:
    description: The proxy. Default is the one in the environment.
    type: str
  limit_rate:
    description: Bytes per second of downloads, such as C(10M).
    type: str
  cache:
    description: The directory for downloads.
    type: path
  prefix:
    description: The installation prefix. Default is C(/opt/kata).
    type: path
  root:
    description: Work on the system below this directory, and on nothing else.
    type: path
  lock:
    description: The lock file.
    type: path
  lock_wait:
    description: How many seconds to wait for another kata-deploy on the host.
    type: int
  trust_memory:
    description: The directory of the record of accepted releases, which uninstalls keep.
    type: path
  executable:
    description: The program C(kata-deploy). Default is the one in the path of the host, or in C(/opt/kata/bin).
    type: path
notes:
  - In paths, those of I(release) and I(handlers) too, C(~) and C($NAME) are replaced, as in all modules, by the home
    directory and the environment of the user on the host that the task runs as, also below I(root). An unset C($NAME)
    stays as it is. URLs, and the command I(restart_with), are left as they are.
attributes:
  check_mode:
    support: partial
    details: Shows the plan of C(kata-deploy). I(state=fetched) is skipped.
  diff_mode:
    support: full
    details: Shows the text of the plan, with the differences of the container manager's files.
"""

EXAMPLES = r"""
- name: Install the newest release of a channel
  katacontainers.kata.kata_deploy:
    release: https://releases.example.org/kata/

- name: Install exactly this release, from either of two mirrors
  katacontainers.kata.kata_deploy:
    release:
      - https://one.example.org/kata/3.10.0/
      - https://two.example.org/kata/3.10.0/
    pin: 4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865

- name: Fetch a copy to the controller, for hosts without a network
  katacontainers.kata.kata_deploy:
    state: fetched
    release: https://releases.example.org/kata/
    key: files/kata.pub
    dest: /srv/kata
    cache: /srv/kata.cache
  delegate_to: localhost
  run_once: true

- name: Uninstall, unless containers run
  katacontainers.kata.kata_deploy:
    state: absent
"""

RETURN = r"""
version:
  description: The version of the release.
  returned: I(state=present)
  type: str
  sample: 3.10.0
generation:
  description: The name of the installed generation.
  returned: I(state=present), not in check mode
  type: str
restarted:
  description: Whether the container manager was, or in check mode would be, restarted.
  returned: I(state=present)
  type: bool
proof:
  description: What the container saw in its VM; null if no proof ran.
  returned: I(state=present), not in check mode
  type: dict
  sample: {kernel: 6.1.158, agent: 3.10.0, memory: 2087641088, cpus: 1, ms: 1430, pod: true, why: null}
freed:
  description: The number of bytes that became free.
  returned: I(state=absent)
  type: int
answer:
  description: The document that C(kata-deploy) printed with C(--json).
  returned: success
  type: dict
command:
  description: The command line, without the users and passwords of URLs.
  returned: always
  type: list
  elements: str
code:
  description: The error code of C(kata-deploy), such as C(trust), C(limit), C(state).
  returned: failure
  type: str
  sample: trust
rc:
  description: The exit status of C(kata-deploy).
  returned: always
  type: int
stderr:
  description: Its messages, such as warnings about mirrors.
  returned: if not empty
  type: str
"""

import json
import os
import re

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.validation import check_type_path

VERBS = {"present": "install", "absent": "uninstall", "fetched": "fetch"}

ALL = frozenset(VERBS)
RELEASE = frozenset(["present", "fetched"])
MANAGER = frozenset(["present", "absent"])
PRESENT = frozenset(["present"])
ABSENT = frozenset(["absent"])
FETCHED = frozenset(["fetched"])

# How a parameter is translated into words of the command line.
VALUE = "value"
EACH = "once for each"
COMMAS = "joined by commas"
FLAG = "if true"
UNLESS = "if false"
PAIRS = "NAME=VALUE for each"

# parameter, type, translation, option, the states whose verb has that option
OPTIONS = [
    ("release", "sources", EACH, "--release", RELEASE),
    ("dest", "path", VALUE, "--to", FETCHED),
    ("key", "paths", EACH, "--key", RELEASE),
    ("channel_key", "paths", EACH, "--channel-key", RELEASE),
    ("trust_dir", "path", VALUE, "--trust-dir", RELEASE),
    ("threshold", "int", VALUE, "--threshold", RELEASE),
    ("pin", "str", VALUE, "--pin", RELEASE),
    ("components", "list", COMMAS, "--components", RELEASE),
    ("without", "list", COMMAS, "--without", PRESENT),
    ("cri", "str", VALUE, "--cri", MANAGER),
    ("cri_config", "path", VALUE, "--cri-config", MANAGER),
    ("cri_socket", "path", VALUE, "--cri-socket", MANAGER),
    ("restart_with", "str", VALUE, "--restart-with", MANAGER),
    ("restart_seconds", "int", VALUE, "--restart-seconds", MANAGER),
    ("handlers", "files", PAIRS, "--handler", PRESENT),
    ("default_handlers", "true", UNLESS, "--no-default-handlers", PRESENT),
    ("proof", "true", UNLESS, "--no-proof", PRESENT),
    ("allow_downgrade", "false", FLAG, "--allow-downgrade", RELEASE),
    ("allow_expired", "false", FLAG, "--allow-expired", RELEASE),
    ("without_channel", "false", FLAG, "--without-channel", RELEASE),
    ("force", "false", FLAG, "--force", ABSENT),
    ("forget_trust", "false", FLAG, "--forget-trust", ABSENT),
    ("cacert", "path", VALUE, "--cacert", RELEASE),
    ("proxy", "str", VALUE, "--proxy", RELEASE),
    ("limit_rate", "str", VALUE, "--limit-rate", RELEASE),
    ("cache", "path", VALUE, "--cache", RELEASE),
    ("prefix", "path", VALUE, "--prefix", ALL),
    ("root", "path", VALUE, "--root", ALL),
    ("lock", "path", VALUE, "--lock", ALL),
    ("lock_wait", "int", VALUE, "--lock-wait", ALL),
    ("trust_memory", "path", VALUE, "--trust-memory", ALL),
]

TYPES = {
    "list": dict(type="list", elements="str"),
    "paths": dict(type="list", elements="path", no_log=False),
    "sources": dict(type="list", elements="str"),
    "files": dict(type="dict"),
    "true": dict(type="bool", default=True),
    "false": dict(type="bool", default=False),
}


def argument_spec():
    spec = dict((name, dict(TYPES.get(kind, dict(type=kind)))) for name, kind, _how, _option, _states in OPTIONS)
    spec["state"] = dict(type="str", choices=["present", "absent", "fetched"], default="present")
    spec["executable"] = dict(type="path")
    return spec


def expand(kind, value):
    """Does with paths inside other types what Ansible does with those of type path."""
    if kind == "sources" and value is not None:
        return [item if "://" in item else check_type_path(item) for item in value]
    if kind == "files" and value is not None:
        return dict((name, check_type_path(value[name])) for name in value)
    return value


def words_of(how, option, value):
    if how == FLAG:
        return [option] if value else []
    if how == UNLESS:
        return [] if value else [option]
    if value is None:
        return []
    if how == EACH:
        return [word for item in value for word in (option, item)]
    if how == COMMAS:
        return [option, ",".join(value)] if value else []
    if how == PAIRS:
        return [word for name in sorted(value) for word in (option, "%s=%s" % (name, value[name]))]
    return [option, str(value)]


def command_line(module, program):
    state = module.params["state"]
    words = [program, VERBS[state], "--json", "--quiet"]
    for name, kind, how, option, states in OPTIONS:
        if state in states:
            words += words_of(how, option, expand(kind, module.params[name]))
    return words


def user_of(url):
    """The user and password of a URL or of a proxy, with the @ that follows; empty if it has none."""
    host = re.split("[/?#]", url.split("://", 1)[-1])[0]
    return host[:host.rfind("@") + 1]


def hide_passwords(module):
    """Has Ansible remove the users and passwords of URLs from all that the module returns: the command line,
    the parameters that it returns besides, and messages that repeat a URL."""
    urls = [item for item in module.params["release"] or [] if "://" in item]
    urls += [module.params["proxy"] or ""]
    module.no_log_values.update(user for user in map(user_of, urls) if len(user) > 1)


def is_installed(module):
    """Whether there is an installation, or what an interrupted one has left. An administrator's files alone are none."""
    prefix = (module.params["root"] or "") + (module.params["prefix"] or "/opt/kata")
    return any(os.path.lexists(os.path.join(prefix, name)) for name in ("current", "state"))


def reject_strays(module):
    """Rejects parameters that would silently have no effect."""
    state = module.params["state"]
    for name, kind, _how, _option, states in OPTIONS:
        unset = {"true": True, "false": False}.get(kind)
        # Parameters of a whole play may be given to both present and absent.
        if state == "fetched" and state not in states and module.params[name] != unset:
            module.fail_json(msg="%s has no meaning with state=%s; leave it out" % (name, state))


def run(module, words):
    """Runs kata-deploy and returns the document that it prints; its error fails the module."""
    # The module has expanded what is a path; other words are not to be changed.
    rc, out, err = module.run_command(
        words, environ_update=dict(LC_ALL="C", LANG="C"), expand_user_and_vars=False)
    about = dict(command=words, rc=rc)
    try:
        answer = json.loads(out) if out.strip() else {}
    except ValueError:
        answer = {}
    if not isinstance(answer, dict):
        answer = {}
    if rc != 0:
        error = answer.get("error") or {}
        said = error.get("message") or err.strip() or "kata-deploy exited with status %d and no message" % rc
        module.fail_json(msg=said, code=error.get("code", "failed"), stderr=err, **about)
    if not answer:
        module.fail_json(msg="kata-deploy printed no document: %s" % out[:200], code="protocol", stderr=err, **about)
    if err.strip():
        about["stderr"] = err
    return answer, about


def plan(module, words):
    """The result of check mode: the plan of kata-deploy."""
    answer, about = run(module, words + ["--dry-run"])
    result = dict(changed=bool(answer.get("changes")), answer=answer, **about)
    if "version" in answer:
        result["version"] = answer["version"]
        result["restarted"] = bool(answer.get("restart"))
    if module._diff and result["changed"]:
        result["diff"] = dict(prepared=answer.get("summary", ""))
    return result


def change(module, words):
    can_ask = module.params["state"] != "fetched"
    before = plan(module, words) if module._diff and can_ask else {}
    answer, about = run(module, words + ["--yes"] if can_ask else words)
    result = dict(changed=bool(answer.get("changed")), answer=answer, **about)
    for name in ("version", "generation", "restarted", "proof", "freed"):
        if name in answer:
            result[name] = answer[name]
    if "diff" in before:
        result["diff"] = before["diff"]
    return result


def main():
    module = AnsibleModule(
        argument_spec=argument_spec(),
        required_if=[("state", "fetched", ["dest"])],
        supports_check_mode=True,
    )
    hide_passwords(module)
    reject_strays(module)
    program = module.params["executable"] or module.get_bin_path("kata-deploy", opt_dirs=["/opt/kata/bin"])
    if not program and module.params["state"] == "absent" and not is_installed(module):
        module.exit_json(changed=False, msg="nothing is installed", answer={}, command=["kata-deploy"], rc=0)
    if not program:
        module.fail_json(
            msg="kata-deploy is not on this host; install its package, or let the role copy it (kata_program)",
            code="not-found", command=["kata-deploy"], rc=127)
    words = command_line(module, program)
    if not module.check_mode:
        module.exit_json(**change(module, words))
    if module.params["state"] == "fetched":
        module.exit_json(skipped=True, msg="a fetch has no plan", command=words, rc=0)
    module.exit_json(**plan(module, words))


if __name__ == "__main__":
    main()

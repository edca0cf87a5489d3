// SPDX-License-Identifier: Apache-2.0
/* kata-runtime, the program: reports whether and how containers can run on this node. */

#include "config/config.h"
#include "share/choice.h"
#include "vmm/probe.h"
#include "vmm/qemu/devices.h"
#include "vmm/vmm.h"
#include "vmm/vsock.h"
#include "volume.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/opt.h"
#include "base/str.h"
#include "json/json.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static struct {
	const char *config;
	bool json, help, version;
} o;

static const struct opt opts[] = { OPT_PATH('c', "config", "FILE", &o.config,
					    "use this configuration"),
				   OPT_FLAG(0, "json", &o.json, "print JSON"),
				   OPT_FLAG('v', "version", &o.version, "print the version"),
				   OPT_FLAG('h', "help", &o.help, "print this help"), OPT_END };

enum { HELP_MS = 30000 };

struct verb {
	const char *name, *help;
	int (*run)(struct err *err);
};

/* --- check --- */

static void report(const char *what, bool good, const char *detail)
{
	(void)printf("%-4s %-14s %s\n", good ? "ok" : "no", what, detail);
}

static const char *explain_accelerator(const struct runtime_config *c)
{
	const char *known = vmm_known(VMM_ACCELERATOR);

	if (*c->accelerator)
		return str_eq(c->accelerator, "kvm") ? "kvm, as configured" : "tcg, as configured";
	if (str_eq(known, "kvm"))
		return "kvm: the last VM ran with it";
	if (known)
		return "tcg: /dev/kvm is missing or did not run a guest; containers work, slowly";
	if (str_eq(vmm_guess_accelerator(), "kvm"))
		return "kvm will be tried: /dev/kvm opens; no VM has run yet";
	return "tcg: /dev/kvm cannot be opened; load the kvm module or enable nesting for speed";
}

static const char *explain_transport(const struct runtime_config *c)
{
	const char *known = vmm_known(VMM_TRANSPORT);

	if (*c->transport)
		return str_eq(c->transport, "vsock") ? "vsock, as configured"
						     : "serial, as configured";
	if (!vsock_is_there())
		return "serial: /dev/vhost-vsock cannot be opened; a serial port does as well";
	if (str_eq(known, "vsock"))
		return "vsock: the last VM was reached over it";
	if (known)
		return "serial: /dev/vhost-vsock is there but did not reach a guest";
	return "vsock will be tried: /dev/vhost-vsock is there; no VM has run yet";
}

static const char *transport(const struct runtime_config *c)
{
	const char *settled = vmm_settled(VMM_TRANSPORT, c->transport);

	return *c->transport                                    ? c->transport
	       : !str_eq(settled, "serial") && vsock_is_there() ? "vsock"
								: "serial";
}

static const char *accelerator(const struct runtime_config *c)
{
	const char *known = *c->accelerator ? c->accelerator : vmm_known(VMM_ACCELERATOR);

	return known ? known : vmm_guess_accelerator();
}

/* The path, and whether the file is the release's or the node's; heap. */
static char *explain_origin(const char *path)
{
	return str_fmt("%s, %s", path, config_brings(path) ? "of this release" : "the node's own");
}

/* How files reach the guest, and why so; heap, or NULL with an error. */
static char *explain_share(const struct runtime_config *c, struct err *err)
{
	AUTO(str) char *daemon = explain_origin(c->virtiofsd);
	struct share_choice choice;

	if (share_choose(c, accelerator(c), &choice, err) < 0)
		return NULL;
	if (str_eq(choice.fs, SHARE_NONE))
		return str_fmt("%s: %s; files are copied into the guest", choice.fs, choice.why);
	return str_eq(choice.fs, SHARE_VIRTIOFS)
		       ? str_fmt("%s: %s; %s", choice.fs, choice.why, daemon)
		       : str_fmt("%s: %s; served by QEMU", choice.fs, choice.why);
}

/* Reports which devices QEMU lacks. False, with an error, if it lacks any or cannot be asked. */
static bool report_devices(const struct runtime_config *c, struct err *err)
{
	AUTO(strv) char **missing = NULL;
	AUTO(str) char *names = NULL;

	if (qemu_missing(c->qemu_path, &missing, deadline_in(HELP_MS), err) < 0) {
		report("devices", false, "QEMU does not list them");
		return false;
	}
	if (!missing) {
		report("devices", true, "QEMU has all that the runtime can ask for");
		return true;
	}
	names = strv_join(missing, " ");
	report("devices", false, names);
	err_set(err, E_UNSUPPORTED, "QEMU (%s) lacks what the runtime can ask for: %s",
		c->qemu_path, names);
	err_hint(err, "set path = \"bin/qemu-system-x86_64\", which the release brings, or install "
		      "all of "
		      "the distribution's QEMU");
	return false;
}

/* Reports the guest's root: initrd or image. */
static void report_root(const struct runtime_config *c)
{
	AUTO(str) char *image = NULL;

	if (!*c->image) {
		report("initrd", true, c->initrd);
		return;
	}
	image = str_fmt("%s: %s, as %s, %s", c->image, c->root.fs,
			config_has_nvdimm(c) ? "an nvdimm" : "a disk",
			*c->root.root_hash ? "verified by the guest" : "not verified");
	report("image", true, image);
}

static int cmd_check(struct err *err)
{
	AUTO(config) struct runtime_config *c = config_load(o.config, NULL, err);
	AUTO(str) char *share = c ? explain_share(c, err) : NULL;
	AUTO(str) char *qemu = c ? explain_origin(c->qemu_path) : NULL;

	if (!c)
		return -1;
	report("configuration", true, c->file);
	report("QEMU", true, qemu);
	report("kernel", true, c->kernel);
	report_root(c);
	report("files", share != NULL, share ? share : c->shared_fs);
	report("accelerator", true, explain_accelerator(c));
	report("transport", true, explain_transport(c));
	if (!share || !report_devices(c, err) || vmm_may_insist(c->accelerator, c->file, err) < 0)
		return -1;
	if (geteuid() != 0)
		return err_set(err, E_PERMISSION,
			       "containers need root; run this command as root to check "
			       "what root can use");
	return 0;
}

/* --- env --- */

static void describe_share(const struct runtime_config *c, struct json *vmm)
{
	struct err refused = ERR_INIT;
	struct share_choice choice;

	if (share_choose(c, accelerator(c), &choice, &refused) < 0)
		choice = (struct share_choice){ c->shared_fs, refused.msg };
	json_put(vmm, "shared_fs", json_make_string(choice.fs));
	json_put(vmm, "shared_fs_why", json_make_string(choice.why));
}

static void describe_root(const struct runtime_config *c, struct json *vmm)
{
	if (!*c->image) {
		json_put(vmm, "initrd", json_make_string(c->initrd));
		return;
	}
	json_put(vmm, "image", json_make_string(c->image));
	json_put(vmm, "image_type", json_make_string(c->root.fs));
	json_put(vmm, "image_device",
		 json_make_string(config_has_nvdimm(c) ? "nvdimm" : "virtio-blk"));
	json_put(vmm, "image_root_hash",
		 *c->root.root_hash ? json_make_string(c->root.root_hash) : json_make_null());
}

static struct json *describe(const struct runtime_config *c)
{
	struct json *j = json_make_object(), *runtime = json_make_object(),
		    *vmm = json_make_object(), *host = json_make_object();
	struct utsname u;

	(void)uname(&u);
	json_put(runtime, "version", json_make_string(KATA_VERSION));
	json_put(runtime, "configuration", json_make_string(c->file));
	json_put(vmm, "path", json_make_string(c->qemu_path));
	json_put(vmm, "of_this_release", json_make_bool(config_brings(c->qemu_path)));
	json_put(vmm, "machine_type", json_make_string(c->machine_type));
	json_put(vmm, "accelerator", json_make_string(accelerator(c)));
	json_put(vmm, "transport", json_make_string(transport(c)));
	json_put(vmm, "kernel", json_make_string(c->kernel));
	describe_root(c, vmm);
	describe_share(c, vmm);
	json_put(vmm, "default_vcpus", json_make_real(c->vcpus));
	json_put(vmm, "default_memory_mib", json_make_int(c->memory_mib));
	json_put(host, "kernel", json_make_string(u.release));
	json_put(host, "architecture", json_make_string(u.machine));
	json_put(j, "runtime", runtime);
	json_put(j, "hypervisor", vmm);
	json_put(j, "host", host);
	return j;
}

static void print_plain(const struct json *j)
{
	for (void *it = json_begin(j); it; it = json_after(j, it)) {
		const struct json *part = json_value(it);

		for (void *in = json_begin(part); in; in = json_after(part, in)) {
			AUTO(str) char *value = json_format(json_value(in), false);

			(void)printf("%s.%s = %s\n", json_key(it), json_key(in), value);
		}
	}
}

static int cmd_env(struct err *err)
{
	AUTO(config) struct runtime_config *c = config_load(o.config, NULL, err);
	AUTO(json) struct json *j = c ? describe(c) : NULL;

	if (!j)
		return -1;
	if (o.json) {
		AUTO(str) char *text = json_format(j, true);

		(void)puts(text);
	} else {
		print_plain(j);
	}
	return 0;
}

/* --- main --- */

static const struct verb verbs[] = {
	{ "check", "check whether containers can run here, and how", cmd_check },
	{ "env", "describe the runtime, the VMM and the host", cmd_env },
	{ NULL, NULL, NULL },
};

static void help(void)
{
	(void)puts("kata-runtime [options] VERB\n");
	for (const struct verb *v = verbs; v->name; v++)
		(void)printf("  %-13s %s\n", v->name, v->help);
	(void)printf("  %-13s %s\n", "direct-volume",
		     "give pods a block device as a volume; see "
		     "direct-volume --help");
	(void)puts("");
	opt_help(opts, stdout);
}

static int dispatch(const char *name, struct err *err)
{
	const char *names[ARRAY_LEN(verbs)] = { NULL }, *near;

	for (size_t i = 0; verbs[i].name; i++) {
		if (str_eq(verbs[i].name, name))
			return verbs[i].run(err);
		names[i] = verbs[i].name;
	}
	near = str_nearest(name, names);
	err_set(err, E_USAGE, "unknown verb '%s'", name);
	return near ? err_hint(err, "did you mean %s?", near) : err_hint(err, "see --help");
}

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;
	int first, last;
	bool has_own; /* verbs and options of its own */

	fd_fill_standard();
	file_set_umask();
	first = opt_parse(opts, OPT_PLAIN, argc, argv, &err);
	/* "help", also with the name of a verb: all options are the program's. */
	if (first >= 0 && first < argc && str_eq(argv[first], "help")) {
		o.help = true;
		first = argc;
	}
	has_own = first >= 0 && first < argc && str_eq(argv[first], "direct-volume");
	/* Options may follow the verb too: kata-runtime env --json. */
	if (first >= 0 && first + 1 < argc && !has_own) {
		last = opt_parse(opts, OPT_PLAIN, argc - first, argv + first, &err);
		if (last >= 0 && first + last < argc)
			err_set(&err, E_USAGE, "unexpected argument '%s'; see --help",
				argv[first + last]);
	}
	if (!err.code && o.version) {
		(void)printf("kata-runtime %s\n", KATA_VERSION);
	} else if (!err.code && (o.help || first == argc)) {
		help();
	} else if (!err.code) {
		(void)!(has_own ? volume_verb(argc - first, argv + first, &err)
				: dispatch(argv[first], &err));
	}
	if (fd_end_output(&err))
		(void)fprintf(stderr, "kata-runtime: %s\n", err.msg);
	return err.code ? err_exit_status(err.code) : EXIT_SUCCESS;
}

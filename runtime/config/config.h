// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * configuration.toml: upstream Kata's keys (tables [hypervisor.qemu], [agent.kata], [runtime],
 * [factory]) with config.d/ drop-ins.
 *
 *	struct runtime_config *c = config_load(chosen, annotations, &err);
 *
 * chosen (from the options of CreateTask) may be NULL: then the standard places are searched.
 * Order: chosen, $KATA_CONF_FILE, /etc/kata-containers/configuration.toml, then below the program's
 * own prefix (for a release that was installed as PREFIX/generations/ID: the first of these below
 * PREFIX) PREFIX/etc/configuration.toml and
 * PREFIX/share/defaults/kata-containers/configuration.toml. The first that exists is read; then
 * every file of config.d/ beside it, sorted by name, overrides it key by key. Paths of QEMU,
 * virtiofsd, kernel, initrd, image and firmware without a leading slash are below that prefix: what a release
 * brings. The node's own QEMU is used only when it is named.
 *
 * annotations is a list of alternating names and values (name, value, name, value, NULL), or NULL:
 * those named io.katacontainers.config.{hypervisor,agent,runtime}.KEY override the files. A KEY of
 * the hypervisor must match an expression of enable_annotations as a whole. A path is absolute; it is
 * taken without its symbolic links and then, where the configuration has a valid_* list for it, must
 * match a pattern of that. Any other annotation below io.katacontainers. that is not allowed or not
 * known is an error, but for those of single containers (container.*, shim/annotation.h) and what
 * runtimes themselves add (pkg.oci.*).
 *
 * The guest's root is an initrd or an image (image.h), never both; an annotation that names one
 * replaces the other, too, and with it what was configured of an image's verification.
 *
 * io.katacontainers.config.hypervisor.{kernel,initrd,image,firmware,hypervisor}_hash is the SHA-512 of that
 * file, whoever named it. The file is opened once, and what was opened is what the VM is given.
 *
 * io.katacontainers.config_path names another file to read instead. It must lie below one of the
 * directories listed in valid_config_paths in [runtime] of the first file (links are resolved; the
 * default is none). The lists in that other file then apply to the other annotations.
 *
 * Nothing is silently ignored: a known key is either supported, or accepted only with values that
 * have no effect here; any other value, and every unknown key, is an error with file, line and
 * remedy.
 */

#include "base/err.h"
#include "base/scope.h"
#include "base/str.h"
#include "config/image.h"

#include <stdbool.h>
#include <stdint.h>

/* Files that a VM is made of. */
enum config_asset {
	ASSET_HYPERVISOR,
	ASSET_KERNEL,
	ASSET_INITRD,
	ASSET_FIRMWARE,
	ASSET_IMAGE,
	ASSETS
};

struct runtime_config {
	char *file; /* path of the file that was read */
	/* The fd of an asset whose digest was checked: to be used instead of its path. 0: none. */
	int checked[ASSETS];

	/* [hypervisor.qemu] */
	char *initrd, *image; /* one of the two is empty */
	char *rootfs_type, *verity_params;
	struct root_image root; /* what the image is, where there is one */
	bool image_nvdimm_off;  /* it is a disk */
	char *qemu_path, *kernel, *machine_type, *kernel_params, *firmware;
	char *machine_accelerators, *cpu_features, *seccomp_sandbox, *entropy_source;
	char *shared_fs; /* "" (share/choice.h), "virtio-fs", "virtio-9p" or "none" */
	char *virtiofsd, *virtiofs_cache, *file_mem_backend, *guest_hook_path;
	char **virtiofsd_args;
	double vcpus;      /* < 0: all of the host; may be a fraction */
	int64_t max_vcpus; /* 0: the host's */
	int64_t memory_mib, max_memory_mib;
	int64_t memory_slots; /* for DIMMs, where memory does not grow by virtio-mem */
	int64_t msize_9p, pcie_root_ports;
	bool virtio_mem;
	int64_t bridges;    /* for what is plugged in later; 0: nothing is */
	char *block_driver; /* "virtio-blk" or "virtio-scsi" */
	char *block_aio;    /* "threads", "native" or "io_uring" */
	bool guest_swap;    /* containers that may swap have something to swap to */
	bool block_off;     /* block devices are mounted by the host, and shared */
	/* cache_set: the other two are passed on, instead of QEMU's own choice. */
	bool block_cache_set, block_cache_direct, block_cache_noflush;
	int64_t logical_sector, physical_sector; /* bytes that disks say; 0: QEMU's choice */
	int64_t rx_max_rate, tx_max_rate;        /* bits a second of each interface; 0: no limit */
	bool rootless;
	bool selinux_off; /* the VMM has our label, not the sandbox container's */
	bool hypervisor_debug, legacy_serial, hugepages, mem_prealloc, vhost_net_off;
	char *accelerator; /* "" (try KVM, else TCG), "kvm", "tcg" */
	char *transport; /* "" (try vsock where the host has it, else serial), "vsock", "serial" */

	/* [agent.kata] */
	bool agent_debug;
	char **kernel_modules;
	int64_t dial_timeout_s, request_timeout_s;

	/* [runtime] */
	char *net_model; /* "tcfilter", "macvtap" or "none" */
	bool debug, guest_seccomp_off, new_netns_off, guest_empty_dir_off;
	bool static_size; /* the VM has its final size when it boots */
	bool sandbox_cgroup_only, pin_vcpus;
	char **sandbox_bind_mounts;
	int64_t create_container_timeout_s;
};

/* The file that config_load would read, heap. E_NOT_FOUND lists the places searched. */
char *config_find(const char *asked, struct err *err);
struct runtime_config *config_load(const char *asked, const char *const *annotations,
				   struct err *err);
void config_free(struct runtime_config *c);
DEFINE_AUTO(config, struct runtime_config *, NULL, config_free)

/* True if the guest has its image as an nvdimm, and not as a disk. */
static inline bool config_has_nvdimm(const struct runtime_config *c)
{
	return *c->image && !c->image_nvdimm_off && !str_eq(c->machine_type, "microvm");
}

/* True if that file is the release's: below the prefix of the running program. */
bool config_brings(const char *path);

/* PREFIX of the running program: the parent directory of its bin/, heap. */
char *config_prefix(void);

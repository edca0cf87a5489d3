// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The runtime's configuration: configuration.toml with upstream Kata's keys (tables
 * [hypervisor.qemu], [agent.kata], [runtime], [factory]), drop-ins in config.d/, and annotations.
 *
 *	AUTO(config) struct runtime_config *c = config_load(asked, annotations, err);
 *
 * The file is the first of these that is set or exists:
 *
 *	asked					from the options of containerd's Create
 *	$KATA_CONF_FILE
 *	/etc/kata-containers/configuration.toml
 *	PREFIX/etc/configuration.toml
 *	PREFIX/share/defaults/kata-containers/configuration.toml
 *
 * PREFIX is that of the running program. For a release installed as DIR/generations/ID it is that
 * directory, but the file below etc/ is that of DIR. Then every file of config.d/ beside the
 * configuration, sorted by name, overrides it key by key. Paths of QEMU, virtiofsd, kernel, initrd,
 * image and firmware without a leading slash are below PREFIX, where a release has these files; the
 * node's own QEMU is used only if its path is configured.
 *
 * annotations is a list of alternating names and values that ends with NULL, or is NULL. Those
 * named io.katacontainers.config.{hypervisor,agent,runtime}.KEY override the files. A KEY of the
 * hypervisor must match one of the expressions in enable_annotations as a whole. A path must be
 * absolute; its symbolic links are resolved, and if the configuration has a valid_* list for the
 * key, the result must match a pattern in it. A boolean is one of the words that Go's
 * strconv.ParseBool accepts, such as "true", "True" and "1". Any other annotation below
 * io.katacontainers. is an error, except those of single containers (container.*,
 * shim/annotation.h) and those that runtimes add (pkg.oci.*).
 *
 * The guest's root is an initrd or an image (image.h), never both. An annotation that names one
 * also replaces the other, and what is configured about an image's verification.
 *
 * io.katacontainers.config.hypervisor.{kernel,initrd,image,firmware,hypervisor}_hash is the SHA-512
 * digest of that file, wherever its path comes from. The file is opened once, checked, and passed
 * to the VM as an fd.
 *
 * io.katacontainers.config_path names another file to read instead. It must be below one of the
 * directories in valid_config_paths in [runtime] of the first file (links are resolved; the default
 * is none). The lists in that other file then apply to the other annotations.
 *
 * Nothing is silently ignored. A known key is supported, or accepted only with values that change
 * nothing here; any other value, and every unknown key, is an error with file, line and hint.
 */

#include "base/err.h"
#include "base/scope.h"
#include "base/str.h"
#include "config/image.h"

#include <stdbool.h>
#include <stdint.h>

/* Files that a VM consists of. */
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
	/* The fd of an asset whose digest was checked, to be used instead of its path; else 0. */
	int checked[ASSETS];

	/* [hypervisor.qemu] */
	char *initrd, *image; /* one of the two is empty */
	char *rootfs_type, *verity_params;
	struct root_image root; /* properties of the image, if there is one */
	bool image_nvdimm_off;  /* the guest has the image as a disk, not as an nvdimm */
	char *qemu_path, *kernel, *machine_type, *kernel_params, *firmware;
	char *machine_accelerators, *cpu_features, *seccomp_sandbox, *entropy_source;
	char *shared_fs; /* "" (share/choice.h), "virtio-fs", "virtio-9p" or "none" */
	char *virtiofsd, *virtiofs_cache, *file_mem_backend, *guest_hook_path;
	char **virtiofsd_args;
	double vcpus;      /* may be a fraction; < 0: as many as the host has */
	int64_t max_vcpus; /* 0: as many as the host has */
	int64_t memory_mib, max_memory_mib;
	int64_t memory_slots; /* for DIMMs, if memory does not grow by virtio-mem */
	int64_t msize_9p, pcie_root_ports;
	bool virtio_mem;
	int64_t bridges;    /* for devices plugged while the VM runs; 0: none can be */
	char *block_driver; /* "virtio-blk" or "virtio-scsi" */
	char *block_aio;    /* "threads", "native" or "io_uring" */
	bool guest_swap;    /* containers that may swap get swap space in the guest */
	bool block_off; /* root file systems on block devices are mounted by the host, and shared */
	/* block_cache_set: the other two are passed to QEMU; else QEMU's defaults hold. */
	bool block_cache_set, block_cache_direct, block_cache_noflush;
	int64_t logical_sector, physical_sector; /* sector sizes of disks; 0: QEMU's default */
	int64_t rx_max_rate, tx_max_rate; /* bits per second of each interface; 0: no limit */
	bool rootless;                    /* the VMM has a user of its own */
	bool selinux_off; /* the VMM has the shim's label, not the sandbox container's */
	bool hypervisor_debug, legacy_serial, hugepages, mem_prealloc, vhost_net_off;
	char *accelerator; /* "" (try KVM, else TCG), "kvm", "tcg" */
	char *transport; /* "" (try vsock where the host has it, else serial), "vsock", "serial" */

	/* [agent.kata] */
	bool agent_debug;
	char **kernel_modules;
	int64_t dial_timeout_s, request_timeout_s;
	int64_t health_timeout_s; /* 0: the agent is not checked while the VM runs */

	/* [runtime] */
	char *net_model; /* "tcfilter", "macvtap" or "none" */
	bool debug, guest_seccomp_off, new_netns_off, guest_empty_dir_off;
	bool static_size; /* the VM has its final size when it boots */
	bool sandbox_cgroup_only, pin_vcpus;
	char **sandbox_bind_mounts;
	int64_t create_container_timeout_s;
};

/* The path of the file that config_load() would read, heap; NULL with E_NOT_FOUND. asked may be
 * NULL. */
char *config_find(const char *asked, struct err *err);
/* Returns the configuration, for config_free(); NULL on failure. Annotations that have contributed
 * to an error are named. */
struct runtime_config *config_load(const char *asked, const char *const *annotations,
				   struct err *err);
void config_free(struct runtime_config *c);
DEFINE_AUTO(config, struct runtime_config *, NULL, config_free)

/* True if the guest has its image as an nvdimm, not as a disk. */
static inline bool config_has_nvdimm(const struct runtime_config *c)
{
	return *c->image && !c->image_nvdimm_off && !str_eq(c->machine_type, "microvm");
}

/* True if the path is that of a file of the release: below PREFIX. */
bool config_brings(const char *path);

/* PREFIX, the parent directory of the running program's bin/; heap. */
char *config_prefix(void);

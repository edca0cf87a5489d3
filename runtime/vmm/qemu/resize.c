// SPDX-License-Identifier: Apache-2.0
/*
 * Plugs processors and memory into a running QEMU, and changes the size of a virtio-mem device.
 * QEMU may execute a command that it did not answer in time. So each part gets a new name, from a
 * counter, and after such a command QEMU is asked what it has.
 */

#include "vmm/qemu/resize.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "vmm/qemu/cmdline.h"
#include "vmm/qemu/qmp.h"
#include "json/json.h"

#include <poll.h>
#include <stdlib.h>

enum { MIB = 1 << 20, LOOK_MS = 10, UNDO_MS = 1000, BLOCK_MIB = 2, PAGES_SHARE = 64 };

#define MEMORY "growth-memory"
#define DEVICE "growth-device"

struct qemu_growth {
	const struct runtime_config *config;
	bool shared;           /* virtiofsd maps the guest's memory */
	bool cpus;             /* the VM has slots for more processors */
	unsigned most_vcpus;   /* with these */
	uint64_t more_mib;     /* how much memory can be added */
	struct vmm_size start; /* as it was booted */
	struct vmm_size now;
	unsigned dimms;
	unsigned names; /* given to processors and DIMMs so far */
	bool device;    /* the virtio-mem device is plugged */
	bool unsure;    /* a command was not answered in time: now, dimms and device may be wrong */
};

struct qemu_growth *qemu_growth_new(const struct vmm_request *r)
{
	struct qemu_growth *g = NEW(struct qemu_growth);

	g->config = r->config;
	g->shared = qemu_shares_memory(r);
	g->cpus = qemu_grows_cpus(r);
	g->more_mib = qemu_grows_memory(r);
	g->most_vcpus = g->cpus ? r->most.vcpus : r->size.vcpus;
	g->start = (struct vmm_size){ r->size.vcpus, qemu_boot_memory(r) };
	g->now = g->start;
	return g;
}

void qemu_growth_free(struct qemu_growth *g)
{
	free(g);
}

struct vmm_size qemu_most(const struct vmm *vmm)
{
	const struct qemu_growth *g = vmm->growth;

	return (struct vmm_size){ g->most_vcpus, g->start.memory_mib + g->more_mib };
}

/* --- processors --- */

/* Plugs a processor into a slot: device_add takes the model and the properties that QEMU lists for
 * it. */
static int plug_cpu(struct vmm *vmm, const struct json *slot, struct deadline deadline,
		    struct err *err)
{
	struct qemu_growth *g = vmm->growth;
	const char *model = json_get_text(slot, "type");
	const struct json *place = json_get(slot, "props");
	AUTO(str) char *id = str_fmt("cpu%u", g->names++);
	struct json *arguments;

	if (!model || !place || json_kind(place) != JSON_IS_OBJECT)
		return err_set(err, E_PROTOCOL, "QMP query-hotpluggable-cpus: not as expected");
	arguments = json_make_object();
	json_put(arguments, "driver", json_make_string(model));
	json_put(arguments, "id", json_make_string(id));
	for (void *it = json_begin(place); it; it = json_after(place, it))
		json_put(arguments, json_key(it), json_share(json_value(it)));
	if (qmp_execute(vmm->control, "device_add", arguments, deadline, NULL, err) < 0)
		return err_wrap(err, "plug a processor");
	g->now.vcpus++;
	return 0;
}

/* Asks for a list; *out is for json_free(). */
static int list(struct vmm *vmm, const char *command, struct json **out, struct deadline deadline,
		struct err *err)
{
	if (qmp_execute(vmm->control, command, NULL, deadline, out, err) < 0)
		return -1;
	if (json_kind(*out) == JSON_IS_ARRAY)
		return 0;
	json_free(STEAL(*out, NULL));
	return err_set(err, E_PROTOCOL, "QMP %s: not a list", command);
}

static bool is_free(const struct json *slot)
{
	return json_kind(slot) == JSON_IS_OBJECT && !json_get(slot, "qom-path");
}

/* Fills slots from the first; QEMU lists them from the last. */
static int grow_cpus(struct vmm *vmm, unsigned vcpus, struct deadline deadline, struct err *err)
{
	const struct qemu_growth *g = vmm->growth;
	AUTO(json) struct json *slots = NULL;

	if (vcpus <= g->now.vcpus || !g->cpus)
		return 0;
	if (list(vmm, "query-hotpluggable-cpus", &slots, deadline, err) < 0)
		return -1;
	for (size_t i = json_count(slots); i > 0 && g->now.vcpus < vcpus; i--) {
		const struct json *slot = json_at(slots, i - 1);

		if (is_free(slot) && plug_cpu(vmm, slot, deadline, err) < 0)
			return -1;
	}
	return 0;
}

static int look_for_cpus(struct vmm *vmm, struct deadline deadline, struct err *err)
{
	struct qemu_growth *g = vmm->growth;
	AUTO(json) struct json *slots = NULL;

	if (list(vmm, "query-hotpluggable-cpus", &slots, deadline, err) < 0)
		return -1;
	g->now.vcpus = 0;
	for (size_t i = 0; i < json_count(slots); i++)
		g->now.vcpus += !is_free(json_at(slots, i));
	return 0;
}

/* --- memory --- */

/* Removes a memory backend, unless a device uses it. QEMU executes this after the command before it,
 * even if that was not answered in time. */
static void drop_backend(struct vmm *vmm, const char *id)
{
	struct json *arguments = json_make_object();

	json_put(arguments, "id", json_make_string(id));
	qmp_tell(vmm->control, "object-del", arguments);
}

/* Memory of the kind that the VM was booted with; the host commits it when it is used. */
static int add_backend(struct vmm *vmm, const char *id, uint64_t size, struct deadline deadline,
		       struct err *err)
{
	const struct qemu_growth *g = vmm->growth;
	const struct runtime_config *c = g->config;
	const char *type = qemu_memory_type(c, g->shared);
	struct json *a = json_make_object();

	json_put(a, "qom-type", json_make_string(type));
	json_put(a, "id", json_make_string(id));
	json_put(a, "size", json_make_u64(size));
	json_put(a, "share", json_make_bool(!str_eq(type, QEMU_MEMORY_RAM)));
	json_put(a, "reserve", json_make_bool(false));
	if (str_eq(type, QEMU_MEMORY_FILE))
		json_put(a, "mem-path", json_make_string(c->file_mem_backend));
	else if (c->hugepages)
		json_put(a, "hugetlb", json_make_bool(true));
	if (c->mem_prealloc && !c->virtio_mem)
		json_put(a, "prealloc", json_make_bool(true));
	if (qmp_execute(vmm->control, "object-add", a, deadline, NULL, err) == 0)
		return 0;
	if (err->code == E_TIMEOUT)
		drop_backend(vmm, id);
	return -1;
}

/* Adds the device of a memory backend; on failure removes the backend. */
static int add_device(struct vmm *vmm, const char *backend, struct json *arguments,
		      struct deadline deadline, struct err *err)
{
	json_put(arguments, "memdev", json_make_string(backend));
	if (qmp_execute(vmm->control, "device_add", arguments, deadline, NULL, err) == 0)
		return 0;
	drop_backend(vmm, backend);
	return -1;
}

static uint64_t number_of(const struct json *object, const char *key)
{
	const struct json *j = json_get(object, key);

	return j && json_kind(j) == JSON_IS_INT && json_int(j) > 0 ? (uint64_t)json_int(j) : 0;
}

/* The data of a memory device, or NULL. */
static const struct json *data_of(const struct json *device)
{
	const struct json *data = json_kind(device) == JSON_IS_OBJECT ? json_get(device, "data")
								      : NULL;

	return data && json_kind(data) == JSON_IS_OBJECT ? data : NULL;
}

/* An image that is an nvdimm is no memory. */
static int look_for_memory(struct vmm *vmm, struct deadline deadline, struct err *err)
{
	struct qemu_growth *g = vmm->growth;
	AUTO(json) struct json *devices = NULL;
	uint64_t bytes = 0;

	if (list(vmm, "query-memory-devices", &devices, deadline, err) < 0)
		return -1;
	g->dimms = 0;
	for (size_t i = 0; i < json_count(devices); i++) {
		const struct json *data = data_of(json_at(devices, i));
		const char *type = data ? json_get_text(json_at(devices, i), "type") : NULL;

		g->device |= str_eq(type, "virtio-mem");
		if (str_eq(type, "dimm")) {
			g->dimms++;
			bytes += number_of(data, "size");
		}
	}
	if (!g->config->virtio_mem)
		g->now.memory_mib = g->start.memory_mib + bytes / MIB;
	return 0;
}

/*
 * The address of a new DIMM; 0: QEMU chooses. Behind a root image that is an nvdimm QEMU would
 * choose the end of the image, but the guest's kernel takes memory only from a whole step.
 */
static int choose_address(struct vmm *vmm, uint64_t *at, struct deadline deadline, struct err *err)
{
	const struct qemu_growth *g = vmm->growth;
	const uint64_t step = qemu_memory_step(g->config) * MIB;
	AUTO(json) struct json *devices = NULL;

	*at = 0;
	if (!config_has_nvdimm(g->config))
		return 0;
	if (list(vmm, "query-memory-devices", &devices, deadline, err) < 0)
		return -1;
	for (size_t i = 0; i < json_count(devices); i++) {
		const struct json *data = data_of(json_at(devices, i));
		uint64_t end = data ? number_of(data, "addr") + number_of(data, "size") : 0;

		if (end > *at)
			*at = end;
	}
	*at = qemu_round_up(*at, step);
	return 0;
}

static int plug_dimm(struct vmm *vmm, uint64_t mib, struct deadline deadline, struct err *err)
{
	struct qemu_growth *g = vmm->growth;
	unsigned name = g->names++;
	AUTO(str) char *backend = str_fmt(MEMORY "-%u", name);
	AUTO(str) char *id = str_fmt("dimm%u", name);
	struct json *arguments;
	uint64_t at;

	if (g->dimms >= (unsigned)g->config->memory_slots) {
		err_set(err, E_LIMIT, "all %lld memory slots of the VM are in use",
			(long long)g->config->memory_slots);
		return err_hint(err,
				"raise memory_slots in [hypervisor.qemu] of %s, or set "
				"enable_virtio_mem",
				g->config->file);
	}
	if (choose_address(vmm, &at, deadline, err) < 0 ||
	    add_backend(vmm, backend, mib * MIB, deadline, err) < 0)
		return -1;
	arguments = json_make_object();
	json_put(arguments, "driver", json_make_string("pc-dimm"));
	if (at)
		json_put(arguments, "addr", json_make_u64(at));
	json_put(arguments, "id", json_make_string(id));
	if (add_device(vmm, backend, arguments, deadline, err) < 0)
		return -1;
	g->dimms++;
	g->now.memory_mib += mib;
	return 0;
}

/*
 * Before the guest can use a DIMM, its kernel needs 1/64 of its size for the DIMM's pages, from the
 * memory that it has. So a large one follows a smaller one, which is to take half of that memory at
 * most.
 */
static int plug_dimms(struct vmm *vmm, uint64_t mib, struct deadline deadline, struct err *err)
{
	const struct qemu_growth *g = vmm->growth;

	while (mib) {
		bool last = g->dimms + 1 >= (unsigned)g->config->memory_slots;
		uint64_t most = g->now.memory_mib * PAGES_SHARE / 2;
		uint64_t part = mib <= most || last ? mib
						    : most - most % qemu_memory_step(g->config);

		if (plug_dimm(vmm, part, deadline, err) < 0)
			return -1;
		mib -= part;
	}
	return 0;
}

static int plug_virtio_mem(struct vmm *vmm, struct deadline deadline, struct err *err)
{
	struct qemu_growth *g = vmm->growth;
	struct json *a;

	if (add_backend(vmm, MEMORY, g->more_mib * MIB, deadline, err) < 0)
		return -1;
	a = json_make_object();
	json_put(a, "driver", json_make_string("virtio-mem-pci"));
	json_put(a, "id", json_make_string(DEVICE));
	json_put(a, "bus", json_make_string(QEMU_GROWTH_PORT));
	json_put(a, "prealloc", json_make_bool(g->config->mem_prealloc));
	if (add_device(vmm, MEMORY, a, deadline, err) < 0)
		return -1;
	g->device = true;
	return 0;
}

static struct json *property(const char *name)
{
	struct json *a = json_make_object();

	json_put(a, "path", json_make_string("/machine/peripheral/" DEVICE));
	json_put(a, "property", json_make_string(name));
	return a;
}

/* Sets g->now.memory_mib to what the guest has taken of the virtio-mem device. */
static int read_size(struct vmm *vmm, struct deadline deadline, struct err *err)
{
	struct qemu_growth *g = vmm->growth;
	AUTO(json) struct json *size = NULL;
	uint64_t bytes;

	if (qmp_execute(vmm->control, "qom-get", property("size"), deadline, &size, err) < 0)
		return -1;
	if (json_kind(size) != JSON_IS_INT || json_u64(size, &bytes) < 0)
		return err_set(err, E_PROTOCOL, "QMP qom-get: the size of memory is no number");
	g->now.memory_mib = g->start.memory_mib + bytes / MIB;
	return 0;
}

static int request(struct vmm *vmm, uint64_t more_mib, struct deadline deadline, struct err *err)
{
	struct json *a = property("requested-size");

	json_put(a, "value", json_make_u64(more_mib * MIB));
	return qmp_execute(vmm->control, "qom-set", a, deadline, NULL, err);
}

/* Waits until the guest has taken the memory that is offered. It polls, since QEMU limits the event
 * for that to one a second. */
static int await_taken(struct vmm *vmm, uint64_t wanted, struct deadline deadline, struct err *err)
{
	const struct qemu_growth *g = vmm->growth;

	for (;;) {
		if (read_size(vmm, deadline, err) < 0)
			return -1;
		if (g->now.memory_mib >= wanted)
			return 0;
		if (deadline_passed(deadline))
			return err_set(
				err, E_TIMEOUT, "the guest took %llu MiB more of %llu in time",
				(unsigned long long)(g->now.memory_mib - g->start.memory_mib),
				(unsigned long long)(wanted - g->start.memory_mib));
		(void)poll(NULL, 0, LOOK_MS);
	}
}

static int resize_virtio_mem(struct vmm *vmm, uint64_t more, struct deadline deadline,
			     struct err *err)
{
	struct qemu_growth *g = vmm->growth;
	struct err ignored = ERR_INIT;
	uint64_t before, block;

	if (!g->device && (!more || plug_virtio_mem(vmm, deadline, err) < 0))
		return more ? -1 : 0;
	block = qemu_memory_unit(g->config);
	more = qemu_round_up(more, block > BLOCK_MIB ? block : BLOCK_MIB);
	if (read_size(vmm, deadline, err) < 0)
		return -1;
	before = g->now.memory_mib - g->start.memory_mib;
	if (request(vmm, more, deadline, err) < 0)
		return -1;
	if (more > before && await_taken(vmm, g->start.memory_mib + more, deadline, err) < 0) {
		(void)!request(vmm, before, deadline_in(UNDO_MS), &ignored);
		return -1;
	}
	g->now.memory_mib = g->start.memory_mib + more;
	return 0;
}

static int resize_memory(struct vmm *vmm, uint64_t mib, struct deadline deadline, struct err *err)
{
	const struct qemu_growth *g = vmm->growth;
	uint64_t more = mib > g->start.memory_mib ? mib - g->start.memory_mib : 0, step;

	if (!g->more_mib)
		return 0;
	if (more > g->more_mib)
		more = g->more_mib;
	if (g->config->virtio_mem)
		return resize_virtio_mem(vmm, more, deadline, err);
	if (g->start.memory_mib + more <= g->now.memory_mib)
		return 0;
	step = g->start.memory_mib + more - g->now.memory_mib;
	step = qemu_round_up(step, qemu_memory_step(g->config));
	return plug_dimms(vmm, step, deadline, err);
}

static int look(struct vmm *vmm, struct deadline deadline, struct err *err)
{
	struct qemu_growth *g = vmm->growth;

	if ((g->cpus && look_for_cpus(vmm, deadline, err) < 0) ||
	    (g->more_mib && look_for_memory(vmm, deadline, err) < 0))
		return err_wrap(err, "find out how large the VM is");
	g->unsure = false;
	return 0;
}

int qemu_resize(struct vmm *vmm, const struct vmm_size *wanted, struct vmm_size *got,
		struct deadline deadline, struct err *err)
{
	struct qemu_growth *g = vmm->growth;
	int result = g->unsure && look(vmm, deadline, err) < 0
			     ? -1
			     : grow_cpus(vmm, wanted->vcpus, deadline, err);

	if (result == 0 && resize_memory(vmm, wanted->memory_mib, deadline, err) < 0)
		result = err_wrap(err, "resize the VM's memory to %llu MiB",
				  (unsigned long long)wanted->memory_mib);
	g->unsure |= err->code == E_TIMEOUT;
	*got = g->now;
	return result;
}

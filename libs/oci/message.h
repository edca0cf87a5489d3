// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Conversion between the agent protocol's grpc.Spec and the structs of spec.h.
 *
 * The protocol has no presence for scalars: a 0 in a resource means "not given" on arrival (so that
 * a limit of 0 cannot be expressed, as with upstream). The numbers of a device rule are an
 * exception: there 0 means 0, and -1 any number. Messages made here are heap and freed with
 * protobuf_c_message_free_unpacked.
 */

#include "base/err.h"
#include "oci/spec.h"
#include "protocols/oci.pb-c.h"

/* The caller frees the result; NULL on error, and the message names the field. */
struct oci_spec *oci_spec_from_message(const Grpc__Spec *message, struct err *err);
struct oci_process *oci_process_from_message(const Grpc__Process *message, struct err *err);
struct oci_resources *oci_resources_from_message(const Grpc__LinuxResources *message,
						 struct err *err);

Grpc__Spec *oci_spec_to_message(const struct oci_spec *spec);
Grpc__Process *oci_process_to_message(const struct oci_process *process);
Grpc__LinuxResources *oci_resources_to_message(const struct oci_resources *resources);

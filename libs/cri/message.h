// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Messages of the container runtime interface as JSON and back, by protobuf-c's descriptors.
 *
 * Members have the names of cri.proto ("log_directory"), enumerations the names of their values,
 * maps are objects. Bytes (what ExecSync printed) are text; what is not UTF-8 in them becomes '?'.
 * Every field of a message is printed, also those with their default; a message that is not set is
 * left out.
 */

#include "base/err.h"
#include "cri.pb-c.h"
#include "json/json.h"

/* The caller frees it with json_free(). */
struct json *cri_message_print(const ProtobufCMessage *m);

/* The caller frees it with protobuf_c_message_free_unpacked(). NULL and E_INVALID: a member that
 * the message has not, or of the wrong kind; the error says where ("config.linux.sysctls"). Members
 * that are null are left out. name is what the document is called in errors. */
ProtobufCMessage *cri_message_parse(const ProtobufCMessageDescriptor *type, const struct json *j,
				    const char *name, struct err *err);

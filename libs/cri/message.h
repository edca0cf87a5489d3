// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Converts messages of the container runtime interface to JSON and back, by protobuf-c's
 * descriptors.
 *
 * Members have the names of cri.proto ("log_directory"), enumerations the names of their values,
 * and maps are objects. Bytes (the output of ExecSync) become text, with '?' for invalid UTF-8.
 * Every field of a message is printed, also with its default value; a message that is not set is
 * left out.
 */

#include "base/err.h"
#include "cri.pb-c.h"
#include "json/json.h"

/* Returns an object that the caller frees with json_free(). */
struct json *cri_message_print(const ProtobufCMessage *m);

/* Returns a message that the caller frees with protobuf_c_message_free_unpacked(). Members that are
 * null are ignored. NULL with E_INVALID for a member that the message does not have or that has the
 * wrong kind; the error names it ("config.linux.sysctls"). name: of the document, for messages. */
ProtobufCMessage *cri_message_parse(const ProtobufCMessageDescriptor *type, const struct json *j,
				    const char *name, struct err *err);

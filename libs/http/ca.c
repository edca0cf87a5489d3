// SPDX-License-Identifier: Apache-2.0
/* The distributions' bundles of certificates; without one, the built-in certificates. */

#include "http/http.h"

#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "http/roots.h"

#include <fcntl.h>
#include <stdlib.h>

static const char *const bundles[] = {
	"/etc/ssl/certs/ca-certificates.crt", /* Debian, Arch, Gentoo */
	"/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora, Red Hat */
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
	"/etc/ssl/ca-bundle.pem", /* SUSE */
	"/etc/ssl/cert.pem",      /* Alpine */
};

int http_read_ca(const char *cacert, struct buf *pem, struct err *err)
{
	if (!cacert)
		cacert = getenv("SSL_CERT_FILE");
	for (size_t i = 0; !cacert && i < ARRAY_LEN(bundles); i++) {
		if (path_exists(bundles[i]))
			cacert = bundles[i];
	}
	if (!cacert && http_roots) {
		buf_add(pem, http_roots, http_roots_len);
		return buf_check(pem, "the certificates of authorities", err);
	}
	if (!cacert) {
		(void)err_set(err, E_NOT_FOUND,
			      "this system has no bundle of trusted certificates");
		return err_hint(err, "install ca-certificates, or give --cacert FILE");
	}
	return file_read(AT_FDCWD, cacert, HTTP_CA_MAX, pem, err);
}

# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# A certificate authority for a test.
#
#   pki_start FOLDER		makes ca.crt and ca.key there
#   pki_of NAME SUBJECT [SANS] [DAYS]
#				makes NAME.crt and NAME.key, for a client or server

PKI=

pki_start() { # FOLDER
	PKI=$1
	mkdir -p "$PKI"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj /CN=lab \
		-keyout "$PKI/ca.key" -out "$PKI/ca.crt" 2>/dev/null
}

pki_of() { # NAME SUBJECT [SANS] [DAYS]
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "$2" \
		-keyout "$PKI/$1.key" -out "$PKI/$1.csr" 2>/dev/null
	printf 'keyUsage=digitalSignature\nextendedKeyUsage=clientAuth,serverAuth\n%s' \
		"${3:+subjectAltName=$3}" >"$PKI/$1.ext"
	openssl x509 -req -in "$PKI/$1.csr" -CA "$PKI/ca.crt" -CAkey "$PKI/ca.key" -CAcreateserial \
		-days "${4:-3650}" -extfile "$PKI/$1.ext" -out "$PKI/$1.crt" 2>/dev/null
}

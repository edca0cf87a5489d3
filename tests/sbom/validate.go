// SPDX-License-Identifier: Apache-2.0

// Reads an SBOM with SPDX's own library, as anybody would: validate FILE
//
// The document must be SPDX 2.3 and valid, each package with files must have the verification code
// that the library computes of them, and every relationship must lead to what is there. Prints a line
// for each package: NAME VERSION FILE SHA256 LICENCE.
package main

import (
	"fmt"
	"os"

	"github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/common"
	"github.com/spdx/tools-golang/spdx/v2/v2_3"
	"github.com/spdx/tools-golang/spdxlib"
	"github.com/spdx/tools-golang/utils"
)

func fail(format string, rest ...any) {
	fmt.Fprintf(os.Stderr, "validate: "+format+"\n", rest...)
	os.Exit(1)
}

func main() {
	file, err := os.Open(os.Args[1])
	if err != nil {
		fail("%v", err)
	}
	var doc v2_3.Document
	if err := json.ReadInto(file, &doc); err != nil {
		fail("%v", err)
	}
	if doc.SPDXVersion != "SPDX-2.3" || doc.DataLicense != "CC0-1.0" {
		fail("it is %s under %s", doc.SPDXVersion, doc.DataLicense)
	}
	if err := spdxlib.ValidateDocument(&doc); err != nil {
		fail("%v", err)
	}
	described, err := spdxlib.GetDescribedPackageIDs(&doc)
	if err != nil || len(described) == 0 {
		fail("it describes no package: %v", err)
	}
	files := map[common.ElementID]*v2_3.File{}
	for _, f := range doc.Files {
		files[f.FileSPDXIdentifier] = f
	}
	contents := map[common.ElementID][]*v2_3.File{}
	for _, r := range doc.Relationships {
		if f := files[r.RefB.ElementRefID]; f != nil && r.Relationship == "CONTAINS" {
			contents[r.RefA.ElementRefID] = append(contents[r.RefA.ElementRefID], f)
		}
	}
	for _, p := range doc.Packages {
		if p.PackageVerificationCode != nil {
			code, err := utils.GetVerificationCode(contents[p.PackageSPDXIdentifier], "")
			if err != nil || code.Value != p.PackageVerificationCode.Value {
				fail("%s has the code %s, its files %s: %v", p.PackageName,
					p.PackageVerificationCode.Value, code.Value, err)
			}
		}
		sum := "-"
		for _, c := range p.PackageChecksums {
			if c.Algorithm == "SHA256" {
				sum = c.Value
			}
		}
		fmt.Println(p.PackageName, p.PackageVersion, p.PackageFileName, sum, p.PackageLicenseDeclared)
	}
}

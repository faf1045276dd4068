// SPDX-License-Identifier: Apache-2.0

package endorse

import (
	"strings"
)

// Bases of the services that clouds run for those who rent their machines.
const (
	// AzurePCCS is Azure's cache for everybody. It goes on serving TCB info for
	// some time after Intel has a newer one.
	AzurePCCS = "https://global.acccache.azure.net/sgx/certification/v4/"
	// AzureVM is Azure's service on the virtual machine itself (Trusted Hardware
	// Identity Management), over plain http at an address that is not routed.
	AzureVM = "http://169.254.169.254/metadata/THIM/sgx/certification/v4/"
)

// Alibaba's cache of a region, from everywhere and from within its own network.
const (
	alibabaPublic  = "https://sgx-dcap-server.REGION.aliyuncs.com/sgx/certification/v4/"
	alibabaPrivate = "https://sgx-dcap-server-vpc.REGION.aliyuncs.com/sgx/certification/v4/"
)

// KnownService returns how the service of a name is asked: its base and what
// goes along with requests. Names are intel, azure, azure-vm, alibaba:REGION and
// alibaba-vpc:REGION, with a region such as cn-hangzhou; others are not known.
func KnownService(name string) (cfg PCSConfig, known bool) {
	switch name {
	case "intel":
		return PCSConfig{Base: IntelPCS}, true
	case "azure":
		return PCSConfig{Base: AzurePCCS}, true
	case "azure-vm":
		// Without the header the service answers nobody, so that no web page can
		// be made to ask it; without the version it does not know what to answer.
		return PCSConfig{Base: AzureVM, Custom: Custom{
			Headers: []Pair{{"metadata", "true"}}, Params: []Pair{{"api-version", "2021-07-22-preview"}},
		}}, true
	}
	cloud, region, ok := strings.Cut(name, ":")
	base := map[string]string{"alibaba": alibabaPublic, "alibaba-vpc": alibabaPrivate}[cloud]
	if !ok || base == "" || !isRegion(region) {
		return PCSConfig{}, false
	}
	return PCSConfig{Base: strings.Replace(base, "REGION", region, 1)}, true
}

// isRegion reports whether a text can be a region's: one label of a host name.
func isRegion(s string) bool {
	return s != "" && len(s) <= 63 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" &&
		s[0] != '-' && s[len(s)-1] != '-'
}

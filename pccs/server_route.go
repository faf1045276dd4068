// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/attesteer/attesteer/rats"
)

// route is one path.
type route struct {
	// label names it in logs and metrics.
	label string
	tee   rats.TEE
	// version is that of the API: 3 or 4; 0 for what is not of the API.
	version int
	// read marks what QCNL reads.
	read    bool
	methods map[string]func(*call)
	number  int
}

// allRoutes returns every path, in lower case, with what answers there.
func (s *Server) allRoutes() map[string]*route {
	out := make(map[string]*route)
	add := func(path string, rt route) {
		rt.number = len(out)
		out[path] = &rt
	}
	for _, version := range []int{4, 3} {
		api := "/certification/v" + strconv.Itoa(version)
		for _, tee := range []rats.TEE{rats.SGX, rats.TDX} {
			if tee == rats.TDX && version == 3 {
				continue // there never was one
			}
			for name, read := range reads() {
				if tee == rats.TDX && !read.tdx || version == 3 && read.since4 {
					continue
				}
				get := func(c *call) { c.read(read) }
				add("/"+string(tee)+api+"/"+name, route{
					label: routeLabel(tee, version, name), tee: tee, version: version, read: true,
					methods: map[string]func(*call){http.MethodGet: get, http.MethodHead: get},
				})
			}
		}
		for name, methods := range writes() {
			if get := methods[http.MethodGet]; get != nil {
				methods[http.MethodHead] = get // Express answers it wherever it answers GET
			}
			path := "/sgx" + api + "/" + name
			if there := out[path]; there != nil {
				for method, handle := range methods {
					there.methods[method] = handle
				}
				continue
			}
			add(path, route{label: routeLabel(rats.SGX, version, name), tee: rats.SGX, version: version, methods: methods})
		}
	}
	for path, handle := range map[string]func(*call){"/healthz": (*call).healthz, "/readyz": (*call).readyz} {
		add(path, route{label: path, methods: map[string]func(*call){http.MethodGet: handle, http.MethodHead: handle}})
	}
	return out
}

func routeLabel(tee rats.TEE, version int, name string) string {
	return string(tee) + "/v" + strconv.Itoa(version) + "/" + strings.ToLower(name)
}

// writes returns what changes what is kept, or lists it.
func writes() map[string]map[string]func(*call) {
	return map[string]map[string]func(*call){
		"platforms":             {http.MethodPost: (*call).register, http.MethodGet: (*call).platforms},
		"platforms/acknowledge": {http.MethodPost: (*call).acknowledge},
		"platformcollateral":    {http.MethodPut: (*call).putCollateral},
		"refresh":               {http.MethodGet: (*call).refresh, http.MethodPost: (*call).refresh},
		"appraisalpolicy":       {http.MethodPut: (*call).putPolicy},
	}
}
